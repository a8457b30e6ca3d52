"""How credentials stand: what rests, what has happened, what they may use. Written by `credentials.store`."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from credentials.health import Reason, State
from credentials.models.credential import Cause, Credential, ProjectSource


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
