"""Sign-in: consent, PKCE, codes, tokens (section 5)."""

import httpx
import pytest

from tests.google.accounts import CLOUD_PLATFORM, DEFAULT_CLIENT, EMAIL, MOST_REFRESH_TOKENS, SCOPES
from tests.google.asking_google import (
    ADA,
    CALLBACK,
    CHALLENGE,
    VERIFIER,
    agreed,
    authorize_url,
    bearer,
    brought,
    error_of,
    exchange,
    refresh,
    token,
)

DEAD = (400, "invalid_grant", "Token has been expired or revoked.")
BAD = (400, "invalid_grant", "Bad Request")


@pytest.fixture(autouse=True)
def ada(google):
    return google.add_user(ADA, project="ada-project")


def userinfo(google, access_token):
    return httpx.get(f"{google.url}/oauth2/v2/userinfo", headers={"authorization": f"Bearer {access_token}"})


def test_a_login_from_the_page_to_the_name(google):
    answer = brought(google.consent(authorize_url(google), ADA))
    assert (answer["state"], answer["scope"]) == ("a state", SCOPES)
    tokens = exchange(google, answer["code"]).json()
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3599, SCOPES)
    assert tokens["access_token"].startswith("ya29.")
    assert tokens["refresh_token"].startswith("1//")
    about = userinfo(google, tokens["access_token"]).json()
    assert (about["email"], about["verified_email"], len(about["id"])) == (ADA, True, 21)
    assert [call.method for call in google.log] == ["authorize", "token", "userinfo"]
    assert {call.surface for call in google.log} == {"oauth"}
    assert {call.account for call in google.log} == {ADA}


def test_what_is_logged_of_secrets(google):
    tokens = google.login(ADA)
    refresh(google, tokens.refresh_token)
    userinfo(google, tokens.access_token)
    assert [(call.key, call.key_in) for call in google.log] == [("", ""), (tokens.access_token, "bearer")]
    assert google.log[0].body["refresh_token"] == tokens.refresh_token


# --- The page -----------------------------------------------------------------------------------------------------


def test_the_page_has_an_account_to_choose_and_two_buttons(google):
    google.add_user("<b>&bob@example.com")
    page = httpx.get(authorize_url(google, login_hint=ADA)).text
    assert '<select id="account"' in page
    assert '<button id="allow"' in page
    assert '<button id="deny"' in page
    assert f"<option selected>{ADA}</option>" in page
    assert "<option>&lt;b&gt;&amp;bob@example.com</option>" in page


def test_denying_leads_back_without_a_code(google):
    assert brought(google.deny(authorize_url(google), ADA)) == {"state": "a state", "error": "access_denied"}


