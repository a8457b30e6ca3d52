import json
from collections.abc import Iterable

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count
from django.utils.timezone import localtime, now

from credentials.management import candidates
from credentials.management.table import format_table
from credentials.models import Alert, Credential, ServedModel
from credentials.status import status_of

HEADERS = ("id", "credential", "kind", "project", "state", "reason", "until", "models")
EMPTY = "The pool is empty. Add keys in the admin, or with: manage.py import_credentials FILE"


class Command(BaseCommand):
    help = "Show the state of every credential, or who would be asked for a model and why others would not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", metavar="M", help="Explain who would be asked for this model or alias, in which order.")
        parser.add_argument("--all", action="store_true", help="With --model: show every credential, however many there are.")
        parser.add_argument("--json", action="store_true", help="For programs: JSON; times in ISO 8601.")

    def handle(self, *, model: str | None, all: bool, json: bool, **options) -> None:
        if model:
            self._explain(model, most=None if all else candidates.MOST_ROWS, json=json)
            return
        # The secrets stay sealed: nothing here needs them.
        credentials = list(Credential.objects.defer("secret").order_by("-priority", "pk"))
        if json:
            self.stdout.write(as_json(credentials))
            return
        self._write_alerts()
        self.stdout.write(as_table(credentials) if credentials else EMPTY)

    def _explain(self, model: str, *, most: int | None, json: bool) -> None:
        explained = candidates.explain_model(model)
        if json:
            self.stdout.write(candidates.as_json(explained, most=most))
            return
        self._write_alerts()
        if explained.asked or explained.skipped or explained.disabled:
            self.stdout.write(candidates.as_text(explained, most=most))
        else:
            self.stdout.write(EMPTY)

    def _write_alerts(self) -> None:
        for line in open_alerts():
            self.stdout.write(line)


def open_alerts() -> Iterable[str]:
    for alert in Alert.objects.filter(ended_at=None).order_by("began_at"):
        yield f"! Since {localtime(alert.began_at):%Y-%m-%d %H:%M %Z}, {alert.model or 'all models'}: {alert.message}"


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
