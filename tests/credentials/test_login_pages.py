"""What the pages of a login say, whatever goes wrong, and what they never do."""

import re

import pytest
from django.contrib.auth.models import User

from credentials.accounts import terms
from credentials.models import Credential, GoogleLogin, Use
from credentials.signals import LoginSetUp
from tests.credentials.logins import (
    ADA,
    CALLBACK,
    LOGIN,
    PLAIN,
    PROJECT,
    Visitor,
    address_on,
    calls_of,
    query_of,
    text_of,
    with_query,
)
from tests.google.accounts import CLOUD_PLATFORM, EMAIL

ASSIST = {"use": "code_assist", "project": PROJECT}


def test_the_last_page_says_who_has_logged_in_and_that_the_account_serves(visitor, set_up):
    page = visitor.log_in()
    said = text_of(page)
    for words in ("Authentication successful", ADA, "Gemini API", PROJECT, "serves now", "for the first time"):
        assert words in said
    assert set_up.answer.message in said


NOT_YET = [
    ("It needs a Google Cloud project.", "Enter its id.", ""),
    ("Google wants the account to be verified.", "Open this link.", "https://accounts.google.com/v?a=1&b=2"),
    ("This client is no longer supported.", "Use an API key.", ""),
]


@pytest.mark.parametrize(("message", "remedy", "link"), NOT_YET)
def test_a_login_whose_account_cannot_serve_yet_says_what_remains_to_be_done(visitor, set_up, message, remedy, link):
    set_up.answer = LoginSetUp(False, message, remedy, link)
    said = text_of(visitor.log_in())
    assert "Authentication successful" in said
    assert "serves now" not in said
    assert [words for words in (message, remedy, link) if words not in said] == []


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://example.com/", "data:text/html,x", "//example.com"])
def test_only_a_link_by_https_is_one_to_click(visitor, set_up, link):
    set_up.answer = LoginSetUp(False, "Google wants the account to be verified.", "Open the link.", link)
    assert f'href="{link}"' not in visitor.log_in().content.decode()


def test_what_others_say_is_text_on_our_pages(visitor, set_up):
    evil = "<script>alert(1)</script>"
    set_up.answer = LoginSetUp(False, evil, evil, f'https://example.com/"onclick="alert(1)//{evil}')
    body = visitor.log_in().content.decode()
    assert evil not in body
    assert '"onclick=' not in body
    pages = [visitor.get(LOGIN, use=evil), visitor.get(LOGIN, use="gemini_api", project=evil), visitor.get(LOGIN, account=evil)]
    pages += [visitor.get(LOGIN, kind=evil), visitor.get(LOGIN, link=evil), visitor.get(CALLBACK, state=evil, code=evil)]
    pages += [visitor.get(CALLBACK, error=evil), visitor.post(CALLBACK, address=evil)]
    assert [page.status_code for page in pages] == [400, 400, 404, 400, 403, 400, 400, 400]
    assert not [page for page in pages if evil in page.content.decode()]


def test_a_denied_consent_is_told_in_plain_words(visitor, google):
    page = visitor.arrive(google.deny(visitor.begin(use="gemini_api", project=PROJECT)))
    assert page.status_code == 400
    assert "denied" in text_of(page)
    assert not Credential.objects.exists()
    assert not calls_of(google, "token")


def test_another_refusal_at_google_is_told_by_its_name(visitor):
    state = query_of(visitor.begin(use="gemini_api", project=PROJECT))["state"]
    assert "Google refused the login (admin_policy_enforced)." in text_of(
        visitor.get(CALLBACK, state=state, error="admin_policy_enforced")
    )


def test_a_login_without_a_refresh_token_is_told_where_to_take_the_consent_back(visitor):
    address = visitor.begin(use="gemini_api", project=PROJECT)
    visitor.consent(address)
    page = visitor.arrive(visitor.consent(with_query(address, prompt="select_account")))
    assert "Google gave no refresh token" in text_of(page)
    assert "https://myaccount.google.com/permissions" in text_of(page)
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("withheld", "says"), [(CLOUD_PLATFORM, "leaves out what Castor needs"), (EMAIL, "did not say whose account this is")]
)
def test_a_box_that_was_left_empty_on_googles_page_is_named(visitor, withheld, says):
    page = visitor.arrive(visitor.consent(visitor.begin(use="gemini_api", project=PROJECT), withheld=(withheld,)))
    assert says in text_of(page)
    assert "ticked" in text_of(page) or "box" in text_of(page)
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        ("invalid_grant", 400, "no longer takes the code"),
        ("invalid_client", 400, "client"),
        ("deleted_client", 400, "client"),
        ("redirect_uri_mismatch", 400, "redirect"),
        ("internal", 503, "Google"),
        ("overloaded", 503, "Google"),
    ],
)
def test_every_refusal_of_the_exchange_is_a_page_with_a_remedy(visitor, google, error, status, says):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    google.script(method="token", error=error, times=None)
    page = visitor.arrive(callback)
    assert page.status_code == status
    assert says.lower() in text_of(page).lower()
    assert page.context["failure"].remedy
    assert not Credential.objects.exists()


