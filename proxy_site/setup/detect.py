"""What lies and runs here: programs that Castor can use, and the credentials of programs that it replaces. Changes nothing."""

import fcntl
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from credentials.accounts.importing.files import read_files, read_value
from credentials.accounts.importing.folders import files_at, read_named
from credentials.accounts.importing.found import FoundLogin
from credentials.accounts.importing.shapes import Found
from proxy_site.environment import split_secrets
from proxy_site.setup import env_file

_PATIENCE = 0.5  # seconds for a neighbour to answer
_NAMES = re.compile(
    r"(GEMINI|GOOGLE|GOOGLE_GENERATIVE_AI|AI_STUDIO|GOOGLE_AI_STUDIO)(_API)?_KEYS?(_\d+)?|GCP_SERVICE_ACCOUNT(_\d+)?"
)
"""Under which the replaced projects keep keys and logins."""
_READ_AT_START = re.compile(r"GEMINI_API_KEYS?(_\d+)?")
"""Those that Castor takes in by itself whenever it starts."""
_FILES = ("oauth creds", "tokens.json", "oauth_creds.json", "ai_studio_keys.txt", "keys.txt", "keys.json")
_OF_THE_CLI = ".gemini/oauth_creds.json"
_VARIABLES = (".dev.vars",)
_ENVIRONMENT = "environment"


class Source(Struct, frozen=True):
    """A place with credentials, and what stands in it; `name` is what it is called here and on the command line."""

    name: str
    found: tuple[Found, ...]

    @property
    def usable(self) -> list[Found]:
        return [item for item in self.found if not item.flaw]

    @property
    def logins(self) -> list[FoundLogin]:
        return [item for item in self.usable if isinstance(item, FoundLogin)]

    @property
    def keys(self) -> int:
        return len(self.usable) - len(self.logins)


class Surroundings(Struct, frozen=True):
    settings: dict[str, str]
    """What stands in `.env`."""
    sources: tuple[Source, ...]
    docker: bool
    redis: str
    """Its address, if one answers; else empty."""
    postgres: str
    """Host and port, likewise."""
    config: Path | None
    """A `config.yaml` of the replaced rotator."""


def look_around(folder: Path, env_path: Path, environ: Mapping[str, str], *, home: Path) -> Surroundings:
    settings = env_file.read_values(env_file.read(env_path))
    config = folder / "config.yaml"
    return Surroundings(
        settings=settings,
        sources=tuple(sources_in(folder, {**settings, **environ}, home=home)),
        docker=shutil.which("docker") is not None,
        redis=_first_answer(_addresses(environ.get("REDIS_URL", ""), 6379), b"PING\r\n", (b"+PONG", b"-NOAUTH")),
        # The request for TLS, which every PostgreSQL answers with one letter.
        postgres=_first_answer(_addresses(environ.get("DATABASE_URL", ""), 5432), b"\0\0\0\x08\x04\xd2\x16\x2f", (b"S", b"N")),
        config=config if config.is_file() else None,
    )


def sources_in(folder: Path, variables: Mapping[str, str], *, home: Path) -> Iterator[Source]:
    """The places in which there is at least one key or login."""
    places = [(name, _read_files(folder / name)) for name in _FILES]
    places.append((f"~/{_OF_THE_CLI}", _read_files(home / _OF_THE_CLI)))
    places += [(name, _read_variables(_values_of(folder / name))) for name in _VARIABLES]
    others = {name: value for name, value in variables.items() if not _READ_AT_START.fullmatch(name)}
    places.append((_ENVIRONMENT, _read_variables(others)))
    for name, found in places:
        source = Source(name, tuple(found))
        if source.usable:
            yield source


def keys_read_at_start(variables: Mapping[str, str]) -> int:
    """How many variables there are that Castor takes keys from by itself."""
    return sum(1 for name, value in variables.items() if _READ_AT_START.fullmatch(name) and value.strip())


def is_running(var: Path) -> bool:
    """Whether a Castor holds this data directory."""
    try:
        with (var / "castor.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def answers(address: str, question: bytes, expected: tuple[bytes, ...]) -> bool:
    """Whether what listens at `host:port` gives one of these answers."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_PATIENCE) as connection:
            connection.sendall(question)
            return connection.recv(16).startswith(expected)
    except (OSError, ValueError):
        return False


def _first_answer(addresses: tuple[str, ...], question: bytes, expected: tuple[bytes, ...]) -> str:
    return next((address for address in addresses if answers(address, question, expected)), "")


def _addresses(url: str, port: int) -> tuple[str, ...]:
    """Where to look: what the URL names, and this machine."""
    try:
        parts = urlsplit(url)
        given = f"{parts.hostname}:{parts.port or port}" if parts.hostname else ""
    except ValueError:
        given = ""
    return tuple(filter(None, (given, f"127.0.0.1:{port}")))


def _read_files(path: Path) -> list[Found]:
    if not path.exists():
        return []
    try:
        return read_files(named for file in files_at(path) for named in read_named(file))
    except OSError:
        return []


def _values_of(path: Path) -> dict[str, str]:
    try:
        return env_file.read_values(env_file.read(path))
    except (OSError, UnicodeDecodeError):
        return {}


def _read_variables(variables: Mapping[str, str]) -> list[Found]:
    named = ((name, value) for name, value in sorted(variables.items()) if _NAMES.fullmatch(name) and value.strip())
    return [found for name, value in named for part in split_secrets(value) for found in read_value(part, name)]
