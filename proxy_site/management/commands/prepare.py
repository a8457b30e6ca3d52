import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from credentials import crypto, startup
from proxy_site.secrecy import check_secret

_LOCK = 0x0CA5_7012
"""Of PostgreSQL's advisory locks the one of ours."""


class Command(BaseCommand):
    help = (
        "What a start on several machines needs first: check the secrets, bring the database up to date, "
        "take in the keys and tokens that the environment names."
    )
    requires_system_checks = []

    def handle(self, *, verbosity: int, **options) -> None:
        check_secrets()
        with _alone():
            call_command("migrate", verbosity=verbosity, interactive=False)
            startup.check()
            startup.take_in_environment()


def check_secrets() -> None:
    """Raises ImproperlyConfigured. What the settings themselves look at has been found right by now."""
    crypto.encryption()
    for key in settings.CREDENTIAL_ENCRYPTION_KEYS:
        check_secret("CREDENTIAL_ENCRYPTION_KEYS", key, least=44, remedy="deploy/secrets.sh makes one.")
    if "PGPASSWORD" in os.environ:  # That is how docker-compose.yml hands over what .env calls so.
        check_secret("POSTGRES_PASSWORD", os.environ["PGPASSWORD"], least=16, remedy="Make one with: openssl rand -hex 24")


@contextmanager
def _alone() -> Iterator[None]:
    """Several machines may start at once: one of them prepares, the others wait and find it done."""
    if connection.vendor != "postgresql":  # SQLite is one machine's, and its launcher holds a lock.
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
