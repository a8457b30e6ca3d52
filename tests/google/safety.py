"""safetyRatings (section 1.12): one for each category whose filter looks.

A filter that is OFF, today's default, does not look. Whether one that blocks nothing (BLOCK_NONE) still tells what it has seen,
nobody has been seen confirming for today's models: here it does, and a script with `ratings=[]` plays the other case.
"""

from typing import Any


def of_request(request: dict[str, Any]) -> list[dict[str, Any]]:
    looking = [setting["category"] for setting in request.get("safetySettings", ()) if setting.get("threshold", "OFF") != "OFF"]
    return [{"category": category, "probability": "NEGLIGIBLE"} for category in looking]
