"""Files as Gemini takes them: which types, under which names.

Source: wire reference 1.11.
"""

from typing import Any

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Media, RemoteMedia, StoredMedia, UploadedMedia
from openai_api.translation.splicing import place

_SAME = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-mp3": "audio/mp3",
    "audio/mpeg3": "audio/mp3",
    "audio/x-mpeg": "audio/mpeg",
    "audio/x-aiff": "audio/aiff",
    "audio/x-aac": "audio/aac",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/m4a",
    "audio/mp4": "audio/m4a",
    "video/quicktime": "video/mov",
    "video/x-msvideo": "video/avi",
    "video/x-flv": "video/flv",
    "video/x-ms-wmv": "video/wmv",
    "video/3gp": "video/3gpp",
}
_IMAGES = {f"image/{kind}" for kind in ("png", "jpeg", "webp", "heic", "heif")}
_SOUNDS = {
    f"audio/{kind}"
    for kind in ("wav", "mp3", "aiff", "aac", "ogg", "flac", "mpeg", "m4a", "l16", "opus", "alaw", "mulaw", "webm")
}
_FILMS = {f"video/{kind}" for kind in ("mp4", "mpeg", "mov", "avi", "flv", "mpg", "webm", "wmv", "3gpp")}
_SUPPORTED = _IMAGES | _SOUNDS | _FILMS | {"application/pdf"}

_TEXT_KINDS = {
    f"application/{kind}"
    for kind in (
        *("json", "jsonl", "x-ndjson", "xml", "yaml", "x-yaml", "toml", "sql", "csv", "graphql", "markdown"),
        *("javascript", "x-javascript", "ecmascript", "typescript", "x-typescript", "x-python", "x-sh", "x-httpd-php"),
    )
}


def write_media(media: Media | StoredMedia | RemoteMedia | UploadedMedia) -> dict[str, Any]:
    """A part. Raises InvalidRequest for a type that Gemini does not take.

    A file that was left remote is one that Google fetches itself, such as a video on YouTube.
    """
    if isinstance(media, RemoteMedia):
        return {"fileData": {"fileUri": media.url}}
    if isinstance(media, UploadedMedia):
        return {"fileData": {"fileUri": media.uri, "mimeType": media.mime_type}}
    if isinstance(media, StoredMedia):
        return {"inlineData": {"mimeType": mime_type(media.mime_type), "data": place(media.file)}}
    if not media.data:
        raise InvalidRequest("A file in the messages is empty.", param="messages")
    return {"inlineData": {"mimeType": mime_type(media.mime_type), "data": media.data}}


def normalised(content_type: str) -> str:
    """`Image/JPG; charset=x` → `image/jpeg`: the name under which Gemini knows a type, whether it reads it or not."""
    bare = content_type.partition(";")[0].strip().lower()
    return _SAME.get(bare, bare)


def is_read(name: str) -> bool:
    """Whether Gemini reads files of this type, by its normalised name."""
    return name in _SUPPORTED or name.startswith("text/") or _is_text(name)


def mime_type(given: str) -> str:
    """The name under which a file of this type is sent. Raises InvalidRequest."""
    name = normalised(given)
    if name == "audio/l16":
        return given.lower().strip()  # Its parameters say how to hear it.
    if _is_text(name):
        return "text/plain"
    if is_read(name):
        return name
    raise InvalidRequest(
        f"Gemini does not take files of type {given or 'unknown'}. "
        "It takes PNG, JPEG, WebP and HEIC images, PDF, text, and the common audio and video formats.",
        param="messages",
    )


def _is_text(name: str) -> bool:
    return name in _TEXT_KINDS or name.endswith(("+json", "+xml", "+yaml"))
