"""What a server of OpenAI's dialect meant when it refused: its error's `type` and `code`, the status, what headers say of time.

Of its sentences only beginnings are believed, and only where they cost a credential nothing, or the status says the same: servers
quote callers. Shapes: OpenAI's; a text, or the fields without the envelope (vLLM); `detail` (FastAPI); a page.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from msgspec import Struct

from credentials.health import DAY, Outcome
from openai_api.upstream.refusal_body import LONGEST_MESSAGE, body_for_people, plain, seconds
from openai_api.upstream.refusals import Refusal

_LIMITS = ("requests", "tokens")


class Said(Struct, frozen=True):
    status: int
    message: str
    """For people: one line, without secrets."""
    kind: str = ""
    code: str = ""
    param: str | None = None
    is_page: bool = False
    """It is no JSON: something before the server may have answered."""

    @property
    def words(self) -> frozenset[str]:
        return frozenset({self.kind.lower(), self.code.lower()} - {""})

    @property
    def text(self) -> str:
        return self.message.lower()


def read_server_refusal(status: int, body: bytes, headers: Mapping[str, str]) -> Refusal:
    """Never raises. A status that is none of an error comes with an error inside an answer."""
    said = _read(status, body)
    outcome, code = classify(said)
    return Refusal(
        outcome=outcome,
        status=said.status,
        message=said.message,
        retry_after=rest_of(headers),
        code=code or said.code or None,
        kind=said.kind or "invalid_request_error",
        param=said.param,
        unknown=body_for_people(body) if outcome is Outcome.UNEXPLAINED else "",
    )


def classify(said: Said) -> tuple[Outcome, str | None]:
    """(what happened, OpenAI's code for it where the server need not have named one)."""
    for holds, outcome, code in (*_ANY_STATUS, *_BY_STATUS.get(said.status, ())):
        if holds(said):
            return outcome, code
    if said.status >= 500:
        return Outcome.UPSTREAM_FAILED, None
    return (Outcome.REQUEST_REFUSED, None) if said.status >= 400 else (Outcome.UPSTREAM_FAILED, None)


def rest_of(headers: Mapping[str, str]) -> float | None:
    """Seconds until the server wants to be asked again, a day at most.

    Of its limits the one counts that is used up; where it does not say which, the first to begin anew.
    """
    named = _retry_after(headers)
    if named is None:
        resets = {limit: seconds(headers.get(f"x-ratelimit-reset-{limit}", "").strip()) for limit in _LIMITS}
        known = {limit: reset for limit, reset in resets.items() if reset is not None}
        spent = [reset for limit, reset in known.items() if headers.get(f"x-ratelimit-remaining-{limit}", "").strip() == "0"]
        named = max(spent) if spent else min(known.values(), default=None)
    return None if named is None else min(max(named, 0.0), DAY)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d+)?", value):
            return float(value) * unit
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _read(status: int, body: bytes) -> Said:
    text = body.decode("utf-8-sig", errors="replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Said(_of_error(status, None), plain(text, 300) or _nothing_said(status), is_page=True)
    value = value[0] if isinstance(value, list) and value else value
    error = _error_of(value)
    said = next((word for name in ("message", "detail") if (word := error.get(name))), "")
    return Said(
        status=_of_error(status, error.get("code") or error.get("status")),
        message=plain(said if isinstance(said, str) else json.dumps(said), LONGEST_MESSAGE) or _nothing_said(status),
        kind=_word(error.get("type")),
        code=_word(error.get("code")),
        param=_word(error.get("param")) or None,
    )


def _error_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"message": value if isinstance(value, str) else ""}
    error = value.get("error")
    if isinstance(error, str):
        return {**value, "message": error}
    return error if isinstance(error, dict) else value


def _of_error(status: int, named: Any) -> int:
    """The status, or where an error stands in an answer that says all is well, the one that the error names."""
    if status >= 300:
        return status
    return named if isinstance(named, int) and 400 <= named <= 599 else 500


def _word(value: Any) -> str:
    """A word of the server's, such as `insufficient_quota`; codes may be numbers."""
    return plain(str(value), 100) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _nothing_said(status: int) -> str:
    return f"The server answered {status} with no explanation."


Test = Callable[[Said], bool]


def _named(*words: str) -> Test:
    wanted = frozenset(words)
    return lambda said: not wanted.isdisjoint(said.words)


def _begins(*beginnings: str) -> Test:
    matches = re.compile("|".join(beginnings)).match
    return lambda said: matches(said.text) is not None


def _is_page(said: Said) -> bool:
    return said.is_page


def _is_about_its_model(said: Said) -> bool:
    return said.param == "model" or _begins_with_model(said)


def _always(_said: Said) -> bool:
    return True


_begins_with_model = _begins(
    r"(the |this |requested |unknown |invalid )*model\b", r"no (available )?(channel|deployment|provider)s?\b"
)
_begins_with_key = _begins(
    r"(incorrect|invalid|wrong|expired) (api )?(key|token)\b", r"(api )?key (is )?(not valid|invalid|expired)\b"
)
_names_model = _named(
    "model_not_found", "model_not_available", "model_not_supported", "key_model_access_denied", "team_model_access_denied",
    "user_model_access_denied", "org_model_access_denied", "project_model_access_denied",
)  # fmt: skip
_names_quota = _named(
    "insufficient_quota", "insufficient_user_quota", "insufficient_balance", "billing_hard_limit_reached", "billing_not_active",
    "quota_exceeded", "budget_exceeded", "credits_exhausted", "pre_consume_token_quota_failed",
)  # fmt: skip
_names_key = _named("invalid_api_key", "authentication_error", "account_deactivated", "access_terminated", "token_expired")

_ANY_STATUS: tuple[tuple[Test, Outcome, str | None], ...] = (
    (_names_model, Outcome.MODEL_ABSENT, "model_not_found"),
    (_names_quota, Outcome.OUT_OF_CREDIT, None),
    # LiteLLM knows one key by itself, and would look for any other in a database that it does not have.
    (_named("invalid_api_key", "no_db_connection", "expired_key"), Outcome.KEY_REJECTED, None),
    (_named("unsupported_country_region_territory"), Outcome.GATEWAY_REFUSED, None),
)
_BY_STATUS: dict[int, tuple[tuple[Test, Outcome, str | None], ...]] = {
    400: ((_begins_with_key, Outcome.KEY_REJECTED, None),),
    401: ((_always, Outcome.KEY_REJECTED, None),),
    402: ((_always, Outcome.OUT_OF_CREDIT, "insufficient_quota"),),
    403: (
        (_is_page, Outcome.GATEWAY_REFUSED, None),
        (_named("content_policy_violation", "content_filter", "moderation", "flagged"), Outcome.REQUEST_REFUSED, None),
        (_names_key, Outcome.KEY_REJECTED, None),
        (_is_about_its_model, Outcome.MODEL_ABSENT, "model_not_found"),
        (_always, Outcome.NOT_PERMITTED, None),
    ),
    404: ((_is_about_its_model, Outcome.MODEL_ABSENT, "model_not_found"),),
    408: ((_always, Outcome.UPSTREAM_FAILED, None),),
    425: ((_always, Outcome.UPSTREAM_FAILED, None),),
    429: ((_always, Outcome.MINUTE_QUOTA, "rate_limit_exceeded"),),
    499: ((_always, Outcome.UPSTREAM_FAILED, None),),
}
