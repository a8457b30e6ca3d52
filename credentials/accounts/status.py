"""GET /auth/status: whether an account is logged in; for admins also which ones. Never a token."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from credentials.health import State
from credentials.models import Credential, CredentialQuerySet


@require_safe
def status(request: HttpRequest) -> JsonResponse:
    """Shape: {authenticated} for everybody; for admins also {email, projectId, expiresAt} of the first account that serves, as
    the proxy had it that Castor replaces, and {accounts: [...]}. Times are ISO 8601 in UTC."""
    accounts = Credential.objects.exclude(login=None)
    serving = accounts.enabled().exclude(state=State.INVALID).order_by("pk")
    answer: dict[str, Any] = {"authenticated": serving.exists()}
    if request.user.is_staff and request.user.has_perm("credentials.view_googleaccount"):
        answer |= _details(accounts, serving)
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _details(accounts: CredentialQuerySet, serving: CredentialQuerySet) -> dict[str, Any]:
    first = serving.select_related("login").defer("secret", "login__access_token", "login__client_secret").first()
    shown = accounts.select_related("login").defer("secret", "login__access_token", "login__client_secret").order_by("pk")
    return {**(_identity(first) if first else _NOBODY), "accounts": [_account(account) for account in shown]}


_NOBODY = {"email": None, "projectId": None, "expiresAt": None}


def _identity(account: Credential) -> dict[str, Any]:
    login = account.login
    return {
        "email": account.email,
        "projectId": login.project or account.project or None,
        "expiresAt": _moment(login.access_until),
    }


def _account(account: Credential) -> dict[str, Any]:
    return {
        "id": account.pk,
        "label": account.label,
        **_identity(account),
        "kind": account.kind,
        "use": account.use,
        "tier": account.login.tier_name or account.login.tier or None,
        "enabled": account.enabled,
        "state": account.state,
        "reason": account.reason or None,
        "until": _moment(account.until),
        "loggedInAt": _moment(account.login.logged_in_at),
    }


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
