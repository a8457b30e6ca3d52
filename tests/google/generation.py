"""Rules of generationConfig (sections 1.5 and 1.8), thinking and speech apart."""

from typing import Any

from tests.google import schemas
from tests.google.errors import invalid
from tests.google.models import Model

PATH = "GenerateContentRequest.generation_config"
RANGES = {"temperature": (0.0, 2.0), "topP": (0.0, 1.0), "topK": (0, None)}
MOST_STOP_SEQUENCES = 5
MOST_CANDIDATES = 8
MIME_TYPES = ("text/plain", "application/json", "text/x.enum")
MODALITIES = {"image": {"TEXT", "IMAGE"}, "speech": {"AUDIO"}}
ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
WIDE_ASPECT_RATIOS = ("1:4", "4:1", "1:8", "8:1")
IMAGE_SIZES = ("512", "1K", "2K", "4K")


def check(request: dict[str, Any], model: Model) -> None:
    config = request.get("generationConfig", {})
    _check_sampling(config, model)
    _check_candidates(config, model)
    _check_refused(config, model)
    _check_format(config, model)
    _check_modalities(config, model)
    _check_image(config.get("imageConfig", {}), model)
    has_functions = any(tool.get("functionDeclarations") for tool in request.get("tools", ()))
    if has_functions and model.generation == "2.5" and config.get("responseMimeType") == "application/json":
        raise invalid("Function calling with a response mime type: 'application/json' is unsupported")


def _check_sampling(config: dict[str, Any], model: Model) -> None:
    for name, (least, most) in RANGES.items():
        value = config.get(name)
        if value is not None and (float(value) < least or (most is not None and float(value) > most)):
            snake = {"topP": "top_p", "topK": "top_k"}.get(name, name)
            upper = f"{most}]" if most is not None else "inf)"
            raise invalid(f"* {PATH}.{snake}: {snake} must be in the range [{least}, {upper}.")
    limit = config.get("maxOutputTokens")
    if limit is not None and not 0 < int(limit) <= model.output_limit:
        # Sources disagree on clamping or refusing: the stricter one.
        raise invalid("Request contains an invalid argument.")
    stops = config.get("stopSequences", [])
    if len(stops) > MOST_STOP_SEQUENCES:
        raise invalid(f"* {PATH}.stop_sequences: at most {MOST_STOP_SEQUENCES} stop sequences can be specified.")
    if not all(stops):
        raise invalid(f"* {PATH}.stop_sequences: stop sequences must not be empty.")


def _check_candidates(config: dict[str, Any], model: Model) -> None:
    wanted = int(config.get("candidateCount", 1))
    if not 1 <= wanted <= MOST_CANDIDATES:
        raise invalid(f"* {PATH}.candidate_count: must be in the range [1, {MOST_CANDIDATES}].")
    if wanted > 1 and (model.generation != "2.5" or model.kind != "text"):
        raise invalid("Multiple candidates is not enabled for this model")


def _check_refused(config: dict[str, Any], model: Model) -> None:
    """What current models do not do. A penalty of zero is no penalty."""
    if any(config.get(name) for name in ("presencePenalty", "frequencyPenalty")):
        raise invalid(
            "Penalty is not enabled for this model"
            if model.generation == "3"
            else f"Penalty is not enabled for models/{model.id}"
        )
    if config.get("responseLogprobs") or config.get("logprobs"):
        is_older = model.generation == "2.5"
        raise invalid(
            f"Logprobs is not enabled for models/{model.id}" if is_older else "Logprobs is not supported for this model"
        )
    if config.get("audioTranscriptionConfig") and model.kind != "transcription":
        raise invalid("Request contains an invalid argument.")


def _check_format(config: dict[str, Any], model: Model) -> None:
    mime_type = config.get("responseMimeType", "")
    schema_fields = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if mime_type and mime_type not in MIME_TYPES:
        allowed = ", ".join(f"`{name}`" for name in MIME_TYPES)
        raise invalid(f"* {PATH}.response_mime_type: allowed mimetypes are {allowed}.")
    if mime_type in MIME_TYPES[1:] and model.kind != "text":
        raise invalid("JSON mode is not enabled for this model.")
    if len(schema_fields) > 1:
        raise invalid(f"* {PATH}: only one of response_schema and response_json_schema may be set.")
    if config.get("responseFormat") and (mime_type or schema_fields):
        raise invalid(f"* {PATH}: response_format cannot be combined with response_mime_type or a response schema.")
    if schema_fields and mime_type not in MIME_TYPES[1:]:
        raise invalid(f"* {PATH}.response_schema: only allowed when response_mime_type is application/json or text/x.enum.")
    if mime_type == "text/x.enum" and not schema_fields:
        raise invalid(f"* {PATH}.response_schema: is needed when response_mime_type is text/x.enum.")
    if "responseSchema" in config:
        schemas.check(config["responseSchema"], f"{PATH}.response_schema")
    if "responseJsonSchema" in config:
        schemas.check_json_schema(config["responseJsonSchema"], f"{PATH}.response_json_schema")
    if "schema" in config.get("responseFormat", {}).get("text", {}):
        schemas.check_json_schema(config["responseFormat"]["text"]["schema"], f"{PATH}.response_format.text.schema")


def _check_modalities(config: dict[str, Any], model: Model) -> None:
    asked = set(config.get("responseModalities", ()))
    can = MODALITIES.get(model.kind, {"TEXT"})
    if model.kind == "speech" and asked != can:
        names = ", ".join(sorted(asked or {"TEXT"}))
        raise invalid(
            f"The requested combination of response modalities ({names}) is not supported by the model. "
            f"models/{model.id} accepts the following combination of response modalities:\n* AUDIO\n"
        )
    if asked - can:
        names = ",".join(sorted(name.lower() for name in asked - can))
        raise invalid(f"Model does not support the requested response modalities: {names}")


def _check_image(config: dict[str, Any], model: Model) -> None:
    if not config:
        return
    ratios = ASPECT_RATIOS + WIDE_ASPECT_RATIOS * ("3.1-flash" in model.id)
    sizes = {"gemini-3.1-flash-image": IMAGE_SIZES, "gemini-3.1-flash-lite-image": ("1K",), "gemini-2.5-flash-image": ()}
    ratio, size = config.get("aspectRatio"), config.get("imageSize")
    is_wrong = (ratio and ratio not in ratios) or (size and size not in sizes.get(model.id, IMAGE_SIZES[1:]))
    if model.kind != "image" or is_wrong:
        raise invalid("Request contains an invalid argument.")
