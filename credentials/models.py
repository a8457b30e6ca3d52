"""What the pool is made of. Requests never read these tables: they read the roster, which is loaded from here."""

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
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


class CredentialQuerySet(models.QuerySet["Credential"]):
    def enabled(self) -> Self:
        return self.filter(enabled=True)

    def due_for_recheck(self, *, at: datetime) -> Self:
        return self.unchecked(at=at).filter(state=State.INVALID)

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
    secret = crypto.EncryptedTextField(help_text="Encrypted in the database; shown masked.")
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    masked = models.CharField("key", max_length=20, editable=False)
    project = models.CharField(
        "Google project",
        max_length=100,
        blank=True,
        help_text="Google counts quota per project: keys of one project rest together. Empty: a project of its own.",
    )
    enabled = models.BooleanField(default=True)
    priority = models.SmallIntegerField(default=0, help_text="Higher ones are asked first; lower ones only when those rest.")
    weight = models.PositiveSmallIntegerField(default=1, help_text="Its share of the turns among those of the same priority.")
    max_concurrent = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls in flight at once. Empty: MAX_CONCURRENT."
    )
    notes = models.TextField(blank=True)

    state = models.CharField(max_length=20, choices=State, default=State.AVAILABLE, editable=False)
    reason = models.CharField(max_length=30, choices=Reason, blank=True, editable=False)
    detail = models.TextField(blank=True, editable=False)
    until = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    models_listed_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["state"]), models.Index(fields=["kind", "enabled"])]

    def __str__(self) -> str:
        return self.label or self.masked

    def save(self, *args, **kwargs) -> None:
        if "secret" not in self.get_deferred_fields():
            self.fingerprint = crypto.fingerprint(self.secret)
            self.masked = crypto.mask(self.secret)
        super().save(*args, **kwargs)


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


class KeyHealth(models.Model):
    """Why a credential does not serve, for one model or (`model` empty) at all. Rows exist only while something is wrong.

    Written by `credentials.pool` alone.
    """

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="health")
    model = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=20, choices=State)
    reason = models.CharField(max_length=30, choices=Reason)
    detail = models.TextField(blank=True, help_text="What the upstream said, redacted.")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    strikes = models.PositiveSmallIntegerField(default=1, help_text="How many times in a row.")

    class Meta:
        verbose_name = "rest"
        constraints = [models.UniqueConstraint(fields=["credential", "model"], name="one_health_per_credential_and_model")]

    def __str__(self) -> str:
        return f"{self.credential} {self.model or '(all models)'}: {self.get_reason_display()}"


class ServedModel(models.Model):
    """A model that a credential's own listing names. Being listed is no promise to serve."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="served_models")
    name = models.CharField(max_length=100, help_text="Without models/.")
    display_name = models.CharField(max_length=200, blank=True)
    input_limit = models.PositiveIntegerField(default=0, help_text="Tokens.")
    output_limit = models.PositiveIntegerField(default=0, help_text="Tokens.")
    methods = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "name"], name="one_row_per_credential_and_model")]

    def __str__(self) -> str:
        return self.name


class ClientTokenQuerySet(models.QuerySet["ClientToken"]):
    def live(self, *, at: datetime) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=at), revoked_at=None, owner__is_active=True)


class ClientToken(models.Model):
    """What a team's program presents as its API key. The plain text is shown once; only its SHA-256 is kept."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="client_tokens")
    label = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=20, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    allowed_models = models.JSONField(
        default=list, blank=True, help_text="Names or patterns such as gemini-*-flash. Empty: every model."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    plain = ""
    """The plain text, on the very object that became it; the database never has it."""

    objects = ClientTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.label or self.owner} ({self.prefix}…)"

    @classmethod
    def issue(cls, owner, *, plain: str = "", **fields) -> tuple["ClientToken", str]:
        """Make a token; returns it with its plain text, which cannot be had again."""
        token = cls(owner=owner, **fields)
        plain = token.set_plain(plain)
        token.save()
        return token, plain

    def set_plain(self, plain: str = "") -> str:
        """Become the token with this plain text, or with a new one; returns it. Nothing is saved yet."""
        plain = plain or crypto.new_token()
        # A token that somebody chose may be short: then its beginning would give too much of it away.
        self.prefix = plain[: len(crypto.TOKEN_PREFIX) + 5] if plain.startswith(crypto.TOKEN_PREFIX) else plain[:3]
        self.digest = crypto.token_digest(plain)
        self.plain = plain
        return plain


class ModelAlias(models.Model):
    """A name that clients may use for a model. The most specific matching pattern wins."""

    pattern = models.CharField(max_length=100, unique=True, help_text="A name, or a pattern with * such as gpt-4o*.")
    target = models.CharField(max_length=100, help_text="The model that answers, e.g. gemini-3.8-flash.")
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "model aliases"
        ordering = ["pattern"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.target}"

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.pattern)


class PoolVersion(models.Model):
    """One row whose number moves whenever the pool changes, so that other processes know to load it again."""

    number = models.PositiveBigIntegerField(default=0)

    @classmethod
    def bump(cls) -> None:
        cls.objects.update_or_create(pk=1, defaults={"number": F("number") + 1}, create_defaults={"number": 1})

    @classmethod
    def current(cls) -> int:
        return cls.objects.filter(pk=1).values_list("number", flat=True).first() or 0