def test_an_account_that_agrees_at_once_sees_no_page(google):
    google.oauth.auto_consent = ADA
    answer = httpx.get(authorize_url(google), follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{CALLBACK}?state=a+state&code=")


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"client_id": None}, 400, "client_id"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "gone"}, 401, "deleted_client"),
        ({"redirect_uri": None}, 400, "redirect_uri"),
        ({"response_type": None}, 400, "response_type"),
        ({"response_type": "token"}, 400, "unsupported_response_type"),
        ({"scope": None}, 400, "scope"),
        ({"code_challenge_method": "S512"}, 400, "code_challenge_method"),
        ({"code_challenge": None}, 400, "code_challenge"),
        ({"code_challenge": VERIFIER}, 400, "code_challenge"),
        ({"code_challenge": f"{CHALLENGE}="}, 400, "code_challenge"),
    ],
)
def test_a_request_that_is_not_in_order_is_a_page_and_leads_nowhere(google, changes, code, word):
    google.add_client("gone", secret="s", loopback=True, deleted=True)
    answer = httpx.get(authorize_url(google, **changes), follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (code, None)
    assert 'id="error"' in answer.text
    assert word in answer.text
    with pytest.raises(ValueError, match=word):
        google.consent(authorize_url(google, **changes), ADA)


@pytest.mark.parametrize(
    ("client", "address", "is_allowed"),
    [
        (DEFAULT_CLIENT, "http://127.0.0.1:1/cb", True),
        (DEFAULT_CLIENT, "http://127.0.0.1:65535/auth/callback", True),
        (DEFAULT_CLIENT, "http://127.0.0.1/auth/callback", True),
        (DEFAULT_CLIENT, "http://[::1]:9/", True),
        (DEFAULT_CLIENT, "http://localhost:8080/auth/callback", True),
        (DEFAULT_CLIENT, "https://127.0.0.1:8080/auth/callback", False),
        (DEFAULT_CLIENT, "http://127.0.0.1.example.com:8080/", False),
        (DEFAULT_CLIENT, "http://192.168.0.5:8080/auth/callback", False),
        (DEFAULT_CLIENT, "https://castor.example/auth/callback", False),
        (DEFAULT_CLIENT, "urn:ietf:wg:oauth:2.0:oob", False),
        ("web", "https://castor.example/auth/callback", True),
        ("web", "https://castor.example/auth/callback/", False),
        ("web", "https://castor.example/auth/callback?x=1", False),
        ("web", "http://castor.example/auth/callback", False),
        ("web", "http://127.0.0.1:8080/auth/callback", False),
    ],
)
def test_where_a_client_may_be_called_back(google, client, address, is_allowed):
    google.add_client("web", secret="s", redirect_uris=["https://castor.example/auth/callback"])
    answer = httpx.get(authorize_url(google, client_id=client, redirect_uri=address))
    assert (answer.status_code == 200) is is_allowed
    assert ("redirect_uri_mismatch" in answer.text) is not is_allowed


# --- Codes --------------------------------------------------------------------------------------------------------


def test_a_code_serves_once(google):
    code = agreed(google)
    assert exchange(google, code).status_code == 200
    assert error_of(exchange(google, code)) == BAD


def test_a_code_soon_ends(google):
    code = agreed(google)
    google.clock.advance(601)
    assert error_of(exchange(google, code)) == BAD
    google.oauth.code_lifetime = 5
    code = agreed(google)
    google.clock.advance(6)
    assert error_of(exchange(google, code)) == BAD


def test_a_refused_exchange_does_not_use_the_code_up(google):
    code = agreed(google)
    assert exchange(google, code, client_secret="wrong").status_code == 401
    assert exchange(google, code).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "4/0made-up"}, (400, "invalid_grant", "Malformed auth code.")),
        ({"code": None}, (400, "invalid_grant", "Malformed auth code.")),
        ({"redirect_uri": "http://127.0.0.1:8081/auth/callback"}, (400, "redirect_uri_mismatch", "Bad Request")),
        ({"redirect_uri": None}, (400, "redirect_uri_mismatch", "Bad Request")),
        ({"client_id": "other", "client_secret": "s"}, BAD),
        ({"client_id": "nobody"}, (401, "invalid_client", "The OAuth client was not found.")),
        ({"client_id": "gone", "client_secret": "s"}, (401, "deleted_client", "The OAuth client was deleted.")),
        ({"client_id": None}, (400, "invalid_request", "Could not determine client ID from request.")),
        ({"client_secret": "wrong"}, (401, "invalid_client", "The provided client secret is invalid.")),
        ({"client_secret": None}, (400, "invalid_request", "client_secret is missing.")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", "Invalid grant_type: password")),
        ({"grant_type": None}, (400, "unsupported_grant_type", "Invalid grant_type: ")),
        ({"code_verifier": None}, (400, "invalid_grant", "Missing code verifier.")),
        ({"code_verifier": f"{VERIFIER}x"}, (400, "invalid_grant", "Invalid code verifier.")),
        ({"code_verifier": CHALLENGE}, (400, "invalid_grant", "Invalid code verifier.")),
    ],
)
def test_what_the_token_endpoint_refuses(google, changes, error):
    google.add_client("other", secret="s", loopback=True)
    google.add_client("gone", secret="s", loopback=True, deleted=True)
    assert error_of(exchange(google, agreed(google), **changes)) == error


def test_a_verifier_is_long_and_of_plain_letters(google):
    for verifier in ("short", "ü" * 50, "a" * 129):
        code = agreed(google, code_challenge=verifier, code_challenge_method="plain")
        assert error_of(exchange(google, code, code_verifier=verifier))[2] == "Invalid code verifier."


