"""One-time links, and logging in from a terminal."""

import getpass
import io
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.timezone import now

from credentials.accounts.links import LIFETIME, new_link
from credentials.accounts.wanted import Wanted
from credentials.models import Credential, Kind, LoginLink, Use
from tests.credentials.logins import ADA, CALLBACK, LOGIN, PLAIN, PROJECT, Visitor, address_on, calls_of, query_of, text_of

API = Wanted(use=Use.GEMINI_API.value, project=PROJECT, label="Ada's")
ASSIST = Wanted(use=Use.CODE_ASSIST.value, project=PROJECT)


@pytest.fixture
def guest(google_login, client) -> Visitor:
    """Somebody without a user here."""
    return Visitor(google_login, client)


def test_whoever_holds_a_link_logs_in_one_account_without_being_an_admin(guest):
    link = new_link(API, made_by="root")
    page = guest.log_in(link=link)
    assert "Authentication successful" in text_of(page)
    assert "You may close this page." in text_of(page)
    account = Credential.objects.get()
    assert (account.email, account.use, account.project, account.label) == (ADA, Use.GEMINI_API, PROJECT, "Ada's")
    assert LoginLink.objects.get().used_at is not None


def test_a_link_opens_nothing_but_the_login(guest):
    guest.log_in(link=new_link(API, made_by="root"))
    assert guest.get("/admin/")["location"].startswith("/admin/login/")
    assert guest.get(LOGIN, use="gemini_api", project=PROJECT)["location"].startswith("/admin/login/")
    assert guest.get("/auth/status").json() == {"authenticated": True}


def test_a_link_counts_once(guest, google):
    link = new_link(API, made_by="root")
    guest.log_in(link=link)
    page = guest.get(LOGIN, link=link)
    assert page.status_code == 403
    assert "logged in with this link already" in text_of(page)


def test_of_two_logins_that_began_by_one_link_the_first_to_end_counts(guest, google):
    google.add_user("bob@example.com")
    link = new_link(API, made_by="root")
    second = Visitor(google, Client())
    mine, other = guest.begin(link=link), second.begin(link=link)
    assert second.arrive(second.consent(other, "bob@example.com")).status_code == 200
    page = guest.arrive(guest.consent(mine))
    assert page.status_code == 403
    assert [account.email for account in Credential.objects.all()] == ["bob@example.com"]


def test_a_link_stays_good_when_the_login_fails_or_somebody_looks_ahead(guest, google):
    link = new_link(API, made_by="root")
    Client().get(LOGIN, {"link": link})  # As chat programs do, to show what is behind a link.
    guest.arrive(google.deny(guest.begin(link=link)))
    assert "Authentication successful" in text_of(guest.log_in(link=link))


def test_a_link_ends_after_half_an_hour(guest):
    link = new_link(API, made_by="root")
    LoginLink.objects.update(expires_at=now() - timedelta(seconds=1))
    page = guest.get(LOGIN, link=link)
    assert page.status_code == 403
    assert "too old" in text_of(page)
    assert timedelta(minutes=30) == LIFETIME


def test_a_link_lets_nothing_be_chosen(guest):
    address = guest.begin(
        link=new_link(API, made_by="root"), use="code_assist", project="another", account="1", kind="gemini_cli"
    )
    guest.arrive(guest.consent(address))
    account = Credential.objects.get()
    assert (account.use, account.kind, account.project) == (Use.GEMINI_API, Kind.OAUTH, PROJECT)


def test_the_database_holds_no_link_that_could_be_used(db):
    link = new_link(API, made_by="root")
    assert link not in str(LoginLink.objects.values())
    assert len(link) >= 43


def test_who_tries_links_that_are_none_keeps_nobody_from_theirs(guest, google):
    assert {guest.get(LOGIN, link=f"guess-{number}").status_code for number in range(30)} == {403}
    assert guest.get(LOGIN, link=new_link(API, made_by="root")).status_code == 302


def test_a_link_for_code_assist_serves_once_an_admin_has_acknowledged_the_terms(guest):
    page = guest.log_in(link=new_link(ASSIST, made_by="root"))
    assert "Nobody has acknowledged" in text_of(page)
    assert Credential.objects.get().enabled is False


def test_a_link_of_somebody_who_has_acknowledged_the_terms_says_so_of_the_account(guest):
    by = "login_google by ada"
    guest.log_in(link=new_link(Wanted(use="code_assist", project=PROJECT, terms_accepted_by=by), made_by=by))
    account = Credential.objects.get()
    assert (account.enabled, account.terms_accepted_by) == (True, by)


