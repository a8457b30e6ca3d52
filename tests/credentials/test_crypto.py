"""Secrets at rest: rotation, the wrong key, what people and logs may see."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import connection

from credentials import crypto
from credentials.models import ApiKey

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_secret_comes_back_as_it_was():
    assert crypto.decrypt(crypto.encrypt("AQ.Ab8-ünï")) == "AQ.Ab8-ünï"


def test_the_first_key_encrypts_and_every_key_decrypts(settings):
    settings.CREDENTIAL_ENCRYPTION_KEYS = [OLD]
    sealed = crypto.encrypt("secret")
    settings.CREDENTIAL_ENCRYPTION_KEYS = [NEW, OLD]
    assert crypto.decrypt(sealed) == "secret"
    assert Fernet(NEW).decrypt(crypto.encrypt("other").encode()) == b"other"


def test_a_wrong_key_is_one_sentence_naming_the_setting(settings):
    sealed = crypto.encrypt("secret")
    settings.CREDENTIAL_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(ImproperlyConfigured, match="CREDENTIAL_ENCRYPTION_KEYS"):
        crypto.decrypt(sealed)


def test_a_malformed_key_is_one_sentence_naming_the_setting(settings):
    settings.CREDENTIAL_ENCRYPTION_KEYS = ["nonsense"]
    with pytest.raises(ImproperlyConfigured, match="CREDENTIAL_ENCRYPTION_KEYS"):
        crypto.encrypt("secret")


@pytest.mark.django_db
def test_the_database_holds_no_plain_secret():
    key = ApiKey.objects.create(secret="AQ.CANARY-0123456789")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM credentials_credential")
        assert "CANARY" not in str(cursor.fetchall())
    assert ApiKey.objects.get(pk=key.pk).secret == "AQ.CANARY-0123456789"


@pytest.mark.django_db
def test_a_dump_holds_no_plain_secret_and_brings_it_back_where_its_key_is(tmp_path, settings):
    key, dump = ApiKey.objects.create(secret="AQ.CANARY-0123456789"), tmp_path / "dump.json"
    call_command("dumpdata", "credentials.credential", output=dump)
    assert "CANARY" not in dump.read_text()
    ApiKey.objects.all().delete()
    settings.CREDENTIAL_ENCRYPTION_KEYS = [NEW, *settings.CREDENTIAL_ENCRYPTION_KEYS]
    call_command("loaddata", dump, verbosity=0)
    assert ApiKey.objects.get(pk=key.pk).secret == "AQ.CANARY-0123456789"
    settings.CREDENTIAL_ENCRYPTION_KEYS = [OLD]
    with pytest.raises(DeserializationError, match="CREDENTIAL_ENCRYPTION_KEYS"):
        call_command("loaddata", dump, verbosity=0)


@pytest.mark.parametrize(
    "secret",
    [
        "AIzaSyD0123456789abcdefghijklmnopqrstuv",
        "AQ.Ab8RN6L_x-y.z0123456789",
        "ya29.a0AfH6SMBx0123456789",
        "1//0gabcdefghijkl-mnop",
        "GOCSPX-abcdefghijklmnop",
        "sk-proj-abcdefghijklmnop",
        "castor-abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_every_kind_of_secret_is_redacted_from_foreign_text(secret):
    text = crypto.redact(f"Consumer 'api_key:{secret}' has been suspended.")
    assert secret not in text
    assert text.endswith("' has been suspended.")


def test_ordinary_text_is_not_redacted():
    text = "models/gemini-3.8-flash is not found for API version v1beta; see https://ai.google.dev/a//b"
    assert crypto.redact(text) == text


@pytest.mark.parametrize("secret", ["", "short", "fifteen-letters"])
def test_a_short_secret_is_masked_whole(secret):
    assert crypto.mask(secret) == "…"


def test_a_mask_tells_keys_apart_and_gives_nothing_away():
    assert crypto.mask("AQ.Ab8RN6Lxyz0123456789") == "AQ.Ab…6789"


def test_a_key_of_no_recognisable_shape_is_concealed_all_the_same():
    assert crypto.conceal("Consumer my-own-upstream-key is gone", "my-own-upstream-key") == "Consumer my-ow…-key is gone"
    assert crypto.conceal("nothing to hide", "my-own-upstream-key") == "nothing to hide"
