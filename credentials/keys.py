"""API keys out of pasted text and files, whatever separators they come with.

Google's keys have no fixed prefix, length or alphabet, so none is asked for. A key is taken to be 8 to 500 visible ASCII
characters (it travels in an HTTP header); whether it works is for a check to find out.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from msgspec import Struct

from credentials.crypto import TOKEN_PREFIX, mask

_SHORTEST, _LONGEST = 8, 500
_SEPARATORS = re.compile(r"""[\s,;|\[\]()<>"'`“”‘’\u200b\ufeff]+""")
_COMMENT = re.compile(r"(^|\s)(#|//).*")
_ASSIGNMENT = re.compile(
    r"^\s*(export\s+)?"
    r"([A-Za-z_]\w*\s*(=(?!\s*(=|$))|:\s)"  # A key may end in equals signs itself …
    r"|[A-Z][A-Z0-9_]*\s*=\s*$)"  # … but NAME= is a variable without a value.
)
_JSON_VALUE = re.compile(r"""^\s*(?:export\s+)?[A-Za-z_]\w*\s*[=:]\s*(?P<quote>['"]?)(?P<json>\{.*\})(?P=quote)\s*,?\s*$""")

T = TypeVar("T")


class Candidate(Struct, frozen=True):
    """Something that stood where a key was expected, and where that was: `line 3`, `item 2`."""

    secret: str
    where: str
    label: str = ""
    project: str = ""
    flaw: str = ""
    """Why it cannot be a key; empty: it can."""

    def __repr__(self) -> str:
        return f"<Candidate {self.masked} in {self.where}>"

    @property
    def masked(self) -> str:
        return mask(self.secret)


def read_keys(text: str) -> list[Candidate]:
    """Read a JSON list (of keys, or of objects with `key` and perhaps `label` and `project`), or text.

    In text, keys stand between any of white space, commas, semicolons, quotes and brackets; `NAME=` and `NAME:` before
    them and comments (`#`, `//`) are passed over; a line may also be a JSON object.
    """
    return list(read_text(text, keys_of_json))


def read_text(text: str, read_json: Callable[[Any, str], Iterable[Candidate | T]]) -> Iterator[Candidate | T]:
    """Read keys out of text, and with `read_json(document, where)` whatever stands in JSON: all of it, or one line."""
    stripped = text.strip().lstrip("\ufeff")
    if not stripped.startswith(("[", "{")):
        yield from _read_lines(text, read_json)
        return
    try:
        document = json.loads(stripped)
    except RecursionError:
        yield Candidate("", "JSON", flaw="nested too deeply")
    except json.JSONDecodeError as error:
        yield from _read_broken_json(stripped, error, read_json)
    except ValueError:
        yield Candidate("", "JSON", flaw="not valid JSON: a number is too long")
    else:
        yield from read_json(document, "")


def keys_of_json(document: Any, where: str) -> Iterator[Candidate]:
    items = document if isinstance(document, list) else [document]
    for number, item in enumerate(items, 1):
        yield key_of_item(item, where or f"item {number}")


def key_of_item(item: Any, where: str) -> Candidate:
    if isinstance(item, str):
        return candidate_of(item.strip(), where)
    if not isinstance(item, dict):
        return Candidate("", where, flaw="neither a key nor an object with a key")
    secret = text_of(item, "key", "api_key", "apiKey")
    if not secret:
        return Candidate("", where, flaw="an object without key or api_key")
    return candidate_of(secret, where, label=text_of(item, "label", "name"), project=text_of(item, "project", "project_id"))


def text_of(item: dict[str, Any], *names: str) -> str:
    """The first of the fields that holds text, without blanks around it."""
    return next((text for name in names if isinstance(value := item.get(name), str) and (text := value.strip())), "")


def candidate_of(secret: str, where: str, *, label: str = "", project: str = "") -> Candidate:
    return Candidate(secret, where, printable(label)[:100], printable(project)[:100], _flaw(secret))


def printable(text: str) -> str:
    """Text from elsewhere that a database takes and a terminal may be shown."""
    return "".join(character for character in text if character.isprintable())


def _read_lines(text: str, read_json: Callable[[Any, str], Iterable[Candidate | T]]) -> Iterator[Candidate | T]:
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}"
        if line.lstrip().startswith("{"):
            yield from _read_json_line(line.strip().rstrip(","), where, read_json)
        elif assigned := _JSON_VALUE.match(line):
            yield from _read_json_line(_unescaped(assigned), where, read_json)
        else:
            words = _SEPARATORS.split(_ASSIGNMENT.sub("", _COMMENT.sub("", line)))
            yield from (candidate_of(word, where) for word in words if any(map(str.isalnum, word)))


def _unescaped(assigned: re.Match[str]) -> str:
    """The JSON of `NAME='{…}'`; in double quotes its own are written with backslashes."""
    document = assigned["json"]
    return document.replace(r"\"", '"') if assigned["quote"] == '"' else document


def _read_json_line(line: str, where: str, read_json: Callable[[Any, str], Iterable[Candidate | T]]) -> Iterable[Candidate | T]:
    try:
        return read_json(json.loads(line), where)
    except (ValueError, RecursionError):
        return [Candidate("", where, flaw="not valid JSON")]


def _read_broken_json(
    text: str, error: json.JSONDecodeError, read_json: Callable[[Any, str], Iterable[Candidate | T]]
) -> Iterator[Candidate | T]:
    if "{" not in text or all(line.lstrip().startswith("{") for line in text.splitlines() if line.strip()):
        yield from _read_lines(text, read_json)  # A list without quotes, or one object a line.
    else:
        yield Candidate("", f"line {error.lineno}", flaw=f"not valid JSON: {error.msg}")


def _flaw(secret: str) -> str:
    if not all("!" <= character <= "~" for character in secret):
        return "has a character that no key can have"
    if len(secret) < _SHORTEST:
        return f"shorter than {_SHORTEST} characters"
    if len(secret) > _LONGEST:
        return f"longer than {_LONGEST} characters"
    if secret.startswith(TOKEN_PREFIX):
        return "a client token of this gateway, not a Gemini key"
    return ""
