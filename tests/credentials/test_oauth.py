"""Google's sign-in on the wire: what is sent, what is made of the answers, and what nobody may read."""

import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from credentials.accounts import oauth
from credentials.accounts.oauth import (
    SCOPES,
    ClientMissing,
    ClientRefused,
    LoginEnded,
    OAuthClient,
    OAuthError,
    OAuthUnavailable,
)
from credentials.models import GoogleLogin, Use
from tests.credentials.accounts import ADA, calls
from tests.credentials.accounts import sign_in as sign_in
from tests.google.accounts import CLOUD_PLATFORM, DEFAULT_CLIENT, DEFAULT_SECRET

CLIENT = OAuthClient(DEFAULT_CLIENT, DEFAULT_SECRET)
REDIRECT = "http://127.0.0.1:8000/auth/callback"


def address(**given) -> str:
    asked = {"redirect_uri": REDIRECT, "state": "s-1", "verifier": oauth.new_verifier(), "use": Use.CODE_ASSIST}
    return oauth.authorize_url(CLIENT, **(asked | given))


def query_of(url: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


def code_for(google, verifier: str, **given) -> str:
    return query_of(google.consent(address(verifier=verifier), ADA, **given))["code"]


class TestConsent:
    def test_the_address_asks_for_offline_access_and_proves_who_began(self, sign_in):
        verifier = oauth.new_verifier()
        asked = query_of(address(verifier=verifier, login_hint=ADA))
        assert asked == {
            "client_id": DEFAULT_CLIENT,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": " ".join(SCOPES[Use.CODE_ASSIST]),
            "state": "s-1",
            "code_challenge": oauth.challenge_of(verifier),
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",
            "login_hint": ADA,
        }

    def test_an_address_with_a_query_of_its_own_keeps_it(self, sign_in, settings):
        settings.GOOGLE_OAUTH_AUTH_URL = "https://login.example.com/auth?tenant=7"
        assert query_of(address())["tenant"] == "7"

    def test_a_challenge_is_that_of_the_standard(self):
        # RFC 7636, appendix B.
        assert oauth.challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    def test_verifiers_are_long_enough_and_never_the_same(self):
        verifiers = {oauth.new_verifier() for _ in range(100)}
        assert len(verifiers) == 100
        assert all(43 <= len(verifier) <= 128 for verifier in verifiers)


class TestExchange:
    def test_a_code_becomes_tokens_of_the_account(self, sign_in):
        verifier = oauth.new_verifier()
        tokens = oauth.exchange(CLIENT, code=code_for(sign_in, verifier), verifier=verifier, redirect_uri=REDIRECT)
        assert tokens.refresh_token in sign_in.oauth.refresh
        assert tokens.scope.split() == list(SCOPES[Use.CODE_ASSIST])
        assert oauth.email_of(tokens.access_token) == ADA

    def test_a_code_serves_once(self, sign_in):
        verifier = oauth.new_verifier()
        given = {"code": code_for(sign_in, verifier), "verifier": verifier, "redirect_uri": REDIRECT}
        oauth.exchange(CLIENT, **given)
        with pytest.raises(LoginEnded):
            oauth.exchange(CLIENT, **given)

    def test_a_code_serves_only_whoever_began(self, sign_in):
        code = code_for(sign_in, oauth.new_verifier())
        with pytest.raises(LoginEnded):
            oauth.exchange(CLIENT, code=code, verifier=oauth.new_verifier(), redirect_uri=REDIRECT)

    def test_another_redirect_address_is_the_clients_fault(self, sign_in):
        verifier = oauth.new_verifier()
        with pytest.raises(ClientRefused, match="redirect address"):
            oauth.exchange(CLIENT, code=code_for(sign_in, verifier), verifier=verifier, redirect_uri=f"{REDIRECT}/")

    def test_what_the_account_withheld_is_missing_in_the_scope(self, sign_in):
        verifier = oauth.new_verifier()
        code = code_for(sign_in, verifier, withheld=(CLOUD_PLATFORM,))
        tokens = oauth.exchange(CLIENT, code=code, verifier=verifier, redirect_uri=REDIRECT)
        assert CLOUD_PLATFORM not in tokens.scope.split()


class TestRefresh:
    def test_a_refresh_token_becomes_an_access_token(self, sign_in):
        login = sign_in.login(ADA)
        before = time.time()
        tokens = oauth.refresh(CLIENT, login.refresh_token)
        assert tokens.access_token in sign_in.oauth.access
        assert tokens.refresh_token == ""
        assert before + 3599 <= tokens.expires_at <= time.time() + 3599

    @pytest.mark.parametrize(("said", "lifetime"), [({}, 3600), ({"expires_in": "1800"}, 1800), ({"expires_in": None}, 3600),
                                                    ({"expires_in": "soon"}, 3600), ({"expires_in": -5}, 0)])  # fmt: skip
    def test_how_long_it_lives_is_what_google_says_or_an_hour(self, sign_in, said, lifetime):
        sign_in.script(method="token", status=200, body={"access_token": "ya29.any", **said})
        before = time.time()
        assert before <= oauth.refresh(CLIENT, "1//any").expires_at - lifetime <= time.time()

    @pytest.mark.parametrize(("error", "raised"), [
        ("invalid_grant", LoginEnded), ("invalid_rapt", LoginEnded), ("invalid_client", ClientRefused),
        ("deleted_client", ClientRefused), ("unauthorized_client", ClientRefused), ("redirect_uri_mismatch", ClientRefused),
        ("invalid_request", ClientRefused), ("internal", OAuthUnavailable), ("overloaded", OAuthUnavailable),
        ("bare_429", OAuthUnavailable),
    ])  # fmt: skip
    def test_a_refusal_is_named_by_whose_fault_it_is(self, sign_in, error, raised):
        sign_in.script(method="token", error=error)
        with pytest.raises(OAuthError) as caught:
            oauth.refresh(CLIENT, sign_in.login(ADA).refresh_token)
        assert type(caught.value) is raised
        assert caught.value.message.endswith(".")
        assert caught.value.remedy.endswith(".")

    @pytest.mark.parametrize(("status", "body"), [
        (200, ""), (200, "[]"), (200, "<html>Sign in to this hotel's network</html>"), (200, {"token_type": "Bearer"}),
        (200, {"access_token": 7}), (302, {"access_token": "ya29.elsewhere"}), (404, "not here"), (400, {"error": {"code": 400}}),
        (400, {"error": "something_new"}), (503, {"error": "invalid_grant"}), (200, b"\xff\xfe".decode("latin-1")),
    ])  # fmt: skip
    def test_an_answer_that_says_nothing_blames_nobody(self, sign_in, status, body):
        sign_in.script(method="token", status=status, body=body)
        with pytest.raises(OAuthUnavailable):
            oauth.refresh(CLIENT, sign_in.login(ADA).refresh_token)

    def test_a_redirect_is_not_followed(self, sign_in):
        elsewhere = f"{sign_in.url}/elsewhere"
        sign_in.script(method="token", status=307, body="", headers={"Location": elsewhere})
        with pytest.raises(OAuthUnavailable):
            oauth.refresh(CLIENT, "1//any")
        assert [call.path for call in sign_in.log] == ["/token"]

    @pytest.mark.parametrize("ends", ["reset_before_headers", "close_before_headers", "cut"])
    def test_a_broken_connection_blames_nobody(self, sign_in, ends):
        sign_in.script(method="token", ends=ends)
        with pytest.raises(OAuthUnavailable):
            oauth.refresh(CLIENT, sign_in.login(ADA).refresh_token)

    def test_an_address_that_cannot_be_one_blames_nobody(self, sign_in, settings):
        settings.GOOGLE_OAUTH_TOKEN_URL = "http://[::1"
        with pytest.raises(OAuthUnavailable):
            oauth.refresh(CLIENT, "1//any")

    @pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nX-Drip: "])
    def test_a_call_ends_in_time_however_its_answer_drips(self, sign_in, settings, beginning):
        with dripping(beginning) as port:
            settings.GOOGLE_OAUTH_TOKEN_URL = f"http://127.0.0.1:{port}/token"
            with pytest.raises(OAuthUnavailable, match="in time"):
                oauth.refresh(CLIENT, "1//any", seconds=0.5)

    def test_an_endless_answer_is_not_read_to_its_end(self, sign_in):
        sign_in.script(method="token", status=200, body="x" * 3_000_000)
        with pytest.raises(OAuthUnavailable, match="no answer that can be read"):
            oauth.refresh(CLIENT, "1//any")


class TestWhoseItIs:
    def test_an_unknown_token_is_nobodys(self, sign_in):
        assert oauth.email_of("ya29.unknown") == ""

    @pytest.mark.parametrize("token", ["ya29.\r\nX-Forged: 1", "ya29.ключ", ""])
    def test_text_that_no_header_can_hold_is_no_token_and_is_not_repeated(self, sign_in, token):
        try:
            said = oauth.email_of(token)
        except OAuthUnavailable as error:
            said = str(error)
        assert "Forged" not in said
        assert "@" not in said

    @pytest.mark.parametrize(("says", "email"), [({}, ADA), ({"verified_email": True}, ADA), ({"verified_email": False}, "")])
    def test_an_address_that_google_has_not_verified_is_none(self, sign_in, says, email):
        sign_in.script(method="userinfo", status=200, body={"email": ADA, **says})
        assert oauth.email_of(sign_in.login(ADA).access_token) == email

    def test_where_google_is_ill_nobody_is_blamed(self, sign_in):
        sign_in.script(method="userinfo", status=500, body={"error": {"code": 500}})
        with pytest.raises(OAuthUnavailable):
            oauth.email_of(sign_in.login(ADA).access_token)


class TestRevoking:
    def test_it_ends_the_login_at_google(self, sign_in):
        login = sign_in.login(ADA)
        assert oauth.revoke(login.refresh_token)
        with pytest.raises(LoginEnded):
            oauth.refresh(CLIENT, login.refresh_token)

    def test_what_was_revoked_before_counts_as_done(self, sign_in):
        assert oauth.revoke("1//long-gone")

    @pytest.mark.parametrize(
        "fault", [{"status": 500, "body": ""}, {"status": 400, "body": "?"}, {"ends": "close_before_headers"}]
    )
    def test_a_failure_is_said_and_not_raised(self, sign_in, fault):
        sign_in.script(method="revoke", **fault)
        assert not oauth.revoke(sign_in.login(ADA).refresh_token)


class TestClients:
    def test_an_accounts_own_comes_first(self, settings):
        settings.GOOGLE_OAUTH_CLIENT_ID, settings.GOOGLE_OAUTH_CLIENT_SECRET = "ours", "our-secret"
        assert oauth.client_of(GoogleLogin(client_id="its", client_secret="its-secret")) == OAuthClient("its", "its-secret")
        assert oauth.client_of(GoogleLogin()) == oauth.client_of(None) == OAuthClient("ours", "our-secret")

    def test_without_any_the_remedy_is_named(self, settings):
        settings.GOOGLE_OAUTH_CLIENT_ID = ""
        with pytest.raises(ClientMissing) as caught:
            oauth.client_of(None)
        assert "GOOGLE_OAUTH_CLIENT_ID" in caught.value.remedy

    def test_one_without_a_secret_sends_none(self, sign_in):
        with pytest.raises(ClientRefused, match="invalid_request"):
            oauth.refresh(OAuthClient(DEFAULT_CLIENT, ""), "1//any")
        assert "client_secret" not in calls(sign_in)[0].body


class TestSecrets:
    CANARY = "canary-that-looks-like-nothing"

    @pytest.mark.parametrize("script", [
        {"status": 400, "body": {"error": CANARY, "error_description": CANARY}}, {"status": 500, "body": CANARY},
        {"status": 400, "body": {"error": "invalid_grant", "error_description": CANARY}}, {"ends": "reset_before_headers"},
        {"status": 200, "body": CANARY},
    ])  # fmt: skip
    def test_no_error_holds_one_not_even_in_its_trace(self, sign_in, script):
        sign_in.script(method="token", **script)
        with pytest.raises(OAuthError) as caught:
            oauth.refresh(OAuthClient(self.CANARY, self.CANARY), self.CANARY)
        errors = [caught.value, caught.value.__cause__]
        assert self.CANARY not in "".join(f"{error!r} {error} {getattr(error, 'remedy', '')}" for error in errors)
        assert caught.value.__cause__ is None

    def test_nothing_that_holds_one_shows_it(self):
        shown = repr([oauth.Tokens(self.CANARY, 0.0, self.CANARY), OAuthClient("id", self.CANARY)])
        assert self.CANARY not in shown


@contextmanager
def dripping(beginning: bytes):
    """A server that sends a byte now and then, and never ends; yields its port."""
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(beginning)
            while not over.wait(0.05):
                if beginning:
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join()