def test_a_guest_pastes_as_well(google_login, client):
    guest = Visitor(google_login, client, host=PLAIN)
    page = guest.get(LOGIN, link=new_link(API, made_by="root"))
    assert "Authentication successful" in text_of(guest.post(CALLBACK, address=guest.consent(address_on(page))))


def test_links_of_the_past_are_forgotten(db):
    new_link(API, made_by="root")
    LoginLink.objects.update(expires_at=now() - timedelta(days=2))
    new_link(API, made_by="root")
    assert LoginLink.objects.count() == 1


# --- manage.py login_google --------------------------------------------------------------------------------------------


def command(*arguments: str, **options) -> tuple[str, str]:
    """What it prints, and what it says beside."""
    out, err = io.StringIO(), io.StringIO()
    call_command("login_google", *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_the_command_prints_a_link_that_works(guest, settings):
    settings.PORT = 8123
    out, err = command("--project", PROJECT, "--label", "Ada's")
    assert out.startswith(f"http://127.0.0.1:8123{LOGIN}?link=")
    assert "30 minutes" in err
    assert "Authentication successful" in text_of(guest.log_in(**query_of(out.strip())))
    assert Credential.objects.get().label == "Ada's"
    assert LoginLink.objects.get().made_by == f"login_google by {getpass.getuser()}"


def test_who_has_no_name_is_recorded_by_number(guest, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    command("--project", PROJECT)
    assert LoginLink.objects.get().made_by == "login_google by user 4711"


def test_the_link_is_of_the_address_that_google_sends_browsers_to(db, settings):
    settings.GOOGLE_OAUTH_REDIRECT_URI = "https://castor.example.com/auth/callback"
    assert command()[0].startswith("https://castor.example.com/auth/login?link=")
    settings.GOOGLE_OAUTH_REDIRECT_URI = "http://localhost:1455/elsewhere"
    assert urlsplit(command()[0]).hostname == "127.0.0.1"


def test_code_assist_says_what_is_acknowledged_and_records_it_only_when_told_to(guest):
    out, err = command("--use", "code_assist")
    assert "Google forbids other programs" in err
    assert LoginLink.objects.get().terms_accepted_by == ""
    out, err = command("--use", "code_assist", "--acknowledge-terms", "--project", PROJECT)
    guest.log_in(**query_of(out.strip()))
    assert Credential.objects.get().terms_accepted_by == f"login_google by {getpass.getuser()}"


def test_terms_that_a_use_does_not_have_are_not_recorded(db):
    command("--acknowledge-terms")
    assert LoginLink.objects.get().terms_accepted_by == ""


def test_a_project_that_is_none_is_refused(db):
    with pytest.raises(CommandError, match="no id of a Google Cloud project"):
        command("--project", "two words")
    assert not LoginLink.objects.exists()


class Terminal(io.StringIO):
    """Somebody who opens the address that was printed, consents, and types in where the browser arrived."""

    def __init__(self, out: io.StringIO, act) -> None:
        super().__init__()
        self._out, self._act = out, act

    def readline(self, *_) -> str:
        return self._act(re.search(r"http\S+", self._out.getvalue())[0])


def type_in(monkeypatch, act, *arguments: str) -> str:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", Terminal(out, act))
    call_command("login_google", "--paste", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_login_ends_in_the_terminal(google_login, monkeypatch):
    out = type_in(monkeypatch, lambda address: google_login.consent(address, ADA) + "\n", "--project", PROJECT)
    assert f"Authentication successful: {ADA}, project {PROJECT}." in out
    assert "serves now" in out
    assert Credential.objects.get().email == ADA
    account = Credential.objects.get()
    assert account.secret not in out
    assert account.login.access_token not in out


@pytest.mark.parametrize("typed", ["", "\n", "http://127.0.0.1:8000/auth/callback?state=another&code=4/0c\n"])
def test_what_is_no_end_of_this_login_is_refused_in_the_terminal(google_login, monkeypatch, typed):
    with pytest.raises(CommandError):
        type_in(monkeypatch, lambda address: typed, "--project", PROJECT)
    assert not Credential.objects.exists()
    assert not calls_of(google_login, "token")


def test_a_denied_consent_is_told_in_the_terminal(google_login, monkeypatch):
    with pytest.raises(CommandError, match="denied"):
        type_in(monkeypatch, google_login.deny, "--project", PROJECT)
