"""Logins are stored, and forgotten, here: by the login pages, by imports and by the admin alike."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from credentials import store
from credentials.accounts.oauth import OAuthClient, Tokens
from credentials.health import Reason
from credentials.models import Credential, CredentialQuerySet, GoogleLogin, Kind, PoolVersion, ProjectSource, Use

_HEALED = (Reason.LOGIN_ENDED, Reason.KEY_REJECTED, Reason.VALIDATION_REQUIRED, Reason.SIGN_IN_FAILED)
"""What a new login puts right."""


def save_login(
    *,
    email: str,
    tokens: Tokens,
    use: Use,
    kind: Kind = Kind.OAUTH,
    client: OAuthClient | None = None,
    project: str = "",
    label: str = "",
    terms_accepted_by: str = "",
    priority: int = 0,
    enabled: bool = True,
) -> tuple[Credential, bool]:
    """Store a login; returns its credential, and whether the account is new to the pool.

    An account that is there already keeps its history, its rests and all that an admin has set: it gets new tokens, and the
    project if one is named. `client` is None for the operator's own. An account for Code Assist is not enabled before
    somebody has acknowledged the terms (`terms_accepted_by`).
    """
    if not email.strip() or not tokens.refresh_token:
        # Without an address it would be taken for a key, and its refresh token be sent to the Gemini API as one.
        raise ValueError("A login is stored with its account's address and its refresh token, or not at all.")
    wanted = Credential(kind=kind, use=use, email=email.strip(), secret=tokens.refresh_token, label=label, priority=priority)
    wanted.identify()
    with transaction.atomic():
        PoolVersion.lock()
        credential, is_new = _account(wanted)
        _accept_terms(credential, by=terms_accepted_by, enable=enabled, is_new=is_new)
        credential.save()
        _save_tokens(credential, tokens, client)
        _save_project(credential, project, is_new=is_new)
        if not is_new:
            store.return_to_service([credential], reasons=_HEALED)
            credential.refresh_from_db()
    return credential, is_new


def forget(credentials: CredentialQuerySet) -> list[str]:
    """Delete accounts. Returns the refresh tokens that may be revoked then: of logins that serve nobody else in the pool.

    That is for afterwards: Google takes its time, for which no transaction should last, and what is revoked cannot be restored.
    """
    logins = list(GoogleLogin.objects.filter(credential__in=credentials).select_related("credential"))
    credentials.delete()
    return [login.credential.secret for login in logins if not _shares_its_grant(login)]


def _account(wanted: Credential) -> tuple[Credential, bool]:
    """The account as it is in the pool, with the new refresh token, or as it was just made there, disabled."""
    wanted.enabled = False
    # Whoever renews the tokens now locks these two rows in this order.
    GoogleLogin.objects.select_for_update().filter(credential__fingerprint=wanted.fingerprint).first()
    known = Credential.objects.filter(fingerprint=wanted.fingerprint).first()
    if known is None:
        try:
            with transaction.atomic():
                wanted.save()
            return wanted, True
        except IntegrityError:  # Another process has just made it.
            known = Credential.objects.get(fingerprint=wanted.fingerprint)
    known.secret, known.email = wanted.secret, wanted.email
    return known, False


def _accept_terms(credential: Credential, *, by: str, enable: bool, is_new: bool) -> None:
    """Enable what is new, or what has only waited for the terms; an admin who has disabled an account meant it."""
    was_waiting = is_new or credential.lacks_terms
    if by and credential.terms_accepted_at is None:
        credential.accept_terms(by=by)
    if was_waiting:
        credential.enabled = enable and not credential.lacks_terms


def _save_tokens(credential: Credential, tokens: Tokens, client: OAuthClient | None) -> None:
    """A renewal that is under way belongs to the login before: whoever renews finds that out."""
    if client is not None and client.id == settings.GOOGLE_OAUTH_CLIENT_ID:
        client = None  # Then a new secret of the operator's client is this account's as well.
    until = datetime.fromtimestamp(tokens.expires_at, UTC) if tokens.access_token else None
    values = {
        "access_token": tokens.access_token,
        "access_until": until,
        "scope": tokens.scope,
        "client_id": client.id if client else "",
        "client_secret": client.secret if client else "",
        "renewal": "",
        "renewing_until": None,
        "logged_in_at": now(),
    }
    GoogleLogin.objects.update_or_create(credential=credential, defaults=values)


def _save_project(credential: Credential, project: str, *, is_new: bool) -> None:
    """Code Assist is asked for a project, but counts per account; elsewhere the project is whose quota is used."""
    project = project.strip() or (settings.GOOGLE_CLOUD_PROJECT if is_new else "")
    if not project:
        return
    if credential.use == Use.CODE_ASSIST:
        GoogleLogin.objects.filter(pk=credential.pk).update(project=project)
    elif project != credential.project:
        store.set_project([credential.pk], project, ProjectSource.TYPED)
        credential.refresh_from_db()


def _shares_its_grant(login: GoogleLogin) -> bool:
    """Google ends all that a client holds of an account at once: here that may be several credentials."""
    return GoogleLogin.objects.filter(credential__email__iexact=login.credential.email, client_id=login.client_id).exists()
