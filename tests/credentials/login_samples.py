"""Files of Google logins as other tools write them. No token in them was ever real."""

import base64
import io
import json
import zipfile
from typing import Any

SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform "
    "https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile"
)
REFRESH, ACCESS, SECRET = "1//0g-invented-refresh-token", "ya29.invented-access-token", "invented-client-secret"
SOON = 1_763_712_000  # 2025-11-21T08:00:00Z
CLIENT = {"client_id": "other-tool.apps.example", "client_secret": SECRET}


def id_token(**claims: str) -> str:
    parts = ({"alg": "RS256"}, claims, {"signed": "by nobody"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def of_the_cli(email: str = "ada@example.com", refresh_token: str = REFRESH, **more: Any) -> dict[str, Any]:
    """`~/.gemini/oauth_creds.json`"""
    said = {"id_token": id_token(email=email, azp="the-cli")} if email else {}
    tokens = {"access_token": ACCESS, "refresh_token": refresh_token, "scope": SCOPES, "token_type": "Bearer"}
    return {**tokens, "expiry_date": SOON * 1000, **said, **more}


def of_gcli2api(**more: Any) -> dict[str, Any]:
    google_auth = {"token": ACCESS, "refresh_token": REFRESH, "scopes": SCOPES.split(), "expiry": "2025-11-21T08:00:00+00:00"}
    return {**CLIENT, **google_auth, "token_uri": "https://oauth2.googleapis.com/token", "project_id": "ada-project", **more}


def of_cli_proxy_api(**more: Any) -> dict[str, Any]:
    token = {
        "access_token": ACCESS,
        "refresh_token": REFRESH,
        "token_type": "Bearer",
        "expiry": "2025-11-21T10:00:00.000000001+02:00",
    }
    token |= {**CLIENT, "scopes": SCOPES.split(), "token_uri": "https://oauth2.googleapis.com/token"}
    beside = {"project_id": "ada-project", "email": "ada@example.com", "auto": True, "checked": True, "type": "gemini"}
    return {"token": token, **beside, **more}


def of_gcloud() -> dict[str, Any]:
    return {**CLIENT, "refresh_token": REFRESH, "type": "authorized_user", "quota_project_id": "ada-project"}


def of_google_auth() -> dict[str, Any]:
    return {k: v for k, v in of_gcli2api(account="ada@example.com", expiry="2025-11-21T08:00:00Z").items() if k != "project_id"}


def archive(members: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()
