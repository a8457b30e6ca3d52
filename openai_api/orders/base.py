"""What an exchange can be asked for. Each order knows how it is prepared, and by which call of the upstream it is served."""

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from credentials.models import PoolKind
from credentials.roster import Roster, Route
from openai_api.gateway import Gateway
from openai_api.manner import Manner
from openai_api.translation.conversation import Notice
from openai_api.upstream.base import Ask, Prepared, Upstream


class Desk(Struct, frozen=True):
    """Where an order is prepared."""

    gateway: Gateway
    roster: Roster
    upstream: Upstream
    model: str
    """Aliases are resolved."""
    owner: int
    """Of the token."""
    started: float
    """When the request came, in monotonic seconds."""
    manner: Manner = Manner()
    whole: bool = False
    """How a conversation's answer is taken in, and whether its caller wants it whole."""


class Ready(Struct, frozen=True):
    """An order that can be put: `ask` is called with each of `prepared`, side by side."""

    ask: Ask
    prepared: tuple[Prepared, ...]
    notices: tuple[Notice, ...] = ()
    some_will_do: bool = False
    """Answers to some of them are an answer: what became of the others is told beside it, in `Exchange.failures`."""
    held: bool = False
    """Nothing can be told before an answer's end, so that until then another credential may take over, also in a stream."""

    def within(self, route: Route) -> "Ready":
        """Asked of those alone to whom the route leads."""
        if not route.kind and not route.project:
            return self
        return replace(self, prepared=tuple(_within(route, prepared) for prepared in self.prepared))


class Order(Protocol):
    @property
    def model(self) -> str:
        """As the caller wrote it; empty for what is asked of no model, but of whoever keeps files."""
        ...

    async def prepare(self, desk: Desk) -> Ready:
        """Raises GatewayError for what cannot be asked."""
        ...


def _within(route: Route, prepared: Prepared) -> Prepared:
    kinds = prepared.kinds & {route.kind} if route.kind else prepared.kinds
    only = PoolKind(route.kind).label if route.kind else "credentials"
    if route.project:
        only += f" of the Google project {route.project}"
    return replace(prepared, kinds=kinds, group=route.group, only=only)
