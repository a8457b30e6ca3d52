"""How an account comes to be served by Code Assist: its tier and its project, after joining one where it has none.

Nothing here reads a clock or a database: whoever asks says how to wait, and keeps the name of what is under way.
Source: wire reference, section 4.4.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from credentials.health import Outcome
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.code_assist_calls import (
    FREE_TIER,
    CodeAssistCalls,
    IneligibleTier,
    JoiningFailed,
    Loaded,
    Operation,
    Tier,
)
from openai_api.upstream.refusal_body import LONGEST_MESSAGE, plain
from openai_api.upstream.refusals import Refusal

EVERY = 5.0
"""Seconds between two looks at a joining that is under way."""
PROJECT_REMEDY = (
    "Give the id of a Google Cloud project in which the service is enabled: on the account's page, at login, or as "
    "GOOGLE_CLOUD_PROJECT for all accounts."
)
_STANDARD_TIER = "standard-tier"
_LEGACY_TIER = Tier(id="legacy-tier", user_defined_cloudaicompanion_project=True)
_OUTCOMES = {"VALIDATION_REQUIRED": Outcome.VALIDATION_REQUIRED, "UNSUPPORTED_CLIENT": Outcome.UNSUPPORTED_CLIENT}
"""Why a tier is denied. What a person can put right comes first."""
_UNDER_WAY = (
    "Google is still setting this account up for Code Assist. Castor asks again by itself; checking the account in a minute "
    "does so, too."
)


class Account(Struct, frozen=True):
    """What is known of an account once it is set up."""

    project: str
    tier: str = ""
    tier_name: str = ""


class SetUp(Struct, frozen=True):
    """`project` is the one that an admin has chosen, or nothing."""

    calls: CodeAssistCalls
    project: str
    remember: Callable[[str], None]
    """Keeps the name of the joining that is under way; empty: none is."""
    wait: Callable[[float], None]
    """For so many seconds."""
    looks: int
    """How often, at most, Google is asked how far the joining is."""

    def run(self, under_way: str = "") -> Account:
        """Raises UpstreamRefused. To be run again at any time; `under_way` is what was remembered last."""
        if self.project.isdecimal():
            raise project_missing(f"Code Assist takes a project's id, such as my-project-123, not its number {self.project}.")
        joined = self._resume(under_way) if under_way else ""
        try:
            loaded = self.calls.load(self.project)
        except UpstreamRefused as refused:
            if "SECURITY_POLICY_VIOLATED" not in refused.refusal.reasons:
                raise
            # Behind VPC Service Controls this one call is not allowed; licences there are Standard at least.
            loaded = Loaded(current_tier=Tier(id=_STANDARD_TIER))
        current = loaded.current_tier
        if current is None:
            return self._join(loaded, _tier_to_join(loaded))
        if denied := [tier for tier in loaded.ineligible_tiers if tier.tier_id and tier.tier_id == current.id]:
            raise _ineligible(denied)
        return self._account(loaded, loaded.paid_tier or current, loaded.cloudaicompanion_project or joined)

    def _join(self, loaded: Loaded, tier: Tier) -> Account:
        if tier.user_defined_cloudaicompanion_project and tier.id != FREE_TIER and not self.project:
            raise _without_project(loaded)
        try:
            operation = self.calls.join(tier, self.project)
        except UpstreamRefused as refused:
            if loaded.ineligible_tiers and refused.refusal.outcome is Outcome.NOT_PERMITTED:
                raise _ineligible(loaded.ineligible_tiers) from refused  # Those words say more than that it is not permitted.
            raise
        if not operation.done:
            self.remember(operation.name)
            operation = self._finished(operation)
        return self._account(loaded, tier, operation.project)

    def _resume(self, name: str) -> str:
        """The end of a joining that an earlier run began: the project that came of it."""
        try:
            return self._finished(self._look(name)).project
        except JoiningFailed:
            raise
        except UpstreamRefused as refused:
            if refused.refusal.status != 404:
                raise
            self.remember("")  # Google has forgotten it: whether it came to an end, loading tells.
            return ""

    def _look(self, name: str) -> Operation:
        try:
            return self.calls.operation(name)
        except JoiningFailed:
            self.remember("")
            raise

    def _finished(self, operation: Operation) -> Operation:
        for _ in range(self.looks):
            if operation.done:
                break
            self.wait(EVERY)
            operation = self._look(operation.name)
        if not operation.done:
            raise _refused(Outcome.PROJECT_MISSING if not self.project else Outcome.UPSTREAM_FAILED, _UNDER_WAY, status=503)
        self.remember("")
        return operation

    def _account(self, loaded: Loaded, tier: Tier, named: str) -> Account:
        project = named or self.project
        if not project:
            raise _without_project(loaded)
        return Account(project=project, tier=tier.id or _STANDARD_TIER, tier_name=tier.name)


def project_missing(message: str) -> UpstreamRefused:
    return _refused(Outcome.PROJECT_MISSING, f"{message} {PROJECT_REMEDY}")


def _tier_to_join(loaded: Loaded) -> Tier:
    """The one that Google proposes. Raises UpstreamRefused where a person has to do something first, or none is left."""
    denied = loaded.ineligible_tiers
    if any(tier.reason_code == "VALIDATION_REQUIRED" for tier in denied) or (denied and not loaded.allowed_tiers):
        raise _ineligible(denied)
    return next((tier for tier in loaded.allowed_tiers if tier.is_default), _LEGACY_TIER)


def _without_project(loaded: Loaded) -> UpstreamRefused:
    """A tier that Google denies would have brought a project of its own: then that is what is wrong."""
    if loaded.ineligible_tiers:
        return _ineligible(loaded.ineligible_tiers)
    return project_missing("Code Assist wants a Google Cloud project for this account, and it has none.")


def _ineligible(denied: Iterable[IneligibleTier]) -> UpstreamRefused:
    rank = {code: place for place, code in enumerate(_OUTCOMES)}
    tier = min(denied, key=lambda tier: rank.get(tier.reason_code, len(rank)))
    said = tier.reason_message or f"Google denies this account Code Assist ({tier.reason_code or 'it does not say why'})."
    link = tier.validation_url if tier.validation_url.startswith("https://") else ""
    return _refused(_OUTCOMES.get(tier.reason_code, Outcome.NOT_PERMITTED), f"{said} {link}", link=link)


def _refused(outcome: Outcome, message: str, *, status: int = 403, link: str = "") -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=outcome, status=status, message=plain(message, LONGEST_MESSAGE), link=link))
