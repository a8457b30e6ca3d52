"""What the wizard has been told: collected while it asks, carried out at the end in a process of its own."""

from msgspec import Struct, field


class Plan(Struct):
    settings: dict[str, str] = field(default_factory=dict)
    """What changes in `.env`."""
    folder: str = ""
    sources: list[str] = field(default_factory=list)
    """The places in `folder` whose credentials are imported."""
    keys: list[str] = field(default_factory=list)
    terms_accepted_by: str = ""
    """Who has acknowledged Google's terms for Code Assist; empty: nobody."""
    login_for: str = ""
    """The use for which a login link is made; empty: none is."""
    admin: str = ""
    """The name of the admin that is made; empty: none is."""
    password: str = ""
    """Empty: one is made up."""
    token: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.settings or self.sources or self.keys or self.login_for or self.admin or self.token)


class Checked(Struct, frozen=True):
    """What Google said of one credential."""

    name: str
    verdict: str
    """A `credentials.runs.Verdict`."""
    models: int = 0
    said: str = ""


class Outcome(Struct):
    """What has been done."""

    root: str
    backup: str = ""
    """The copy of `.env` as it was."""
    added: int = 0
    updated: int = 0
    known: int = 0
    flaws: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    """Accounts that wait for an acknowledgement."""
    checked: list[Checked] = field(default_factory=list)
    admin: str = ""
    password: str = ""
    """Only one that was made up."""
    token: str = ""
    link: str = ""


class Report(Struct, omit_defaults=True):
    """A line from the process that carries out the plan: how far it is, or at the end what came of it."""

    doing: str = ""
    """One of DOINGS."""
    done: int = 0
    of: int = 0
    outcome: Outcome | None = None


DOINGS = DATABASE, ENV, IMPORT, CHECK, PEOPLE = "database", "env", "import", "check", "people"