def test_without_a_challenge_no_verifier_is_wanted(google):
    bare = {"code_challenge": None, "code_challenge_method": None}
    assert error_of(exchange(google, agreed(google, **bare)))[2] == "code_verifier or verifier is not needed."
    assert exchange(google, agreed(google, **bare), code_verifier=None).status_code == 200


def test_a_token_is_asked_for_by_a_form(google):
    form = {"grant_type": "refresh_token", "refresh_token": google.login(ADA).refresh_token}
    assert error_of(httpx.post(f"{google.url}/token", json=form))[1] == "invalid_request"
    assert httpx.get(f"{google.url}/token").status_code == 404


# --- Refresh tokens -----------------------------------------------------------------------------------------------


def test_a_second_consent_brings_a_refresh_token_only_if_it_is_asked_anew(google):
    def has_refresh_token(**changes):
        return "refresh_token" in exchange(google, agreed(google, **changes)).json()

    assert has_refresh_token(prompt=None)
    assert not has_refresh_token(prompt=None)
    assert not has_refresh_token(prompt="select_account")
    assert has_refresh_token(prompt="select_account consent")
    assert not has_refresh_token(access_type=None)
    assert not has_refresh_token(access_type="online")
    google.revoke(ADA)
    assert has_refresh_token(prompt=None)


def test_a_refresh_keeps_the_refresh_token(google):
    tokens = google.login(ADA)
    renewed = refresh(google, tokens.refresh_token).json()
    assert "refresh_token" not in renewed
    assert renewed["access_token"] != tokens.access_token
    assert userinfo(google, renewed["access_token"]).status_code == 200
    assert userinfo(google, tokens.access_token).status_code == 200, "the old one lives until it ends"
    assert refresh(google, tokens.refresh_token).status_code == 200


def test_rotation_ends_the_refresh_token_that_was_used(google):
    google.rotate_refresh_tokens = True
    tokens = google.login(ADA)
    rotated = refresh(google, tokens.refresh_token).json()["refresh_token"]
    assert error_of(refresh(google, tokens.refresh_token)) == DEAD
    assert refresh(google, rotated).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"refresh_token": "1//0made-up"}, BAD),
        ({"client_id": "other", "client_secret": "s"}, (401, "unauthorized_client", "Unauthorized")),
        ({"client_secret": "wrong"}, (401, "invalid_client", "The provided client secret is invalid.")),
    ],
)
def test_what_a_refresh_is_refused_for(google, changes, error):
    google.add_client("other", secret="s", loopback=True)
    assert error_of(refresh(google, google.login(ADA).refresh_token, **changes)) == error


def test_a_hundred_and_first_refresh_token_ends_the_first(google):
    first, second = google.login(ADA), google.login(ADA)
    for _ in range(MOST_REFRESH_TOKENS - 1):
        google.login(ADA)
    assert error_of(refresh(google, first.refresh_token)) == DEAD
    assert refresh(google, second.refresh_token).status_code == 200


# --- The ends of tokens -------------------------------------------------------------------------------------------


def test_an_access_token_ends_by_the_simulators_clock(google):
    google.token_lifetime = 60
    tokens = google.login(ADA)
    google.clock.advance(59)
    assert userinfo(google, tokens.access_token).status_code == 200
    google.clock.advance(1)
    assert userinfo(google, tokens.access_token).status_code == 401
    assert refresh(google, tokens.refresh_token).json()["expires_in"] == 60


def test_access_tokens_can_be_ended_at_once(google):
    google.add_user("bob@example.com")
    tokens, bob = google.login(ADA), google.login("bob@example.com")
    google.expire_access(ADA)
    assert userinfo(google, tokens.access_token).status_code == 401
    assert userinfo(google, bob.access_token).status_code == 200
    assert refresh(google, tokens.refresh_token).status_code == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_to_revoke_one_token_is_to_revoke_all_of_the_client(google, kind):
    google.add_client("other", secret="s", loopback=True)
    tokens, of_other = google.login(ADA), google.login(ADA, client="other")
    answer = httpx.post(f"{google.url}/revoke", data={"token": getattr(tokens, kind)})
    assert (answer.status_code, answer.json()) == (200, {})
    assert error_of(refresh(google, tokens.refresh_token)) == DEAD
    assert userinfo(google, tokens.access_token).status_code == 401
    assert refresh(google, of_other.refresh_token, client_id="other", client_secret="s").status_code == 200
    again = httpx.post(f"{google.url}/revoke", data={"token": getattr(tokens, kind)})
    assert error_of(again) == (400, "invalid_token", "Token expired or revoked")
    assert google.log[0].account == ADA


