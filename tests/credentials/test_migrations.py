"""Databases of earlier versions, taken to this one and back."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.timezone import now

from credentials.models import Kind

BEFORE = [("credentials", "0002_default_aliases")]
AFTER = [("credentials", "0003_pool_memory")]
ACCOUNTS = [("credentials", "0004_google_accounts")]

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(to):
    executor = MigrationExecutor(connection)
    executor.migrate(to)
    return MigrationExecutor(connection).loader.project_state(to).apps


@pytest.fixture
def before():
    yield migrate(BEFORE)
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


def add_key(apps, number, **fields):
    return apps.get_model("credentials", "Credential").objects.create(
        kind=Kind.API_KEY, secret=f"test-key-{number}", fingerprint=str(number), masked="…", **fields
    )


def add_rest(apps, **fields):
    rest = {"state": "rate_limited", "reason": "day_quota", "model": "gemini-3.8-flash", "since": now(), "until": now()}
    return apps.get_model("credentials", "KeyHealth").objects.create(**rest | fields)


def test_rests_and_projects_of_the_version_before_are_kept(before):
    add_rest(before, credential=add_key(before, 1, project="p-1"), strikes=3)
    add_rest(before, credential=add_key(before, 2), state="invalid", reason="key_rejected", model="", until=None)
    apps = migrate(AFTER)
    keys = apps.get_model("credentials", "Credential").objects.order_by("pk")
    assert list(keys.values_list("project", "project_source")) == [("p-1", "typed"), ("", "")]
    rests = apps.get_model("credentials", "KeyHealth").objects.order_by("credential")
    assert list(rests.values_list("reason", "strikes", "project")) == [("day_quota", 3, ""), ("key_rejected", 1, "")]


def test_the_way_back_leaves_out_what_the_version_before_cannot_read(before):
    apps = migrate(AFTER)
    key = add_key(apps, 1, project="p-1", state="rate_limited", reason="day_quota")
    add_rest(apps, credential=None, project="p-1")
    add_rest(apps, credential_id=key.pk, reason="", state="available")
    add_rest(apps, credential_id=key.pk, model="gemini-3.1-pro-preview")
    apps = migrate(BEFORE)
    assert apps.get_model("credentials", "KeyHealth").objects.get().model == "gemini-3.1-pro-preview"
    assert apps.get_model("credentials", "Credential").objects.get().state == "available"


def test_on_the_way_back_no_account_is_taken_for_a_key(before):
    apps = migrate(ACCOUNTS)
    address = "somebody-with-a-long-name@example.com"
    account = apps.get_model("credentials", "Credential").objects.create(
        kind=Kind.OAUTH, use="gemini_api", email=address, masked=address, secret="1//refresh", fingerprint="1"
    )
    apps.get_model("credentials", "GoogleLogin").objects.create(credential=account)
    add_rest(apps, credential=account, reason="login_ended", state="invalid", model="", until=None)
    apps = migrate(AFTER)
    left = apps.get_model("credentials", "Credential").objects.get()
    assert (left.enabled, left.masked) == (False, "…")
    assert not apps.get_model("credentials", "KeyHealth").objects.exists()


def test_on_the_way_back_a_reason_that_is_unknown_there_is_left_out(before):
    apps = migrate([("credentials", "0006_sign_in_failed")])
    resting = add_key(apps, 1, state="rate_limited", reason="sign_in_failed")
    add_rest(apps, credential_id=resting.pk, reason="sign_in_failed", model="")
    add_rest(apps, credential_id=resting.pk)
    apps = migrate([("credentials", "0005_imported_logins")])
    assert list(apps.get_model("credentials", "KeyHealth").objects.values_list("reason", flat=True)) == ["day_quota"]
    assert apps.get_model("credentials", "Credential").objects.values_list("state", "reason").get() == ("available", "")
