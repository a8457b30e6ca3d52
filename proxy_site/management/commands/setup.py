import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _

from credentials.accounts import terms
from proxy_site.setup.asking import NO, YES
from proxy_site.setup.carrying_out import carry_out
from proxy_site.setup.languages import LANGUAGES, language_of
from proxy_site.setup.plan import Plan, Report
from proxy_site.setup.wizard import run

_ANSWERS = {
    "database": ("sqlite|URL", "Where data is kept: sqlite, or the URL of a PostgreSQL."),
    "redis": ("none|URL", "The URL of a Redis, or none."),
    "host": ("ADDRESS", "The address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for all."),
    "port": ("PORT", "The port to listen on."),
    "config-yaml": ("yes|no", "Whether the config.yaml that lies here is read at every start."),
    "import": ("all|none|NAMES", "Which of the found places of credentials are imported (comma list)."),
    "keys": ("KEYS|-|none", "Gemini API keys, with commas or blanks between; - reads them from the standard input."),
    "connect": ("USE", "Make a login link for a Google account: none, gemini_api or code_assist."),
    "oauth-client-id": ("ID", "Your OAuth client, for Google accounts (docs/google-accounts.md)."),
    "oauth-client-secret": ("SECRET", "Its secret."),
    "project": ("ID", "The Google Cloud project of accounts that name none."),
    "mode": ("MODE", "fallback (accounts, then keys), combined, or disabled (no keys)."),
    "prefer-keys-for-pro": ("yes|no", "Whether keys are asked first for pro models."),
    "max-concurrent": ("N", "Calls at once for each credential."),
    "max-retries": ("N", "Further attempts after a passing fault."),
    "timeout": ("SECONDS", "For a whole request."),
    "admin": ("NAME", "The name of the first admin; default: admin."),
    "admin-password": ("PASSWORD", "Default: one is made up and shown."),
    "token": ("yes|no", "Whether a client token is made; default: if there is none yet."),
}


class Command(BaseCommand):
    help = (
        "Set Castor up: asks a few questions, checks what is answered, and then does all of it at once. Run again, it shows what "
        "there is and changes only what is answered differently. Each question has a flag, by which it is not asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--lang", choices=LANGUAGES, help="English or Spanish; default: the terminal's language.")
        parser.add_argument("--folder", default=".", help="Where files of replaced programs lie; default: the current directory.")
        parser.add_argument(
            "--non-interactive", action="store_true", help="Ask nothing: what no flag answers stays as it is, or as is usual."
        )
        for flag, (shape, text) in _ANSWERS.items():
            parser.add_argument(f"--{flag}", metavar=shape, help=text)
        parser.add_argument("--acknowledge-terms", action="store_true", help=f"For Code Assist: “{terms.ACKNOWLEDGEMENT}”")
        parser.add_argument(
            "--carry-out", action="store_true", help="For the wizard itself: the plan comes by the standard input."
        )

    def handle(self, *, lang: str | None, folder: str, non_interactive: bool, carry_out: bool, **options: Any) -> None:
        if carry_out:
            self._carry_out()
            return
        given = {flag: value for flag in _ANSWERS if (value := options[flag.replace("-", "_")]) is not None}
        if options["acknowledge_terms"] or non_interactive:
            given["acknowledge-terms"] = YES if options["acknowledge_terms"] else NO
        with translation.override(language_of(lang, os.environ)):
            if not non_interactive and not (sys.stdin.isatty() and sys.stdout.isatty()):
                raise CommandError(_("This is no terminal. With --non-interactive and flags it goes without one: see --help."))
            self._run(given, interactive=not non_interactive, folder=Path(folder))

    def _run(self, given: dict[str, str], **how: Any) -> None:
        try:
            run(given, **how)
        except KeyboardInterrupt:
            self.stdout.write("\n" + _("Stopped: nothing was changed."))
            raise SystemExit(130) from None

    def _carry_out(self) -> None:
        def tell(report: Report) -> None:
            self.stdout.write(msgspec.json.encode(report).decode())
            self.stdout.flush()

        tell(Report(outcome=carry_out(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan), tell)))