def test_google_out_of_reach_is_a_page_as_well(visitor, settings):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    settings.GOOGLE_OAUTH_TOKEN_URL = "http://127.0.0.1:9/token"
    page = visitor.arrive(callback)
    assert page.status_code == 503
    assert page.context["failure"].remedy


def test_without_an_oauth_client_the_page_says_what_to_set(visitor, settings):
    settings.GOOGLE_OAUTH_CLIENT_ID = settings.GOOGLE_OAUTH_CLIENT_SECRET = ""
    page = visitor.get(LOGIN, use="gemini_api", project=PROJECT)
    assert page.status_code == 400
    assert "GOOGLE_OAUTH_CLIENT_ID" in text_of(page)


@pytest.mark.parametrize(
    "query",
    [
        {"use": "vertex"},
        {"use": "gemini_api", "kind": "api_key"},
        {"use": "gemini_api", "kind": "gemini_cli"},
        {"use": "gemini_api", "project": "two words"},
        {"use": "gemini_api", "project": "a\nx-header: 1"},
    ],
)
def test_what_nobody_can_serve_is_refused_before_anybody_consents(visitor, query, monkeypatch):
    monkeypatch.setattr("credentials.accounts.gemini_cli.installed", lambda: True)
    page = visitor.get(LOGIN, **query)
    assert page.status_code == 400
    assert page.context["failure"].remedy


def test_without_the_gemini_cli_nobody_logs_in_for_it(visitor, settings):
    settings.GEMINI_CLI_PATH = "no-such-program"
    page = visitor.get(LOGIN, kind="gemini_cli", use="code_assist")
    assert page.status_code == 400
    assert "npm install" in text_of(page)


def test_an_account_for_the_gemini_cli_is_a_credential_of_its_own(visitor, monkeypatch):
    monkeypatch.setattr("credentials.accounts.gemini_cli.installed", lambda: True)
    visitor.arrive(visitor.consent(visitor.post(f"{LOGIN}?use=code_assist&project={PROJECT}", terms="on")["location"]))
    address = visitor.post(f"{LOGIN}?kind=gemini_cli&use=code_assist&project={PROJECT}", terms="on")["location"]
    page = visitor.arrive(visitor.consent(address))
    assert "To the Gemini CLI's credentials" in text_of(page)
    assert set(Credential.objects.values_list("kind", "email")) == {("oauth", ADA), ("gemini_cli", ADA)}


# --- Questions -------------------------------------------------------------------------------------------------------


def test_code_assist_asks_for_an_acknowledgement_and_records_who_gave_it(visitor):
    page = visitor.get(LOGIN, **ASSIST)
    assert page.status_code == 200
    assert [sentence for sentence in (*terms.WHAT_THEY_SAY, terms.ACKNOWLEDGEMENT) if sentence not in text_of(page)] == []
    assert visitor.client.session.get("google_logins") is None
    address = visitor.post(f"{LOGIN}?use=code_assist&project={PROJECT}", terms="on")["location"]
    assert "serves now" in text_of(visitor.arrive(visitor.consent(address)))
    account = Credential.objects.get()
    assert (account.use, account.enabled, account.terms_accepted_by) == (Use.CODE_ASSIST, True, "root")
    assert account.terms_accepted_at is not None
    assert (account.login.project, account.project) == (PROJECT, "")


def test_without_the_acknowledgement_nobody_is_sent_to_google(visitor):
    page = visitor.post(f"{LOGIN}?use=code_assist&project={PROJECT}")
    assert page.status_code == 200
    assert "Without this it cannot go on." in text_of(page)
    assert visitor.client.session.get("google_logins") is None


def test_what_was_acknowledged_once_is_not_asked_again(visitor):
    visitor.arrive(visitor.consent(visitor.post(f"{LOGIN}?use=code_assist&project={PROJECT}", terms="on")["location"]))
    account = Credential.objects.get()
    visitor.client.force_login(User.objects.create_superuser("second"))
    visitor.arrive(visitor.consent(visitor.begin(account=str(account.pk))))
    again = Credential.objects.get()
    assert (again.terms_accepted_by, again.terms_accepted_at) == ("root", account.terms_accepted_at)


