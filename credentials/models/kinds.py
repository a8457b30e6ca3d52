"""The kinds of credential, each with a name and an admin page of its own: proxies of one table."""

from django.db import models

from credentials.models.credential import Credential, CredentialQuerySet, Kind


class ApiKeyManager(models.Manager.from_queryset(CredentialQuerySet)):  # type: ignore[misc]  # a class made at run time
    def get_queryset(self) -> CredentialQuerySet:
        return super().get_queryset().filter(kind=Kind.API_KEY)


class ApiKey(Credential):
    """A key of the Gemini API (AI Studio)."""

    objects = ApiKeyManager()  # type: ignore[misc, assignment]  # Django lets a proxy have a manager of its own.

    class Meta:
        proxy = True
        verbose_name = "Gemini API key"

    def save(self, *args, **kwargs) -> None:
        self.kind = Kind.API_KEY
        super().save(*args, **kwargs)


class GoogleAccountManager(models.Manager.from_queryset(CredentialQuerySet)):  # type: ignore[misc]  # a class made at run time
    def get_queryset(self) -> CredentialQuerySet:
        return super().get_queryset().filter(kind=Kind.OAUTH)


class GoogleAccount(Credential):
    """A Google account that somebody has logged in with."""

    objects = GoogleAccountManager()  # type: ignore[misc, assignment]  # Django lets a proxy have a manager of its own.

    class Meta:
        proxy = True
        verbose_name = "Google account"

    def save(self, *args, **kwargs) -> None:
        self.kind = Kind.OAUTH
        super().save(*args, **kwargs)


class GeminiCliManager(models.Manager.from_queryset(CredentialQuerySet)):  # type: ignore[misc]  # a class made at run time
    def get_queryset(self) -> CredentialQuerySet:
        return super().get_queryset().filter(kind=Kind.GEMINI_CLI)


class GeminiCli(Credential):
    """An API key, or a Google account, that is used through Google's own Gemini CLI."""

    objects = GeminiCliManager()  # type: ignore[misc, assignment]  # Django lets a proxy have a manager of its own.

    class Meta:
        proxy = True
        verbose_name = "Gemini CLI credential"

    def save(self, *args, **kwargs) -> None:
        self.kind = Kind.GEMINI_CLI
        super().save(*args, **kwargs)


class ServerKeyManager(models.Manager.from_queryset(CredentialQuerySet)):  # type: ignore[misc]  # a class made at run time
    def get_queryset(self) -> CredentialQuerySet:
        return super().get_queryset().filter(kind=Kind.OPENAI_COMPATIBLE)


class ServerKey(Credential):
    """A key of an OpenAI-compatible server; it is empty where the server asks for none."""

    objects = ServerKeyManager()  # type: ignore[misc, assignment]  # Django lets a proxy have a manager of its own.

    class Meta:
        proxy = True
        verbose_name = "key of a server"
        verbose_name_plural = "keys of servers"

    def save(self, *args, **kwargs) -> None:
        self.kind = Kind.OPENAI_COMPATIBLE
        super().save(*args, **kwargs)
