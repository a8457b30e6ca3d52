"""What the page of one credential says beside its form: how it is now, what it rests for, and what has happened to it."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import localtime, now
from msgspec import Struct

from credentials.admin.shown import COLOURS, ago, link_to
from credentials.health import SOFT, Reason, State
from credentials.models import Cause, Credential, KeyHealth, Kind, StateChange
from credentials.status import describe_return, status_of
from credentials.strip import strip_of, words_of

_ON_A_PAGE = 20
_MOST_RESTS = 100
_THIS = {
    Kind.API_KEY: "this key",
    Kind.OAUTH: "this account",
    Kind.GEMINI_CLI: "this credential",
    Kind.OPENAI_COMPATIBLE: "this key",
}


class Chip(Struct, frozen=True):
    """`kind` is one of Unfold's kinds of labels."""

    text: str
    kind: str


class Button(Struct, frozen=True):
    """An action of the list, done to this one."""

    action: str
    text: str


def on_page_of(credential: Credential, request: HttpRequest) -> dict[str, Any]:
    """What is the same on the pages of all kinds."""
    at = now()
    status = status_of(credential, at=at)
    rests = _rests(credential, at)
    return {
        "credential": credential,
        "status": status,
        "status_kind": COLOURS[status.state],
        "facts": _facts(credential),
        "strip": strip_of(credential.recent),
        "rests": rests,
        "rests_for_models": any(rest["is_of_one_model"] for rest in rests),
    } | _timeline(credential, _page_number(request))


def _timeline(credential: Credential, page: int) -> dict[str, Any]:
    """One page of its history; `earlier` and `later` are the addresses of those beside it, where there are any."""
    start = page * _ON_A_PAGE
    # One more than is shown tells whether there are others: counting them all would take longer.
    changes = list(history_of(credential)[start : start + _ON_A_PAGE + 1])
    return {
        "timeline": [_line(change, credential) for change in changes[:_ON_A_PAGE]],
        "later": f"?earlier={page - 1}#timeline" if page else "",
        "earlier": f"?earlier={page + 1}#timeline" if len(changes) > _ON_A_PAGE else "",
    }


def history_of(credential: Credential) -> QuerySet[StateChange]:
    """What happened to the credential or to its project, the newest first."""
    concerned = Q(credential=credential)
    if credential.project:
        concerned |= Q(project=credential.project)
    changes = StateChange.objects.filter(concerned).select_related("credential").defer("credential__secret")
    return changes.order_by("-at", "-pk")


def effect_of(rest: KeyHealth, at: datetime) -> Chip:
    """What a rest means for whether the credential is asked."""
    if rest.until is not None and rest.until <= at:
        return Chip("Over", "success")
    if rest.state == State.INVALID:
        return Chip("Invalid", "danger")
    return Chip("Asked last", "info") if rest.reason in SOFT else Chip("Not asked", "warning")


def _page_number(request: HttpRequest) -> int:
    given = request.GET.get("earlier", "")
    return int(given) if given.isdecimal() and len(given) < 6 else 0


def _facts(credential: Credential) -> list[tuple[str, Any]]:
    failed_at = ago(credential.last_error_at)
    error = format_html("{} · {}", words_of(credential.last_error), failed_at) if failed_at else "none"
    return [
        ("Failures in a row", f"{credential.failures:,}"),
        ("Last error", error),
        ("Last used", ago(credential.last_used_at) or "never"),
        ("Last check", ago(credential.checked_at) or "never"),
        ("Models listed", ago(credential.models_listed_at) or "never"),
    ]


def _rests(credential: Credential, at: datetime) -> list[dict[str, Any]]:
    """What is wrong at its own place and at its project's."""
    return [_rest(rest, credential, at) for rest in KeyHealth.objects.at_group(credential).order_by("model", "pk")[:_MOST_RESTS]]


def _rest(rest: KeyHealth, credential: Credential, at: datetime) -> dict[str, Any]:
    until = describe_return(rest.until, day_quota=rest.reason == Reason.DAY_QUOTA, at=at) or "until a check finds it well"
    return {
        "model": rest.model or "All models",
        "is_of_one_model": bool(rest.model),
        "whose": f"project {rest.project}" if rest.project else _THIS[Kind(credential.kind)],
        "chip": effect_of(rest, at),
        "reason": rest.get_reason_display(),
        "until": "" if rest.until is not None and rest.until <= at else until,
        "since": ago(rest.since),
        "strikes": rest.strikes,
        "detail": rest.detail,
    }


def _line(change: StateChange, credential: Credential) -> dict[str, Any]:
    return {
        "at": localtime(change.at),
        "chip": _chip(change),
        "model": change.model or "all models",
        "whose": f"project {change.project}" if change.project else "",
        "reason": change.get_reason_display() if change.reason else "all is well again",
        "until": localtime(change.until) if change.until else None,
        "cause": _cause(change, credential),
        "detail": change.detail,
    }


def _chip(change: StateChange) -> Chip:
    match change.state:
        case State.INVALID:
            return Chip("Invalid", "danger")
        case State.RATE_LIMITED:
            return Chip("Rests", "warning")
        case _:
            return Chip("Well", "success")


def _cause(change: StateChange, credential: Credential) -> Any:
    words = Cause(change.cause).label
    if change.credential_id in (None, credential.pk):
        return words
    return format_html("{} with {}", words, link_to(change.credential))
