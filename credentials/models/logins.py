"""Google accounts: their tokens, how they came here, and the links by which people log in."""

from django.db import models
from django.utils.timezone import now

from credentials import crypto
from credentials.models.credential import Credential, Kind, Use


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
