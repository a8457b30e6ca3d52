"""Carries out a plan, in a process of its own that has read the new settings. What fails, fails before `.env` is touched."""

import os
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from credentials import startup
from credentials.accounts.importing.intake import accounts_of
from credentials.accounts.importing.shapes import Found
from credentials.accounts.links import new_link
from credentials.accounts.wanted import LoginFailed, Wanted, checked
from credentials.findings import Verdict
from credentials.importing import examine, take_in
from credentials.keys import candidate_of
from credentials.management.people import system_user
from credentials.models import ClientToken, Credential
from credentials.runs import verdict_of
from openai_api.checks import Check, check_credentials
from proxy_site.greeting import root
from proxy_site.setup import env_file
from proxy_site.setup.detect import sources_in
from proxy_site.setup.plan import CHECK, DATABASE, ENV, IMPORT, PEOPLE, Checked, Outcome, Plan, Report

Tell = Callable[[Report], object]


def carry_out(plan: Plan, tell: Tell) -> Outcome:
    """Raises CommandError, ImproperlyConfigured, DatabaseError."""
    os.umask(0o077)  # What Castor keeps is nobody else's to read.
    outcome = Outcome(root=root())
    tell(Report(DATABASE))
    _prepare_database(plan)
    tell(Report(ENV))
    outcome.backup = _write_settings(plan)
    tell(Report(IMPORT))
    startup.take_in_environment()
    _import(plan, outcome)
    _check_what_is_new(outcome, tell)
    tell(Report(PEOPLE))
    _make_admin(plan, outcome)
    _make_token(plan, outcome)
    _make_link(plan, outcome)
    return outcome


def _prepare_database(plan: Plan) -> None:
    call_command("migrate", verbosity=0, interactive=False)
    startup.check()
    if User.objects.filter(username=plan.admin, is_superuser=False).exists():
        raise CommandError(f"A user named {plan.admin} exists, but is no admin: choose another name.")


def _write_settings(plan: Plan) -> str:
    if not plan.settings:
        return ""
    try:
        backup = env_file.change(settings.ENV_FILE, plan.settings, at=datetime.now().astimezone())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"a value has {error}"
        raise CommandError(f"{settings.ENV_FILE} cannot be written: {reason}.") from error
    return str(backup or "")


def _import(plan: Plan, outcome: Outcome) -> None:
    report = examine([*_found_in_sources(plan), *(candidate_of(key, "typed") for key in plan.keys)], ask_google=True)
    # Checked below, and at once: nobody may be there yet to see to a task.
    take_in(report, terms_accepted_by=plan.terms_accepted_by, check=lambda ids: ids)
    outcome.added, outcome.updated, outcome.known = (
        len(report.of(verdict)) for verdict in (Verdict.NEW, Verdict.UPDATES, Verdict.DUPLICATE)
    )
    outcome.flaws = [f"{finding.candidate.where}: {finding.note}" for finding in report.of(Verdict.MALFORMED)]
    outcome.disabled = [str(account) for account in accounts_of(report).lacking_terms()]


def _found_in_sources(plan: Plan) -> list[Found]:
    if not plan.sources:
        return []
    sources = sources_in(Path(plan.folder), os.environ, home=Path.home())
    return [found for source in sources if source.name in plan.sources for found in source.found]


def _check_what_is_new(outcome: Outcome, tell: Tell) -> None:
    unchecked = list(Credential.objects.enabled().filter(checked_at=None).order_by("pk"))
    tell(Report(CHECK, 0, len(unchecked)))
    for number, check in enumerate(check_credentials(unchecked), 1):
        tell(Report(CHECK, number, len(unchecked)))
        outcome.checked.append(_checked(check))


def _checked(check: Check) -> Checked:
    return Checked(str(check.credential), verdict_of(check.outcome), check.models, check.detail)


def _make_admin(plan: Plan, outcome: Outcome) -> None:
    if not plan.admin or User.objects.filter(username=plan.admin).exists():
        return
    password = plan.password or secrets.token_urlsafe(12)
    User.objects.create_superuser(plan.admin, password=password)
    outcome.admin = plan.admin
    outcome.password = "" if plan.password else password


def _make_token(plan: Plan, outcome: Outcome) -> None:
    if plan.token:
        owner = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if owner is None:
            raise CommandError("A client token belongs to a user, and there is no admin.")
        _token, outcome.token = ClientToken.issue(owner, label="made by setup")


def _make_link(plan: Plan, outcome: Outcome) -> None:
    if not plan.login_for:
        return
    project = settings.GOOGLE_CLOUD_PROJECT
    try:
        wanted = checked(Wanted(use=plan.login_for, project=project, terms_accepted_by=plan.terms_accepted_by))
    except LoginFailed as failure:
        raise CommandError(f"{failure.message} {failure.remedy}") from failure
    link = new_link(wanted, made_by=f"setup by {system_user()}")
    outcome.link = f"{outcome.root}{reverse('auth:login')}?{urlencode({'link': link})}"
