"""Who may ask, and by which names: client tokens, aliases, routes."""

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from credentials import crypto
from credentials.models.credential import Server


class OnDisconnect(models.TextChoices):
    """What becomes of a call whose client hangs up."""

    CANCEL = "cancel", "End the call: spares quota; what it has used is estimated"
    DRAIN = "drain", "Read the answer to its end: its usage is exact"


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
    on_disconnect = models.CharField("when the client hangs up", max_length=10, choices=OnDisconnect, default=OnDisconnect.CANCEL)
    record_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until then its requests are kept in the request log."
    )

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


class PoolKind(models.TextChoices):
    """The kinds of credential in Gemini's pool, as a route may choose among them; an account is of the kind of its use."""

    API_KEY = "api_key", "Gemini API keys"
    OAUTH = "oauth", "Google accounts by the Gemini API"
    CODE_ASSIST = "code_assist", "Google accounts by Code Assist"
    GEMINI_CLI = "gemini_cli", "the Gemini CLI"


class ModelRoute(models.Model):
    """Who is asked for the models that a pattern means, and which others may answer in their place when nobody can."""

    pattern = models.CharField(max_length=100, unique=True, help_text="A name, or a pattern with * such as gpt-*.")
    priority = models.SmallIntegerField(default=0, help_text="Of several that match, the highest; then the most specific.")
    server = models.ForeignKey(
        Server, null=True, blank=True, on_delete=models.CASCADE, related_name="routes", help_text="Empty: the Gemini pool."
    )
    kind = models.CharField(
        "of the pool only", max_length=20, blank=True, choices=PoolKind, help_text="Empty: whatever can serve the request."
    )
    project = models.CharField("of this Google project only", max_length=100, blank=True, help_text="Empty: of any project.")
    fallback = models.JSONField(
        default=list, blank=True, help_text="Models that answer in turn when nobody can be asked for this one now."
    )
    stop_tags = models.JSONField(
        default=list, blank=True, help_text="Texts at which an answer is cut. Empty: those of STOP_TAGS."
    )
    stream_internally = models.BooleanField(
        null=True, blank=True, help_text="Whether whole answers are collected from a stream. Empty: as STREAM_INTERNALLY says."
    )
    record_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until then requests that take it are kept in the request log."
    )
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "model route"
        ordering = ["-priority", "pattern"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.server or 'Gemini'}"
