"""The first admin, and the first client token."""

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from proxy_site.setup.asking import Question, Refused
from proxy_site.setup.sitting import Sitting


def ask_people(sitting: Sitting) -> None:
    sitting.screen.heading(_("Admin and clients"))
    if sitting.state.admins:
        sitting.screen.good(_("Admin: %(names)s") % {"names": ", ".join(sitting.state.admins)})
    else:
        _ask_admin(sitting)
    if sitting.state.tokens:
        why = _("There already: %(count)s. A token is what a program uses as its API key.") % {"count": sitting.state.tokens}
        sitting.plan.token = sitting.asker.agrees("token", _("Make another client token?"), why=why, default=False)
    else:
        why = _("It is what a program uses as its API key; it is shown once, at the end.")
        sitting.plan.token = sitting.asker.agrees("token", _("Make a client token?"), why=why, default=True)


def _ask_admin(sitting: Sitting) -> None:
    name = Question("admin", _("Name of the admin:"), _("Who logs in at /admin/ and sees everything."), check=_check_name)
    sitting.plan.admin = sitting.asker.ask(name, "admin")
    password = Question(
        "admin-password",
        _("Password:"),
        _("Enter alone: one is made up, and shown once, at the end."),
        secret=True,
        check=_check_password,
    )
    sitting.plan.password = sitting.asker.ask(password)


def _check_name(answer: str) -> str:
    answer = answer.strip()
    try:
        UnicodeUsernameValidator()(answer)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    return answer


def _check_password(answer: str) -> str:
    try:
        if answer:
            validate_password(answer)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    return answer
