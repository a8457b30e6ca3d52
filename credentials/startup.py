"""What is done and looked at before the gateway serves."""

import logging
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils.timezone import now

from credentials import crypto
from credentials.accounts.importing.files import read_value
from credentials.accounts.importing.intake import HOW_TO_ENABLE, accounts_of
from credentials.accounts.importing.shapes import Found
from credentials.findings import Verdict
from credentials.importing import examine, take_in
from credentials.models import ClientToken, Credential
from credentials.servers import InvalidAddress, add_keys, base_url_of, flaw_of, take_in_server
from credentials.signals import request_check

logger = logging.getLogger(__name__)

_OWNER = "environment"
_FALLBACK_PRIORITY = -10
"""Of config.yaml's fallback keys: asked only while those of priority 0, which all others have, rest."""
_LABEL = "from PROXY_AUTH_KEYS"


def check() -> None:
    """Raises ImproperlyConfigured, in one sentence, when the database or the encryption key is not what it must be."""
    crypto.encryption()
    try:
        missing = _missing_migrations()
    except OperationalError as error:
        raise ImproperlyConfigured(
            f"The database cannot be reached; look at DATABASE_URL. It says: {first_line(error)}"
        ) from error
    if missing:
        raise ImproperlyConfigured(f"The database lacks {missing} migrations. Run: manage.py migrate")
    # The oldest and the newest: if the keys were exchanged without rotation, at least one of them cannot be read.
    for order in ("pk", "-pk"):
        Credential.objects.order_by(order).values_list("secret").first()


def take_in_environment() -> None:
    """Take the keys of GEMINI_API_KEYS and config.yaml into the pool, make the tokens of PROXY_AUTH_KEYS.

    Make a server of UPSTREAM_URL as well. Doing it again changes nothing. Raises ImproperlyConfigured where that is no address.
    """
    _take_in_upstream()
    config = settings.CONFIG
    if config.unknown:
        logger.warning("%s: Castor has no such settings: %s.", config.source, ", ".join(config.unknown))
    _take_in(_read(settings.GEMINI_API_KEYS, "GEMINI_API_KEYS"))
    _take_in(_read(config.primary_keys, "primary_keys"))
    _take_in(_read(config.fallback_keys, "fallback_keys"), priority=_FALLBACK_PRIORITY)
    if settings.PROXY_AUTH_KEYS or User.objects.filter(username=_OWNER).exists():
        _take_in_tokens(settings.PROXY_AUTH_KEYS)


def _take_in_upstream() -> None:
    if not settings.UPSTREAM_URL:
        return
    try:
        base_url = base_url_of(settings.UPSTREAM_URL)
    except InvalidAddress as error:
        raise ImproperlyConfigured(f"UPSTREAM_URL is no address of a server: {error}") from error
    keys = [key for key in settings.FIXED_API_KEY if not flaw_of(key)]
    if len(keys) < len(settings.FIXED_API_KEY):
        logger.warning("FIXED_API_KEY has a value that no key can be; it is not taken in.")
    server = take_in_server(base_url)
    if keys or not (settings.FIXED_API_KEY or server.credentials.exists()):
        request_check(add_keys(server, keys or [""]))


def first_line(error: Exception) -> str:
    return crypto.redact(str(error).strip().split("\n")[0])


def _read(values: Iterable[str], name: str) -> list[Found]:
    return [found for number, value in enumerate(values, 1) for found in read_value(value, f"Value {number} of {name}")]


def _take_in(found: list[Found], *, priority: int = 0) -> None:
    report = examine(found, ask_google=True)
    take_in(report, priority=priority)
    for finding in report.of(Verdict.MALFORMED):
        logger.warning("%s is not taken in: %s.", finding.candidate.where, finding.note)
    for account in accounts_of(report).lacking_terms():
        logger.warning("The account %s is taken in disabled. %s", account, HOW_TO_ENABLE)


def _missing_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _take_in_tokens(plain_tokens: list[str]) -> None:
    owner, _ = User.objects.get_or_create(username=_OWNER, defaults={"password": make_password(None)})
    digests = {crypto.token_digest(plain): plain for plain in plain_tokens}
    ours = ClientToken.objects.filter(owner=owner, label=_LABEL)
    known = set(ClientToken.objects.filter(digest__in=digests).values_list("digest", flat=True))
    for digest, plain in digests.items():
        if digest not in known:
            _issue(owner, plain)
    # Taken out of the settings, a token ends; put back, it goes on, unless an admin has revoked it.
    for token in ours.exclude(digest__in=digests).filter(expires_at=None):
        token.expires_at = now()
        token.save()
    for token in ours.filter(digest__in=digests, expires_at__lte=now()):
        token.expires_at = None
        token.save()


def _issue(owner: User, plain: str) -> None:
    try:
        with transaction.atomic():
            ClientToken.issue(owner, plain=plain, label=_LABEL)
    except IntegrityError:
        pass  # Another worker that starts now was first.
