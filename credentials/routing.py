"""Who is asked for a model: Google's pool, or another server. Decided here alone, on plain memory."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from msgspec import Struct

from credentials.roster import OF_SERVER, Roster, Route

GOOGLES = re.compile(r"(gemini|gemma|imagen|learnlm)-[a-z0-9][a-z0-9.-]*")
"""Names of Google's: a model that is a day old is in no listing yet."""


class Step(Struct, frozen=True):
    """One upstream to ask for one model."""

    model: str
    server: int = 0
    """0: Google's pool."""
    instead: str = ""
    """How the route calls the model, where it is another than was asked for."""
    route: Route | None = None
    """The one that the model itself takes."""

    def kinds(self, roster: Roster) -> frozenset[str]:
        """The kinds of credentials, as the roster knows them, that it is asked with."""
        return frozenset({server_kind(self.server)}) if self.server else roster.googles


def server_kind(server: int) -> str:
    return f"{OF_SERVER}{server}"


def steps(roster: Roster, model: str) -> list[Step]:
    """In turn; the next is asked where nobody of the one before can serve. Empty: nobody serves the model.

    `model` with aliases resolved. The route with the highest priority decides, of several the most specific; without one, Google
    is asked for its own models, and any server that lists the model, or else any server, for all others.
    """
    route = _route(roster, model)
    if route is None:
        return _by_default(roster, model)
    others = (step for name in route.fallback for step in _instead(roster, name))
    return [Step(model, route.server, route=route), *(step for step in others if step.model != model)]


def _instead(roster: Roster, name: str) -> Iterator[Step]:
    """A model that answers in another's place goes where it always goes; what stands in for it there is not meant."""
    model = roster.resolve(name)
    route = _route(roster, model)
    for step in [Step(model, route.server, route=route)] if route else _by_default(roster, model):
        yield Step(model, step.server, name, step.route)


def _route(roster: Roster, model: str) -> Route | None:
    return next((route for route in roster.routes if fnmatchcase(model, route.pattern)), None)


def _by_default(roster: Roster, model: str) -> list[Step]:
    lists = roster.elsewhere.get(model, ())
    if model in roster.models or GOOGLES.fullmatch(model):
        # Without a single credential of Google's, a server that has the model is better than nobody.
        return [Step(model)] if roster.googles or not lists else [Step(model, server) for server in lists]
    return [Step(model, server) for server in lists or _usable(roster)]


def _usable(roster: Roster) -> list[int]:
    """Where nobody lists the model, those come first that list none at all, since they may have any; the unreachable last."""
    usable = [server for server in roster.servers.values() if server.has_credentials]
    return [server.id for server in sorted(usable, key=lambda server: (server.unreachable, bool(server.models)))]
