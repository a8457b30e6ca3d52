"""Which kinds of credential come first, and how those of one kind take turns: the operator's choice, as data."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from credentials.lines import Strategy
from credentials.roster import Entry

ACCOUNTS = frozenset({"oauth", "code_assist", "gemini_cli"})
"""Kinds that stand for a Google account."""
KEYS = frozenset({"api_key"})
"""Kinds that are a key of AI Studio."""


class Mode(StrEnum):
    """CREDENTIAL_MODE: how Google accounts and AI Studio keys share the work."""

    FALLBACK = "fallback"
    """Accounts first; keys when no account can."""
    COMBINED = "combined"
    """All alike."""
    DISABLED = "disabled"
    """No keys at all."""


class Selection(Struct, frozen=True):
    strategy: Strategy = Strategy.ROUND_ROBIN
    mode: Mode = Mode.FALLBACK
    prefer_ai_studio_for_pro: bool = False

    def tiers(self, entries: Iterable[Entry], model: str) -> list[list[Entry]]:
        """Those that may be asked, the first to be asked first: by kind as the mode says, then by priority."""
        ranked: dict[tuple[int, int], list[Entry]] = {}
        for entry in entries:
            if (rank := self.rank(entry.kind, model)) is not None:
                ranked.setdefault((rank, -entry.priority), []).append(entry)
        return [ranked[key] for key in sorted(ranked)]

    def rank(self, kind: str, model: str) -> int | None:
        """Lower is asked first; None: never."""
        if kind in KEYS:
            if self.mode is Mode.DISABLED:
                return None
            if self.prefer_ai_studio_for_pro and "-pro" in model:
                return -1
            return 1 if self.mode is Mode.FALLBACK else 0
        return 0 if kind in ACCOUNTS else 2  # Other servers come after all that is Google's own.
