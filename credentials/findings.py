"""What an import makes of everything that was found: a verdict on each, and why."""

from enum import StrEnum

from msgspec import Struct

from credentials.accounts.importing.shapes import Found


class Verdict(StrEnum):
    NEW = "new"
    UPDATES = "updates"
    """A login for an account that the pool has: its tokens are replaced, all else stays."""
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"


class Finding(Struct, frozen=True):
    verdict: Verdict
    candidate: Found
    note: str = ""
    credential: int = 0
    """The account that the login is of, if the pool has it."""

    @property
    def masked(self) -> str:
        return self.candidate.masked


class Report(Struct, frozen=True):
    findings: tuple[Finding, ...]

    def of(self, *verdicts: Verdict) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict in verdicts]

    @property
    def counts(self) -> dict[str, int]:
        return {verdict.value: len(self.of(verdict)) for verdict in Verdict}
