"""What the pool is made of. Requests never read these tables: they read the roster, which is loaded from here."""

from credentials.models.checks import CheckResult, CheckRun, ServedModel
from credentials.models.clients import ClientToken, ClientTokenQuerySet, ModelAlias, ModelRoute, OnDisconnect, PoolKind
from credentials.models.credential import KEYLESS, Cause, Credential, CredentialQuerySet, Kind, ProjectSource, Server, Use
from credentials.models.kinds import ApiKey, GeminiCli, GoogleAccount, ServerKey
from credentials.models.logins import GoogleLogin, ImportedLogin, LoginLink
from credentials.models.standing import Alert, KeyHealth, KeyHealthQuerySet, QuotaLimit, StateChange, UnknownError
from credentials.models.version import PoolVersion

__all__ = [
    "KEYLESS",
    "Alert",
    "ApiKey",
    "Cause",
    "CheckResult",
    "CheckRun",
    "ClientToken",
    "ClientTokenQuerySet",
    "Credential",
    "CredentialQuerySet",
    "GeminiCli",
    "GoogleAccount",
    "GoogleLogin",
    "ImportedLogin",
    "KeyHealth",
    "KeyHealthQuerySet",
    "Kind",
    "LoginLink",
    "ModelAlias",
    "ModelRoute",
    "OnDisconnect",
    "PoolKind",
    "PoolVersion",
    "ProjectSource",
    "QuotaLimit",
    "ServedModel",
    "Server",
    "ServerKey",
    "StateChange",
    "UnknownError",
    "Use",
]
