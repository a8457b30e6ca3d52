"""What Castor serves from: credentials that lie here already, keys that are pasted, Google accounts."""

import sys

from django.conf import settings
from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credentials.accounts import terms
from credentials.accounts.wanted import is_project_id
from credentials.keys import Candidate, read_keys
from credentials.management.people import system_user
from credentials.models import Use
from credentials.runs import Verdict
from proxy_site.setup import checking
from proxy_site.setup.asking import Question, Refused
from proxy_site.setup.detect import Source
from proxy_site.setup.plan import Checked
from proxy_site.setup.sitting import Sitting

_ALL, _NONE, _CHOOSE, _STDIN = "all", "none", "choose", "-"


def ask_what_it_serves_from(sitting: Sitting) -> None:
    sitting.screen.heading(_("What it serves from"))
    if sitting.state.keys or sitting.state.accounts:
        sitting.screen.good(_("The pool has %(what)s.") % {"what": counted(sitting.state.keys, sitting.state.accounts)})
    _ask_config(sitting)
    _ask_sources(sitting)
    _ask_keys(sitting)
    _ask_login(sitting)
    _ask_terms(sitting)


def counted(keys: int, logins: int) -> str:
    """“2 keys, 1 login”, without what there is none of."""
    parts = []
    if keys:
        parts.append(ngettext("%(count)d key", "%(count)d keys", keys) % {"count": keys})
    if logins:
        parts.append(ngettext("%(count)d Google login", "%(count)d Google logins", logins) % {"count": logins})
    return ", ".join(parts)


def _ask_config(sitting: Sitting) -> None:
    """Of a rotator's file elsewhere than where it is read anyway."""
    config = sitting.around.config
    if config is None or settings.CONFIG.source or "CONFIG_YAML" in sitting.fixed:
        return
    question = _("Read %(path)s at every start?") % {"path": config.name}
    if sitting.asker.agrees("config-yaml", question, why=_("Its keys and limits stay in force."), default=True):
        sitting.plan.settings["CONFIG_YAML"] = str(config.resolve())


def _ask_sources(sitting: Sitting) -> None:
    sources = {source.name: source for source in sitting.around.sources}
    if not sources:
        if sitting.asker.has("import"):
            _choose(sitting.asker.ask(Question("import", "")), sources)
        return
    choices = [(_ALL, _("All of them")), (_NONE, _("None of them"))]
    if len(sources) > 1:
        choices.append((_CHOOSE, _("Some: ask for each")))
    question = Question(
        "import",
        _("Import the credentials that were found?"),
        _("They are copied into the pool, encrypted; the files stay as they are."),
        () if sitting.asker.has("import") else tuple(choices),
    )
    answer = sitting.asker.ask(question, _ALL if sitting.asker.interactive else _NONE)
    if answer == _CHOOSE:
        sitting.plan.sources = [name for name, source in sources.items() if _wants(sitting, source)]
    else:
        sitting.plan.sources = _choose(answer, sources)


def _wants(sitting: Sitting, source: Source) -> bool:
    return sitting.asker.agrees(
        f"import {source.name}", f"{source.name}: {counted(source.keys, len(source.logins))}", default=True
    )


def _choose(answer: str, sources: dict[str, Source]) -> list[str]:
    if answer in (_ALL, _NONE):
        return list(sources) if answer == _ALL else []
    names = [name.strip() for name in answer.split(",") if name.strip()]
    for name in names:
        if name not in sources:
            found = ", ".join(sources) or _NONE
            raise CommandError(_("--import: there is no %(name)s here; found: %(found)s.") % {"name": name, "found": found})
    return names


def _ask_keys(sitting: Sitting) -> None:
    question = Question(
        "keys",
        _("Gemini API keys:"),
        _("From https://aistudio.google.com/apikey, blanks between them. Enter alone: none."),
        secret=True,
        check=_check_shape,
    )
    while True:
        answer = sitting.asker.ask(question)
        keys = list(dict.fromkeys(key.secret for key in _read_keys(answer)))
        refused = _check(sitting, keys)
        sitting.plan.keys = [key for key in keys if key not in refused]
        if not refused or sitting.plan.keys:
            return
        if not sitting.asker.interactive or sitting.asker.has("keys"):
            raise CommandError(_("--keys: Google takes none of these keys."))


def _read_keys(answer: str) -> list[Candidate]:
    if answer == _STDIN:
        answer = sys.stdin.read()
    return [] if answer == _NONE else read_keys(answer)


def _check_shape(answer: str) -> str:
    answer = answer.strip()
    if answer not in (_STDIN, _NONE) and (flawed := next((key for key in read_keys(answer) if key.flaw), None)):
        raise Refused(_("%(key)s is no key: %(reason)s.") % {"key": flawed.masked, "reason": flawed.flaw})
    return answer


