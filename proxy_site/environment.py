"""Typed readers over the environment, where a wrong value is one sentence naming the variable; secrets made on first run."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from credentials.stop_tags import InvalidTags, read_tags

N = TypeVar("N", int, float)
D = TypeVar("D")
Network = IPv4Network | IPv6Network

_WHERE = "Change it where it is set: in .env, in the environment, or in config.yaml."


class Env(environ.Env):
    """django-environ whose errors an operator can act on."""

    def fall_back_to(self, settings: Mapping[str, str]) -> None:
        """Take from these what the environment leaves out, or leaves empty."""
        given = {name: value for name, value in os.environ.items() if value.strip() or name not in settings}
        self.ENVIRON = {**settings, **given}

    def number(self, name: str, default: float, *, least: float = 0) -> float:
        return self._checked(name, default, float, "a number", least)

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        return self._checked(name, default, int, "a whole number", least)

    def flag(self, name: str, default: D) -> bool | D:
        text = self.str(name, default="").strip().lower()
        if text in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
            return text in ("1", "true", "yes", "on") if text else default
        raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}. {_WHERE}")

    def words(self, name: str) -> list[str]:
        """A comma list; empty entries do not count."""
        return [word.strip() for word in self.str(name, default="").split(",") if word.strip()]

    def stop_tags(self, name: str) -> tuple[str, ...]:
        try:
            return read_tags(self.ENVIRON.get(name, ""))  # A tag may begin with $, which django-environ takes for a variable.
        except InvalidTags as error:
            raise ImproperlyConfigured(f"{name} must be stop tags, as docs/streaming.md shows them: {error}. {_WHERE}") from error

    def networks(self, name: str, default: list[str]) -> list[Network]:
        """A comma list of addresses and of networks such as 10.0.0.0/8."""
        try:
            return [ip_network(word, strict=False) for word in self.words(name) or default]
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} must list addresses or networks such as 10.0.0.0/8, with commas between: {error}. {_WHERE}"
            ) from error

    def secrets(self, name: str) -> list[str]:
        """A comma list of keys, in which JSON stays whole: a Google login has commas of its own."""
        return split_secrets(self.str(name, default=""))

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.str(name, default=default).strip().lower()
        if value not in allowed:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
        return value

    def first(self, *names: str, default: str = "") -> str:
        """The first of several names that is set: ours, then those of the systems that we replace."""
        return next((value for name in names if (value := self.str(name, default="").strip())), default)

    def _checked(self, name: str, default: N, cast: Callable[[str], N], what: str, least: float) -> N:
        text = self.str(name, default="").strip()
        if not text:
            return default
        try:
            value = cast(text)
        except ValueError:
            value = None
        if value is None or not value >= least:
            raise ImproperlyConfigured(f"{name} must be {what} of at least {least:g}, not {text!r}. {_WHERE}")
        return value


def split_secrets(text: str) -> list[str]:
    """Split at commas, but for those within JSON. What looks like JSON and is none stays whole as well, up to the end."""
    found, rest = [], text.strip(", \t\r\n")
    while rest:
        end = _end_of_json(rest) if rest.startswith(("{", "[")) else rest.find(",")
        end = end if end >= 0 else len(rest)
        found.append(rest[:end].strip())
        rest = rest[end:].lstrip(", \t\r\n")
    return found


def _end_of_json(text: str) -> int:
    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return len(text)


def make_folders(*folders: Path) -> None:
    """Make what is not there yet. Raises ImproperlyConfigured with the remedy."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(folder, error) from error


def kept_secrets(var: Path) -> dict[str, str]:
    """The secrets of an embedded installation, made at the first start and kept in `var/secrets.json` (mode 0600)."""
    path = var / "secrets.json"
    try:
        if not path.exists():
            _write_once(
                path, {"SECRET_KEY": secrets.token_urlsafe(48), "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
            )
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ImproperlyConfigured(
            f"{path} is not valid JSON. Put back a copy of it: it holds the key of the stored credentials."
        ) from error
    except OSError as error:
        raise unusable(var, error) from error


def unusable(folder: Path, error: OSError) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"Castor cannot use its data directory {folder} ({error.strerror}). "
        "Make it writable for this user, or set CASTOR_VAR to another one."
    )


def _write_once(path: Path, content: dict[str, str]) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content))
    try:
        os.link(draft, path)  # Fails if another process was first: then its secrets are the ones to use.
    except FileExistsError:
        pass
    finally:
        draft.unlink()
