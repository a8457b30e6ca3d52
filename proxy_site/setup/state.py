"""What a database of Castor's holds already, as far as it can be read."""

from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connections
from msgspec import Struct

from credentials.models import ClientToken, Credential, Kind
from proxy_site.environment import Env

_ALIAS = "looked_at"
"""It may be another one than the settings name: one that somebody wants to move to."""


class State(Struct, frozen=True):
    admins: tuple[str, ...] = ()
    tokens: int = 0
    keys: int = 0
    accounts: int = 0


def read_state(database_url: str) -> State:
    """Empty where there is no database yet, or none that can be read: it is prepared when the plan is carried out."""
    config = Env.db_url_config(database_url)
    if database_url.startswith("sqlite") and not Path(config["NAME"]).exists():
        return State()
    connections.settings[_ALIAS] = {**connections.settings["default"], "OPTIONS": {}, **config}
    try:
        return _read()
    except DatabaseError:
        return State()
    finally:
        connections[_ALIAS].close()
        del connections[_ALIAS], connections.settings[_ALIAS]


def _read() -> State:
    admins = User.objects.using(_ALIAS).filter(is_superuser=True, is_active=True).order_by("pk")
    pool = Credential.objects.using(_ALIAS).enabled()
    return State(
        admins=tuple(admins.values_list("username", flat=True)),
        tokens=ClientToken.objects.using(_ALIAS).count() + len(settings.PROXY_AUTH_KEYS),
        keys=pool.filter(kind=Kind.API_KEY).count(),
        accounts=pool.exclude(kind=Kind.API_KEY).count(),
    )
