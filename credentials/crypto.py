"""Secrets: encrypted at rest, recognised by fingerprint, masked wherever a person or a log could see them."""

import hashlib
import hmac
import re
import secrets
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

TOKEN_PREFIX = "castor-"  # noqa: S105 (the part of a token that is not secret)

_SECRET_SHAPES = re.compile(
    r"AIza[\w-]{8,}"  # Google's older API keys
    r"|AQ\.[\w.-]{8,}"  # Google's API keys
    r"|ya29\.[\w.-]{8,}"  # Google's access tokens
    r"|1//[\w-]{8,}"  # Google's refresh tokens
    r"|GOCSPX-[\w-]{8,}"  # Google's client secrets
    r"|(?:(?<![A-Za-z])|(?<=\\[nrt]))sk-[\w-]{8,}"  # other servers' keys; not what ends in "risk-assessment"
    rf"|{TOKEN_PREFIX}[\w-]{{8,}}"  # our own client tokens
)


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "CREDENTIAL_ENCRYPTION_KEYS holds a key that is not a Fernet key (32 bytes, url-safe base64). "
            "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        ) from error


def encryption() -> MultiFernet:
    """The keys of this installation: the first encrypts, all decrypt."""
    return _fernet(tuple(settings.CREDENTIAL_ENCRYPTION_KEYS))


def encrypt(secret: str) -> str:
    return encryption().encrypt(secret.encode()).decode()


def decrypt(sealed: str) -> str:
    """Raises ImproperlyConfigured when none of the configured keys made `sealed`."""
    try:
        return encryption().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "A stored credential cannot be decrypted with CREDENTIAL_ENCRYPTION_KEYS. "
            "Put back the key that it was stored with (several may be listed, separated by commas)."
        ) from error


class EncryptedTextField(models.TextField):
    """Text that is ciphertext in the database and in all dumps of it, `dumpdata`'s too, and plain text in Python."""

    _DUMPED = "⟨encrypted⟩"
    """What no secret begins with: they are all ASCII."""

    def value_to_string(self, obj):
        """For `dumpdata`, and so for `loaddata`, which needs a key that the dump was made with."""
        value = self.value_from_object(obj)
        return self._DUMPED + encrypt(value) if value else value

    def to_python(self, value):
        value = super().to_python(value)
        is_dumped = isinstance(value, str) and value.startswith(self._DUMPED)
        return decrypt(value.removeprefix(self._DUMPED)) if is_dumped else value

    def from_db_value(self, value, expression, connection):
        return decrypt(value) if value else value

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return encrypt(value) if value else value


def fingerprint(secret: str) -> str:
    """Tells whether two secrets are the same without holding either.

    Keys are long and random, so a plain hash of one cannot be searched for.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """A client token: shown once, kept only as its digest."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def same_digest(one: str, other: str) -> bool:
    return hmac.compare_digest(one, other)


def mask(secret: str) -> str:
    """A secret as a person may see it: `AQ.Ab…x9Qz`."""
    return f"{secret[:5]}…{secret[-4:]}" if len(secret) >= 16 else "…"


def conceal(text: str, secret: str) -> str:
    """Text from elsewhere without this very secret, whatever it looks like."""
    return text.replace(secret, mask(secret)) if secret in text else text


def redact(text: str) -> str:
    """Text from elsewhere with every secret that can be recognised masked: Google echoes keys in some errors."""
    return _SECRET_SHAPES.sub(lambda match: mask(match.group()), text)
