"""A recorded request as a command that repeats it."""

import re
from pathlib import PurePosixPath
from shlex import quote

from openai_api.request_log.kept import File, Kept

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


def is_faithful(kept: Kept) -> bool:
    """Whether the command sends what was sent."""
    return not kept.is_form and not kept.request.cut and kept.request.size == len(kept.request.text.encode())


def _file(file: File) -> str:
    """From the directory where the command runs, whatever path the caller may have named."""
    name = PurePosixPath(file.filename).name.replace("\\", "\\\\").replace('"', '\\"')
    kind = f";type={file.media_type}" if re.fullmatch(r"[\w.+-]+/[\w.+-]+", file.media_type) else ""
    return f'{file.field}=@"{name}"{kind}'


def _end_of(text: str) -> str:
    """A line that the text does not have."""
    end, lines = "EOF", set(_STEERING.sub("", text).splitlines())
    while end in lines:
        end += "_"
    return end
