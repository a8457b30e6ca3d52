"""The YAML of the rotator that Castor replaces → the names of Castor's own settings, and its keys.

Known are `primary_keys`, `fallback_keys`, `ai_studio`, `rate_limit_settings` and `logging`; docs/setup.md has the table.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from msgspec import Struct, field

from proxy_site.environment import split_secrets

_NUMBER, _FLAG, _TEXT = "a number", "true or false", "text"
_SETTINGS = {
    "ai_studio.mode": ("CREDENTIAL_MODE", _TEXT),
    "ai_studio.prefer_for_pro": ("PREFER_AI_STUDIO_FOR_PRO", _FLAG),
    "ai_studio.base_url": ("GEMINI_BASE_URL", _TEXT),  # The later of its two names, so that either wins over the file.
    "rate_limit_settings.cooldown_seconds": ("COOLDOWN_SECONDS", _NUMBER),
    "rate_limit_settings.recheck_interval_seconds": ("RECHECK_INTERVAL_SECONDS", _NUMBER),
    "rate_limit_settings.consecutive_failures": ("CONSECUTIVE_FAILURES", _NUMBER),
    "rate_limit_settings.max_concurrent": ("MAX_CONCURRENT", _NUMBER),
    "rate_limit_settings.max_retries": ("MAX_RETRIES", _NUMBER),
    "rate_limit_settings.retry_delay": ("RETRY_DELAY", _NUMBER),
    "rate_limit_settings.timeout": ("TIMEOUT", _NUMBER),
    "logging.level": ("LOG_LEVEL", _TEXT),
    "logging.format": ("LOG_FORMAT", _TEXT),
}
_PRIMARY = frozenset({"primary_keys", "ai_studio.primary_keys", "ai_studio.keys", "ai_studio.api_keys"})
_FALLBACK = frozenset({"fallback_keys", "ai_studio.fallback_keys"})
_ENABLED = "ai_studio.enabled"
_SECTIONS = frozenset(name.partition(".")[0] for name in _SETTINGS)


class Config(Struct, frozen=True):
    settings: dict[str, str] = field(default_factory=dict)
    """Castor's names → values, as an environment would hold them."""
    primary_keys: tuple[str, ...] = ()
    """Keys, or the JSON of logins."""
    fallback_keys: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """The options that mean nothing to Castor."""
    source: str = ""
    """Where it was read; empty: there is none."""


def find_config(given: str, folder: Path) -> Config:
    """`given` is CONFIG_YAML: a file, or the YAML itself; empty: `config.yaml` in `folder`, if it is there.

    Raises ImproperlyConfigured, in one sentence that repeats no secret.
    """
    if given and ("\n" in given or given.lstrip().startswith("{") or ": " in given):
        return read_config(given, "CONFIG_YAML")
    path = Path(given).expanduser() if given else folder / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if not given:
            return Config()
        raise ImproperlyConfigured(f"CONFIG_YAML names {path}, which does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ImproperlyConfigured(f"{path} cannot be read: {reason}.") from error
    return read_config(text, str(path))


def read_config(text: str, source: str) -> Config:
    """Raises ImproperlyConfigured, in one sentence."""
    import yaml  # Only now: most installations have no such file.

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date such as 2026-13-45.
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise ImproperlyConfigured(f"{source} is not valid YAML{place}. Put it right, or take it away.") from error
    if document is None:
        return Config(source=source)
    if not isinstance(document, dict):
        raise ImproperlyConfigured(f"{source} must hold names with values, such as primary_keys with a list of keys.")
    options = dict(_options(document, source))
    return Config(
        settings=_settings(options, source),
        primary_keys=_keys(options, _PRIMARY, source),
        fallback_keys=_keys(options, _FALLBACK, source),
        unknown=tuple(name for name in options if name not in {*_SETTINGS, *_PRIMARY, *_FALLBACK, _ENABLED}),
        source=source,
    )


def _options(document: Mapping[Any, Any], source: str) -> Iterator[tuple[str, Any]]:
    """`section.option` or `option`, and the value; those without one do not count."""
    for name, value in document.items():
        if str(name) not in _SECTIONS:
            yield str(name), value
        elif isinstance(value, dict):
            yield from ((f"{name}.{option}", inner) for option, inner in value.items() if inner is not None)
        elif value is not None:
            raise ImproperlyConfigured(f"{source}: {name} must hold options of its own, each on an indented line.")


def _settings(options: Mapping[str, Any], source: str) -> dict[str, str]:
    found = {setting: _value(options[name], name, kind, source) for name, (setting, kind) in _SETTINGS.items() if name in options}
    if _ENABLED in options and _value(options[_ENABLED], _ENABLED, _FLAG, source) == "false":
        found["CREDENTIAL_MODE"] = "disabled"
    return found


def _value(value: Any, name: str, kind: str, source: str) -> str:
    is_flag = isinstance(value, bool)
    if kind == _FLAG and is_flag:
        return str(value).lower()
    if kind == _NUMBER and isinstance(value, int | float) and not is_flag:
        return str(value)
    if kind == _TEXT and isinstance(value, str):
        return value.strip()
    raise ImproperlyConfigured(f"{source}: {name} must be {kind}.")


def _keys(options: Mapping[str, Any], names: frozenset[str], source: str) -> tuple[str, ...]:
    return tuple(key for name in options if name in names for key in _key_list(options[name], name, source))


def _key_list(value: Any, name: str, source: str) -> Iterator[str]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    for item in items:
        if isinstance(item, dict):
            yield json.dumps(item, default=str)  # A login, or a key with a label. YAML reads some of its dates as such.
        elif isinstance(item, str):
            yield from split_secrets(item)
        else:
            raise ImproperlyConfigured(f"{source}: {name} must be a list of keys.")
