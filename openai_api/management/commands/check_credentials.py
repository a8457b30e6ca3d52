from collections.abc import Iterator

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials import runs
from credentials.health import EFFECTS, Outcome
from credentials.management.table import format_table
from credentials.models import Credential
from credentials.runs import Verdict, verdict_of
from openai_api.checks import Check, check_credentials

HEADERS = ("id", "credential", "result", "why", "models", "asked", "what Google said")


class Command(BaseCommand):
    help = (
        "Ask Google for the list of models of credentials, free of charge, and write down what it says. "
        "Those believed dead are asked for one token as well: a list does not tell whether they may be used."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="Credentials by id (see pool_status); none: the enabled ones.")
        parser.add_argument("--all", action="store_true", help="The disabled ones as well.")
        parser.add_argument("--generate", action="store_true", help="Ask each for one token of its cheapest model as well.")

    def handle(self, *, ids: list[int], all: bool, generate: bool, **options) -> None:
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
        checks = sorted(checked(credentials, generates=generate), key=lambda check: check.credential.pk)
        self.stdout.write(format_table(HEADERS, [row(check) for check in checks]))
        if failed := sum(verdict_of(check.outcome) is not Verdict.ALIVE for check in checks):
            raise CommandError(f"{failed} of {len(checks)} are not usable now.")


def checked(credentials: list[Credential], *, generates: bool) -> Iterator[Check]:
    """The checks as they are done; the admin shows them as a run."""
    run = runs.begin_run(len(credentials), by="manage.py check_credentials", generates=generates)
    for check in check_credentials(credentials, generates=generates):
        runs.record_result(run.pk, check.credential.pk, check.outcome, detail=check.detail, models=check.models)
        yield check


def row(check: Check) -> tuple[object, ...]:
    verdict = verdict_of(check.outcome)
    named = [check.credential.pk, check.credential, verdict, reason_of(check.outcome)]
    return *named, check.models or "-", check.asked or "-", check.detail or "-"


def reason_of(outcome: Outcome) -> str:
    if outcome is Outcome.SERVED:
        return "-"
    effect = EFFECTS[outcome]
    # A passing reason speaks of several failures; this was one.
    return str(effect.reason.label) if effect.reason and not effect.soft else outcome.replace("_", " ")
