"""The wizard from its first line to its last. Nothing is changed before the last question is answered."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import msgspec
from django.conf import settings
from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credentials.models import Use
from proxy_site.greeting import root
from proxy_site.setup import detect, limits, people, places, serving
from proxy_site.setup.asking import Asker
from proxy_site.setup.ending import show_how_to_go_on, show_outcome
from proxy_site.setup.plan import CHECK, DATABASE, ENV, IMPORT, PEOPLE, Outcome, Plan, Report
from proxy_site.setup.screen import Bar, Screen
from proxy_site.setup.sitting import Sitting
from proxy_site.setup.state import read_state

_QUESTIONS = (
    places.ask_where_data_is_kept,
    places.ask_where_it_listens,
    serving.ask_what_it_serves_from,
    limits.ask_mode,
    limits.ask_limits,
    people.ask_people,
)
_SECRETS = frozenset({"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CREDENTIAL_ENCRYPTION_KEYS", "GOOGLE_OAUTH_CLIENT_SECRET"})


def run(given: Mapping[str, str], *, interactive: bool, folder: Path) -> None:
    """Raises KeyboardInterrupt with nothing changed, and CommandError."""
    sitting = _sit_down(given, interactive, folder)
    for ask in _QUESTIONS:
        ask(sitting)
    _check_that_something_serves(sitting)
    if sitting.plan.is_empty:
        sitting.screen.good(_("Nothing is to be changed."))
        show_how_to_go_on(sitting, Outcome(root=root()))
    elif _confirms(sitting):
        outcome = _carry_out(sitting)
        show_outcome(sitting, outcome)
        show_how_to_go_on(sitting, outcome)
    else:
        sitting.screen.note(_("Nothing was changed."))


def _sit_down(given: Mapping[str, str], interactive: bool, folder: Path) -> Sitting:
    screen = Screen()
    screen.title("Castor", _("Setup. Ctrl-C leaves everything as it was."))
    try:
        around = detect.look_around(folder, settings.ENV_FILE, os.environ, home=Path.home())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(_("%(path)s cannot be read.") % {"path": settings.ENV_FILE}) from error
    fixed = {name for name, value in os.environ.items() if value.strip() and around.settings.get(name) != value}
    sitting = Sitting(
        screen=screen,
        asker=Asker(screen, given, interactive=interactive),
        around=around,
        state=read_state(settings.DATABASE_URL),
        plan=Plan(folder=str(folder.resolve())),
        fixed=frozenset(fixed),
        running=detect.is_running(settings.VAR_DIR),
    )
    _show_what_is_here(sitting)
    return sitting


def _show_what_is_here(sitting: Sitting) -> None:
    around = sitting.around
    rows = [
        (".env", _count_settings(len(around.settings))),
        ("config.yaml", _("read at every start") if settings.CONFIG.source else around.config and _("of another program")),
        ("GEMINI_API_KEYS", _("read at every start") if detect.keys_read_at_start(os.environ) else ""),
        *((source.name, serving.counted(source.keys, len(source.logins))) for source in around.sources),
        ("PostgreSQL", around.postgres),
        ("Redis", around.redis),
        ("Docker", _("installed") if around.docker else ""),
        ("Castor", _("is running") if sitting.running else ""),
    ]
    found = [(name, text) for name, text in rows if text]
    if found:
        sitting.screen.heading(_("Found here"))
        sitting.screen.table(found)


def _count_settings(count: int) -> str:
    return ngettext("%(count)d setting", "%(count)d settings", count) % {"count": count} if count else ""


def _check_that_something_serves(sitting: Sitting) -> None:
    plan, state = sitting.plan, sitting.state
    at_start = detect.keys_read_at_start(os.environ) or settings.CONFIG.primary_keys or settings.CONFIG.fallback_keys
    has_any = plan.keys or plan.sources or plan.login_for or state.keys or state.accounts or at_start
    if not has_any and not sitting.asker.interactive and not sitting.asker.has("keys"):
        raise CommandError(_("There is nothing to serve from: give --keys, --import or --connect, or --keys none."))


def _confirms(sitting: Sitting) -> bool:
    plan = sitting.plan
    rows = [
        (".env", ", ".join(name if name in _SECRETS else f"{name}={value}" for name, value in plan.settings.items())),
        (_("Import"), ", ".join(plan.sources)),
        (_("Add"), serving.counted(len(plan.keys), 0)),
        (_("Admin"), plan.admin),
        (_("Token"), _("a new one") if plan.token else ""),
        (_("Login link"), Use(plan.login_for).label if plan.login_for else ""),
    ]
    sitting.screen.heading(_("This will be done"))
    sitting.screen.table([(name, text) for name, text in rows if text])
    return sitting.asker.agrees("confirm", _("Go ahead?"), default=True)


def _carry_out(sitting: Sitting) -> Outcome:
    """By a process of its own, which begins with the new settings. Ctrl-C does not reach it: once begun, it is done in whole."""
    environment = {**os.environ, **sitting.plan.settings, "LOG_LEVEL": "error"}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "setup", "--carry-out"]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=PIPE, stdout=PIPE, stderr=complaints, env=environment, start_new_session=True
        ) as process,
        sitting.screen.progress(_("One moment")) as bar,
    ):
        outcome = _follow(process, msgspec.json.encode(sitting.plan), bar)
        process.wait()
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip().splitlines()
    if outcome is None:
        reason = said[-1].removeprefix("CommandError: ") if said else _("it ended without a word")
        raise CommandError(_("It could not be done: %(reason)s") % {"reason": reason})
    return outcome


def _follow(process: subprocess.Popen[bytes], plan: bytes, bar: Bar) -> Outcome | None:
    """Give it the plan, and show its reports; returns the last one's outcome."""
    doings = {
        DATABASE: _("Preparing the database"),
        ENV: _("Writing .env"),
        IMPORT: _("Taking in the credentials"),
        CHECK: _("Asking Google about them"),
        PEOPLE: _("Admin and token"),
    }
    report = Report()
    for line in _lines(process, plan):
        report = msgspec.json.decode(line, type=Report)
        if report.doing:
            bar.show(doings[report.doing], report.done, report.of)
    return report.outcome


def _lines(process: subprocess.Popen[bytes], plan: bytes) -> Iterator[bytes]:
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    with suppress(BrokenPipeError), process.stdin:  # It has ended, and will have said why.
        process.stdin.write(plan)
    while True:
        try:
            if not (line := process.stdout.readline()):
                return
        except KeyboardInterrupt:
            continue  # Too late to leave nothing done, and soon over.
        yield line
