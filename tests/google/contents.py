"""Rules of the conversation: parts, roles, media, and the order of function calls (sections 1.3, 1.4, 1.11 and 1.14)."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.google import continuation, tokens
from tests.google.errors import Refusal, invalid, refusal
from tests.google.models import Model

Content = dict[str, Any]
Part = dict[str, Any]

DATA_FIELDS = (
    "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall",
    "toolResponse",
)  # fmt: skip
MIME_TYPES = {
    "image": "png jpeg webp heic heif",
    "application": "pdf",
    "audio": "wav mp3 aiff aac ogg flac mpeg m4a l16 opus alaw mulaw webm",
    "video": "mp4 mpeg mov avi flv x-flv mpg webm wmv 3gpp",
}
MOST_FRAMES_PER_SECOND = 24
HARM_CATEGORIES = ("SEXUALLY_EXPLICIT", "HATE_SPEECH", "HARASSMENT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY", "JAILBREAK")

AFTER_USER = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
AFTER_CALL = "Please ensure that function response turn comes immediately after a function call turn."
AS_MANY = (
    "Please ensure that the number of function response parts is equal to "
    "the number of function call parts of the function call turn."
)
ENDS_WITH_USER = "Please ensure that multiturn requests end with a user role or a function response."


def check(request: dict[str, Any], model: Model) -> None:
    """Refuse a generateContent request whose conversation, instruction or safety settings break a rule."""
    contents = request.get("contents", [])
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    check_parts(contents, "GenerateContentRequest.contents")
    _check_instruction(request, model)
    _check_order(contents)
    _check_safety(request.get("safetySettings", []))
    _check_cache(request, model)
    if request.get("continuationToken"):
        _check_continuation(request, model)
    count = sum(tokens.count_request(request).values())
    if count > model.input_limit:
        raise invalid(f"The input token count ({count}) exceeds the maximum number of tokens allowed ({model.input_limit}).")


def check_parts(contents: list[Content], path: str) -> None:
    """Refuse empty contents, parts without data, unknown roles and unusable files. `path` ends in the list's name."""
    faults = list(_empty(contents, path))
    if faults:
        raise invalid("\n".join(faults))
    for content in contents:
        _check_role(content.get("role", ""))
        for part in content["parts"]:
            _check_media(part)


def _empty(contents: list[Content], path: str) -> Iterator[str]:
    is_list = path.endswith("contents")
    for number, content in enumerate(contents):
        here = f"{path}[{number}]" if is_list else path
        if not content.get("parts"):
            yield f"* {here}.parts: contents.parts must not be empty."
        for index, part in enumerate(content.get("parts", ())):
            if not _has_data(part):
                yield f"* {here}.parts[{index}].data: required oneof field 'data' must have one initialized field"
            for kind, field in (("functionCall", "function_call"), ("functionResponse", "function_response")):
                if kind in part and not part[kind].get("name"):
                    yield f"* {here}.parts[{index}].{field}.name: Name cannot be empty."


def _has_data(part: Part) -> bool:
    """An empty text counts as unset, unless a thought signature rides along."""
    if "text" in part:
        return bool(part["text"] or part.get("thoughtSignature"))
    return any(name in part for name in DATA_FIELDS)


def _check_role(role: str) -> None:
    if role not in ("user", "model", ""):
        raise invalid("Please use a valid role: user, model.")


# --- Files --------------------------------------------------------------------------------------------------------


def _check_media(part: Part) -> None:
    blobs = [part["inlineData"]] if "inlineData" in part else []
    blobs += [inner["inlineData"] for inner in part.get("functionResponse", {}).get("parts", ()) if "inlineData" in inner]
    for blob in blobs:
        _check_blob(blob)
    if "fileData" in part and not part["fileData"].get("fileUri"):
        raise invalid("Request contains an invalid argument.")
    frames = part.get("videoMetadata", {}).get("fps")
    if frames is not None and not 0 < float(frames) <= MOST_FRAMES_PER_SECOND:
        raise invalid("Request contains an invalid argument.")


