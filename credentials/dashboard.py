"""What the admin's first page says of the pool."""

from datetime import datetime
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import now

from credentials.admin.alerts import open_alerts
from credentials.admin.shown import link_to
from credentials.health import State
from credentials.models import ApiKey, ClientToken
from credentials.status import SHOWN, shown_as, status_of

_MOST_ROWS = 10


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the page's context what the signed-in person may see: `cards`, and of the keys also `attention` (a table),
    `open_alerts` and `pool_is_empty`."""
    at = now()
    cards: list[dict[str, Any]] = []
    if request.user.has_perm("credentials.view_apikey"):
        cards += _key_cards(at)
        context |= {"attention": _attention(at), "open_alerts": open_alerts()}
        context["pool_is_empty"] = not any(card["count"] for card in cards)
    if request.user.has_perm("credentials.view_clienttoken"):
        cards.append(_token_card(at))
    return context | {"cards": cards}


def _key_cards(at: datetime) -> list[dict[str, Any]]:
    counts = ApiKey.objects.aggregate(**{state: Count("pk", filter=shown_as(state, at=at)) for state in SHOWN})
    keys = reverse("admin:credentials_apikey_changelist")
    return [{"title": label, "count": counts[state], "url": f"{keys}?state={state}"} for state, label in SHOWN.items()]


def _token_card(at: datetime) -> dict[str, Any]:
    live = ClientToken.objects.live(at=at).count()
    return {"title": "Client tokens", "count": live, "url": reverse("admin:credentials_clienttoken_changelist")}


def _attention(at: datetime) -> dict[str, list]:
    """The dead keys, then the resting ones, as a table."""
    troubled = ApiKey.objects.filter(shown_as(State.INVALID, at=at) | shown_as(State.RATE_LIMITED, at=at)).defer("secret")
    rows = []
    for key in troubled.order_by("state", "until")[:_MOST_ROWS]:  # "invalid" stands before "rate_limited".
        status = status_of(key, at=at)
        link = link_to(key)
        rows.append([link, status.label, status.reason, status.returns])
    return {"headers": ["key", "state", "why", "until"], "rows": rows}
