"""What the admin's first page says of the pool."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import F, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import now

from credentials.admin.alerts import open_alerts
from credentials.admin.shown import PAGES, link_to, visible_kinds
from credentials.health import State
from credentials.models import ClientToken, Credential, KeyHealth, Kind
from credentials.status import SHOWN, counts_by_kind, first_return, shown_as, status_of

_MOST_ROWS = 10
_PLURALS = {Kind.OAUTH: "Google accounts", Kind.GEMINI_CLI: "Gemini CLI", Kind.OPENAI_COMPATIBLE: "Keys of servers"}


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the page's context what the signed-in person may see: `cards`, and of the credentials also `attention` (a
    table), `resting` (another, of those that serve other models), `open_alerts` and `pool_is_empty`."""
    at = now()
    cards: list[dict[str, Any]] = []
    if kinds := visible_kinds(request.user):
        counts = counts_by_kind(at=at)
        cards += [card for kind in kinds for card in _cards(kind, counts.get(kind, {}))]
        context |= {"attention": _attention(kinds, at), "resting": _resting(kinds, at), "open_alerts": open_alerts()}
        context["pool_is_empty"] = not counts and Kind.API_KEY in kinds
    if request.user.has_perm("credentials.view_clienttoken"):
        cards.append(_token_card(at))
    return context | {"cards": cards}


def _cards(kind: Kind, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Of keys one for each state; of the other kinds one, if there are any."""
    address = reverse(f"admin:{PAGES[kind]}_changelist")
    if kind is Kind.API_KEY:
        return [
            {"title": f"{label} keys", "count": counts.get(state, 0), "url": f"{address}?state={state}"}
            for state, label in SHOWN.items()
        ]
    told = " · ".join(f"{counts[state]:,} {label.lower()}" for state, label in SHOWN.items() if counts.get(state))
    return [{"title": _PLURALS[kind], "count": sum(counts.values()), "told": told, "url": address}] if counts else []


def _token_card(at: datetime) -> dict[str, Any]:
    live = ClientToken.objects.live(at=at).count()
    return {"title": "Client tokens", "count": live, "url": reverse("admin:credentials_clienttoken_changelist")}


def _attention(kinds: Collection[Kind], at: datetime) -> dict[str, list]:
    """The dead credentials, then the resting ones, as a table."""
    troubled = Q(shown_as(State.INVALID, at=at) | shown_as(State.RATE_LIMITED, at=at))
    rows = []
    # "invalid" stands before "rate_limited".
    for credential in Credential.objects.filter(troubled, kind__in=kinds).defer("secret").order_by("state", "until")[:_MOST_ROWS]:
        status = status_of(credential, at=at)
        rows.append([link_to(credential), status.label, status.reason, status.returns])
    return {"headers": ["credential", "state", "why", "until"], "rows": rows}


def _resting(kinds: Collection[Kind], at: datetime) -> dict[str, list]:
    """What rests for one model only, as a table: the credential or the project, whoever is back first at the top."""
    seen = Credential.objects.enabled().filter(kind__in=kinds)
    ours = Q(credential__in=seen) | Q(project__in=seen.exclude(project="").values("project"))
    standing = KeyHealth.objects.standing().filter(ours).exclude(model="").exclude(until__lte=at)
    rows = [
        [_whose(rest), rest.model, rest.get_reason_display(), first_return([rest], at=at)]
        for rest in standing.order_by(F("until").asc(nulls_last=True), "pk")
        .select_related("credential")
        .defer("credential__secret")[:_MOST_ROWS]
    ]
    unnamed = standing.count() - len(rows)
    return {
        "headers": ["credential", "model", "why", "until"],
        "rows": [*rows, [f"and {unnamed:,} more", "", "", ""]] if unnamed else rows,
    }


def _whose(rest: KeyHealth) -> str:
    return f"all of the project {rest.project}" if rest.project else link_to(rest.credential)
