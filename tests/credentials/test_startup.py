"""What happens before the first request: the checks, and what the environment brings."""

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.timezone import now

from credentials import crypto, startup
from credentials.models import ApiKey, ClientToken

pytestmark = pytest.mark.django_db
KEY, TOKEN = "AQ.env-0123456789", "team-token-1"


def test_a_sound_installation_passes():
    ApiKey.objects.create(secret=KEY)
    startup.check()


def test_the_wrong_encryption_key_is_one_sentence(settings):
    ApiKey.objects.create(secret=KEY)
    settings.CREDENTIAL_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ImproperlyConfigured, match="cannot be decrypted with CREDENTIAL_ENCRYPTION_KEYS"):
        startup.check()


def test_missing_migrations_are_one_sentence():
    [newest] = MigrationLoader(connection).graph.leaf_nodes("credentials")
    MigrationRecorder(connection).record_unapplied(*newest)
    with pytest.raises(ImproperlyConfigured, match=r"lacks 1 migrations. Run: manage.py migrate"):
        startup.check()


def test_an_unreachable_database_is_one_sentence_without_the_key_that_it_may_quote(monkeypatch):
    def refuse(*_):
        raise OperationalError("connection refused for AQ.env-0123456789\nIs the server running?")

    monkeypatch.setattr(startup, "MigrationExecutor", refuse)
    with pytest.raises(ImproperlyConfigured, match="cannot be reached; look at DATABASE_URL") as caught:
        startup.check()
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_and_tokens_of_the_environment_are_taken_in_once(settings):
    settings.GEMINI_API_KEYS, settings.PROXY_AUTH_KEYS = [KEY, KEY], [TOKEN]
    startup.take_in_environment()
    startup.take_in_environment()
    assert ApiKey.objects.get().secret == KEY
    token = ClientToken.objects.get()
    assert (token.digest, token.label, token.prefix) == (crypto.token_digest(TOKEN), "from PROXY_AUTH_KEYS", "tea")
    assert token.owner.username == "environment"
    assert not token.owner.has_usable_password()


def test_an_environment_without_either_leaves_no_trace():
    startup.take_in_environment()
    assert not User.objects.exists()


def test_what_cannot_be_a_key_is_reported_without_showing_it(settings, caplog):
    settings.GEMINI_API_KEYS = ["sécret-0123456789", KEY]
    startup.take_in_environment()
    assert ApiKey.objects.count() == 1
    assert "GEMINI_API_KEYS" in caplog.text
    assert "sécret" not in caplog.text


def test_a_disabled_key_and_a_revoked_token_stay_so_after_a_restart(settings):
    settings.GEMINI_API_KEYS, settings.PROXY_AUTH_KEYS = [KEY], [TOKEN]
    startup.take_in_environment()
    ApiKey.objects.update(enabled=False)
    ClientToken.objects.update(revoked_at=now())
    startup.take_in_environment()
    assert not ApiKey.objects.get().enabled
    assert ClientToken.objects.get().revoked_at is not None


def test_a_token_taken_out_of_the_environment_ends_and_goes_on_when_it_is_put_back(settings):
    settings.PROXY_AUTH_KEYS = [TOKEN, "team-token-2"]
    startup.take_in_environment()
    settings.PROXY_AUTH_KEYS = ["team-token-2"]
    startup.take_in_environment()
    live = ClientToken.objects.live(at=now())
    assert [token.digest for token in live] == [crypto.token_digest("team-token-2")]
    settings.PROXY_AUTH_KEYS = [TOKEN, "team-token-2"]
    startup.take_in_environment()
    assert live.all().count() == 2
