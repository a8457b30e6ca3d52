"""Google accounts in the pool, whose tokens are those of the simulated Google."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from credentials.accounts.oauth import Tokens
from credentials.accounts.saving import save_login
from credentials.models import Credential, GoogleLogin, Use
from tests.google import GoogleSimulator
from tests.google.log import Call

ADA = "ada@example.com"


@pytest.fixture
def sign_in(google: GoogleSimulator, db, settings) -> GoogleSimulator:
    """Google, where Ada has an account and Castor a client."""
    for name, value in google.settings().items():
        setattr(settings, name, value)
    google.add_user(ADA, project="ada-project")
    return google


def tokens_of(google: GoogleSimulator, email: str = ADA, **given) -> Tokens:
    login = google.login(email, **given)
    return Tokens(login.access_token, login.expires_at, login.refresh_token, login.scope)


def log_in(google: GoogleSimulator, email: str = ADA, *, use: Use = Use.GEMINI_API, **given) -> Credential:
    return save_login(email=email, tokens=tokens_of(google, email), use=use, **given)[0]


def expire(google: GoogleSimulator, credential: Credential) -> None:
    """Its access token has ended, here and at Google."""
    google.expire_access(credential.email)
    GoogleLogin.objects.filter(pk=credential.pk).update(access_until=now() - timedelta(seconds=1))


def calls(google: GoogleSimulator, method: str = "token") -> list[Call]:
    return [call for call in google.log if call.method == method]
