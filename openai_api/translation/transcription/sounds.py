"""What an uploaded recording is, by its own bytes first.

OpenAI takes flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav and webm; Gemini takes more (wire reference 1.11), and knows no
`audio/mp4`: whatever lies in that container is sent as `audio/m4a`, and WebM as `audio/webm`, for only its sound is wanted.
"""

import re

from openai_api.errors import InvalidRequest
from openai_api.media_types import sniffed
from openai_api.translation.conversation import StoredFile
from openai_api.translation.gemini.media import is_read, normalised

_HEAD = 64 * 1024
_BY_EXTENSION = {
    "mpga": "mpeg",
    "mp4": "m4a",
    "oga": "ogg",
    "aif": "aiff",
    "al": "alaw",
    "ul": "mulaw",
    **{name: name for name in ("wav", "mp3", "mpeg", "aiff", "aac", "ogg", "flac", "m4a", "opus", "webm", "l16")},
}
_CONTAINERS = {"video/mp4": "audio/m4a", "video/mov": "audio/m4a", "video/3gpp": "audio/m4a", "video/webm": "audio/webm"}
_BARE = frozenset({"audio/l16", "audio/alaw", "audio/mulaw"})
"""Samples without a header: nothing in them tells what they are."""
_L16 = re.compile(r"audio/l16(; ?(rate|channels|codec)=\w+)*")
"""Its parameters say how to hear it."""
_FRAMED = frozenset({"audio/mp3", "audio/mpeg", "audio/aac"})
_FRAME = re.compile(rb"\xff[\xe2-\xff]")
"""How a frame of MP3 or AAC begins. A file may begin with something else."""
_TAKEN = "FLAC, MP3, MP4, M4A, MPEG, OGG, Opus, WAV, WebM, AAC and AIFF"


def sound_type(file: StoredFile, *, filename: str, content_type: str) -> str:
    """The type under which it is sent. Raises InvalidRequest for what is no sound."""
    if not file.size:
        raise InvalidRequest("Invalid 'file': it is empty.", param="file", code="invalid_value")
    head = file.read(0, _HEAD)
    found = sniffed(head)
    if found is not None:
        found = _CONTAINERS.get(found, found)
        if found.startswith("audio/"):
            return found
    elif (claimed := _claimed(filename, content_type)) and _may_be(claimed, head):
        told = content_type.strip().lower()
        return told if _L16.fullmatch(told) else claimed
    raise InvalidRequest(f"Invalid 'file': it is no sound that can be read. Send {_TAKEN}.", param="file", code="invalid_value")


def _claimed(filename: str, content_type: str) -> str:
    named = normalised(content_type)
    if named.startswith("audio/") and is_read(named):
        return named
    extension = filename.rpartition(".")[2].lower()
    return f"audio/{_BY_EXTENSION[extension]}" if extension in _BY_EXTENSION else ""


def _may_be(claimed: str, head: bytes) -> bool:
    return claimed in _BARE or (claimed in _FRAMED and _FRAME.search(head) is not None)
