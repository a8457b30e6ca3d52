"""What the pages of an account say of its login, and of what Code Assist has left for it."""

from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime, now

from credentials.admin.shown import ago
from credentials.models import Credential, GoogleLogin, Use
from credentials.status import describe_span

_MOST_NAMED = 2
"""How many models a row of the list names."""
_SCARCE = 0.2
"""Of what there is a day; what is below is told in another colour."""


def about_login(credential: Credential, login: GoogleLogin) -> list[tuple[str, Any]]:
    """Names and what stands beside them."""
    facts = [
        ("Used for", Use(credential.use).label),
        ("Access token", token_of(login)),
        ("Logged in", ago(login.logged_in_at)),
    ]
    if credential.use == Use.CODE_ASSIST:
        tier = login.tier_name or login.tier or "not known yet"
        facts += [("Tier", tier), ("Project", login.project or "none yet"), ("Terms", _terms(credential))]
    return facts


def token_of(login: GoogleLogin) -> str:
    if login.access_until is None:
        return "none yet"
    left = login.access_until - now()
    return f"for {describe_span(left)}" if left.total_seconds() > 0 else "run out"


def _terms(credential: Credential) -> SafeString | str:
    if credential.lacks_terms:
        return "not acknowledged"
    by = credential.terms_accepted_by or "somebody"
    return format_html("acknowledged by {}, {}", by, ago(credential.terms_accepted_at))


def quota_of(login: GoogleLogin) -> list[dict[str, Any]]:
    """What Code Assist says is left, the scarcest first. Shape: {model, left, percent, is_scarce, resets}."""
    at = now()
    return [_row(bucket, at) for bucket in sorted(_buckets(login), key=_left)]


def worst_of(login: GoogleLogin) -> SafeString | str:
    """The scarcest models in a few words, for the list."""
    at = now()
    scarcest = sorted((bucket for bucket in _buckets(login) if _is_told(bucket)), key=_left)
    rows = [_row(bucket, at) for bucket in scarcest[:_MOST_NAMED]]
    if not rows:
        return ""
    lines = [format_html('<b class="{}">{}</b> {}', *_in_colour(row), row["model"]) for row in rows]
    if more := len(scarcest) - len(rows):
        lines.append(SafeString(f"and {more} more"))
    title = f"as of {localtime(login.quota_at):%Y-%m-%d %H:%M}" if login.quota_at else ""
    inner = format_html_join(SafeString("<br>"), "{}", ((line,) for line in lines))
    return format_html('<span class="quota" title="{}">{}</span>', title, inner)


def _in_colour(row: dict[str, Any]) -> tuple[str, str]:
    return "is-lacking" if row["is_scarce"] else "", row["share"]


def _buckets(login: GoogleLogin) -> list[dict[str, Any]]:
    return [bucket for bucket in login.quota if isinstance(bucket, dict) and bucket.get("model")]


def _is_told(bucket: dict[str, Any]) -> bool:
    return bucket.get("remaining_fraction") is not None


def _left(bucket: dict[str, Any]) -> tuple[float, str]:
    """What is not told is taken to be all there: it is the least interesting."""
    return (bucket["remaining_fraction"] if _is_told(bucket) else 1.0), bucket["model"]


def _row(bucket: dict[str, Any], at: datetime) -> dict[str, Any]:
    fraction = bucket.get("remaining_fraction")
    amount = bucket.get("remaining_amount")
    percent = None if fraction is None else max(0, min(100, round(100 * fraction)))
    return {
        "model": bucket["model"],
        "share": f"{percent} %",
        "left": _told(percent, amount),
        "percent": percent,
        "is_scarce": fraction is not None and fraction < _SCARCE,
        "resets": _resets(bucket.get("reset_at"), at),
    }


def _told(percent: int | None, amount: Any) -> str:
    told = [f"{percent} %" if percent is not None else "", f"{amount} requests" if amount not in (None, "") else ""]
    return " · ".join(filter(None, told)) or "not told"


def _resets(moment: str | None, at: datetime) -> str:
    """`moment` as Google writes it, in ISO 8601."""
    until = parse_datetime(moment) if moment else None
    if until is None:
        return ""
    return f"{localtime(until):%Y-%m-%d %H:%M %Z}, in {describe_span(until - at)}" if until > at else "since then begun anew"
