"""People with Google accounts, the OAuth clients that ask for their consent, and the tokens that come of it (section 5)."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from tests.google.clock import Clock

AUTH = "https://www.googleapis.com/auth/"
CLOUD_PLATFORM = f"{AUTH}cloud-platform"
EMAIL = f"{AUTH}userinfo.email"
PROFILE = f"{AUTH}userinfo.profile"
SCOPES = f"{CLOUD_PLATFORM} {EMAIL} {PROFILE}"

DEFAULT_CLIENT = "castor-test-client"
DEFAULT_SECRET = "castor-test-secret"

ACCESS_LIFETIME = 3599
CODE_LIFETIME = 600
MOST_REFRESH_TOKENS = 100
"""Live ones of one account and client; with one more, the oldest dies without a word."""


class OAuthClient(Struct, kw_only=True, forbid_unknown_fields=True):
    """With `loopback`, an installed app: http and any port of the own machine. Otherwise the addresses that were registered."""

    secret: str
    redirect_uris: tuple[str, ...] = ()
    loopback: bool = False
    deleted: bool = False


class User(Struct, kw_only=True, forbid_unknown_fields=True):
    """An account, and what Code Assist and the Gemini API hold of it."""

    email: str
    tier: str = "standard-tier"
    """Code Assist's tier; empty: has yet to onboard."""
    project: str = ""
    """A Google Cloud project of the user's own, in which Code Assist is enabled."""
    managed_project: str = ""
    """The project that Google manages for the free tiers; loadCodeAssist names it."""
    projects: set[str] = field(default_factory=set)
    """Those that may be billed by `x-goog-user-project`, beside `project`."""
    allowed: tuple[str, ...] = ("standard-tier",)
    """The tiers into which one without a tier may onboard, the default one first."""
    ineligible: tuple[str, ...] = ()
    """Reason codes for which tiers are denied, e.g. UNSUPPORTED_CLIENT: nothing is generated then either."""
    validation_url: str = "https://accounts.google.com/signin/continue?sarp=1"
    licensed: bool = True
    paid_tier: str = ""
    polls: int = 0
    """How often an onboarding has to be looked at until it is done; 0: the first answer is done."""
    onboarding_error: str = ""
    """What onboarding ends in, if not in a tier."""
    quota: dict[str, float] = field(default_factory=dict)
    """Which fraction of a model's day is left at the start; 1 where nothing is said."""
    daily_requests: int = 1000
    """Of each model, by Code Assist."""
    requests_per_minute: int | None = None

    @property
    def id(self) -> str:
        """Google's number of the account: 21 digits."""
        return str(10**20 + int.from_bytes(self.email.encode(), "big") % 10**19)

    @property
    def billable(self) -> set[str]:
        return self.projects | ({self.project} if self.project else set())

    @property
    def code_assist_projects(self) -> set[str]:
        return {name for name in (self.project, self.managed_project) if name}


class Token(Struct, kw_only=True):
    """A token of either kind. A dead one is remembered, as Google words its refusal differently from that of an unknown one."""

    text: str
    email: str
    client: str
    scope: str
    expires_at: float | None = None
    """On the simulator's clock; None: until it is revoked."""
    is_dead: bool = False

    @property
    def scopes(self) -> set[str]:
        return set(self.scope.split())


class Code(Struct, kw_only=True):
    """An authorization code."""

    email: str
    client: str
    redirect_uri: str
    scope: str
    challenge: str
    challenge_method: str
    with_refresh: bool
    expires_at: float
    is_used: bool = False


class Tokens(Struct, frozen=True, kw_only=True):
    """What a login brings."""

    access_token: str
    refresh_token: str
    expires_at: float
    """Unix seconds, on the simulator's clock."""
    scope: str
    email: str
    client: str