def test_the_gemini_api_asks_for_the_project_that_pays(visitor):
    page = visitor.get(LOGIN)
    assert page.status_code == 200
    assert "Google Cloud project" in text_of(page)
    assert visitor.post(LOGIN, project="").status_code == 200
    assert visitor.post(LOGIN, project="no project at all").status_code == 400
    visitor.arrive(visitor.consent(visitor.post(LOGIN, project=PROJECT)["location"]))
    assert Credential.objects.get().project == PROJECT


def test_the_settings_name_the_project_where_nobody_else_does(visitor, settings):
    settings.GOOGLE_CLOUD_PROJECT = PROJECT
    visitor.arrive(visitor.consent(visitor.begin(use="gemini_api")))
    assert Credential.objects.get().project == PROJECT


def test_an_account_that_is_no_longer_there_cannot_log_in_again(visitor):
    visitor.log_in()
    account = Credential.objects.get()
    callback = visitor.consent(visitor.begin(account=str(account.pk)))
    account.delete()
    assert visitor.arrive(callback).status_code == 404
    for number in (str(account.pk), "0", "-1", "9" * 30, "x", ""):
        assert visitor.get(LOGIN, account=number).status_code == 404
    assert not GoogleLogin.objects.exists()


def test_what_the_admins_own_page_has_asked_is_not_asked_again(visitor):
    """Its form goes on to the login with its body: the acknowledgement stands in that, never in an address."""
    form = {"use": "code_assist", "project": PROJECT, "label": "Ada's", "terms": "on"}
    moved = visitor.client.post("/admin/credentials/googleaccount/connect/", form, headers={"host": visitor.host}, follow=False)
    assert moved.status_code == 307
    assert "terms" not in moved["location"]
    visitor.arrive(visitor.consent(visitor.post(moved["location"], **form)["location"]))
    account = Credential.objects.get()
    assert (account.label, account.terms_accepted_by, account.login.project) == ("Ada's", "root", PROJECT)


# --- What pages do not do ----------------------------------------------------------------------------------------------


def test_no_page_of_a_login_is_kept_or_tells_others_where_it_is(visitor, google):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    remote = Visitor(google, visitor.client, host=PLAIN)
    responses = [
        visitor.get(LOGIN, use="gemini_api", project=PROJECT),
        visitor.get(LOGIN, **ASSIST),
        remote.get(LOGIN, use="gemini_api", project=PROJECT),
        visitor.arrive(callback),
        visitor.arrive(callback),
        visitor.get(LOGIN, link="none"),
    ]
    assert [response.status_code for response in responses] == [302, 200, 200, 200, 400, 403]
    assert {response["Cache-Control"] for response in responses} == {"no-store"}
    assert {response["Referrer-Policy"] for response in responses} == {"same-origin"}
    assert {response["X-Frame-Options"] for response in responses} == {"DENY"}


def test_no_page_shows_a_token_a_code_or_a_state(visitor):
    callback = visitor.consent(visitor.begin(use="gemini_api", project=PROJECT))
    pages = [visitor.arrive(callback).content.decode(), visitor.arrive(callback).content.decode()]
    account = Credential.objects.get()
    secrets = [account.secret, account.login.access_token, query_of(callback)["code"], query_of(callback)["state"]]
    assert not [secret for secret in secrets for page in pages if secret in page]


def test_nobody_is_led_astray_by_the_address_of_a_page_of_ours(visitor):
    """Wherever a login leads is Google or Castor, whatever the query says."""
    query = {"use": "gemini_api", "project": PROJECT, "next": "https://evil.example", "redirect_uri": "https://evil.example"}
    address = visitor.begin(**query)
    assert address.startswith(visitor.google.url)
    assert "evil" not in address


def test_the_page_to_paste_into_works_without_scripts(visitor, google):
    page = Visitor(google, visitor.client, host=PLAIN).get(LOGIN, use="gemini_api", project=PROJECT)
    body = page.content.decode()
    assert "<noscript><style>html[x-cloak] { display: block !important }" in body
    form = re.search(r'(?s)<form method="post" action="/auth/callback".*?</form>', body)
    assert form
    assert not re.search(r"x-on|hx-|onclick", form[0])
    assert address_on(page).startswith(google.url)
    assert 'rel="noopener noreferrer"' in body


def test_a_browser_can_always_ask_for_the_page_to_paste_into(visitor):
    page = visitor.get(LOGIN, use="gemini_api", project=PROJECT, paste="1")
    assert query_of(address_on(page))["redirect_uri"] == "http://127.0.0.1:8000/auth/callback"
    assert "Authentication successful" in text_of(visitor.post(CALLBACK, address=visitor.consent(address_on(page))))


@pytest.mark.parametrize("path", [LOGIN, CALLBACK])
@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_no_other_method_does_anything(visitor, path, method):
    assert getattr(visitor.client, method)(path).status_code == 405
