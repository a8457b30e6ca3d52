"""Who is calling: keys, the projects they belong to, and Google's refusals of anything else (sections 1.1 and 6.2)."""

from collections.abc import Mapping

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


def wrong_kind() -> Refusal:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return refusal(401, message, error_info("ACCESS_TOKEN_TYPE_UNSUPPORTED"))


def credential(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    """The key of a request and where it stood (`header`, `query`; both empty if there is none)."""
    if key := headers.get("x-goog-api-key", ""):
        return key, "header"
    if key := query.get("key", ""):
        return key, "query"
    return "", ""


def authenticate(headers: Mapping[str, str], query: Mapping[str, str], projects: Mapping[str, str], everybody: bool) -> str:
    """The project that pays for a request; a request that none pays for is refused.

    With `everybody` any key is as good as another, and each is a project of its own.
    """
    sent = [headers.get("x-goog-api-key"), query.get("key"), headers.get("authorization")]
    if sum(1 for one in sent if one) > 1:
        raise two_credentials()
    key, _ = credential(headers, query)
    if headers.get("authorization"):
        raise wrong_kind()
    if not key:
        raise no_key()
    if key in projects:
        return projects[key]
    if everybody:
        return f"project-of-{key}"
    raise invalid_key()
