"""Callers who come with an access token: what Google says of tokens that are no good, and of projects that may not be billed.

Sections 1.1, 4.6 and 5. The texts about projects are those of Google's API infrastructure in general; the wire reference has
seen none of them on these two services.
"""

from collections.abc import Mapping

from tests.google.accounts import CLOUD_PLATFORM, Accounts, Token, User
from tests.google.errors import SERVICE, Refusal, error_info, refusal

GENERATIVE_LANGUAGE = "https://www.googleapis.com/auth/generative-language"
INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


def wrong_kind() -> Refusal:
    """Something that is no access token, or no longer known as one."""
    return refusal(401, INVALID, error_info("ACCESS_TOKEN_TYPE_UNSUPPORTED"))


def expired() -> Refusal:
    """An access token that has run out or was revoked; no reason was noted beside the text."""
    return refusal(401, INVALID)


def missing() -> Refusal:
    message = (
        "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return refusal(401, message, error_info("CREDENTIALS_MISSING"))


def scope_insufficient(service: str = SERVICE) -> Refusal:
    message = "Request had insufficient authentication scopes."
    return refusal(403, message, error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service=service))


def no_quota_project() -> Refusal:
    message = (
        f"Your application is authenticating by using local Application Default Credentials. The {SERVICE} API requires a "
        "quota project, which is not set by default."
    )
    return refusal(403, message, error_info("SERVICE_DISABLED", consumer="projects/764086051850"))


def project_denied(project: str) -> Refusal:
    message = (
        f"Caller does not have required permission to use project {project}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission, "
        f"by visiting https://console.developers.google.com/iam-admin/iam/project?project={project} and then retry."
    )
    return refusal(403, message, error_info("USER_PROJECT_DENIED", consumer=f"projects/{project}"))


def token_of(headers: Mapping[str, str]) -> str:
    """The text after `Bearer`; empty without one."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def recognise(headers: Mapping[str, str], accounts: Accounts) -> tuple[Token, User]:
    """The token of a request and whose it is; one that is not good is refused."""
    text = token_of(headers)
    if not text:
        raise missing()
    token = accounts.access.get(text)
    if token is None:
        raise wrong_kind()
    if not accounts.is_live(token) or token.email not in accounts.users:
        raise expired()
    return token, accounts.users[token.email]


def billed_project(headers: Mapping[str, str], token: Token, user: User) -> str:
    """The project that pays for a call of the Gemini API."""
    if not any(scope == CLOUD_PLATFORM or scope.startswith(GENERATIVE_LANGUAGE) for scope in token.scopes):
        raise scope_insufficient()
    project = headers.get("x-goog-user-project", "")
    if not project:
        raise no_quota_project()
    if project not in user.billable:
        raise project_denied(project)
    return project
