"""What the pool is made of. Requests never read these tables: they read the roster, which is loaded from here."""

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils.timezone import now

from credentials import bell, crypto
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


class GoogleLogin(models.Model):
    """The tokens of an account, and what Google says of it. The refresh token is the credential's secret."""

    credential = models.OneToOneField(Credential, primary_key=True, on_delete=models.CASCADE, related_name="login")
    access_token = crypto.EncryptedTextField(blank=True)
    access_until = models.DateTimeField(null=True, blank=True)
    scope = models.TextField(blank=True)
    client_id = models.CharField(max_length=200, blank=True, help_text="Empty: GOOGLE_OAUTH_CLIENT_ID.")
    client_secret = crypto.EncryptedTextField(blank=True)
    project = models.CharField(max_length=100, blank=True, help_text="The project that Code Assist is asked for.")
    tier = models.CharField(max_length=50, blank=True)
    tier_name = models.CharField(max_length=100, blank=True)
    quota = models.JSONField(default=list, help_text="What Code Assist said was left: [{model, remaining_fraction, …}].")
    quota_at = models.DateTimeField(null=True, blank=True)
    operation = models.CharField(max_length=200, blank=True, help_text="Google's name of the onboarding that is under way.")
    renewal = models.CharField(max_length=32, blank=True, help_text="Whoever renews the access token now, …")
    renewing_until = models.DateTimeField(null=True, blank=True, help_text="… and until when others leave that alone.")
    logged_in_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return str(self.credential)


class ImportedLogin(models.Model):
    """A refresh token that a file, or the environment, has brought once: it never again replaces the account's present one.

    Google may have given another in its place, or somebody may have logged in again, while `.env` still holds the first.
    """

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="imported_logins")
    fingerprint = models.CharField(max_length=64, db_index=True, help_text="Of the refresh token as it was brought.")
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "fingerprint"], name="one_row_per_imported_login")]

    def __str__(self) -> str:
        return str(self.credential)


class LoginLink(models.Model):
    """A link that lets one person, who need not be an admin, log in one Google account. Its plain text is shown once."""

    digest = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.OAUTH)
    use = models.CharField(max_length=20, choices=Use)
    project = models.CharField(max_length=100, blank=True)
    label = models.CharField(max_length=100, blank=True)
    terms_accepted_by = models.CharField(max_length=150, blank=True, help_text="Empty: nobody has acknowledged them.")
    made_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)


class KeyHealthQuerySet(models.QuerySet["KeyHealth"]):
    def standing(self) -> Self:
        """Those that say that something is wrong, or was until a moment ago."""
        return self.exclude(reason="")

    def at_group(self, credential: Credential) -> Self:
        """What concerns the credential: its own rests, and those of its project."""
        shared = Q(project=credential.project) if credential.project else Q(pk=None)
        return self.standing().filter(Q(credential=credential) | shared)


class KeyHealth(models.Model):
    """Why a credential, or a whole Google project, does not serve: one model or (`model` empty) none.

    Either `credential` or `project` is set: the place at which the rest stands. A row whose `reason` is empty says that
    all is well there again; it stays for a while, so that the other processes learn of it. Written by `credentials.store` alone.
    """

    credential = models.ForeignKey(Credential, null=True, on_delete=models.CASCADE, related_name="health")
    project = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=100, blank=True, help_text="Empty: all of them.")
    state = models.CharField(max_length=20, choices=State)
    reason = models.CharField(max_length=30, choices=Reason, blank=True)
    detail = models.TextField(blank=True, help_text="What the upstream said, redacted.")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until a check finds it well.")
    strikes = models.PositiveSmallIntegerField(default=1, help_text="How many times in a row.")
    version = models.PositiveBigIntegerField(default=0, db_index=True, help_text="PoolVersion.rests when it was written.")
    probe_until = models.DateTimeField(null=True, blank=True, help_text="Until then one process may find out whether it is over.")

    objects = KeyHealthQuerySet.as_manager()

    class Meta:
        verbose_name = "rest"
        constraints = [
            models.UniqueConstraint(
                fields=["credential", "model"], condition=Q(project=""), name="one_rest_per_credential_and_model"
            ),
            models.UniqueConstraint(fields=["project", "model"], condition=~Q(project=""), name="one_rest_per_project_and_model"),
            models.CheckConstraint(
                condition=Q(credential=None) ^ Q(project=""), name="a_rest_is_of_a_credential_or_of_a_project"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project or self.credential} {self.model or '(all models)'}: {self.get_reason_display() or 'all is well'}"


class StateChange(models.Model):
    """One line of a credential's history: a rest that began or ended, and the error that caused it.

    `project` is set where all credentials of that project are concerned; `credential` is then the one that found out.
    """

    at = models.DateTimeField(default=now)
    credential = models.ForeignKey(Credential, null=True, on_delete=models.CASCADE, related_name="history")
    project = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=100, blank=True, help_text="Empty: all of them.")
    state = models.CharField(max_length=20, choices=State)
    reason = models.CharField(max_length=30, choices=Reason, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    cause = models.CharField(max_length=10, choices=Cause, default=Cause.REQUEST)
    detail = models.TextField(blank=True, help_text="What the upstream said, redacted.")

    class Meta:
        indexes = [
            models.Index(fields=["credential", "-at"]),
            models.Index(fields=["project", "-at"]),
            models.Index(fields=["at"]),
        ]

    def __str__(self) -> str:
        return f"{self.project or self.credential} {self.model or '(all models)'}: {self.get_state_display()}"


class QuotaLimit(models.Model):
    """What one quota group may use of a model, so that Castor paces itself instead of running into Google's refusal.

    `project` names the group, `credential` one without a project; neither: every group, each for itself. Numbers that are
    empty are not limited.
    """

    project = models.CharField("Google project", max_length=100, blank=True, help_text="Empty: every project, each for itself.")
    credential = models.ForeignKey(Credential, null=True, blank=True, editable=False, on_delete=models.CASCADE)
    model = models.CharField(max_length=100, default="*", help_text="A name, or a pattern with * such as gemini-*-flash.")
    rpm = models.PositiveIntegerField("requests a minute", null=True, blank=True)
    tpm = models.PositiveIntegerField("input tokens a minute", null=True, blank=True)
    rpd = models.PositiveIntegerField("requests a day", null=True, blank=True, help_text="Days begin at midnight in California.")
    max_concurrent = models.PositiveIntegerField("calls in flight", null=True, blank=True)
    source = models.CharField(max_length=10, choices=ProjectSource, default=ProjectSource.TYPED, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "quota limit"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "model", "source"], condition=Q(credential=None), name="one_limit_per_project_and_model"
            ),
            models.UniqueConstraint(fields=["credential", "model"], name="one_limit_per_credential_and_model"),
        ]

    def __str__(self) -> str:
        return f"{self.project or self.credential or 'every project'}, {self.model}"