class Accounts:
    """`google.oauth`: everything that Google's sign-in remembers."""

    def __init__(self, clock: Clock, first: Iterable[User] = ()) -> None:
        self._clock = clock
        self._first = tuple(first)
        self.reset()

    def reset(self) -> None:
        self.clients = {DEFAULT_CLIENT: OAuthClient(secret=DEFAULT_SECRET, loopback=True)}
        self.users = {user.email: replace(user) for user in self._first}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Token] = {}
        self.codes: dict[str, Code] = {}
        self.rotate_refresh_tokens = False
        self.token_lifetime: float = ACCESS_LIFETIME
        self.code_lifetime = CODE_LIFETIME
        self.auto_consent = ""
        """An account that agrees to everything at once: `/o/oauth2/v2/auth` redirects without showing a page."""
        self._consents: set[tuple[str, str]] = set()

    def add_user(self, user: User) -> User:
        self.users[user.email] = user
        return user

    def now(self) -> float:
        return self._clock.now().timestamp()

    # --- Consent and codes ------------------------------------------------------------------------------------

    def consent(self, email: str, asked: dict[str, str], scope: str) -> str:
        """Let `email` agree to a request that has been found in order; the code that the browser carries back.

        A refresh token comes with offline access, and only at the first consent unless `prompt=consent` asks for another.
        """
        is_first = (email, asked["client_id"]) not in self._consents
        self._consents.add((email, asked["client_id"]))
        code = f"4/0{secrets.token_urlsafe(48)}"
        self.codes[code] = Code(
            email=email,
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            scope=scope,
            challenge=asked.get("code_challenge", ""),
            challenge_method=asked.get("code_challenge_method", "plain"),
            with_refresh=asked.get("access_type") == "offline" and (is_first or "consent" in asked.get("prompt", "").split()),
            expires_at=self.now() + self.code_lifetime,
        )
        return code

    # --- Tokens -----------------------------------------------------------------------------------------------

    def login(self, email: str, client: str = DEFAULT_CLIENT, scope: str = SCOPES) -> Tokens:
        """Tokens as a login in the browser brings them."""
        if email not in self.users or client not in self.clients:
            raise KeyError(f"There is no account {email!r}, or no client {client!r}: add it first.")
        self._consents.add((email, client))
        refresh = self.issue_refresh(email, client, scope)
        access = self.issue_access(email, client, scope)
        return Tokens(
            access_token=access.text,
            refresh_token=refresh.text,
            expires_at=access.expires_at or 0.0,
            scope=scope,
            email=email,
            client=client,
        )

    def issue_access(self, email: str, client: str, scope: str) -> Token:
        text = f"ya29.a0{secrets.token_urlsafe(64)}"
        expires_at = self.now() + self.token_lifetime
        self.access[text] = Token(text=text, email=email, client=client, scope=scope, expires_at=expires_at)
        return self.access[text]

    def issue_refresh(self, email: str, client: str, scope: str) -> Token:
        text = f"1//0{secrets.token_urlsafe(64)}"
        self.refresh[text] = Token(text=text, email=email, client=client, scope=scope)
        live = [token for token in self._grants(email, client) if token.text in self.refresh and not token.is_dead]
        for oldest in live[:-MOST_REFRESH_TOKENS]:
            oldest.is_dead = True
        return self.refresh[text]

    def is_live(self, token: Token) -> bool:
        return not token.is_dead and (token.expires_at is None or token.expires_at > self.now())

    def expire_access(self, email: str) -> None:
        """Every access token of the account has run out by now."""
        for token in self.access.values():
            if token.email == email:
                token.expires_at = self.now()

    def revoke(self, email: str) -> None:
        """The user withdraws every consent: all tokens are dead, and the next login asks anew."""
        for client in self.clients:
            self.end_grant(email, client)

    def end_grant(self, email: str, client: str) -> None:
        """To revoke one token is to revoke all that the client holds of the account."""
        self._consents.discard((email, client))
        for token in self._grants(email, client):
            token.is_dead = True

    def _grants(self, email: str, client: str) -> Iterable[Token]:
        every = [*self.refresh.values(), *self.access.values()]
        return [token for token in every if (token.email, token.client) == (email, client)]


def rfc3339(moment: float) -> str:
    """Unix seconds as Google writes them, to the nearest second."""
    return datetime.fromtimestamp(round(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
