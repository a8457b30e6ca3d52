"""What the admin's first page says of the pool."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import now

from credentials.models import ClientToken, Credential
from credentials.status import SHOWN, shown_as


def overview(_: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds `cards` (one a state that is worth a look, and one for the tokens) and `pool_is_empty` to the page's context."""
    at = now()
    counts = Credential.objects.aggregate(**{state: Count("pk", filter=shown_as(state, at=at)) for state in SHOWN})
    keys = reverse("admin:credentials_apikey_changelist")
    cards = [{"title": label, "count": counts[state], "url": f"{keys}?state={state}"} for state, label in SHOWN.items()]
    tokens = {
        "title": "Client tokens",
        "count": ClientToken.objects.live(at=at).count(),
        "url": reverse("admin:credentials_clienttoken_changelist"),
    }
    return context | {"cards": [*cards, tokens], "pool_is_empty": not sum(counts.values())}
