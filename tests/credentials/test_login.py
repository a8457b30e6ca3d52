"""A login with Google: what is asked of Google, what is stored, and what does not get through."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.utils.timezone import now

from credentials.accounts import pending
from credentials.accounts.redirects import Callback, read_pasted, redirect_for
from credentials.accounts.wanted import LoginFailed, Wanted
from credentials.models import Credential, GoogleLogin, Kind, Use
from tests.credentials.logins import (
    ADA,
    CALLBACK,
    LOGIN,
    NAMED,
    PLAIN,
    PROJECT,
    Visitor,
    address_on,
    calls_of,
    query_of,
    text_of,
    with_query,
)

BOB = "bob@example.com"


def test_a_login_asks_google_for_offline_access_with_a_challenge_and_stores_what_comes_back(visitor, set_up):
    address = visitor.begin(use="gemini_api", project=PROJECT)
    asked = query_of(address)
    assert asked["redirect_uri"] == f"http://{visitor.host}{CALLBACK}"
    assert (asked["access_type"], asked["prompt"], asked["code_challenge_method"]) == ("offline", "consent", "S256")
    page = visitor.arrive(visitor.consent(address))
    assert page.status_code == 200
    account = Credential.objects.get()
    assert (account.kind, account.use, account.email, account.project) == (Kind.OAUTH, Use.GEMINI_API, ADA, PROJECT)
    assert account.enabled
    assert account.secret in visitor.google.oauth.refresh
    assert account.login.access_token in visitor.google.oauth.access
    assert set_up.asked == [account.pk]


def test_what_is_asked_of_google_tells_nothing_that_could_redeem_the_code(visitor):
    address = visitor.begin(use="gemini_api", project=PROJECT)
    asked = query_of(address)
    state, kept = asked["state"], visitor.client.session["google_logins"]
    with pytest.raises(LoginFailed):
        pending.take({}, state)  # No session but the one in which it began knows it.
    login, verifier = pending.take(dict(visitor.client.session), state)
    assert verifier not in address
    assert verifier not in str(kept)  # Nor does the table of sessions, in plain text.
    assert login.redirect_uri == asked["redirect_uri"]


def test_two_logins_under_way_in_one_session_do_not_disturb_each_other(visitor):
    visitor.google.add_user(BOB)
    first, second = (visitor.begin(use="gemini_api", project=name) for name in ("one-project", "two-project"))
    assert visitor.arrive(visitor.consent(second, BOB)).status_code == 200
    assert visitor.arrive(visitor.consent(first, ADA)).status_code == 200
    assert dict(Credential.objects.values_list("email", "project")) == {ADA: "one-project", BOB: "two-project"}


def test_a_session_holds_a_few_logins_and_forgets_the_oldest(visitor):
    addresses = [visitor.begin(use="gemini_api", project=PROJECT) for _ in range(pending.MOST + 1)]
    assert len(visitor.client.session["google_logins"]) == pending.MOST
    assert visitor.arrive(visitor.consent(addresses[0])).status_code == 400
    assert visitor.arrive(visitor.consent(addresses[1])).status_code == 200


def test_a_callback_counts_in_the_session_alone_in_which_the_login_began(visitor, google):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    other = Client()
    other.force_login(User.objects.create_superuser("other"))
    page = Visitor(google, other).arrive(callback)
    assert page.status_code == 400
    assert "has not begun this login here" in text_of(page)
    assert not Credential.objects.exists()
    assert not calls_of(google, "token")


@pytest.mark.parametrize("state", ["", "x", "é", "0" * 43])
def test_a_state_that_nobody_gave_out_is_refused(visitor, google, state):
    callback = with_query(visitor.consent(visitor.begin(use="gemini_api", project=PROJECT)), state=state)
    assert visitor.arrive(callback).status_code == 400
    assert not calls_of(google, "token")


def test_a_callback_counts_once(visitor, google):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    assert visitor.arrive(callback).status_code == 200
    again = visitor.arrive(callback)
    assert again.status_code == 400
    assert "has been used already" in text_of(again)
    assert len(calls_of(google, "token")) == 1


def test_a_login_that_failed_cannot_be_tried_with_another_code(visitor, google):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    assert visitor.arrive(with_query(callback, code="4/0another")).status_code == 400
    assert "has been used already" in text_of(visitor.arrive(callback))
    assert not Credential.objects.exists()


def test_a_login_that_began_too_long_ago_is_refused(visitor, google, monkeypatch):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    later = now() + timedelta(seconds=pending.LIFETIME + 1)
    monkeypatch.setattr(pending, "now", lambda: later)
    page = visitor.arrive(callback)
    assert "more than 15 minutes ago" in text_of(page)
    assert not calls_of(google, "token")


def test_a_code_that_was_meant_for_another_login_is_refused_by_google(visitor, google):
    """Whoever slips somebody else's code into a login of ours has not the verifier that belongs to it."""
    foreign = query_of(visitor.consent(visitor.begin(use="gemini_api", project=PROJECT)))["code"]
    callback = with_query(visitor.consent(visitor.begin(use="gemini_api", project=PROJECT)), code=foreign)
    assert "no longer takes the code" in text_of(visitor.arrive(callback))
    assert not Credential.objects.exists()