def _check_blob(blob: dict[str, Any]) -> None:
    mime_type = blob.get("mimeType", "").split(";")[0].strip().lower()
    kind, _, name = mime_type.partition("/")
    if kind != "text" and name not in MIME_TYPES.get(kind, "").split():
        raise invalid(f"Unsupported MIME type: {blob.get('mimeType', '')}")
    if not blob.get("data"):
        raise invalid("Request contains an invalid argument.")


# --- Order --------------------------------------------------------------------------------------------------------


def calls(content: Content) -> list[dict[str, Any]]:
    return [part["functionCall"] for part in content.get("parts", ()) if "functionCall" in part]


def results(content: Content) -> list[dict[str, Any]]:
    return [part["functionResponse"] for part in content.get("parts", ()) if "functionResponse" in part]


def _is_model(content: Content) -> bool:
    return content.get("role") == "model"


def _check_order(contents: list[Content]) -> None:
    for before, content in zip([None, *contents], contents, strict=False):
        if calls(content) and (before is None or _is_model(before) or not _is_model(content)):
            raise invalid(AFTER_USER)
        if results(content) and (before is None or not calls(before) or _is_model(content)):
            raise invalid(AFTER_CALL)
        if before is not None and calls(before) and len(results(content)) != len(calls(before)):
            raise invalid(AS_MANY)
    if _is_model(contents[-1]):
        raise invalid(ENDS_WITH_USER)


def answers_other_calls(contents: list[Content]) -> bool:
    """Whether the last function responses bear other ids or names than their calls: then the model says nothing (1.14).

    A response without an id is taken by its name: Google's own SDK sends none from its automatic function calling.
    """
    if len(contents) < 2 or not results(contents[-1]):
        return False
    made, answered = calls(contents[-2]), results(contents[-1])
    known = {(call.get("id"), call["name"]) for call in made}
    if any("id" in response and (response["id"], response["name"]) not in known for response in answered):
        return True
    return Counter(response["name"] for response in answered) != Counter(call["name"] for call in made)


# --- Around the conversation --------------------------------------------------------------------------------------


def _check_instruction(request: dict[str, Any], model: Model) -> None:
    instruction = request.get("systemInstruction")
    if instruction is None:
        return
    if model.kind == "speech":
        raise invalid(f"Developer instruction is not enabled for models/{model.id}")
    if not instruction.get("parts") or any(not part.get("text") for part in instruction["parts"]):
        # Text parts only (section 1.3); the text of this refusal was not seen.
        raise invalid("* GenerateContentRequest.system_instruction.parts: system instruction must hold text parts only.")


def _check_safety(settings: list[dict[str, Any]]) -> None:
    """Known categories, one setting for each (section 1.3)."""
    seen = set()
    for number, setting in enumerate(settings):
        category = setting.get("category", "")
        if category.removeprefix("HARM_CATEGORY_") not in HARM_CATEGORIES:
            allowed = ", ".join(f"HarmCategory.HARM_CATEGORY_{name}" for name in HARM_CATEGORIES)
            raise invalid(
                f"* GenerateContentRequest.safety_settings[{number}]: element predicate failed: $.category in ({allowed})"
            )
        if category in seen:
            raise invalid("Request contains an invalid argument.")
        seen.add(category)


def _check_cache(request: dict[str, Any], model: Model) -> None:
    """Any well-formed cache name is one that exists here; Gemini 4 has none (section 1.17)."""
    name = request.get("cachedContent", "")
    if not name:
        return
    if not name.startswith("cachedContents/"):
        raise _no_such_cache()
    if any(field in request for field in ("systemInstruction", "tools", "toolConfig")):
        raise invalid(
            "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n"
            "Proposed fix: move those values to CachedContent from GenerateContent request."
        )
    if model.generation == "4":
        raise invalid("Request contains an invalid argument.")


def _check_continuation(request: dict[str, Any], model: Model) -> None:
    """Gemini 4 only, and only with the request that the token came from (section 2.6)."""
    if model.generation != "4":
        raise invalid("Request contains an invalid argument.")
    continuation.rest(request)


def _no_such_cache() -> Refusal:
    return refusal(403, "CachedContent not found (or permission denied)")
