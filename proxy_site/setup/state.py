"""What this installation holds already, as far as its database can be read."""

from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connections
from msgspec import Struct

from credentials.health import State as Health
from credentials.models import ClientToken, Credential, Kind


class State(Struct, frozen=True):
    admins: tuple[str, ...] = ()
    tokens: int = 0
    keys: int = 0
    accounts: int = 0
    dead: int = 0
    """Keys and accounts that Google refuses."""


def read_state() -> State:
    """Empty where there is no database yet, or none that can be read: it is prepared when the plan is carried out."""
    if settings.EMBEDDED and not Path(settings.DATABASES["default"]["NAME"]).exists():
        return State()
    try:
        return _read()
    except DatabaseError:
        return State()
    finally:
        connections.close_all()


def _read() -> State:
    pool = Credential.objects.enabled()
    return State(
        admins=tuple(User.objects.filter(is_superuser=True, is_active=True).order_by("pk").values_list("username", flat=True)),
        tokens=ClientToken.objects.count() + len(settings.PROXY_AUTH_KEYS),
        keys=pool.filter(kind=Kind.API_KEY).count(),
        accounts=pool.exclude(kind=Kind.API_KEY).count(),
        dead=pool.filter(state=Health.INVALID).count(),
    )