def test_looking_ahead_uses_nothing_up(visitor):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    assert visitor.client.head(f"{CALLBACK}?{callback.partition('?')[2]}", headers={"host": visitor.host}).status_code == 200
    assert visitor.arrive(callback).status_code == 200


def test_logging_in_again_keeps_the_row_and_its_settings(visitor):
    visitor.log_in()
    account = Credential.objects.get()
    Credential.objects.update(label="Ada's", priority=7, notes="kept")
    first = account.secret
    address = visitor.begin(account=str(account.pk))
    assert query_of(address)["login_hint"] == ADA
    page = visitor.arrive(visitor.consent(address))
    assert "again: its history and settings are kept" in text_of(page)
    account = Credential.objects.get()
    assert (account.label, account.priority, account.notes, account.project) == ("Ada's", 7, "kept", PROJECT)
    assert account.secret != first


def test_another_account_does_not_take_the_place_of_the_one_that_was_to_log_in_again(visitor):
    visitor.google.add_user(BOB)
    visitor.log_in()
    account = Credential.objects.get()
    page = visitor.arrive(visitor.consent(visitor.begin(account=str(account.pk)), BOB))
    assert page.status_code == 400
    assert f"You have logged in as {BOB}, but {ADA} was to be logged in again. Nothing was stored." in text_of(page)
    assert Credential.objects.get().email == ADA


def test_an_account_with_a_client_of_its_own_logs_in_again_with_that_client(visitor, google):
    own_client(visitor, google)
    account = Credential.objects.get()
    address = visitor.begin(account=str(account.pk))
    assert query_of(address)["client_id"] == "another-client"
    assert visitor.arrive(visitor.consent(address)).status_code == 200
    assert Credential.objects.get().login.client_id == "another-client"


def test_a_client_of_its_own_is_sent_to_the_loopback_address_even_where_castor_has_a_name(visitor, google):
    own_client(visitor, google)
    page = Visitor(google, visitor.client, host=NAMED).get(LOGIN, account=str(Credential.objects.get().pk))
    assert query_of(address_on(page))["redirect_uri"] == f"http://127.0.0.1:8000{CALLBACK}"


def test_no_secret_of_a_login_is_logged(visitor, caplog):
    caplog.set_level(logging.DEBUG)
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    visitor.arrive(callback)
    visitor.arrive(callback)  # A refusal is logged by Django.
    account = Credential.objects.get()
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.split(".")[0] not in ("httpx", "httpcore"))
    assert "Bad Request" in said
    secrets = [*query_of(callback).values(), account.secret, account.login.access_token]
    assert not [secret for secret in secrets if secret in said]


# --- Who may ---------------------------------------------------------------------------------------------------------


def test_whoever_is_not_signed_in_is_asked_to_sign_in(google_login, client):
    response = Visitor(google_login, client).get(LOGIN, use="gemini_api", project=PROJECT)
    assert response["location"] == "/admin/login/?next=/auth/login%3Fuse%3Dgemini_api%26project%3Dada-project"
    client.force_login(User.objects.create_user("nobody in particular"))
    assert Visitor(google_login, client).get(LOGIN)["location"].startswith("/admin/login/")
    assert not Session.objects.filter(pk=client.session.session_key, session_data__contains="google").exists()


@pytest.mark.parametrize(("permission", "opened"), [("", False), ("view", False), ("change", False), ("add", True)])
def test_a_member_of_the_staff_needs_the_right_to_add_accounts(google_login, client, permission, opened):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename=f"{permission}_googleaccount"))
    client.force_login(clerk)
    response = Visitor(google_login, client).get(LOGIN, use="gemini_api", project=PROJECT)
    assert response.status_code == (302 if opened else 403)


def test_to_log_in_again_the_right_to_change_accounts_is_enough(visitor):
    visitor.log_in()
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="change_googleaccount"))
    visitor.client.force_login(clerk)
    assert visitor.get(LOGIN, account=str(Credential.objects.get().pk)).status_code == 302
    assert visitor.get(LOGIN, use="gemini_api", project=PROJECT).status_code == 403


def test_a_callback_is_taken_from_a_form_of_ours_only(visitor):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = visitor.client.cookies
    assert strict.post(CALLBACK, {"address": "http://127.0.0.1:8000/auth/callback?state=s&code=c"}).status_code == 403
    assert strict.post(LOGIN, {}).status_code == 403


