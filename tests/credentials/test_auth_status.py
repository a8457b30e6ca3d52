"""GET /auth/status: a word for everybody, details for admins, a token for nobody."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from credentials.health import Reason, State
from credentials.models import Credential, GoogleAccount, GoogleLogin
from tests.credentials.logins import STATUS

MOMENT = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)


def account(email: str, **fields) -> Credential:
    made = GoogleAccount.objects.create(email=email, secret=f"1//refresh-{email}", use="gemini_api", project="p-1", **fields)
    GoogleLogin.objects.create(
        credential=made,
        access_token=f"ya29.access-{email}",
        access_until=MOMENT,
        client_secret="GOCSPX-own",
        tier="standard-tier",
    )
    return made


@pytest.mark.parametrize(
    ("fields", "authenticated"), [({}, True), ({"enabled": False}, False), ({"state": State.INVALID}, False)]
)
def test_everybody_learns_whether_an_account_is_logged_in_and_nothing_else(db, client, fields, authenticated):
    account("ada@example.com", **fields)
    assert client.get(STATUS).json() == {"authenticated": authenticated}
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    assert client.get(STATUS).json() == {"authenticated": authenticated}


def test_a_key_is_no_login(db, key, admin):
    assert admin.get(STATUS).json() == {
        "authenticated": False,
        "email": None,
        "projectId": None,
        "expiresAt": None,
        "accounts": [],
    }


def test_an_admin_sees_the_first_account_that_serves_and_a_list_of_all(db, admin):
    account("dead@example.com", state=State.INVALID, reason=Reason.LOGIN_ENDED)
    account("off@example.com", enabled=False)
    ada = account("ada@example.com", label="Ada's")
    account("bob@example.com")
    GoogleLogin.objects.filter(pk=ada.pk).update(project="assist-1")
    answer = admin.get(STATUS).json()
    first = {"email": "ada@example.com", "projectId": "assist-1", "expiresAt": "2026-11-21T07:30:00Z"}
    assert {name: answer[name] for name in ("authenticated", *first)} == {"authenticated": True} | first
    assert [one["email"].partition("@")[0] for one in answer["accounts"]] == ["dead", "off", "ada", "bob"]
    assert answer["accounts"][0] | {"loggedInAt": None} == {
        "id": answer["accounts"][0]["id"],
        "label": "",
        "email": "dead@example.com",
        "projectId": "p-1",
        "expiresAt": "2026-11-21T07:30:00Z",
        "kind": "oauth",
        "use": "gemini_api",
        "tier": "standard-tier",
        "enabled": True,
        "state": "invalid",
        "reason": "login_ended",
        "until": None,
        "loggedInAt": None,
    }


def test_no_secret_is_told_and_nothing_is_kept(db, admin):
    account("ada@example.com")
    response = admin.get(STATUS)
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "application/json"
    assert not [secret for secret in ("1//", "ya29", "GOCSPX") if secret in response.content.decode()]


def test_the_list_costs_as_many_queries_as_one_account(db, admin, django_assert_max_num_queries):
    for number in range(10):
        account(f"{number}@example.com")
    with django_assert_max_num_queries(6):
        assert len(admin.get(STATUS).json()["accounts"]) == 10


def test_it_can_only_be_read(client):
    assert client.post(STATUS).status_code == 405
