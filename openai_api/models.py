"""What the API leaves behind: a record of each request, thought signatures that clients drop, whose the uploaded files are."""

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from credentials.crypto import EncryptedTextField

CLIENT_GONE = 499
"""The status of a request whose client hung up before the answer's end."""


class UsageRecord(models.Model):
    """One request: who asked what, who served it, what it cost in tokens and time. Written by `usage.py` alone.

    Names are kept beside the keys, so that a record outlives the token and the credential it speaks of.
    """

    uid = models.CharField(max_length=40, unique=True, editable=False)
    request_id = models.CharField(max_length=100, db_index=True, help_text="Callers may send one, so it need not be unique.")
    started_at = models.DateTimeField(default=now, db_index=True)
    token = models.ForeignKey("credentials.ClientToken", null=True, on_delete=models.SET_NULL, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    credential = models.ForeignKey("credentials.Credential", null=True, on_delete=models.SET_NULL, related_name="+")
    credential_label = models.CharField(max_length=100, blank=True)
    model_asked = models.CharField(max_length=200)
    model_served = models.CharField(max_length=200, blank=True)
    dialect = models.CharField(max_length=20)
    stream = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(help_text="HTTP status; 499: the client went away; 0: this process was killed.")
    error = models.CharField(max_length=60, blank=True, help_text="Error class.")
    attempts = models.PositiveSmallIntegerField(default=0)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    estimated = models.BooleanField(default=False, help_text="The upstream told nothing of tokens, or not of all of them.")
    queue_ms = models.FloatField(default=0, help_text="From the request's arrival until the upstream was asked.")
    first_token_ms = models.FloatField(null=True)
    total_ms = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.request_id


class UploadedFile(models.Model):
    """A file that Google keeps: whose it is, and which project can read it. Written by `files.py` alone.

    `project` is empty where the Google project of the credential that took the file is not known.
    """

    class Status(models.TextChoices):
        """OpenAI's words."""

        UPLOADED = "uploaded", "Being processed"
        PROCESSED = "processed", "Ready"
        ERROR = "error", "Unusable"

    id = models.CharField(primary_key=True, max_length=40)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    credential = models.ForeignKey("credentials.Credential", null=True, on_delete=models.SET_NULL, related_name="+")
    project = models.CharField("Google project", max_length=100, blank=True)
    google_name = models.CharField("Google's name", max_length=100)
    uri = models.CharField("URI", max_length=500)
    mime_type = models.CharField("type", max_length=150)
    bytes = models.PositiveBigIntegerField()
    filename = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20)
    status = models.CharField(max_length=10, choices=Status)
    detail = models.TextField(blank=True, help_text="Why it is unusable.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    kept_until = models.DateTimeField(help_text="Until then Google keeps it.")

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"])]

    def __str__(self) -> str:
        return self.filename


class ThoughtSignature(models.Model):
    """Gemini's signature of a tool call or a picture, for clients that do not send it back. It is given to its owner alone."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    call_id = models.CharField(max_length=100)
    model = models.CharField(max_length=100, help_text="Another model may refuse it.")
    signature = models.TextField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "call_id"], name="one_signature_per_owner_and_call")]

    def __str__(self) -> str:
        return self.call_id


class LoggedRequest(models.Model):
    """One request with all that was said, kept where an admin has asked for it. Written by `request_log` alone.

    Names are kept beside the keys, as in the records of usage. What people wrote stands in `content` alone.
    """

    started_at = models.DateTimeField("time", db_index=True)
    request_id = models.CharField(max_length=100, db_index=True)
    usage_uid = models.CharField(max_length=40, blank=True, db_index=True, help_text="Of its usage record; empty: it has none.")
    token = models.ForeignKey("credentials.ClientToken", null=True, on_delete=models.SET_NULL, related_name="+")
    token_label = models.CharField("token", max_length=150, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=500)
    dialect = models.CharField(max_length=20, blank=True)
    model_asked = models.CharField(max_length=200, blank=True)
    model_served = models.CharField("model", max_length=200, blank=True)
    stream = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(help_text="HTTP status; 499: the client went away.")
    error = models.CharField(max_length=60, blank=True, help_text="Error class.")
    attempts = models.PositiveSmallIntegerField(default=0)
    total_ms = models.FloatField(default=0)
    bytes = models.PositiveIntegerField(help_text="Of its content, compressed.")
    content = EncryptedTextField(help_text="`request_log.kept`: what was sent and answered, compressed and encrypted.")

    class Meta:
        verbose_name = "recorded request"
        permissions = [("record_requests", "Can have requests recorded")]

    def __str__(self) -> str:
        return self.request_id
