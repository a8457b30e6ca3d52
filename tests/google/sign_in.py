"""Google's sign-in: consent, codes, tokens, and who they belong to (section 5)."""

import base64
import hashlib
import hmac
import json
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.google import bearer, consent, delivery
from tests.google.accounts import EMAIL, PROFILE, Accounts, Code, Token
from tests.google.errors import refusal
from tests.google.exchange import Exchange
from tests.google.faults_oauth import refused
from tests.google.log import Call
from tests.google.scripts import Script
from tests.google.surface import Body, Surface

AUTHORIZE = "/o/oauth2/v2/auth"
PATHS = {
    AUTHORIZE: ("authorize", ("GET", "POST")),
    "/token": ("token", ("POST",)),
    "/revoke": ("revoke", ("POST",)),
    "/oauth2/v2/userinfo": ("userinfo", ("GET",)),
    "/tokeninfo": ("tokeninfo", ("GET", "POST")),
}
# RFC 7636, 4.1.
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class SignIn(Surface):
    name = "oauth"

    def route(self, http_method: str, path: str) -> tuple[str, str]:
        method, http_methods = PATHS[path]
        return (method, "") if http_method in http_methods else ("", "")

    def read(self, call: Call) -> Body:
        """The form of a POST together with the query of the address."""
        if call.http_method == "GET":
            return dict(call.query)
        kind = call.headers.get("content-type", "").partition(";")[0]
        if kind != "application/x-www-form-urlencoded" and call.raw:
            raise refused(400, "invalid_request", "Could not determine the request's parameters: it is not a form.")
        call.body = dict(parse_qsl(call.raw.decode(), keep_blank_values=True))
        return {**call.query, **call.body}

    def authenticate(self, call: Call) -> None:
        """Only note whose tokens are spoken of: what is wrong with them is said when they are looked at."""
        asked = {**call.query, **(call.body or {})}
        oauth = self.state.oauth
        named = [
            oauth.codes.get(asked.get("code", "")),
            *(_find(oauth, asked.get(name, "")) for name in ("refresh_token", "token")),
        ]
        named += [oauth.access.get(asked.get("access_token") or call.key)]
        call.account = next((found.email for found in named if found), asked.get("account", ""))

    async def serve(self, exchange: Exchange, request: Body, script: Script) -> None:
        call = exchange.call
        if call.method == "authorize":
            await self._authorize(exchange, request)
            return
        match call.method:
            case "token":
                body = self._token(request)
            case "revoke":
                body = self._revoke(request)
            case "tokeninfo":
                body = self._describe(request.get("access_token") or call.key)
            case _:
                body = self._userinfo(call)
        await delivery.send_whole(exchange, body, script, None)

    # --- Consent ----------------------------------------------------------------------------------------------

    async def _authorize(self, exchange: Exchange, asked: Body) -> None:
        """A request in order gets the page that asks for consent, and the answer to that leads back to the client."""
        oauth = self.state.oauth
        if problem := consent.problem(asked, oauth.clients):
            exchange.call.refused = problem.message
            await delivery.send_body(exchange, problem.code, consent.error_page(problem.message), {})
        elif exchange.call.http_method == "GET" and not oauth.auto_consent:
            await delivery.send_body(exchange, 200, consent.page(asked, list(oauth.users)), {})
        else:
            email = oauth.auto_consent if exchange.call.http_method == "GET" else asked.get("account", "")
            await delivery.send_body(exchange, 302, "", {"Location": self._way_back(asked, email)})

    def _way_back(self, asked: Body, email: str) -> str:
        answer = {"state": asked["state"]} if "state" in asked else {}
        withheld = asked.get("withheld", "").split()
        scope = " ".join(name for name in asked["scope"].split() if name not in withheld)
        if email not in self.state.oauth.users or asked.get("decision") == "deny":
            answer["error"] = "access_denied"
        else:
            answer |= {
                "code": self.state.oauth.consent(email, asked, scope),
                "scope": scope,
                "authuser": "0",
                "prompt": "consent",
            }
        joint = "&" if urlsplit(asked["redirect_uri"]).query else "?"
        return f"{asked['redirect_uri']}{joint}{urlencode(answer)}"

    # --- Tokens -----------------------------------------------------------------------------------------------

    def _token(self, form: Body) -> Body:
        kind = form.get("grant_type", "")
        if kind not in ("authorization_code", "refresh_token"):
            raise refused(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")
        client_id = self._client(form)
        return self._exchange(form, client_id) if kind == "authorization_code" else self._refresh(form, client_id)

    def _client(self, form: Body) -> str:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        client = self.state.oauth.clients.get(client_id)
        if not client_id:
            raise refused(400, "invalid_request", "Could not determine client ID from request.")
        if client is None:
            raise refused(401, "invalid_client", "The OAuth client was not found.")
        if client.deleted:
            raise refused(401, "deleted_client", "The OAuth client was deleted.")
        if not secret:
            raise refused(400, "invalid_request", "client_secret is missing.")
        if not hmac.compare_digest(secret.encode(), client.secret.encode()):
            raise refused(401, "invalid_client", "The provided client secret is invalid.")
        return client_id

    def _exchange(self, form: Body, client_id: str) -> Body:
        oauth = self.state.oauth
        code = oauth.codes.get(form.get("code", ""))
        if code is None:
            raise refused(400, "invalid_grant", "Malformed auth code.")
        if code.is_used or code.expires_at <= oauth.now() or code.client != client_id:
            raise refused(400, "invalid_grant", "Bad Request")
        if form.get("redirect_uri") != code.redirect_uri:
            raise refused(400, "redirect_uri_mismatch", "Bad Request")
        _check_verifier(code, form.get("code_verifier"))
        code.is_used = True
        access = oauth.issue_access(code.email, client_id, code.scope)
        answer = self._granted(access)
        if code.with_refresh:
            answer["refresh_token"] = oauth.issue_refresh(code.email, client_id, code.scope).text
        return answer

    def _refresh(self, form: Body, client_id: str) -> Body:
        oauth = self.state.oauth
        token = oauth.refresh.get(form.get("refresh_token", ""))
        if token is None:
            raise refused(400, "invalid_grant", "Bad Request")
        if token.client != client_id:
            raise refused(401, "unauthorized_client", "Unauthorized")
        if not oauth.is_live(token) or token.email not in oauth.users:
            raise refused(400, "invalid_grant", "Token has been expired or revoked.")
        answer = self._granted(oauth.issue_access(token.email, client_id, token.scope))
        if oauth.rotate_refresh_tokens:
            token.is_dead = True
            answer["refresh_token"] = oauth.issue_refresh(token.email, client_id, token.scope).text
        return answer

    def _granted(self, access: Token) -> Body:
        return {
            "access_token": access.text,
            "expires_in": round(self.state.oauth.token_lifetime),
            "scope": access.scope,
            "token_type": "Bearer",
            "id_token": self._id_token(access),
        }

    def _id_token(self, access: Token) -> str:
        """A JWT that nobody has signed: this one proves nothing."""
        user = self.state.oauth.users[access.email]
        claims = {"iss": "https://accounts.google.com", "aud": access.client, "sub": user.id, "exp": int(access.expires_at or 0)}
        if EMAIL in access.scopes:
            claims |= {"email": user.email, "email_verified": True}
        return ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)) + ".none"

    def _revoke(self, form: Body) -> Body:
        token = _find(self.state.oauth, form.get("token", ""))
        if token is None or not self.state.oauth.is_live(token):
            raise refused(400, "invalid_token", "Token expired or revoked")
        self.state.oauth.end_grant(token.email, token.client)
        return {}

    # --- Whose they are ---------------------------------------------------------------------------------------

    def _userinfo(self, call: Call) -> Body:
        token, user = bearer.recognise(call.headers, self.state.oauth)
        if not token.scopes & {EMAIL, PROFILE}:
            raise refusal(401, bearer.missing().message)
        about: Body = {"id": user.id}
        if EMAIL in token.scopes:
            about |= {"email": user.email, "verified_email": True}
        if PROFILE in token.scopes:
            about |= {"name": user.email.partition("@")[0].title(), "picture": "https://lh3.googleusercontent.com/a/simulated"}
        return about

    def _describe(self, access_token: str) -> Body:
        """What a token is good for. gemini-cli sends it as a bearer's, others as a parameter."""
        oauth = self.state.oauth
        token = oauth.access.get(access_token)
        if token is None or not oauth.is_live(token):
            raise refused(400, "invalid_token", "Invalid Value")
        user = oauth.users[token.email]
        left = (token.expires_at or 0) - oauth.now()
        said = {"azp": token.client, "aud": token.client, "sub": user.id, "scope": token.scope, "access_type": "offline"}
        said |= {"exp": str(int(token.expires_at or 0)), "expires_in": str(int(left))}
        return {**said, "email": user.email, "email_verified": "true"} if EMAIL in token.scopes else said


def _find(oauth: Accounts, text: str) -> Token | None:
    return oauth.refresh.get(text) or oauth.access.get(text)


def _check_verifier(code: Code, verifier: str | None) -> None:
    """PKCE: the verifier must be the one whose digest came with the request for consent (RFC 7636, 4.6)."""
    if not code.challenge:
        if verifier:
            raise refused(400, "invalid_grant", "code_verifier or verifier is not needed.")
        return
    if not verifier:
        raise refused(400, "invalid_grant", "Missing code verifier.")
    digest = _base64url(hashlib.sha256(verifier.encode()).digest())
    proof = digest if code.challenge_method == "S256" else verifier
    if not VERIFIER.fullmatch(verifier) or not hmac.compare_digest(proof, code.challenge):
        raise refused(400, "invalid_grant", "Invalid code verifier.")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