# --- Where the browser comes back to ----------------------------------------------------------------------------------

ROADS = [
    ("http", "localhost:8000", "", f"http://localhost:8000{CALLBACK}", True),
    ("http", "127.0.0.1:8000", "", f"http://127.0.0.1:8000{CALLBACK}", True),
    ("http", "[::1]:8000", "", f"http://[::1]:8000{CALLBACK}", True),
    ("https", NAMED, "", f"https://{NAMED}{CALLBACK}", True),
    ("http", NAMED, "", f"http://127.0.0.1:8000{CALLBACK}", False),
    ("http", PLAIN, "", f"http://127.0.0.1:8000{CALLBACK}", False),
    ("https", "203.0.113.7", "", f"http://127.0.0.1:8000{CALLBACK}", False),
    ("http", "localhost.example.com", "", f"http://127.0.0.1:8000{CALLBACK}", False),
    ("http", "127.0.0.1.example.com", "", f"http://127.0.0.1:8000{CALLBACK}", False),
    ("https", NAMED, f"https://{NAMED}{CALLBACK}", f"https://{NAMED}{CALLBACK}", True),
    ("http", PLAIN, f"https://{NAMED}{CALLBACK}", f"https://{NAMED}{CALLBACK}", False),
    ("http", "localhost:8000", "http://localhost:1455/elsewhere", "http://localhost:1455/elsewhere", False),
]


@pytest.mark.parametrize(("scheme", "host", "setting", "uri", "comes_back"), ROADS)
def test_google_is_told_an_address_that_it_takes(settings, scheme, host, setting, uri, comes_back):
    settings.GOOGLE_OAUTH_REDIRECT_URI, settings.PORT = setting, 8000
    request = RequestFactory().get(LOGIN, headers={"host": host}, secure=scheme == "https")
    target = redirect_for(request, paste=False, own_client=False)
    assert (target.uri, target.comes_back) == (uri, comes_back)
    pasted = redirect_for(request, paste=True, own_client=False)
    assert (pasted.uri, pasted.comes_back) == (setting or f"http://127.0.0.1:8000{CALLBACK}", False)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/auth/callback?state=s&code=4/0c&scope=email",
        "  http://127.0.0.1:8000/auth/callback?state=s&code=4%2F0c\n",
        "http://127.0.0.1:8000/auth/call\nback?state=s&co\n de=4/0c",
        "https://castor.example.com/auth/callback?code=4/0c&state=s#",
        "state=s&code=4/0c",
    ],
)
def test_an_address_is_read_however_it_was_copied(text):
    assert read_pasted(text) == Callback(state="s", code="4/0c")


@pytest.mark.parametrize(
    "text", ["", "4/0c", "http://127.0.0.1:8000/auth/callback", "https://example.com/?code=c", "?state=s", "\0", "state=&code="]
)
def test_what_is_no_address_of_a_callback_is_refused(text):
    with pytest.raises(LoginFailed, match="not the address at which Google's login ends"):
        read_pasted(text)


def test_googles_word_for_an_error_is_told_only_if_it_is_a_word():
    assert read_pasted("?state=s&error=access_denied").error == "access_denied"
    assert read_pasted("?state=s&error=<b>call 555").error == "unknown"


def test_a_pasted_address_ends_the_login_like_a_redirect(visitor, google):
    remote = Visitor(google, visitor.client, host=PLAIN)
    page = remote.get(LOGIN, use="gemini_api", project=PROJECT)
    callback = remote.consent(address_on(page))
    assert callback.startswith(f"http://127.0.0.1:8000{CALLBACK}?")
    assert "Authentication successful" in text_of(remote.post(CALLBACK, address=callback))
    assert Credential.objects.get().email == ADA
    assert "has been used already" in text_of(remote.post(CALLBACK, address=callback))


def test_logins_are_told_apart_by_what_they_are_for():
    kept: dict = {}
    wanted = Wanted(
        use=Use.CODE_ASSIST.value, kind=Kind.GEMINI_CLI.value, project="p", label="l", terms_accepted_by="root", link=3
    )
    pending.keep(kept, "state", wanted, redirect_uri="http://localhost/", verifier="v" * 43)
    login, verifier = pending.take(kept, "state")
    assert (login.wanted, verifier) == (wanted, "v" * 43)
    with pytest.raises(LoginFailed, match="used already"):
        pending.take(kept, "state")


def own_client(visitor: Visitor, google) -> None:
    """Ada has logged in, and her account has brought a client of its own."""
    visitor.log_in()
    google.add_client("another-client", secret="another-secret", loopback=True)
    GoogleLogin.objects.update(client_id="another-client")
    login = GoogleLogin.objects.get()
    login.client_secret = "another-secret"
    login.save(update_fields=["client_secret"])
