"""What the admin's first page says of the pool."""

from datetime import datetime
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now

from credentials.health import State
from credentials.models import ApiKey, ClientToken
from credentials.status import SHOWN, shown_as, status_of

_MOST_ROWS = 10


def overview(_: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds `cards` (one a state, one for the tokens), `attention` (a table) and `pool_is_empty` to the page's context."""
    at = now()
    counts = ApiKey.objects.aggregate(**{state: Count("pk", filter=shown_as(state, at=at)) for state in SHOWN})
    keys = reverse("admin:credentials_apikey_changelist")
    cards = [{"title": label, "count": counts[state], "url": f"{keys}?state={state}"} for state, label in SHOWN.items()]
    tokens = {
        "title": "Client tokens",
        "count": ClientToken.objects.live(at=at).count(),
        "url": reverse("admin:credentials_clienttoken_changelist"),
    }
    return context | {"cards": [*cards, tokens], "attention": _attention(at), "pool_is_empty": not sum(counts.values())}


def _attention(at: datetime) -> dict[str, list]:
    """The dead keys, then the resting ones, as a table."""
    troubled = ApiKey.objects.filter(shown_as(State.INVALID, at=at) | shown_as(State.RATE_LIMITED, at=at)).defer("secret")
    rows = []
    for key in troubled.order_by("state", "until")[:_MOST_ROWS]:  # "invalid" stands before "rate_limited".
        status = status_of(key, at=at)
        link = format_html('<a href="{}">{}</a>', reverse("admin:credentials_apikey_change", args=[key.pk]), key)
        rows.append([link, status.label, status.reason, status.returns])
    return {"headers": ["key", "state", "why", "until"], "rows": rows}
