"""Images, sounds and files of a message, brought to `Media` (inline), `RemoteMedia` (yet to be fetched) or `UploadedMedia`."""

import re

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Media, Notice, RemoteMedia, UploadedMedia

from .invalid import missing, unsupported
from .wire import AudioPart, FilePart, ImagePart, thought_signature

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")

AUDIO_FORMATS = ("wav", "mp3", "aac", "aiff", "flac", "m4a", "ogg", "opus", "webm")
"""OpenAI names the first two; Gemini takes the others as well."""

_MIME_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "htm": "text/html",
    "xml": "text/xml",
    "css": "text/css",
    "js": "text/javascript",
    "py": "text/x-python",
    "json": "application/json",
    "rtf": "text/rtf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "m4a": "audio/m4a",
    "ogg": "audio/ogg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpg",
    "mov": "video/mov",
    "avi": "video/avi",
    "webm": "video/webm",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


def read_image(part: ImagePart, where: str, notices: list[Notice]) -> Media | RemoteMedia:
    image, param, signature = part.image_url, f"{where}.image_url", thought_signature(part.extra_content)
    if isinstance(image, str):
        return _read_url(image, param, signature=signature)
    if image.detail not in (None, "", "auto"):
        notices.append(Notice(f"{param}.detail", "Gemini chooses the resolution itself"))
    return _read_url(image.url, f"{param}.url", signature=signature)


def read_audio(part: AudioPart, where: str) -> Media:
    param, audio = f"{where}.input_audio", part.input_audio
    if audio.format not in AUDIO_FORMATS:
        raise unsupported(audio.format, AUDIO_FORMATS, f"{param}.format")
    data = audio.data.partition(",")[2] if audio.data.startswith("data:") else audio.data
    return Media(f"audio/{audio.format}", _checked(data, f"{param}.data"))


def read_file(part: FilePart, where: str) -> Media | RemoteMedia | UploadedMedia:
    """Read a file: a `data:` URL, a URL, bare base64 whose type its filename tells, or the id of one that was uploaded."""
    param, file = f"{where}.file", part.file
    name = file.filename or ""
    if file.file_data is None:
        if not file.file_id:
            raise missing(f"{param}.file_data")
        return UploadedMedia(file.file_id, f"{param}.file_id")
    if ":" in file.file_data:
        return _read_url(file.file_data, f"{param}.file_data", name)
    mime_type = _MIME_TYPES.get(name.rpartition(".")[2].lower())
    if mime_type is None:
        message = "The type of this file is unknown: send 'file_data' as a data: URL, or a 'filename' with a common extension."
        raise InvalidRequest(message, param=f"{param}.filename", code="invalid_value")
    return Media(mime_type, _checked(file.file_data, f"{param}.file_data"), name)


def _read_url(url: str, param: str, name: str = "", signature: str = "") -> Media | RemoteMedia:
    scheme, _, rest = url.partition(":")
    if scheme.lower() in ("https", "http"):
        return RemoteMedia(url, param)
    if scheme.lower() != "data":
        raise _invalid("expected an http(s) URL or a data: URL", param)
    head, _, data = rest.partition(",")
    mime_type, _, encoding = head.partition(";")
    if not encoding.lower().endswith("base64") or "/" not in mime_type:
        raise _invalid("expected a data: URL like 'data:image/png;base64,…'", param)
    mime_type = mime_type.strip().lower()
    return Media("image/jpeg" if mime_type == "image/jpg" else mime_type, _checked(data, param), name, signature)


def _checked(data: str, param: str) -> str:
    """Return base64 text in the standard alphabet, with its padding; line breaks and the URL-safe alphabet are mended."""
    if not _BASE64.fullmatch(data):
        data = "".join(data.split()).translate(_URL_SAFE)
        if not _BASE64.fullmatch(data):
            raise _invalid("the data is not valid base64", param)
    data = data.rstrip("=") if len(data) % 4 else data
    if len(data) % 4 == 1:
        raise _invalid("the data is not valid base64", param)
    return data + "=" * (-len(data) % 4)


def _invalid(reason: str, param: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {reason}.", param=param, code="invalid_value")
