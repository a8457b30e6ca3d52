"""`.env` files: read, and changed line by line, so that comments, order and whatever is not understood stay as they are."""

import errno
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

_LINE = re.compile(r"(?P<export>export )?(?P<name>\w+)=(?P<value>.*)", re.ASCII)
"""As django-environ reads it: anything else is no setting."""
_PLAIN = re.compile(r"[!#-&(-~]*")
"""What needs no quotes: visible ASCII but for quotes themselves. A `#` begins no comment within a line."""
_HEADING = "# Written by manage.py setup"


def read_values(text: str) -> dict[str, str]:
    """Name → value of each setting; of a name that stands there twice the last counts."""
    matches = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match["name"]: _unquoted(match["value"]) for match in matches if match}


def with_values(text: str, changes: Mapping[str, str]) -> str:
    """The text with these values: in the line that counts, else below the line that has it as a comment, else at the end."""
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    new = []
    for name, value in changes.items():
        line = f"{name}={_quoted(value)}{end}"
        if (at := _last(lines, re.compile(rf"(export )?{name}="))) is not None:
            lines[at] = f"export {line}" if lines[at].startswith("export ") else line
        elif (at := _last(lines, re.compile(rf"#\s?{name}="))) is not None:
            lines[at : at + 1] = [_ended(lines[at], end), line]
        else:
            new.append(line)
    if new and lines:
        lines[-1] = _ended(lines[-1], end)
    heading = [] if _last(lines, re.compile(re.escape(_HEADING))) is not None else [*([end] if lines else []), _HEADING + end]
    return "".join([*lines, *(heading if new else []), *new])


def read(path: Path) -> str:
    """The file as it is, its line ends too; empty if there is none. Raises OSError, UnicodeDecodeError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def change(path: Path, changes: Mapping[str, str], *, at: datetime) -> Path | None:
    """Write the values into the file at one stroke, for nobody else to read; returns the copy of what was there, if any.

    Where that is already what it says, nothing is touched. Raises OSError, and ValueError for a value that no line can hold.
    """
    path = path.resolve()  # What a link leads to is replaced, not the link.
    if path.exists() and not path.is_file():  # /dev/null, say, which root could replace.
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    before = read(path)
    after = with_values(before, changes)
    if after == before:
        return None
    backup = _back_up(path, at) if path.exists() else None
    _replace(path, after)
    return backup


def _back_up(path: Path, at: datetime) -> Path:
    backup = path.with_name(f"{path.name}.backup-{at:%Y%m%d-%H%M%S}")
    backup.touch(mode=0o600)
    backup.chmod(0o600)
    shutil.copyfile(path, backup)
    return backup


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _last(lines: list[str], pattern: re.Pattern[str]) -> int | None:
    return next((at for at in reversed(range(len(lines))) if pattern.match(lines[at])), None)


def _ended(line: str, end: str) -> str:
    return line if line.endswith("\n") else line + end


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == "'":
        value = value[1:-1]
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\([^rnt])", r"\1", value[1:-1])
    return value


def _quoted(value: str) -> str:
    """Raises ValueError for what no line can hold."""
    if not value.isprintable():
        raise ValueError("a line break, or another character that cannot be printed")
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and not (value.startswith('"') and value.endswith('"')):
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', r"\"") + '"'
