"""Outcomes as a person reads them, and the strip of a credential's last ones."""

from collections import Counter
from enum import StrEnum

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from credentials.health import EFFECTS, OUTCOMES, Outcome, State


class Sort(StrEnum):
    """What an outcome says of the credential; each has a colour and a height of its own in the strip (pool.css)."""

    SERVED = "served"
    REQUEST = "request"
    QUOTA = "quota"
    UPSTREAM = "upstream"
    DEAD = "dead"


WORDS: dict[Outcome, str] = {
    Outcome.SERVED: "served",
    Outcome.REQUEST_REFUSED: "refused for the request's own fault",
    Outcome.DAY_QUOTA: "day quota used up",
    Outcome.MINUTE_QUOTA: "minute quota used up",
    Outcome.NOT_ENTITLED: "model not in its plan",
    Outcome.SPEND_LIMIT: "spending limit reached",
    Outcome.THROTTLED: "throttled without a reason",
    Outcome.OUT_OF_CREDIT: "prepaid credit used up",
    Outcome.KEY_REJECTED: "key not accepted",
    Outcome.KEY_LEAKED: "key reported as leaked",
    Outcome.KEY_RESTRICTED: "key restricted to other APIs or places",
    Outcome.SUSPENDED: "suspended by Google",
    Outcome.PROJECT_DENIED: "project denied access",
    Outcome.API_DISABLED: "API not enabled in the project",
    Outcome.VALIDATION_REQUIRED: "account must be verified",
    Outcome.UNSUPPORTED_CLIENT: "this kind of account is no longer served",
    Outcome.NOT_PERMITTED: "no permission or licence",
    Outcome.HALF_ALIVE: "lists models, but may not use them",
    Outcome.MODEL_ABSENT: "does not serve the model",
    Outcome.UPSTREAM_FAILED: "Google failed or could not be reached",
    Outcome.ANSWER_UNUSABLE: "the answer's end made it useless",
    Outcome.GATEWAY_REFUSED: "Google refused the gateway, not the credential",
    Outcome.UNEXPLAINED: "refused in words that are not known",
    Outcome.LOGIN_ENDED: "login ended",
    Outcome.PROJECT_MISSING: "no Google project",
    Outcome.SIGN_IN_FAILED: "no access token to be had",
}

_SORTS = {
    Outcome.SERVED: Sort.SERVED,
    Outcome.REQUEST_REFUSED: Sort.REQUEST,
    Outcome.MODEL_ABSENT: Sort.REQUEST,
    Outcome.UPSTREAM_FAILED: Sort.UPSTREAM,
    Outcome.ANSWER_UNUSABLE: Sort.REQUEST,
    Outcome.THROTTLED: Sort.UPSTREAM,
    Outcome.GATEWAY_REFUSED: Sort.UPSTREAM,
    Outcome.UNEXPLAINED: Sort.UPSTREAM,
    Outcome.SIGN_IN_FAILED: Sort.UPSTREAM,
}


def sort_of(outcome: Outcome) -> Sort:
    return _SORTS.get(outcome) or (Sort.DEAD if EFFECTS[outcome].state is State.INVALID else Sort.QUOTA)


def words_of(outcome: str) -> str:
    """The words for a stored outcome; one that a later version wrote stands for itself."""
    return WORDS[Outcome(outcome)] if outcome in WORDS else outcome


def strip_of(letters: str) -> SafeString | str:
    """Small blocks, one an outcome, the newest last. `letters` as in `Credential.recent`."""
    outcomes = [OUTCOMES[letter] for letter in letters if letter in OUTCOMES]
    if not outcomes:
        return ""
    blocks = format_html_join("", '<i class="is-{}" title="{}"></i>', ((sort_of(one), WORDS[one]) for one in outcomes))
    return format_html('<span class="strip" role="img" aria-label="{}">{}</span>', _summary(outcomes), blocks)


def _summary(outcomes: list[Outcome]) -> str:
    counts = ", ".join(f"{number} {WORDS[outcome]}" for outcome, number in Counter(outcomes).most_common())
    return f"The last {len(outcomes)} outcomes: {counts}. The newest: {WORDS[outcomes[-1]]}."
