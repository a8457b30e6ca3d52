"""Accounts that are connected by an OAuth client of their own: which client asks, which renews, and who sees its secret."""

import logging
from html import unescape

import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from credentials.accounts import tokens
from credentials.accounts.links import new_link
from credentials.accounts.wanted import Wanted
from credentials.models import Credential, GoogleLogin, Use
from tests.credentials.accounts import expire
from tests.credentials.logins import CALLBACK, LOGIN, NAMED, PLAIN, PROJECT, Visitor, address_on, calls_of, query_of, text_of
from tests.credentials.pages import ACCOUNTS

CONNECT = f"{ACCOUNTS}connect/"
SECRET = "GOCSPX-canary-of-our-own"
CLIENT = {"client_id": "our-own-client", "client_secret": SECRET}
ASKED = {"use": "gemini_api", "project": PROJECT, "label": ""}
WEB = f"https://{NAMED}{CALLBACK}"


@pytest.fixture
def visitor(visitor, google):
    google.add_client("our-own-client", secret=SECRET, loopback=True, redirect_uris=(WEB,))
    google.add_client("newer-client", secret="newer-secret", loopback=True)
    return visitor


@pytest.fixture
def without_settings(settings):
    settings.GOOGLE_OAUTH_CLIENT_ID = settings.GOOGLE_OAUTH_CLIENT_SECRET = ""


def connect(visitor, **form):
    """The admin's form, sent: the answer to the request that it sends on to the login."""
    answer = visitor.post(CONNECT, **ASKED, **form)
    assert answer.status_code == 307, text_of(answer)
    assert "our-own" not in answer["location"]
    return visitor.client.post(answer["location"], ASKED | form, headers={"host": visitor.host})


def connected(visitor, **form) -> GoogleLogin:
    page = visitor.arrive(visitor.consent(connect(visitor, **(form or CLIENT))["location"]))
    assert page.status_code == 200, text_of(page)
    return GoogleLogin.objects.get()


def own(login: GoogleLogin) -> tuple[str, str]:
    return login.client_id, login.client_secret


def test_the_login_and_every_renewal_go_by_the_accounts_own_client(visitor, google):
    login = connected(visitor)
    assert own(login) == ("our-own-client", SECRET)
    expire(google, login.credential)
    assert tokens.fresh(login.pk).token in google.oauth.access
    assert [google.oauth.refresh[login.credential.secret].client, *{token.client for token in google.oauth.access.values()}] == [
        "our-own-client",
        "our-own-client",
    ]


def test_no_client_in_the_settings_is_needed(visitor, google, without_settings):
    login = connected(visitor)
    expire(google, login.credential)
    assert tokens.fresh(login.pk).token
    assert Credential.objects.get().enabled


def test_without_any_client_the_form_asks_for_one(visitor, without_settings):
    page = visitor.post(CONNECT, **ASKED)
    assert page.status_code == 200
    assert "There is no client in the settings" in text_of(page)
    assert "<details id=own-client" in page.content.decode().replace('"', "").replace("open", "")


def test_the_fields_are_folded_where_the_settings_have_a_client(visitor, settings):
    def is_open() -> bool:
        page = visitor.get(CONNECT).content.decode()
        return " open" in page[page.index('<details id="own-client"') :].partition(">")[0]

    assert not is_open()
    settings.GOOGLE_OAUTH_CLIENT_ID = ""
    assert is_open()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"client_id": "our-own-client"}, "Give the secret of the client as well."),
        ({"client_secret": SECRET}, "A secret belongs to a client: give its ID as well."),
        ({"client_id": "x" * 201, "client_secret": SECRET}, "at most 200 characters"),
    ],
)
def test_half_a_client_is_refused_and_the_secret_is_not_shown_again(visitor, given, says):
    sent_on = visitor.client.post(f"{LOGIN}?use=gemini_api&project={PROJECT}", given, headers={"host": visitor.host})
    for page in (visitor.post(CONNECT, **ASKED, **given), sent_on):
        assert page.status_code == 200
        assert says in text_of(page)
        assert SECRET not in page.content.decode()
        assert " open>" in page.content.decode()


def test_a_wrong_secret_ends_in_plain_words_and_stores_nothing(visitor):
    address = connect(visitor, client_id="our-own-client", client_secret="GOCSPX-wrong")["location"]
    page = visitor.arrive(visitor.consent(address))
    assert page.status_code == 400
    assert "Google does not accept the OAuth client (invalid_client)." in text_of(page)
    assert "Check its id and its secret" in text_of(page)
    assert "GOCSPX" not in page.content.decode()
    assert not Credential.objects.exists()


