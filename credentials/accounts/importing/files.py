"""Files → the keys and Google logins that stand in them. Nothing is stored here, and nobody is asked."""

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

from msgspec.structs import replace

from credentials.accounts.importing.archives import COMPANIONS, LARGEST_FILE, File, unpack
from credentials.accounts.importing.found import FoundLogin, read_address
from credentials.accounts.importing.shapes import Found, read_json
from credentials.keys import Candidate, candidate_of, read_text, text_of

_LOGIN_OF_THE_CLI = "oauth_creds.json"
_SEALED_BY_THE_CLI = "gemini-credentials.json"
_ACCOUNT_OF_THE_CLI = "google_accounts.json"

F = TypeVar("F", bound=Found)


def read_files(named: Iterable[tuple[str, bytes]]) -> list[Found]:
    """Read files given as (name, content): text with keys, JSON of any tool that is known, and ZIP archives of those.

    A file that cannot be read at all is one entry with a flaw, whose `where` is the file's name alone. The Gemini CLI writes
    an account's address into a file of its own: where `google_accounts.json` is among the files, it is read for that.
    """
    files = list(unpack(named))
    addresses = {str(PurePosixPath(file.name).parent): _active_account(file) for file in files if _is(file, _ACCOUNT_OF_THE_CLI)}
    return [found for file in files if PurePosixPath(file.name).name not in COMPANIONS for found in _read_file(file, addresses)]


def read_value(value: str, where: str) -> list[Found]:
    """Read one value of a setting: a key as it is, or the JSON of a login."""
    value = value.strip()
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        value = value[1:-1].strip()  # Docker's --env-file keeps the quotes.
    if not value.startswith(("{", "[")):
        return [candidate_of(value, where)]
    return [_placed(found, where) for found in read_text(value, read_json)]


def _read_file(file: File, addresses: dict[str, str]) -> Iterator[Found]:
    if file.flaw or len(file.content) > LARGEST_FILE:
        yield Candidate("", file.name, flaw=file.flaw or f"larger than {LARGEST_FILE // 2**20} MB")
        return
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Candidate("", file.name, flaw="it is not UTF-8 text")
        return
    if flaw := _unlike_its_name(file.name, text):
        yield Candidate("", file.name, flaw=flaw)
        return
    for found in read_text(text, read_json):
        placed = _placed(found, file.name)
        if isinstance(placed, FoundLogin) and not placed.email and _is(file, _LOGIN_OF_THE_CLI):
            placed = replace(placed, email=addresses.get(str(PurePosixPath(file.name).parent), ""))
        yield placed


def _unlike_its_name(name: str, text: str) -> str:
    """Why a file that is called JSON is none. It is not read as text: what stands in it would be taken for keys."""
    if not name.lower().endswith(".json") or text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", ""):
        return ""
    if PurePosixPath(name).name == _SEALED_BY_THE_CLI:
        return "sealed by the Gemini CLI for its own machine: log in with the account instead"
    return "not JSON"


def _placed(found: F, name: str) -> F:
    return replace(found, where=f"{name}, {found.where}" if found.where else name)


def _is(file: File, name: str) -> bool:
    return PurePosixPath(file.name).name == name


def _active_account(file: File) -> str:
    """The address in the Gemini CLI's `google_accounts.json`: {"active": "…", "old": […]}; empty if there is none."""
    try:
        document = json.loads(file.content)
    except (ValueError, RecursionError):
        return ""
    return read_address(text_of(document, "active")) if isinstance(document, dict) else ""
