"""Who is asked first, and how much at once."""

from collections.abc import Callable

from django.conf import settings
from django.utils.translation import gettext as _

from proxy_site.setup.asking import NO, YES, Question, Refused
from proxy_site.setup.sitting import Sitting

_KEEP, _CHANGE = "keep", "change"


def ask_mode(sitting: Sitting) -> None:
    """Only where there are accounts, or will be: among keys alone there is nothing to choose."""
    logins = [login for source in sitting.around.sources if source.name in sitting.plan.sources for login in source.logins]
    if not (sitting.state.accounts or sitting.plan.login_for or logins or sitting.asker.has("mode")):
        return
    sitting.screen.heading(_("Who is asked first"))
    choices = (
        ("fallback", _("Google accounts, and keys while those rest")),
        ("combined", _("Accounts and keys in turn")),
        ("disabled", _("Google accounts only, no keys")),
    )
    question = Question("mode", _("In which order?"), _("Of accounts and API keys that can serve the same model."), choices)
    mode = sitting.ask_setting("CREDENTIAL_MODE", question, settings.CREDENTIAL_MODE)
    if mode != "disabled":
        pro = Question("prefer-keys-for-pro", _("Keys first for pro models?"), choices=((NO, _("No")), (YES, _("Yes"))))
        _ask_flag(sitting, "PREFER_AI_STUDIO_FOR_PRO", pro)


def _ask_flag(sitting: Sitting, name: str, question: Question) -> None:
    sitting.ask_setting(name, question, YES if getattr(settings, name) else NO)
    if name in sitting.plan.settings:
        sitting.plan.settings[name] = "true" if sitting.plan.settings[name] == YES else "false"


def ask_limits(sitting: Sitting) -> None:
    limits = (
        ("MAX_CONCURRENT", Question("max-concurrent", _("Calls at once for each key or account:"), check=_number(1))),
        ("MAX_RETRIES", Question("max-retries", _("Further attempts after a passing fault:"), check=_number(0))),
        ("TIMEOUT", Question("timeout", _("Seconds for a whole request:"), check=_number(1))),
    )
    given = any(sitting.asker.has(question.flag) for _name, question in limits)
    if not given:
        now = _("%(calls)s calls at once per key, %(retries)s further attempts, %(seconds)s seconds.") % {
            "calls": settings.MAX_CONCURRENT,
            "retries": settings.MAX_RETRIES,
            "seconds": f"{settings.TIMEOUT:g}",
        }
        sitting.screen.heading(_("Limits"))
        choices = ((_KEEP, _("Keep them")), (_CHANGE, _("Change them")))
        if sitting.asker.ask(Question("limits", _("Are these right?"), now, choices), _KEEP) == _KEEP:
            return
    for name, question in limits:
        if given and not sitting.asker.has(question.flag):
            continue  # Whoever gives one of them has thought of all.
        sitting.ask_setting(name, question, f"{getattr(settings, name):g}")


def _number(least: int) -> Callable[[str], str]:
    def check(answer: str) -> str:
        answer = answer.strip()
        if not answer.isascii() or not answer.isdigit() or int(answer) < least:
            raise Refused(_("It must be a whole number of at least %(least)s.") % {"least": least})
        return answer

    return check