def test_the_secret_is_kept_encrypted_wherever_it_lies_and_is_in_no_address(visitor):
    address = connect(visitor, **CLIENT)["location"]
    assert query_of(address)["client_id"] == "our-own-client"
    assert SECRET not in unescape(address)
    [session] = [session.get_decoded() for session in Session.objects.all()]
    assert SECRET not in str(session)
    callback = visitor.consent(address)
    visitor.arrive(callback)
    [under_way] = visitor.client.session["google_logins"].values()
    assert (under_way["used"], under_way["client_secret"]) == (True, "")
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM credentials_googlelogin")
        [[stored]] = cursor.fetchall()
    assert stored
    assert SECRET not in stored
    page = visitor.get(f"{ACCOUNTS}{Credential.objects.get().pk}/change/").content.decode()
    assert "our-own-client" in page
    assert SECRET not in page


def test_the_secret_is_not_logged(visitor, caplog):
    caplog.set_level(logging.DEBUG)
    callback = visitor.consent(connect(visitor, **CLIENT)["location"])
    visitor.arrive(callback)
    visitor.arrive(callback)  # A refusal is logged by Django.
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.split(".")[0] not in ("httpx", "httpcore"))
    assert "Bad Request" in said
    assert SECRET not in said


def test_logging_in_again_keeps_the_accounts_client(visitor, without_settings):
    account = connected(visitor).pk
    address = visitor.begin(account=str(account))
    assert query_of(address)["client_id"] == "our-own-client"
    assert visitor.arrive(visitor.consent(address)).status_code == 200
    assert own(GoogleLogin.objects.get()) == ("our-own-client", SECRET)


def test_logging_in_again_with_a_new_client_replaces_it(visitor):
    account = connected(visitor).pk
    new = {"client_id": "newer-client", "client_secret": "newer-secret"}
    answer = visitor.client.post(f"{LOGIN}?account={account}", new, headers={"host": visitor.host})
    assert visitor.arrive(visitor.consent(answer["location"])).status_code == 200
    assert own(GoogleLogin.objects.get()) == ("newer-client", "newer-secret")


def test_connecting_it_anew_without_a_client_goes_back_to_that_of_the_settings(visitor):
    connected(visitor)
    visitor.log_in()
    assert own(GoogleLogin.objects.get()) == ("", "")


def test_a_login_that_fails_leaves_the_accounts_client_as_it_was(visitor, google):
    account = connected(visitor).pk
    new = {"client_id": "newer-client", "client_secret": "wrong"}
    answer = visitor.client.post(f"{LOGIN}?account={account}", new, headers={"host": visitor.host})
    assert visitor.arrive(visitor.consent(answer["location"])).status_code == 400
    assert own(GoogleLogin.objects.get()) == ("our-own-client", SECRET)


def test_whoever_holds_a_link_cannot_choose_the_client(visitor, google, client):
    client.logout()
    guest = Visitor(google, client)
    link = new_link(Wanted(use=Use.GEMINI_API.value, project=PROJECT), made_by="root")
    answer = client.post(f"{LOGIN}?link={link}", CLIENT, headers={"host": guest.host})
    assert query_of(answer["location"])["client_id"] == "castor-test-client"
    guest.arrive(guest.consent(answer["location"]))
    assert own(GoogleLogin.objects.get()) == ("", "")


# --- Where Google leads the browser ------------------------------------------------------------------------------------


def test_an_address_is_pasted_for_a_client_of_ones_own_as_for_the_others(visitor, google, settings):
    settings.GOOGLE_OAUTH_REDIRECT_URI = WEB  # Of the operator's client: one for desktops would not take it.
    remote = Visitor(google, visitor.client, host=PLAIN)
    address = address_on(connect(remote, paste="1", **CLIENT))
    assert query_of(address)["redirect_uri"] == f"http://127.0.0.1:8000{CALLBACK}"
    page = remote.post(CALLBACK, address=remote.consent(address))
    assert "Authentication successful" in text_of(page)
    assert own(GoogleLogin.objects.get()) == ("our-own-client", SECRET)
    assert [call.body.get("client_id") for call in calls_of(google, "token")] == ["our-own-client"]


def test_a_client_for_the_web_leads_back_and_does_so_again(visitor, google):
    def at_home(path: str, **form) -> str:
        send = visitor.client.post if form else visitor.client.get
        return send(path, form or None, headers={"host": NAMED}, secure=True)

    address = at_home(f"{LOGIN}?use=gemini_api&project={PROJECT}", **CLIENT)["location"]
    assert query_of(address)["redirect_uri"] == WEB
    assert at_home(f"{CALLBACK}?{visitor.consent(address).partition('?')[2]}").status_code == 200

    page = at_home(f"{LOGIN}?account={Credential.objects.get().pk}")
    assert query_of(address_on(page))["redirect_uri"] == f"http://127.0.0.1:8000{CALLBACK}"
    way_back = page.content.decode().partition('id="way-back"')[2].partition('href="')[2].partition('"')[0]
    assert query_of(at_home(unescape(way_back))["location"])["redirect_uri"] == WEB
