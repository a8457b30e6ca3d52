"""What somebody wants to log in for, and how a login fails: the words that all of its steps share."""

import re

from msgspec import Struct

from credentials.accounts import gemini_cli
from credentials.models import Credential, Kind, Use

_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,99}")

NO_PROJECT_ID = "This is no id of a Google Cloud project."


class LoginFailed(Exception):
    """A login cannot go on. Sentences for people, without any secret; `status` is that of the page that shows them."""

    def __init__(self, message: str, remedy: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.remedy, self.status = message, remedy, status


class Wanted(Struct, frozen=True):
    """What a login is for. `account`: the id of the one that is logged in again; `link`: that of the link that allows it."""

    use: str
    kind: str = Kind.OAUTH.value
    project: str = ""
    label: str = ""
    terms_accepted_by: str = ""
    account: int | None = None
    link: int | None = None

    @property
    def asks_for_terms(self) -> bool:
        """Whether an admin has to acknowledge Google's terms before the account can serve."""
        return self.use == Use.CODE_ASSIST and not self.terms_accepted_by


def is_project_id(text: str) -> bool:
    return _PROJECT.fullmatch(text) is not None


def checked(wanted: Wanted) -> Wanted:
    """The same, if it can be served. Raises LoginFailed."""
    if wanted.use not in Use.values or wanted.kind not in (Kind.OAUTH, Kind.GEMINI_CLI):
        raise LoginFailed("Castor knows no such use of an account.", f"The uses are: {', '.join(Use.values)}.")
    if wanted.kind == Kind.GEMINI_CLI and not gemini_cli.installed():
        raise LoginFailed("The Gemini CLI would use this account.", gemini_cli.NOT_INSTALLED)
    if wanted.kind == Kind.GEMINI_CLI and wanted.use != Use.CODE_ASSIST:
        raise LoginFailed(
            "The Gemini CLI takes a Google login for Code Assist only.", "To use the Gemini API through it, give it an API key."
        )
    if wanted.project and not is_project_id(wanted.project):
        raise LoginFailed(NO_PROJECT_ID, "It looks like my-project-123456.")
    return wanted


def wanted_again(account: Credential) -> Wanted:
    """What logging in once more with an account is for."""
    login = getattr(account, "login", None)
    return Wanted(
        use=account.use,
        kind=account.kind,
        project=login.project if login and account.use == Use.CODE_ASSIST else account.project,
        terms_accepted_by=account.terms_accepted_by,
        account=account.pk,
    )