def test_a_person_who_withdraws_consent_ends_every_token(google):
    tokens = google.login(ADA)
    google.revoke(ADA)
    assert error_of(refresh(google, tokens.refresh_token)) == DEAD
    assert userinfo(google, tokens.access_token).status_code == 401


# --- Whose they are -----------------------------------------------------------------------------------------------


def test_a_person_may_keep_the_address_to_themselves(google):
    code = brought(google.consent(authorize_url(google), ADA, withheld=(EMAIL,)))["code"]
    tokens = exchange(google, code).json()
    assert EMAIL not in tokens["scope"]
    assert "email" not in userinfo(google, tokens["access_token"]).json()
    assert userinfo(google, google.login(ADA, scope=CLOUD_PLATFORM).access_token).status_code == 401


def test_a_token_is_described_to_whoever_shows_it(google):
    tokens = google.login(ADA)
    by_parameter = httpx.get(f"{google.url}/tokeninfo", params={"access_token": tokens.access_token}).json()
    by_header = httpx.post(f"{google.url}/tokeninfo", headers=bearer(tokens)).json()
    assert (by_parameter["scope"], by_parameter["email"], by_parameter["aud"]) == (SCOPES, ADA, DEFAULT_CLIENT)
    assert by_header["sub"] == by_parameter["sub"]
    assert 0 < int(by_parameter["expires_in"]) <= 3599
    google.expire_access(ADA)
    unknown = httpx.get(f"{google.url}/tokeninfo", params={"access_token": tokens.access_token})
    assert error_of(unknown) == (400, "invalid_token", "Invalid Value")


# --- Scripts ------------------------------------------------------------------------------------------------------


def test_sign_in_can_be_told_to_fail_for_one_account(google):
    google.add_user("bob@example.com")
    google.script(method="token", account=ADA, error="invalid_rapt", times=None)
    answer = refresh(google, google.login(ADA).refresh_token)
    assert (answer.status_code, answer.json()["error_subtype"]) == (400, "invalid_rapt")
    assert refresh(google, google.login("bob@example.com").refresh_token).status_code == 200


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ({"error": "overloaded"}, 503),
        ({"error": "internal"}, 500),
        ({"error": "html_502"}, 502),
        ({"status": 200, "body": "{"}, 200),
    ],
)
def test_sign_in_can_be_told_to_fail_by_itself(google, script, status):
    tokens = google.login(ADA)
    google.script(surface="oauth", method="*", **script)
    assert refresh(google, tokens.refresh_token).status_code == status
    assert refresh(google, tokens.refresh_token).json()["token_type"] == "Bearer"


def test_sign_in_can_hang_up(google):
    google.script(method="token", ends="reset_before_headers")
    with pytest.raises(httpx.NetworkError):
        refresh(google, google.login(ADA).refresh_token)


def test_a_reset_forgets_accounts_and_tokens(google):
    tokens = google.login(ADA)
    google.rotate_refresh_tokens = True
    google.reset()
    assert google.oauth.users == {}
    assert not google.rotate_refresh_tokens
    assert error_of(refresh(google, tokens.refresh_token)) == BAD
    with pytest.raises(KeyError):
        google.login(ADA)


def test_the_settings_point_here(google):
    settings = google.settings()
    assert {name for name, value in settings.items() if value.startswith(google.url)} == {
        "GOOGLE_GEMINI_BASE_URL", "CODE_ASSIST_ENDPOINT", "GOOGLE_OAUTH_AUTH_URL", "GOOGLE_OAUTH_TOKEN_URL",
        "GOOGLE_OAUTH_USERINFO_URL", "GOOGLE_OAUTH_REVOKE_URL",
    }  # fmt: skip
    answer = token(
        google,
        grant_type="refresh_token",
        refresh_token=google.login(ADA).refresh_token,
        client_id=settings["GOOGLE_OAUTH_CLIENT_ID"],
        client_secret=settings["GOOGLE_OAUTH_CLIENT_SECRET"],
    )
    assert answer.status_code == 200