class UnknownError(models.Model):
    """A refusal that the classifier does not know, kept so that an admin sees it. Each kind of body is kept once."""

    digest = models.CharField(max_length=64, unique=True)
    status = models.PositiveSmallIntegerField()
    body = models.TextField(help_text="Redacted and shortened.")
    credential = models.ForeignKey(Credential, null=True, on_delete=models.SET_NULL, help_text="The one that met it last.")
    model = models.CharField(max_length=100, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.status}: {self.body[:60]}"


class Alert(models.Model):
    """Most of the pool fails alike, so the fault is shared: one row an incident, not one a credential."""

    cause = models.CharField(max_length=30, help_text="An Outcome.")
    model = models.CharField(max_length=100, blank=True, help_text="Empty: all of them.")
    message = models.TextField()
    began_at = models.DateTimeField()
    met_at = models.DateTimeField(default=now, help_text="When it was met last.")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cause", "model"], condition=Q(ended_at=None), name="one_open_alert_per_cause_and_model"
            )
        ]

    def __str__(self) -> str:
        return self.message


class CheckRun(models.Model):
    """Checks of several credentials that an admin, or the schedule, asked for together."""

    started_at = models.DateTimeField(default=now)
    by = models.CharField(max_length=150, help_text="Who asked: a user's name, or what else did.")
    generates = models.BooleanField(default=False, help_text="Whether each was also asked for one token.")
    total = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.total} credentials, {self.by}"


class CheckResult(models.Model):
    """What one check of a run found. One row a credential and run, however often the task runs."""

    run = models.ForeignKey(CheckRun, on_delete=models.CASCADE, related_name="results")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE)
    outcome = models.CharField(max_length=30, help_text="An Outcome.")
    detail = models.TextField(blank=True)
    models_listed = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "credential"], name="one_result_per_run_and_credential")]


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


class ModelRoute(models.Model):
    """Who is asked for the models that a pattern means, and which others may answer in their place when nobody can."""

    pattern = models.CharField(max_length=100, unique=True, help_text="A name, or a pattern with * such as gpt-*.")
    priority = models.SmallIntegerField(default=0, help_text="Of several that match, the highest; then the most specific.")
    server = models.ForeignKey(
        Server, null=True, blank=True, on_delete=models.CASCADE, related_name="routes", help_text="Empty: the Gemini pool."
    )
    fallback = models.JSONField(
        default=list, blank=True, help_text="Models that answer in turn when nobody can be asked for this one now."
    )
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "model route"
        ordering = ["-priority", "pattern"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.server or 'Gemini'}"


class PoolVersion(models.Model):
    """One row whose numbers move whenever the pool changes, so that other processes know to load what has changed."""

    number = models.PositiveBigIntegerField(default=0, help_text="Moves with credentials, tokens, aliases, limits and listings.")
    rests = models.PositiveBigIntegerField(default=0, help_text="Moves with rests and states.")

    @classmethod
    def lock(cls) -> None:
        """Taken first by every transaction that will move a number: whoever locked credentials first could wait in a circle."""
        cls.objects.select_for_update().filter(pk=1).first()

    @classmethod
    def bump(cls) -> None:
        cls._move("number")

    @classmethod
    def bump_rests(cls) -> int:
        """Returns the new number. Until the transaction ends no other process gets one, so they become visible in order."""
        cls._move("rests")
        return cls.current()[1]

    @classmethod
    def current(cls) -> tuple[int, int]:
        """(number, rests)"""
        return cls.objects.filter(pk=1).values_list("number", "rests").first() or (0, 0)

    @classmethod
    def _move(cls, name: str) -> None:
        moved = cls.objects.filter(pk=1).update(**{name: F(name) + 1})
        if not moved and not cls.objects.get_or_create(pk=1, defaults={name: 1})[1]:
            cls._move(name)  # Another process made the row at this moment.
        transaction.on_commit(bell.ring)
