"""What checks of credentials have found, and the models that they list."""

from django.db import models
from django.utils.timezone import now

from credentials.models.credential import Credential


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
