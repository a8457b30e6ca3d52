"""The simulator's rules without its socket: would Google take this body?"""

import json
from typing import Any

from tests.google import rules, transcoding
from tests.google.models import MODELS


def accepted(body: bytes, model: str) -> dict[str, Any]:
    """The body as Google understands it; raises the simulator's refusal for one that breaks a rule."""
    request = transcoding.read(json.loads(body), "GenerateContentRequest")
    rules.check_generation(request, MODELS[model])
    return request
