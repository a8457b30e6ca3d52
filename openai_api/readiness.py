"""Whether Castor may be sent requests: told from memory, so that asking costs nothing, whoever asks how often."""

import pkgutil
from importlib import import_module

from django.apps import apps
from django.db import connection

from credentials.pool import Pool

OK = "ok"


class Readiness:
    """What the gateway finds out while it keeps memory and database in agreement."""

    def __init__(self) -> None:
        self.missing: list[str] | None = None
        """Migrations that the database lacks; None: it has not been asked yet."""

    @property
    def is_migrated(self) -> bool:
        return self.missing == []

    def checks(self, pool: Pool) -> dict[str, str]:
        """Each with OK, or why not in one sentence."""
        return {
            "database": OK if pool.up_to_date else "It cannot be reached. Castor's log says why.",
            "migrations": OK if self.is_migrated else _wanting(self.missing),
            "pool": OK if pool.loaded else "Credentials and tokens have not been loaded yet.",
        }


def missing_migrations() -> list[str]:
    """Those that this Castor brings and the database lacks, as `app.name`. Runs in the database's thread."""
    with connection.cursor() as cursor:
        if "django_migrations" not in connection.introspection.table_names(cursor):
            applied = set()
        else:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = {f"{app}.{name}" for app, name in cursor.fetchall()}
    return sorted(_brought() - applied)


def _brought() -> set[str]:
    """By the names of the files: to load them all would take memory that is never needed again."""
    found = set()
    for app in apps.get_app_configs():
        try:
            folder = import_module(f"{app.name}.migrations")
        except ModuleNotFoundError:
            continue
        found |= {f"{app.label}.{module.name}" for module in pkgutil.iter_modules(folder.__path__) if module.name[0] not in "_~"}
    return found


def _wanting(missing: list[str] | None) -> str:
    if missing is None:
        return "The database has not been asked for them yet."
    return f"{len(missing)} are not applied, {missing[0]} first. Run: manage.py migrate"