def _check(sitting: Sitting, keys: list[str]) -> set[str]:
    """Ask Google about each, and show what it says; returns those that it refuses."""
    refused: set[str] = set()
    if not keys:
        return refused
    asking = _("Asking Google about the keys")
    with sitting.screen.progress(asking, len(keys)) as bar:
        checked = []
        for number, (key, found) in enumerate(checking.check_keys(keys), 1):
            bar.show(asking, number, len(keys))
            checked.append(found)
            if found.verdict == Verdict.DEAD:
                refused.add(key)
    for found in checked:
        show(sitting, found)
    return refused


def show(sitting: Sitting, found: Checked) -> None:
    if found.verdict == Verdict.ALIVE:
        models = ngettext("works, %(count)d model", "works, %(count)d models", found.models) % {"count": found.models}
        sitting.screen.good(found.name, models if found.models else _("works"))
    elif found.verdict == Verdict.UNKNOWN:
        sitting.screen.mind(_("%(name)s could not be checked: %(reason)s") % {"name": found.name, "reason": found.said})
    else:
        sitting.screen.bad(found.name, found.said)


def _ask_login(sitting: Sitting) -> None:
    choices = (
        (_NONE, _("No")),
        (str(Use.GEMINI_API), _("Yes, for the Gemini API")),
        (str(Use.CODE_ASSIST), _("Yes, for Code Assist (Standard and Enterprise licences)")),
    )
    question = Question(
        "connect", _("Connect a Google account?"), _("At the end there will be a link by which it is logged in."), choices
    )
    use = sitting.asker.ask(question, _NONE)
    sitting.plan.login_for = "" if use == _NONE else use
    if sitting.plan.login_for:
        _ask_client(sitting)
    if sitting.plan.login_for == Use.GEMINI_API or sitting.asker.has("project"):
        _ask_project(sitting)


def _ask_client(sitting: Sitting) -> None:
    client = Question(
        "oauth-client-id",
        _("Id of your OAuth client:"),
        _("Google gives it to you for free: docs/google-accounts.md shows how."),
        check=_given(_("Without an OAuth client no account can be logged in.")),
    )
    secret = Question("oauth-client-secret", _("Its secret:"), secret=True, check=client.check)
    for name, question in (("GOOGLE_OAUTH_CLIENT_ID", client), ("GOOGLE_OAUTH_CLIENT_SECRET", secret)):
        current = getattr(settings, name)
        if current and not sitting.asker.has(question.flag):
            continue
        if not sitting.ask_setting(name, question, current):
            raise CommandError(_("--connect needs --%(flag)s, or %(name)s in .env.") % {"flag": question.flag, "name": name})


def _given(sentence: str):
    def check(answer: str) -> str:
        if not answer.strip():
            raise Refused(sentence)
        return answer.strip()

    return check


def _ask_project(sitting: Sitting) -> None:
    def check(answer: str) -> str:
        if not is_project_id(answer.strip()):
            raise Refused(_("It looks like my-project-123456."))
        return answer.strip()

    why = _("Google counts what such an account uses against a project of yours.")
    question = Question("project", _("Id of your Google Cloud project:"), why, check=check)
    if settings.GOOGLE_CLOUD_PROJECT and not sitting.asker.has("project"):
        return
    if not sitting.ask_setting("GOOGLE_CLOUD_PROJECT", question, settings.GOOGLE_CLOUD_PROJECT):
        raise CommandError(_("--connect gemini_api needs --project, or GOOGLE_CLOUD_PROJECT in .env."))


def _ask_terms(sitting: Sitting) -> None:
    """Whoever uses an account for Code Assist must say that they know what Google says of it."""
    chosen = [source for source in sitting.around.sources if source.name in sitting.plan.sources]
    imported = any(login.use == Use.CODE_ASSIST for source in chosen for login in source.logins)
    wanted = sitting.plan.login_for == Use.CODE_ASSIST
    if not imported and not wanted:
        return
    if sitting.asker.interactive and not sitting.asker.has("acknowledge-terms"):
        sitting.screen.heading(_("What Google's terms say"))
        for sentence in (*terms.WHAT_THEY_SAY, terms.INSTEAD):
            sitting.screen.point(_(sentence))
        sitting.screen.paragraph(f"“{_(terms.ACKNOWLEDGEMENT)}”")
    why = _("Without it the accounts are kept, and do not serve.")
    if sitting.asker.agrees("acknowledge-terms", _("Do you say so?"), why=why, default=False):
        sitting.plan.terms_accepted_by = f"setup by {system_user()}"
    elif wanted and not sitting.asker.interactive:
        raise CommandError(
            _("--connect code_assist needs --acknowledge-terms: docs/google-accounts.md says what Google's terms are.")
        )
