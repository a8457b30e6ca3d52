"""A login with Google from its beginning to the stored account, for pages and for the terminal alike."""

import secrets
from collections.abc import MutableMapping
from typing import Any

from django.db import transaction
from msgspec import Struct

from credentials.accounts import links, oauth, pending, terms
from credentials.accounts.redirects import Callback
from credentials.accounts.saving import save_login
from credentials.accounts.wanted import LoginFailed, Wanted
from credentials.models import Credential, Kind, Use
from credentials.signals import LoginSetUp, set_up_login

_PERMISSIONS = "https://myaccount.google.com/permissions"


class Done(Struct, frozen=True):
    """A login that was stored, and how far the account has come with it."""

    credential: Credential
    is_new: bool
    set_up: LoginSetUp

    @property
    def serves(self) -> bool:
        return self.credential.enabled and self.set_up.ready

    @property
    def through_cli(self) -> bool:
        return self.credential.kind == Kind.GEMINI_CLI

    @property
    def project(self) -> str:
        """Read anew: setting the account up may have found it."""
        credential = Credential.objects.select_related("login").defer("secret").get(pk=self.credential.pk)
        return credential.login.project or credential.project

    @property
    def remaining(self) -> list[LoginSetUp]:
        """What is still to be done before it serves."""
        left = [] if self.set_up.ready else [self.set_up]
        if self.credential.lacks_terms:
            left.append(LoginSetUp(ready=False, message=terms.MISSING, remedy="An admin can do so on the account's page."))
        elif not self.credential.enabled:
            left.append(LoginSetUp(ready=False, message="The account is disabled.", remedy="An admin can enable it."))
        return left


def begin(
    session: MutableMapping[str, Any], wanted: Wanted, *, redirect_uri: str, client: oauth.OAuthClient | None = None
) -> str:
    """The address at Google where a person consents. Raises LoginFailed.

    `client` becomes the account's own. None: the one that it has, or else the operator's.
    """
    account = _account(wanted)
    state, verifier = secrets.token_urlsafe(32), oauth.new_verifier()
    try:
        asking = client or oauth.client_of(getattr(account, "login", None))
    except oauth.ClientMissing as error:
        raise _failure(error) from error
    pending.keep(session, state, wanted, redirect_uri=redirect_uri, verifier=verifier, client=client)
    return oauth.authorize_url(
        asking,
        redirect_uri=redirect_uri,
        state=state,
        verifier=verifier,
        use=Use(wanted.use),
        login_hint=account.email if account else "",
    )


def complete(login: pending.Pending, verifier: str, callback: Callback) -> Done:
    """Store what a consent at Google has given, and have the account set up. Raises LoginFailed: then nothing was stored."""
    if callback.error:
        raise _refused_at_google(callback.error)
    account = _account(login.wanted)
    try:
        client = login.client or oauth.client_of(getattr(account, "login", None))
        tokens = oauth.exchange(client, code=callback.code, verifier=verifier, redirect_uri=login.redirect_uri)
        _check_granted(tokens, Use(login.wanted.use))
        email = oauth.email_of(tokens.access_token)
    except oauth.LoginEnded as error:
        remedy = "Begin the login again, and do not wait long: what Google sends is good for a few minutes, and only once."
        raise LoginFailed("Google no longer takes the code that it sent.", remedy) from error
    except oauth.OAuthError as error:
        raise _failure(error) from error
    _check_address(email, account)
    is_own = account is not None or login.client is not None
    credential, is_new = _store(login.wanted, email, tokens, client if is_own else None)
    return Done(credential=credential, is_new=is_new, set_up=set_up_login(credential.pk))


def _account(wanted: Wanted) -> Credential | None:
    """The account that is logged in again. Raises LoginFailed if it has been deleted."""
    if wanted.account is None:
        return None
    account = Credential.objects.select_related("login").defer("secret").filter(pk=wanted.account).first()
    if account is None:
        raise LoginFailed("This account is no longer here.", "To add it anew, connect a Google account.", status=404)
    return account


def _store(wanted: Wanted, email: str, tokens: oauth.Tokens, client: oauth.OAuthClient | None) -> tuple[Credential, bool]:
    with transaction.atomic():
        if wanted.link is not None:
            links.use_up(wanted.link)
        return save_login(
            email=email,
            tokens=tokens,
            use=Use(wanted.use),
            kind=Kind(wanted.kind),
            client=client,
            project=wanted.project,
            label=wanted.label,
            terms_accepted_by=wanted.terms_accepted_by,
        )


def _check_granted(tokens: oauth.Tokens, use: Use) -> None:
    if not tokens.refresh_token:
        raise LoginFailed(
            "Google gave no refresh token, so this login would end within the hour.",
            f"Remove the access of this OAuth client at {_PERMISSIONS}, then log in again.",
        )
    granted = set(tokens.scope.split())
    if granted and (withheld := [scope for scope in oauth.SCOPES[use] if scope not in granted and "userinfo" not in scope]):
        raise LoginFailed(
            f"The consent leaves out what Castor needs: {', '.join(withheld)}.",
            "Log in again, and leave every box on Google's page ticked.",
        )


def _check_address(email: str, account: Credential | None) -> None:
    if not email:
        raise LoginFailed(
            "Google did not say whose account this is.", "Log in again, and leave the box about your e-mail address ticked."
        )
    if account is not None and account.email.lower() != email.lower():
        raise LoginFailed(
            f"You have logged in as {email}, but {account.email} was to be logged in again. Nothing was stored.",
            f"Log in again and choose {account.email} on Google's page. To add {email} as well, connect it as a new account.",
        )


def _refused_at_google(error: str) -> LoginFailed:
    """`error` is the code in Google's redirect."""
    if error == "access_denied":
        return _failure(oauth.ConsentDenied())
    return LoginFailed(f"Google refused the login ({error}).", "Log in again. If it happens again, see docs/google-accounts.md.")


def _failure(error: oauth.OAuthError) -> LoginFailed:
    return LoginFailed(str(error), error.remedy, status=503 if isinstance(error, oauth.OAuthUnavailable) else 400)
