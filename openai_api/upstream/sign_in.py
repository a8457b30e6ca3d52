"""What keeps an account from being asked: no access token is to be had for it."""

from credentials.accounts.oauth import LoginEnded, OAuthError, OAuthUnavailable
from credentials.accounts.tokens import NoLogin
from credentials.health import Outcome
from openai_api.upstream.refusals import Refusal


def refusal_of(error: OAuthError) -> Refusal:
    """Only the end of a login is the account's own; what is wrong with the client, with Google or with us kills nobody."""
    match error:
        case NoLogin() | LoginEnded():
            return Refusal(outcome=Outcome.LOGIN_ENDED, status=401, message=str(error))
        case OAuthUnavailable():
            return Refusal(outcome=Outcome.SIGN_IN_FAILED, status=503, message=str(error))
        case _:
            return Refusal(outcome=Outcome.SIGN_IN_FAILED, status=502, message=f"{error} {error.remedy}")
