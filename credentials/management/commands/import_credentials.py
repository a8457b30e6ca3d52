import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials.accounts import terms
from credentials.accounts.importing.files import read_files
from credentials.accounts.importing.folders import files_at, read_named
from credentials.accounts.importing.found import FoundLogin
from credentials.accounts.importing.intake import HOW_TO_ENABLE, accounts_of, lacks_terms
from credentials.accounts.importing.shapes import Found
from credentials.findings import Finding, Report, Verdict
from credentials.importing import examine, take_in
from credentials.management.people import system_user
from credentials.models import Use

_COUNTED = {Verdict.NEW: "new", Verdict.UPDATES: "updating", Verdict.DUPLICATE: "there already", Verdict.MALFORMED: "malformed"}


class Command(BaseCommand):
    help = (
        "Take API keys and Google logins into the pool: from text with keys, JSON lists, .env files, the login files of the "
        "Gemini CLI, gcloud, google-auth, gcli2api, CLIProxyAPI and similar proxies, ZIP archives and directories of those."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="A file or a directory; - is the standard input.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")
        parser.add_argument("--project", default="", help="The Google project of whatever does not name one.")
        parser.add_argument(
            "--use", choices=Use.values, default="", help="What logins are for. Default: what the tool that wrote them is for."
        )
        parser.add_argument(
            "--acknowledge-terms",
            action="store_true",
            help="You have read what Google's terms say of Code Assist (docs/google-accounts.md), and take the risk. "
            "Without it, accounts for Code Assist are stored disabled.",
        )

    def handle(self, *, paths: list[str], dry_run: bool, project: str, use: str, acknowledge_terms: bool, **options) -> None:
        self.unreadable = 0
        files = [part for path in paths for part in self._read(path)]
        report = examine(chain.from_iterable(found for _, found in files), use=use, ask_google=not dry_run)
        by = f"import_credentials by {system_user()}" if acknowledge_terms else ""
        if not dry_run:
            take_in(report, project=project, use=use, terms_accepted_by=by)
        bad = self._print_files(files, report) + self.unreadable
        self._print_sum(report, dry_run=dry_run)
        self._print_terms(report, use, by, dry_run=dry_run)
        if bad:
            raise CommandError(
                f"Nothing could be taken in from {bad} of {len(files) + self.unreadable} files; the lines say why."
            )
        if report.of(Verdict.MALFORMED):
            raise CommandError("Some entries are neither keys nor logins that can be used; the others were dealt with.")

    def _read(self, path: str) -> Iterator[tuple[str, list[Found]]]:
        """(file, what was found in it) for each file at the path; those that cannot be read are named."""
        if path == "-":
            yield path, read_files([("-", sys.stdin.read().encode(errors="surrogateescape"))])
            return
        try:
            files = files_at(Path(path))
        except OSError as error:
            self._skip(path, error.strerror or type(error).__name__)
            return
        if not files:
            self._skip(path, "no file in it is JSON, a ZIP archive, or text that is named after keys")
        for file in files:
            try:
                yield str(file), read_files(read_named(file))
            except OSError as error:
                self._skip(str(file), error.strerror or type(error).__name__)

    def _skip(self, path: str, reason: str) -> None:
        self.unreadable += 1
        self.stderr.write(f"{path}: skipped: {reason}")

    def _print_files(self, files: list[tuple[str, list[Found]]], report: Report) -> int:
        """Print what became of each file; returns how many held nothing but what is malformed."""
        findings, bad = iter(report.findings), 0
        for name, found in files:
            its = Report(tuple(islice(findings, len(found))))
            for finding in its.findings:
                self._print_finding(finding)
            counts = [f"{len(its.of(verdict))} {word}" for verdict, word in _COUNTED.items() if its.of(verdict)]
            if len(files) > 1 or not counts:
                self.stdout.write(f"{name}: {', '.join(counts) or 'no key and no login in it'}")
            bad += bool(found) and len(its.of(Verdict.MALFORMED)) == len(found)
        return bad

    def _print_finding(self, finding: Finding) -> None:
        if finding.verdict is not Verdict.NEW or isinstance(finding.candidate, FoundLogin):
            self.stdout.write(f"{finding.verdict}: {finding.candidate.where}: {finding.masked} {finding.note}")

    def _print_sum(self, report: Report, *, dry_run: bool) -> None:
        counts, would = report.counts, "would be " if dry_run else ""
        updated = f" {counts['updates']} {would}updated," if counts["updates"] else ""
        rest = f"{counts['duplicate']} there already, {counts['malformed']} malformed."
        self.stdout.write(f"{counts['new']} {would}added,{updated} {rest}")
        if any(isinstance(finding.candidate, FoundLogin) for finding in report.of(Verdict.NEW, Verdict.UPDATES)):
            self.stdout.write("An address that a file names is taken as a label: nobody has verified it.")

    def _print_terms(self, report: Report, use: str, by: str, *, dry_run: bool) -> None:
        """Say which accounts do not serve for want of an acknowledgement, of what, and what to do."""
        if dry_run:
            disabled = [finding.masked for finding in lacks_terms(report, use) if not by]
        else:
            disabled = [str(account) for account in accounts_of(report, use).lacking_terms()]
        if disabled:
            self.stdout.write(f"{'Would be stored' if dry_run else 'Stored'} disabled: {', '.join(disabled)}.")
            self.stdout.write("\n".join((HOW_TO_ENABLE, f"{terms.TITLE}:", *terms.WHAT_THEY_SAY, terms.INSTEAD)))
