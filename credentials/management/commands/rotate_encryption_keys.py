from collections.abc import Iterator

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import models
from django.db.models.functions import Cast

from credentials import crypto


class Command(BaseCommand):
    help = "Encrypt every stored secret with the first of CREDENTIAL_ENCRYPTION_KEYS. After it the other keys may go."

    def handle(self, **options) -> None:
        crypto.encryption()  # Says in one sentence when a key is malformed.
        newest = Fernet(settings.CREDENTIAL_ENCRYPTION_KEYS[0])
        done = kept = lost = 0
        for rows, field in encrypted_columns():
            for pk, sealed in rows.values_list("pk", "sealed").iterator(chunk_size=500):
                if is_sealed_with(newest, sealed):
                    kept += 1
                elif (plain := opened(sealed)) is None:
                    lost += 1
                    self.stderr.write(f"{rows.model._meta.verbose_name} {pk}: none of the keys opens its {field}.")
                else:
                    # Only if it is still what was read: somebody may have replaced it in the meantime.
                    done += rows.filter(pk=pk, sealed=sealed).update(**{field: plain})
        self.stdout.write(f"{done} secrets encrypted anew, {kept} were up to date.")
        if lost:
            raise CommandError(
                f"{lost} secrets cannot be decrypted. Put back the key that they were stored with, and run this again."
            )


def encrypted_columns() -> Iterator[tuple[models.QuerySet, str]]:
    """Every table with secrets, its rows bearing the ciphertext as `sealed`, and the name of the field."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, crypto.EncryptedTextField):
                rows = model._base_manager.annotate(sealed=Cast(field.name, models.TextField())).exclude(sealed="")
                yield rows, field.name


def is_sealed_with(key: Fernet, sealed: str) -> bool:
    try:
        key.decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def opened(sealed: str) -> str | None:
    try:
        return crypto.decrypt(sealed)
    except ImproperlyConfigured:
        return None
