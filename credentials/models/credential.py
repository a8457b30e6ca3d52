"""Credentials, and the servers that some of them are for."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from credentials import crypto
from credentials.health import Reason, State


class Kind(models.TextChoices):
    """What a credential is, which decides the upstream that it is used with."""

    API_KEY = "api_key", "Gemini API key"
    OAUTH = "oauth", "Google account"
    GEMINI_CLI = "gemini_cli", "Gemini CLI"
    OPENAI_COMPATIBLE = "openai_compatible", "OpenAI-compatible server"


KEYLESS = "no key"
"""How the credential of a server is shown that asks for none."""


class Use(models.TextChoices):
    """Which of Google's services an account, or the Gemini CLI, is used with."""

    GEMINI_API = "gemini_api", "Gemini API"
    CODE_ASSIST = "code_assist", "Code Assist"


class ProjectSource(models.TextChoices):
    """How the Google project of a credential, or a limit of it, is known."""

    TYPED = "typed", "typed in by an admin"
    LEARNED = "learned", "named by Google in an error"
    LOGIN = "login", "named by Google at login"


class Cause(models.TextChoices):
    """What changed the state of a credential."""

    REQUEST = "request", "a request"
    CHECK = "check", "a check"
    TIME = "time", "its time was over"
    ADMIN = "admin", "an admin"


class Server(models.Model):
    """A server that speaks OpenAI's API, for models that are not Google's. Its credentials are a pool of their own."""

    name = models.CharField(max_length=100, unique=True, help_text="What people call it, here and in messages to callers.")
    base_url = models.CharField(
        "base URL", max_length=300, unique=True, help_text="Such as https://new-api.example.com; a missing /v1 is added."
    )
    unreachable_since = models.DateTimeField(null=True, blank=True, editable=False, help_text="Meanwhile its models are hidden.")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name = "OpenAI-compatible server"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CredentialQuerySet(models.QuerySet["Credential"]):
    def enabled(self) -> Self:
        return self.filter(enabled=True)

    def lacking_terms(self) -> Self:
        """Those that may not be enabled, since nobody has acknowledged what Google's terms say of their use."""
        return self.filter(use=Use.CODE_ASSIST, terms_accepted_at=None)

    def due_for_recheck(self, *, at: datetime, state: State) -> Self:
        return self.unchecked(at=at).filter(state=state)

    def due_for_listing(self, *, at: datetime, every: timedelta) -> Self:
        due = Q(models_listed_at=None) | Q(models_listed_at__lt=at - every)
        return self.unchecked(at=at).exclude(state=State.INVALID).filter(due)

    def unchecked(self, *, at: datetime) -> Self:
        """Those that have not been checked for an interval, the longest unchecked first, so that none waits for ever."""
        due = Q(checked_at=None) | Q(checked_at__lt=at - timedelta(seconds=settings.RECHECK_INTERVAL_SECONDS))
        return self.enabled().filter(due).order_by(F("checked_at").asc(nulls_first=True), "pk")


class Credential(models.Model):
    """Something that opens an upstream. State is derived from its `KeyHealth` rows and kept here for lists and filters."""

    kind = models.CharField(max_length=20, choices=Kind, default=Kind.API_KEY)
    label = models.CharField(max_length=100, blank=True, help_text="A name for people. Empty: the masked key is shown.")
    use = models.CharField(max_length=20, choices=Use, blank=True, help_text="Empty for API keys.")
    server = models.ForeignKey(Server, null=True, blank=True, on_delete=models.CASCADE, related_name="credentials")
    email = models.CharField("Google account", max_length=254, blank=True, editable=False)
    secret = crypto.EncryptedTextField(
        help_text="The key, or an account's refresh token. Encrypted in the database; shown masked."
    )
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    masked = models.CharField("key", max_length=100, editable=False, help_text="Of an account: its e-mail address.")
    project = models.CharField(
        "Google project",
        max_length=100,
        blank=True,
        help_text="Google counts quota per project: keys of one project rest together. Empty: a project of its own.",
    )
    project_source = models.CharField(max_length=10, choices=ProjectSource, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    priority = models.SmallIntegerField(default=0, help_text="Higher ones are asked first; lower ones only when those rest.")
    weight = models.PositiveSmallIntegerField(default=1, help_text="Its share of the turns among those of the same priority.")
    max_concurrent = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls in flight at once. Empty: MAX_CONCURRENT."
    )
    notes = models.TextField(blank=True)
    terms_accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    terms_accepted_by = models.CharField(
        max_length=150, blank=True, editable=False, help_text="Who has acknowledged what Google's terms say of such a use."
    )

    state = models.CharField(max_length=20, choices=State, default=State.AVAILABLE, editable=False)
    reason = models.CharField(max_length=30, choices=Reason, blank=True, editable=False)
    detail = models.TextField(blank=True, editable=False)
    until = models.DateTimeField(null=True, blank=True, editable=False)
    recent = models.CharField(
        max_length=20, blank=True, editable=False, help_text="Its last outcomes as letters, the newest last."
    )
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Calls in a row that it has not answered.")
    last_error = models.CharField(max_length=30, blank=True, editable=False, help_text="An Outcome.")
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    models_listed_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["state"]),
            models.Index(fields=["kind", "enabled"]),
            models.Index(fields=["project"]),
            models.Index(fields=["last_error"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(use=Use.CODE_ASSIST) | Q(enabled=False) | Q(terms_accepted_at__isnull=False),
                name="terms_are_accepted_for_code_assist",
            ),
            # The Gemini CLI asks Code Assist wherever it is given a login: as anything else it would go by without the terms.
            models.CheckConstraint(
                condition=~Q(kind=Kind.GEMINI_CLI) | Q(email="") | Q(use=Use.CODE_ASSIST),
                name="a_login_of_the_gemini_cli_is_for_code_assist",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.OPENAI_COMPATIBLE, server__isnull=False)
                | (~Q(kind=Kind.OPENAI_COMPATIBLE) & Q(server__isnull=True)),
                name="a_credential_has_a_server_if_it_is_for_one",
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.masked

    def save(self, *args, **kwargs) -> None:
        if "secret" not in self.get_deferred_fields():
            self.identify()
        super().save(*args, **kwargs)

    def identify(self) -> None:
        """Set what it is recognised by and shown as."""
        self.fingerprint = crypto.fingerprint(self.identity)
        self.masked = self.email[:100] or (crypto.mask(self.secret) if self.secret else KEYLESS)

    @property
    def identity(self) -> str:
        """What is the same of two credentials that are one: of an account its address, since its tokens change."""
        if self.email:
            return f"{self.kind}:{self.use}:{self.email.lower()}"
        if self.kind == Kind.OPENAI_COMPATIBLE:
            return f"{self.kind}:{self.server_id}:{self.secret}"
        return self.secret if self.kind == Kind.API_KEY else f"{self.kind}:{self.secret}"

    @property
    def lacks_terms(self) -> bool:
        return self.use == Use.CODE_ASSIST and self.terms_accepted_at is None

    def accept_terms(self, *, by: str) -> None:
        self.terms_accepted_at, self.terms_accepted_by = now(), by[:150]
