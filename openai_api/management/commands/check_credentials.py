from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials.health import Outcome
from credentials.management.table import format_table
from credentials.models import Credential
from openai_api.checks import Check, check_credentials

HEADERS = ("id", "credential", "result", "models", "what Google said")


class Command(BaseCommand):
    help = "Ask Google, free of charge, whether credentials are alive, and write down what it says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="Credentials by id (see pool_status); none: the enabled ones.")
        parser.add_argument("--all", action="store_true", help="The disabled ones as well.")

    def handle(self, *, ids: list[int], all: bool, **options) -> None:
        chosen = (
            Credential.objects.filter(pk__in=ids) if ids else Credential.objects.all() if all else Credential.objects.enabled()
        )
        credentials = list(chosen.order_by("pk"))
        if unknown := sorted(set(ids) - {credential.pk for credential in credentials}):
            raise CommandError(
                f"There is no credential with the id {', '.join(map(str, unknown))}. manage.py pool_status lists them."
            )
        if not credentials:
            raise CommandError("There is nothing to check: the pool is empty. Add keys with: manage.py import_credentials FILE")
        checks = list(check_credentials(credentials))
        self.stdout.write(format_table(HEADERS, [row(check) for check in checks]))
        if failed := sum(check.outcome is not Outcome.SERVED for check in checks):
            raise CommandError(f"{failed} of {len(checks)} are not usable now.")


def row(check: Check) -> tuple[object, ...]:
    result = "alive" if check.outcome is Outcome.SERVED else check.outcome.replace("_", " ")
    return check.credential.pk, check.credential, result, check.models or "-", check.detail or "-"
