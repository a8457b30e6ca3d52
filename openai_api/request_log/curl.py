"""A recorded request as a command that repeats it."""

import re
from pathlib import PurePosixPath
from shlex import quote

from openai_api.request_log.kept import File, Kept
from openai_api.request_log.redaction import LEFT_OUT

_REPEATED = ("accept", "openai-beta", "x-castor-")
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would steer the terminal that the command is pasted into: whoever wrote the request may be an enemy."""


def as_curl(method: str, url: str, kept: Kept, *, stream: bool = False) -> str:
    """For bash; it takes the token from $CASTOR_TOKEN, and a body from its own lines."""
    words = [f"curl -sS{'N' if stream else ''} -X {quote(method)} {quote(url)}", '-H "Authorization: Bearer $CASTOR_TOKEN"']
    words += [f"-H {quote(f'{name}: {value}')}" for name, value in kept.headers if name.lower().startswith(_REPEATED)]
    body = ""
    if kept.is_form:
        words += [f"--form-string {quote(f'{name}={value}')}" for name, value in kept.fields]
        words += [f"-F {quote(_file(file))}" for file in kept.files]
    elif kept.request.text:
        words.append(f"-H {quote(f'Content-Type: {kept.request.media_type}')}")
        end = _end_of(kept.request.text)
        body = f" <<'{end}'\n{kept.request.text}\n{end}\n"
        words.append("--data-binary @-")
    return _STEERING.sub("", " \\\n  ".join(words) + body)


def is_faithful(path: str, kept: Kept) -> bool:
    """Whether the command sends what was sent."""
    text = kept.request.text
    is_whole = not kept.request.cut and kept.request.size == len(text.encode())
    return is_whole and not kept.is_form and LEFT_OUT not in path and not _STEERING.search(text.replace("\r\n", "\n"))


def _file(file: File) -> str:
    """From the directory where the command runs, whatever path the caller may have named."""
    name = PurePosixPath(file.filename).name.replace("\\", "\\\\").replace('"', '\\"')
    kind = f";type={file.media_type}" if re.fullmatch(r"[\w.+-]+/[\w.+-]+", file.media_type) else ""
    # To curl the first "=" ends the field's name, and what follows may name any file.
    return f'{file.field.replace("=", "_")}=@"{name}"{kind}'


def _end_of(text: str) -> str:
    """A line that the text does not have."""
    end, lines = "EOF", set(_STEERING.sub("", text).splitlines())
    while end in lines:
        end += "_"
    return end
