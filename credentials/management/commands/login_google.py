import sys
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from credentials.accounts import login, pending, terms
from credentials.accounts.links import LIFETIME, new_link
from credentials.accounts.redirects import pasted_redirect, read_pasted
from credentials.accounts.wanted import LoginFailed, Wanted, checked
from credentials.management.people import system_user
from credentials.models import Kind, Use


class Command(BaseCommand):
    help = "Print a link that is good for one login with a Google account; with --paste, log in by way of this terminal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--use", choices=Use.values, default=Use.GEMINI_API.value, help="What the account is used for.")
        parser.add_argument("--gemini-cli", action="store_true", help="Use it through the Gemini CLI (with --use code_assist).")
        parser.add_argument("--project", default=settings.GOOGLE_CLOUD_PROJECT, help="The id of its Google Cloud project.")
        parser.add_argument("--label", default="", help="A name for people.")
        parser.add_argument("--acknowledge-terms", action="store_true", help=f"For Code Assist: “{terms.ACKNOWLEDGEMENT}”")
        parser.add_argument(
            "--paste", action="store_true", help="Log in now: the address at which Google's login ends is typed in."
        )

    def handle(self, *, paste: bool, **options: Any) -> None:
        try:
            wanted = checked(self._wanted(**options))
            if wanted.asks_for_terms:
                self.stderr.write("\n".join([terms.TITLE, *terms.WHAT_THEY_SAY, terms.INSTEAD, terms.MISSING]))
                self.stderr.write(f"--acknowledge-terms says: “{terms.ACKNOWLEDGEMENT}”\n")
            if paste:
                self._log_in(wanted)
            else:
                self._print_link(wanted)
        except LoginFailed as failure:
            raise CommandError(f"{failure.message} {failure.remedy}") from failure

    def _wanted(self, *, use: str, gemini_cli: bool, project: str, label: str, acknowledge_terms: bool, **options: Any) -> Wanted:
        return Wanted(
            use=use,
            kind=Kind.GEMINI_CLI if gemini_cli else Kind.OAUTH,
            project=project,
            label=label[:100],
            terms_accepted_by=_me() if acknowledge_terms and use == Use.CODE_ASSIST else "",
        )

    def _print_link(self, wanted: Wanted) -> None:
        link = new_link(wanted, made_by=_me())
        minutes = int(LIFETIME.total_seconds() // 60)
        self.stderr.write(
            f"This link is good for one login within {minutes} minutes. Open it in a browser, or give it to the person."
        )
        self.stderr.write("If this Castor is reached at another address, put that in place of the link's beginning.")
        self.stdout.write(f"{_root()}{reverse('auth:login')}?{urlencode({'link': link})}")

    def _log_in(self, wanted: Wanted) -> None:
        session: dict[str, Any] = {}
        self.stdout.write(login.begin(session, wanted, redirect_uri=pasted_redirect()))
        self.stderr.write(
            "Open this address in a browser and log in. The page at which you arrive may not open: copy its address."
        )
        self.stderr.write("Paste it here:", ending=" ")
        said = read_pasted(sys.stdin.readline())
        under_way, verifier = pending.take(session, said.state)
        done = login.complete(under_way, verifier, said)
        self.stdout.write(f"Authentication successful: {done.credential.email}, project {done.project or 'none yet'}.")
        for left in done.remaining:
            self.stdout.write(" ".join(filter(None, (left.message, left.remedy, left.link))))
        if done.serves:
            self.stdout.write("The account serves now.")


def _me() -> str:
    return f"login_google by {system_user()}"


def _root() -> str:
    """Where this Castor is reached, as far as it knows."""
    redirect = urlsplit(settings.GOOGLE_OAUTH_REDIRECT_URI)
    if redirect.path == reverse("auth:callback"):
        return f"{redirect.scheme}://{redirect.netloc}"
    return f"http://127.0.0.1:{settings.PORT}"
