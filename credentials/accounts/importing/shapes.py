"""The JSON in which other tools keep Google logins → what was found in it.

Known: Google's Gemini CLI (`oauth_creds.json`), gcli2api (google-auth's fields and `project_id`), CLIProxyAPI (`token` holds
them, `email` and `project_id` stand beside it), gcloud (`authorized_user`), google-auth (`token.json`), and proxies that keep
one account or several in a file, in snake_case or camelCase. Facts were taken from those tools' own sources and files; where
a proxy's shape is not known to the letter, every usual spelling of a field is read.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from credentials.accounts.importing.found import (
    FoundLogin,
    read_address,
    read_claims,
    read_expiry,
    read_project,
    read_scope,
    read_token,
)
from credentials.crypto import fingerprint
from credentials.keys import Candidate, key_of_item, printable, text_of
from credentials.models import Use

Found = Candidate | FoundLogin

_REFRESH = ("refresh_token", "refreshToken", "refresh")
_ACCESS = ("access_token", "accessToken", "token", "access")
_EXPIRY = ("expiry_date", "expiryDate", "expires_at", "expiresAt", "expiry", "expires", "expired")
_EMAIL = ("email", "user_email", "userEmail", "account")
_PROJECT = ("project_id", "projectId", "project", "cloudaicompanionProject", "quota_project_id", "quotaProjectId")
_INNER = ("token", "tokens", "credentials", "credential", "oauth", "auth")
"""Where a tool puts the tokens of one account that it describes beside them."""
_LISTS = ("accounts", "tokens", "credentials", "oauth", "keys", "api_keys", "apiKeys")
_DEEPEST = 4
_CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
_ANTIGRAVITY_SCOPE = "https://www.googleapis.com/auth/experimentsandconfigs"

_NOT_FOR_US = "Castor serves from people's Google accounts and from API keys"
_REFUSED = {
    "service_account": f"a service account's key: {_NOT_FOR_US}, not from service accounts",
    "external_account": f"a workload identity configuration: {_NOT_FOR_US}",
    "external_account_authorized_user": f"a workforce identity login: {_NOT_FOR_US}",
    "impersonated_service_account": f"a service account's impersonation: {_NOT_FOR_US}, not from service accounts",
    "antigravity": "a login of Antigravity, which Google forbids other programs to use",
}
_RENEWED_AT = ("token_uri", "tokenUri", "token_url", "tokenUrl")
_GOOGLES_HOSTS = (".googleapis.com", ".google.com")
_GOOGLES = ("gemini", "google", "authorized_user", "oauth", "bearer")
"""What a `type` that speaks for Google, or against nobody, contains: CLIProxyAPI writes `gemini`, gcloud `authorized_user`."""
_FOREIGN = frozenset({"anthropic", "claude", "codex", "copilot", "github-copilot", "iflow", "kimi", "openai", "qwen", "xai"})
"""Under such names several tools keep other companies' logins in one file with Google's."""


def read_json(document: Any, where: str) -> Iterator[Found]:
    """Everything that stands in a JSON document: logins, keys, and what looks like either and is not."""
    yield from _read(document, where, _DEEPEST)


def _read(document: Any, where: str, depth: int) -> Iterator[Found]:
    if isinstance(document, list) and depth:
        for number, item in enumerate(document, 1):
            yield from _read(item, _joined(where, f"item {number}"), depth - 1)
    elif not isinstance(document, dict):
        yield key_of_item(document, where or "item 1")
    elif flaw := _refused(document):
        yield FoundLogin(where, email=_address(document), flaw=flaw)
    elif not _has_keys(document) and (login := _read_login(document, where)):
        yield login
    else:
        yield from _read_collection(document, where, depth)


def _joined(*places: str) -> str:
    return ", ".join(filter(None, places))


def _refused(document: dict[str, Any]) -> str:
    """Why something that is known is still no login that Castor can use; empty: nothing speaks against it."""
    if any(isinstance(document.get(name), dict) and "client_id" in document[name] for name in ("installed", "web")):
        return (
            "an OAuth client, not a login: put its client_id and client_secret into GOOGLE_OAUTH_CLIENT_ID and "
            "GOOGLE_OAUTH_CLIENT_SECRET, and log in with an account"
        )
    kind = text_of(document, "type").lower()
    if kind in _REFUSED:
        return _REFUSED[kind]
    fields = _fields(document)
    if _ANTIGRAVITY_SCOPE in read_scope(fields).split():
        return _REFUSED["antigravity"]
    renewer = _host(text_of(fields, *_RENEWED_AT))
    if renewer and not f".{renewer}".endswith(_GOOGLES_HOSTS):
        return f"a login that {printable(renewer)[:60]} renews, not Google"
    if kind and not any(name in kind for name in _GOOGLES) and text_of(fields, *_REFRESH):
        return f"a login for {printable(kind)[:30]}, not for Google's Gemini"
    return ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return address


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    """The fields of one account, those that a tool puts one level lower included."""
    inner = [value for name in _INNER if isinstance(value := document.get(name), dict)]
    merged: dict[str, Any] = {}
    for fields in (*inner, document):
        merged |= {name: value for name, value in fields.items() if value not in (None, "") and not isinstance(value, dict)}
    return merged


def _read_login(document: dict[str, Any], where: str) -> FoundLogin | None:
    fields = _fields(document)
    refresh_token, _, packed_project = text_of(fields, *_REFRESH).partition("|")
    access_token = read_token(text_of(fields, *_ACCESS))
    if not refresh_token:
        return _unrenewable(fields, where) if access_token else None
    if not read_token(refresh_token):
        return FoundLogin(where, email=_address(fields), flaw="its refresh token has a form that none can have")
    client_id, client_secret = _client(fields)
    use, tool = _made_for(document, fields)
    return FoundLogin(
        where,
        refresh_token,
        email=_address(fields),
        access_token=access_token,
        expires_at=_expiry(fields),
        scope=read_scope(fields),
        client_id=client_id,
        client_secret=client_secret,
        # opencode's plugin packs the project behind the refresh token: `token|project|managed project`.
        project=read_project(text_of(fields, *_PROJECT)) or read_project(packed_project.partition("|")[0]),
        label=printable(text_of(fields, "label", "name"))[:100],
        use=use,
        tool=tool,
        issued_to=text_of(_claims(fields), "azp", "aud"),
        origin=fingerprint(refresh_token),
    )


def _unrenewable(fields: dict[str, Any], where: str) -> FoundLogin:
    return FoundLogin(
        where,
        email=_address(fields),
        flaw="holds an access token, which ends within the hour, and no refresh token: log in with the account instead",
    )


def _address(fields: dict[str, Any]) -> str:
    """What Google has signed, though unverified here, says more than what a tool has noted."""
    return read_address(text_of(_claims(fields), "email")) or read_address(text_of(fields, *_EMAIL))


def _claims(fields: dict[str, Any]) -> dict[str, Any]:
    return read_claims(text_of(fields, "id_token", "idToken"))


def _client(fields: dict[str, Any]) -> tuple[str, str]:
    """The id and secret of the OAuth client that the file brings, if it brings both: one alone is of no use."""
    client_id = read_token(text_of(fields, "client_id", "clientId")[:200])
    client_secret = read_token(text_of(fields, "client_secret", "clientSecret"))
    return (client_id, client_secret) if client_id and client_secret else ("", "")


def _expiry(fields: dict[str, Any]) -> float:
    return next((seconds for name in _EXPIRY if (seconds := read_expiry(fields.get(name)))), 0.0)


def _made_for(document: dict[str, Any], fields: dict[str, Any]) -> tuple[Use, str]:
    """What a login is for, and the tool whose file it looks like."""
    scopes = read_scope(fields).split()
    has_project = any(name in fields for name in ("project_id", "projectId", "project"))
    if text_of(document, "type") == "authorized_user":
        return Use.GEMINI_API, "gcloud"
    if scopes and _CLOUD_PLATFORM not in scopes:
        return Use.GEMINI_API, "google-auth" if "token_uri" in fields else ""  # Code Assist needs that scope.
    if isinstance(document.get("token"), dict):
        return Use.CODE_ASSIST, "CLIProxyAPI"
    if "token_uri" in fields:
        return (Use.CODE_ASSIST, "gcli2api") if has_project else (Use.GEMINI_API, "google-auth")
    return Use.CODE_ASSIST, "the Gemini CLI" if "expiry_date" in fields else "a proxy"


def _read_collection(document: dict[str, Any], where: str, depth: int) -> Iterator[Found]:
    """Several accounts in one object: in a list, or under their addresses; or one key, or nothing that is known."""
    if text_of(document, "key", "api_key", "apiKey"):
        yield key_of_item(document, where or "item 1")
        return
    held = {name: document[name] for name in _LISTS if isinstance(document.get(name), list | dict)}
    held = held or {name: value for name, value in document.items() if isinstance(value, dict) and _is_account(value)}
    if not held or not depth:
        yield Candidate("", where, flaw="holds neither a key nor a Google login")
        return
    for name, value in held.items():
        place = _joined(where, printable(name)[:60])
        if name.lower() in _FOREIGN:
            yield FoundLogin(place, flaw=f"a login for {name}, not for Google's Gemini")
        else:
            yield from _read(_with_address(value, name), place, depth - 1)


def _has_keys(document: dict[str, Any]) -> bool:
    return any(isinstance(document.get(name), list) for name in ("keys", "api_keys", "apiKeys"))


def _is_account(value: dict[str, Any]) -> bool:
    return bool(text_of(_fields(value), *_REFRESH) or text_of(value, "api_key", "apiKey"))


def _with_address(value: Any, name: str) -> Any:
    """An account that stands under its own address belongs to that, unless it says otherwise."""
    if isinstance(value, dict) and read_address(name) and not any(field in value for field in _EMAIL):
        return {**value, "email": name}
    return value
