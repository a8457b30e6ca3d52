"""Google accounts in the pool, as the simulated Google knows them."""

from datetime import UTC, datetime
from typing import Any

from credentials.models import Credential, GoogleLogin, Kind, Use
from tests.google import GoogleSimulator

ADA, PROJECT = "ada@example.com", "ada-project"


def point_at(google: GoogleSimulator, settings: Any) -> None:
    """Let this Django use the simulator for all of Google."""
    for name, value in google.settings().items():
        setattr(settings, name, value)


def account(
    google: GoogleSimulator,
    *,
    email: str = ADA,
    use: Use = Use.CODE_ASSIST,
    kind: Kind = Kind.OAUTH,
    project: str = PROJECT,
    terms: bool = True,
    **login: Any,
) -> Credential:
    """One that has logged in; `login` are further columns of GoogleLogin."""
    tokens = google.login(email)
    credential = Credential(kind=kind, use=use, email=email, secret=tokens.refresh_token, enabled=terms)
    if terms:
        credential.accept_terms(by="a test")
    if use == Use.GEMINI_API:
        credential.project = project
    credential.save()
    GoogleLogin.objects.create(
        credential=credential,
        access_token=tokens.access_token,
        access_until=datetime.fromtimestamp(tokens.expires_at, UTC),
        project=project if use == Use.CODE_ASSIST else "",
        **login,
    )
    return credential
