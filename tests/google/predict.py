"""`:predict` (section 1.10), as of the days when Imagen was served, and as private deployments still may serve it.

Its models are not there unless a test says so: `google.deploy_imagen()`.
"""

from collections.abc import Collection
from typing import Any

from tests.google import media
from tests.google.errors import bad_payload, invalid

IMAGEN = "imagen-4.0-generate-001"
RATIOS = {"1:1": (1024, 1024), "3:4": (896, 1280), "4:3": (1280, 896), "9:16": (768, 1408), "16:9": (1408, 768)}
"""Width and height at 1K."""
SIZES = {"1K": 1, "2K": 2}
MOST_SAMPLES = 4
PEOPLE = ("dont_allow", "allow_adult", "allow_all")
UNSAFE = "unsafe"
"""A prompt with this word has its last picture filtered."""
FIELDS = {"instances": list, "parameters": dict}
PARAMETERS = {"sampleCount": int, "aspectRatio": str, "imageSize": str, "personGeneration": str}


def read(body: dict[str, Any]) -> dict[str, Any]:
    """Its fields are not part of Google's published protobufs, so that what is unknown is refused here."""
    faults = [
        *_faults(body, FIELDS, ""),
        *_faults(body.get("parameters") or {}, PARAMETERS, "parameters"),
        *(fault for one in body.get("instances") or () for fault in _faults(one, {"prompt": str}, "instances")),
    ]
    if faults:
        raise bad_payload(faults)
    return body


def _faults(given: Any, known: dict[str, type], path: str) -> list[tuple[str, str]]:
    if not isinstance(given, dict):
        return [(path, f"Invalid value at '{path}'")]
    unknown = [name for name in given if name not in known]
    mistyped = [name for name, kind in known.items() if name in given and not isinstance(given[name], kind)]
    return [(path, f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}'") for name in unknown] + [
        (path, f"Invalid value at '{path}.{name}'") for name in mistyped
    ]


def check(request: dict[str, Any], model_id: str) -> None:
    parameters = request.get("parameters", {})
    if len(request.get("instances", ())) != 1 or not request["instances"][0].get("prompt"):
        raise invalid("Exactly one instance with a prompt is needed.")
    _check_one_of(parameters.get("aspectRatio", "1:1"), RATIOS, "aspectRatio")
    _check_one_of(
        parameters.get("imageSize", "1K"), () if "fast" in model_id and "imageSize" in parameters else SIZES, "imageSize"
    )
    _check_one_of(parameters.get("personGeneration", PEOPLE[1]), PEOPLE, "personGeneration")
    if not 1 <= parameters.get("sampleCount", MOST_SAMPLES) <= MOST_SAMPLES:
        raise invalid(f"sampleCount must be between 1 and {MOST_SAMPLES}.")


def _check_one_of(value: str, known: Collection[str], name: str) -> None:
    if value not in known:
        raise invalid(f"{name} must be one of {', '.join(known)}.")


def predictions(request: dict[str, Any]) -> dict[str, Any]:
    parameters = request.get("parameters", {})
    width, height = RATIOS[parameters.get("aspectRatio", "1:1")]
    scale = SIZES[parameters.get("imageSize", "1K")]
    made: dict[str, Any] = {"mimeType": "image/png", "bytesBase64Encoded": media.picture(width * scale, height * scale)}
    count = parameters.get("sampleCount", MOST_SAMPLES)
    if UNSAFE in request["instances"][0]["prompt"]:
        reason = "Unable to show generated images. The prompt may contain sensitive words. Support codes: 39322892"
        return {"predictions": [made] * (count - 1) + [{"raiFilteredReason": reason}]}
    return {"predictions": [made] * count}
