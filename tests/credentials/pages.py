"""The admin's pages by name, and what tests do on them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.test import Client
from django.utils.timezone import now

from credentials.health import Reason, State
from credentials.models import ApiKey, KeyHealth

CANARY = "AQ.CANARY-0123456789-abcdef"
KEYS, PASTE = "/admin/credentials/apikey/", "/admin/credentials/apikey/paste_keys/"
ACCOUNTS, CLI = "/admin/credentials/googleaccount/", "/admin/credentials/geminicli/"
WHO = "/admin/credentials/apikey/who_would_serve/"
TOKENS, ALIASES = "/admin/credentials/clienttoken/", "/admin/credentials/modelalias/"
RUNS, LIMITS = "/admin/credentials/checkrun/", "/admin/credentials/quotalimit/"
ERRORS, ALERTS = "/admin/credentials/unknownerror/", "/admin/credentials/alert/"
USAGE = "/admin/openai_api/usagerecord/"


def texts(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def act(admin: Client, action: str, *rows, url: str = KEYS, **given) -> list[str]:
    """Do something to rows of a list; with `given` answers where it asks. Returns what the page says then."""
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    response = admin.post(url, form | ({"answered": "1"} | given if given else {}), follow=True)
    assert response.status_code == 200
    return texts(response)


def rows(response) -> str:
    """The page without its list of filters, which names every reason."""
    page = response.content.decode()
    return page[page.index('id="changelist-form"') : page.index("</form>", page.index('id="changelist-form"'))]


def rest(
    key: ApiKey | None = None,
    model: str = "m",
    *,
    project: str = "",
    reason: Reason = Reason.DAY_QUOTA,
    until: datetime | None = None,
) -> KeyHealth:
    state = State.INVALID if reason is Reason.KEY_LEAKED else State.RATE_LIMITED
    until = until or (None if state is State.INVALID else now() + timedelta(hours=6))
    return KeyHealth.objects.create(
        credential=key, project=project, model=model, state=state, reason=reason, since=now(), until=until, detail="said Google"
    )


def many_keys(number: int) -> Iterable[ApiKey]:
    """Keys that are quickly made: their secrets are never read."""
    made = (ApiKey(secret="s" * 20, fingerprint=f"{place}", masked=f"{place}") for place in range(number))
    return ApiKey.objects.bulk_create(made, batch_size=500)
