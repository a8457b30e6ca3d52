"""Which language the wizard speaks: the one that was asked for, else the terminal's."""

from collections.abc import Mapping

LANGUAGES = ("en", "es")


def language_of(asked: str | None, environ: Mapping[str, str]) -> str:
    """Of the locale's variables the first that is set counts, as in the C library."""
    locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environ.get(name, ""))), "")
    spoken = asked or locale[:2].lower()
    return spoken if spoken in LANGUAGES else LANGUAGES[0]
