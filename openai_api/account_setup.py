"""After a login: has Google asked what the account may use, and says in plain words how far it has come."""

import time
from collections.abc import Callable

from credentials.health import Outcome
from credentials.models import Credential
from credentials.runs import Verdict, verdict_of
from credentials.signals import LoginSetUp
from openai_api.checks import Check, check_one
from openai_api.questions import Question

_PATIENCE = 50.0
"""Seconds for Code Assist to take in an account that is new to it: somebody waits for the page."""

_REMEDIES = {
    Outcome.VALIDATION_REQUIRED: "Open the link as the owner of the account, do what Google asks there, then check the account.",
    Outcome.UNSUPPORTED_CLIENT: (
        "Code Assist serves licences for Standard and Enterprise only. Log in again, and use the account for the Gemini API."
    ),
    Outcome.NOT_PERMITTED: (
        "Whoever administers the organisation or the project has to give this account a licence and the permission to use it. "
        "Then check the account."
    ),
    Outcome.API_DISABLED: "Enable the API in the project, wait some minutes, then check the account.",
    Outcome.SUSPENDED: "Only Google can lift that: if there is a link, it leads to the appeal.",
    Outcome.LOGIN_ENDED: "Log in again.",
    Outcome.KEY_REJECTED: "Log in again.",
    Outcome.UPSTREAM_FAILED: "Nothing needs to be done: Castor asks again by itself. Checking the account does so at once.",
}


def set_up_account(credential_id: int, *, wait: Callable[[float], None] = time.sleep) -> LoginSetUp:
    """Receives `credentials.signals.login_saved`; `wait` is for so many seconds."""
    credential = Credential.objects.filter(pk=credential_id).first()
    check = check_one(credential, Question(patience=_PATIENCE, wait=wait)) if credential is not None else None
    if check is None:
        return LoginSetUp(ready=False, message="The account has been deleted.", remedy="Log in again to add it anew.")
    return told(check)


def told(check: Check) -> LoginSetUp:
    """What a check found, for the one who has just logged in."""
    if verdict_of(check.outcome) is Verdict.ALIVE:
        return LoginSetUp(ready=True, message=_told_ready(check))
    remedy = _REMEDIES.get(check.outcome, "")
    return LoginSetUp(ready=False, message=check.detail, remedy=remedy, link=check.link)


def _told_ready(check: Check) -> str:
    models = f"{check.models} models" if check.models else "its models"
    return f"Google lets this account use {models}."
