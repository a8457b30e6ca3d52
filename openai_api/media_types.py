"""What a file is when whoever sends it does not say, or says something false."""

import re
from mimetypes import MimeTypes

from openai_api.translation.gemini.media import is_read, normalised

_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb".{4}ftyp(?:heic|heix|heim|heis|hevc|hevx)", re.DOTALL), "image/heic"),
    (re.compile(rb".{4}ftyp(?:mif1|msf1)", re.DOTALL), "image/heif"),
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL), "audio/aiff"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), "audio/mp3"),
    (re.compile(rb"\xff[\xf1\xf9]"), "audio/aac"),
    (re.compile(rb".{4}ftypM4A", re.DOTALL), "audio/m4a"),
    (re.compile(rb".{4}ftypqt", re.DOTALL), "video/mov"),
    (re.compile(rb".{4}ftyp3g", re.DOTALL), "video/3gpp"),
    (re.compile(rb".{4}ftyp(?:isom|iso2|mp4|avc1|M4V|dash)", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
    (re.compile(rb"RIFF.{4}AVI ", re.DOTALL), "video/avi"),
    (re.compile(rb"FLV\x01"), "video/flv"),
)


def is_accepted(mime_type: str) -> bool:
    """Web pages are not, though Gemini reads them: they are what servers send in place of a file that is not there."""
    return mime_type != "text/html" and is_read(mime_type)


def sniffed(content: bytes) -> str | None:
    """The type that a file's first bytes give away."""
    return next((mime_type for magic, mime_type in _MAGIC if magic.match(content)), None)


def settled(claimed: str, content: bytes) -> str | None:
    """What a file is, by its server's (normalised) word and its own bytes; None: nothing that Gemini reads."""
    found = sniffed(content)
    # An image is what its bytes say: Gemini refuses the whole request where the type is wrong.
    if claimed.startswith("image/") or (found and found.startswith("image/")):
        return found
    return claimed if is_accepted(claimed) else found


_SAYS_NOTHING = ("", "application/octet-stream", "binary/octet-stream")
_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}")
"""What may stand in a header of ours: strangers write anything in theirs, also ends of lines."""
_BY_NAME = MimeTypes()
"""Python's own list, not this machine's."""


def of_upload(claimed: str, filename: str, beginning: bytes) -> str | None:
    """What an uploaded file is, by its sender's word, its name and its first bytes; None: nothing that Gemini reads."""
    found = sniffed(beginning)
    if found and found.startswith("image/"):
        return found
    claimed = normalised(claimed)
    if claimed in _SAYS_NOTHING or not _TYPE.fullmatch(claimed):
        claimed = found or normalised(_BY_NAME.guess_type(filename)[0] or "")
    if claimed.startswith("image/") and not claimed.endswith("+xml"):
        return None  # Its bytes say that it is none.
    return claimed if is_read(claimed) else "text/plain" if _is_text(beginning) else None


def _is_text(beginning: bytes) -> bool:
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.start > len(beginning) - 4 and b"\0" not in beginning  # A sign may be cut in two at the end.
    return b"\0" not in beginning
