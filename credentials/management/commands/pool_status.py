import json

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count
from django.utils.timezone import now

from credentials.management.table import format_table
from credentials.models import Credential, ServedModel
from credentials.status import status_of

HEADERS = ("id", "credential", "kind", "project", "state", "reason", "until", "models")


class Command(BaseCommand):
    help = "Show the state of every credential."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs: one JSON list; times in ISO 8601.")

    def handle(self, *, json: bool, **options) -> None:
        # The secrets stay sealed: nothing here needs them.
        credentials = list(Credential.objects.defer("secret").order_by("-priority", "pk"))
        if json:
            self.stdout.write(as_json(credentials))
        elif not credentials:
            self.stdout.write("The pool is empty. Add keys in the admin, or with: manage.py import_credentials FILE")
        else:
            self.stdout.write(as_table(credentials))


def count_models() -> dict[int, int]:
    return dict(ServedModel.objects.values_list("credential_id").annotate(Count("pk")))


def as_table(credentials: list[Credential]) -> str:
    at, models = now(), count_models()
    rows = []
    for credential in credentials:
        status = status_of(credential, at=at)
        named = [credential.pk, credential, credential.kind, credential.project or "-"]
        rows.append([*named, status.label, status.reason or "-", status.returns or "-", models.get(credential.pk) or "-"])
    return format_table(HEADERS, rows)


def as_json(credentials: list[Credential]) -> str:
    at, models = now(), count_models()
    rows = []
    for credential in credentials:
        status = status_of(credential, at=at)
        until = credential.until.isoformat() if credential.until and status.returns else None
        named = [credential.pk, str(credential), credential.kind, credential.project]
        rows.append(dict(zip(HEADERS, [*named, status.state, status.reason, until, models.get(credential.pk, 0)], strict=True)))
    return json.dumps(rows, indent=2)
