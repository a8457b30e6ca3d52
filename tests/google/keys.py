"""Who is calling: keys, the projects they belong to, and Google's refusals of anything else (sections 1.1 and 6.2)."""

from collections.abc import Mapping

from tests.google import bearer
from tests.google.errors import Refusal, error_info, localized, refusal

DEFAULT_KEYS = {f"test-key-{number}": f"project-{number}" for number in range(1, 51)}
"""Fifty keys of fifty projects; more are taken with `google.keys["…"] = "project"`. Their shape is never looked at."""


def no_key() -> Refusal:
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API."
    )
    return refusal(403, message)


def invalid_key(message: str = "API key not valid. Please pass a valid API key.") -> Refusal:
    return refusal(400, message, error_info("API_KEY_INVALID"), localized(message))


def two_credentials() -> Refusal:
    return refusal(400, "Multiple authentication credentials received. Please pass only one.")


def credential(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    """The key or access token of a request and where it stood (`header`, `query`, `bearer`; both empty if there is none)."""
    if key := headers.get("x-goog-api-key", ""):
        return key, "header"
    if key := query.get("key", ""):
        return key, "query"
    if token := bearer.token_of(headers):
        return token, "bearer"
    return "", ""


def refuse_several(headers: Mapping[str, str], query: Mapping[str, str]) -> None:
    sent = [headers.get("x-goog-api-key"), query.get("key"), headers.get("authorization")]
    if sum(1 for one in sent if one) > 1:
        raise two_credentials()


def authenticate(key: str, projects: Mapping[str, str], everybody: bool) -> str:
    """The project that pays for a request; a key that none pays for is refused.

    With `everybody` any key is as good as another, and each is a project of its own.
    """
    if not key:
        raise no_key()
    if key in projects:
        return projects[key]
    if everybody:
        return f"project-of-{key}"
    raise invalid_key()
