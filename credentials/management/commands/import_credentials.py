import sys
from collections.abc import Iterator
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials.importing import Candidate, Report, Verdict, examine, read_keys, take_in


class Command(BaseCommand):
    help = "Take Gemini API keys into the pool, from files with one key a line, comma lists, JSON lists or .env lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="A file; - is the standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")
        parser.add_argument("--project", default="", help="The Google project of the keys that do not name one.")

    def handle(self, *, files: list[str], dry_run: bool, project: str, **options) -> None:
        self.unreadable = 0
        report = examine(candidate for file in files for candidate in self._read(file))
        if not dry_run:
            take_in(report, project=project)
        self._print(report, dry_run=dry_run)
        if self.unreadable:
            raise CommandError(f"{self.unreadable} of {len(files)} files could not be read.")
        if report.of(Verdict.MALFORMED):
            raise CommandError("Some entries are no keys; the others were dealt with.")

    def _read(self, file: str) -> Iterator[Candidate]:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self.unreadable += 1
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.stderr.write(f"{file}: skipped: {reason}")
            return
        for candidate in read_keys(text):
            yield Candidate(candidate.secret, f"{file}, {candidate.where}", candidate.label, candidate.project, candidate.flaw)

    def _print(self, report: Report, *, dry_run: bool) -> None:
        for finding in report.of(Verdict.DUPLICATE) + report.of(Verdict.MALFORMED):
            self.stdout.write(f"{finding.verdict}: {finding.candidate.where}: {finding.masked} {finding.note}")
        counts = report.counts
        added = "would be added" if dry_run else "added"
        self.stdout.write(f"{counts['new']} {added}, {counts['duplicate']} there already, {counts['malformed']} malformed.")
