"""The immutable in-memory picture of the pool that requests read: who may serve what, and who may ask.

It is loaded by `store.py` and swapped whole when the pool's version moves. What changes from call to call (rests, calls
in flight, whose turn it is) is kept beside it, in `pool.py`.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Struct, field
from msgspec.structs import force_setattr

from credentials.crypto import same_digest, token_digest
from credentials.pacing import Limit

OF_SERVER = "server:"
"""What the kinds of the keys of servers begin with; the server's id follows."""


class Entry(Struct, frozen=True):
    """A credential, ready for use. `models` is what its own listing names; None: it has not been listed yet."""

    id: int
    kind: str
    """What decides how it is used: its `Kind`; `code_assist` for an account that is used so, `server:ID` for a server's key."""
    label: str
    secret: str
    """Empty where an account has logged in, whose tokens come and go and are kept by whoever asks with them; and where a server
    asks for no key."""
    group: str
    """Those that share one quota: a Google project, or this credential alone."""
    project: str = ""
    """The Google project that is named when an account is used."""
    project_is_typed: bool = False
    """An admin has said which project it is: what errors say does not change that."""
    priority: int = 0
    weight: int = 1
    max_concurrent: int = 10
    models: frozenset[str] | None = None
    server: int = 0
    """The server that it is a key of; 0: it is for Google's services."""
    base_url: str = ""
    """Of that server, with its version and without a slash at the end."""

    def __repr__(self) -> str:
        return f"<Entry {self.id} {self.label}>"  # Never the secret: a picture of the pool may end up in a log.

    def lacks(self, model: str) -> bool:
        """Whether its listing is known, and does not name the model."""
        return self.models is not None and model not in self.models

    @property
    def name(self) -> str:
        """The credential itself, where rests are looked up."""
        return f"key:{self.id}"


class TokenEntry(Struct, frozen=True):
    """A client token. Its plain text is not here; `allowed` are model patterns, empty for every model."""

    id: int
    owner_id: int
    digest: str
    label: str
    prefix: str = ""
    allowed: tuple[str, ...] = ()
    expires_at: float | None = None
    revoked: bool = False
    drains: bool = False
    """Whether a call of its that nobody waits for any more is read to its end."""
    record_until: float = 0.0
    """Epoch seconds, until which its requests are kept in the request log."""

    @property
    def is_authenticated(self) -> bool:
        """What DRF's permissions ask of a user."""
        return True

    def may_use(self, *models: str) -> bool:
        """Whether any of these names of one model (the alias asked for, the model served) is allowed."""
        return not self.allowed or any(fnmatchcase(model, pattern) for model in models for pattern in self.allowed)


class ModelCard(Struct, frozen=True):
    """What is known of a model. Limits are tokens, 0 where unknown."""

    name: str
    display_name: str = ""
    input_limit: int = 0
    output_limit: int = 0
    methods: tuple[str, ...] = ("generateContent",)


class Server(Struct, frozen=True):
    """An OpenAI-compatible server. `models` are those that its living credentials list, none of which need be all that it has."""

    id: int
    name: str
    models: Mapping[str, ModelCard] = {}
    has_credentials: bool = False
    unreachable: bool = False


class Route(Struct, frozen=True):
    """`server` 0: Google's pool. `fallback`: models that may answer in turn, as an admin calls them."""

    pattern: str
    server: int = 0
    fallback: tuple[str, ...] = ()
    kind: str = ""
    """The one kind of Google's pool that is asked; empty: all."""
    project: str = ""
    """The one Google project whose credentials are asked; empty: all."""
    stop_tags: tuple[str, ...] = ()
    """Empty: STOP_TAGS."""
    stream_internally: bool | None = None
    """None: STREAM_INTERNALLY."""
    record_until: float = 0.0
    """Epoch seconds, until which what takes it is kept in the request log."""

    @property
    def group(self) -> str:
        """The one quota group that is asked, if it is one."""
        return f"project:{self.project}" if self.project else ""


_PREFIX = re.compile(r"^(models|google|gemini)/")
"""Google's own, and those under which other gateways know Google's models."""


class Roster(Struct, frozen=True):
    version: int = 0
    entries: tuple[Entry, ...] = ()
    tokens: Mapping[str, TokenEntry] = field(default_factory=dict)
    """By digest."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    alias_patterns: tuple[tuple[str, str], ...] = ()
    """(pattern, target), the most specific first."""
    models: Mapping[str, ModelCard] = field(default_factory=dict)
    """Google's."""
    limits: tuple[Limit, ...] = ()
    servers: Mapping[int, Server] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    """In the order in which they are tried."""
    kinds: frozenset[str] = frozenset()
    """Those of the entries."""
    googles: frozenset[str] = frozenset()
    """Those of them that are for Google's services."""
    elsewhere: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The servers that list each model."""

    def __post_init__(self) -> None:
        force_setattr(self, "kinds", frozenset(entry.kind for entry in self.entries))
        force_setattr(self, "googles", frozenset(entry.kind for entry in self.entries if not entry.server))
        elsewhere: dict[str, tuple[int, ...]] = {}
        for server in self.servers.values():
            for model in server.models:
                elsewhere[model] = (*elsewhere.get(model, ()), server.id)
        force_setattr(self, "elsewhere", elsewhere)

    def token(self, plain: str) -> TokenEntry | None:
        digest = token_digest(plain)
        entry = self.tokens.get(digest)
        return entry if entry is not None and same_digest(entry.digest, digest) else None

    def resolve(self, model: str) -> str:
        """The model that answers to this name: the name itself unless an alias says otherwise."""
        if model in self.elsewhere:
            return model  # As `google/gemma-4-27b` may be.
        model = _PREFIX.sub("", model)
        if model in self.models or model in self.elsewhere:
            return model  # An alias never hides a real model, however wide its pattern.
        if target := self.aliases.get(model):
            return target
        return next((target for pattern, target in self.alias_patterns if fnmatchcase(model, pattern)), model)

    def able(self, model: str, kinds: frozenset[str]) -> list[Entry]:
        """Those of these kinds that may serve the model: kinds of Google's, or that of one server."""
        peers = self.entries
        if self.servers:
            is_of_server = any(kind.startswith(OF_SERVER) for kind in kinds)
            peers = tuple(entry for entry in peers if (entry.kind in kinds if is_of_server else not entry.server))
        able = [entry for entry in peers if not entry.lacks(model)]
        # Where nobody lists it: listings lag behind new models, so everybody may be asked.
        return [entry for entry in (able if any(entry.models for entry in able) else peers) if entry.kind in kinds]
