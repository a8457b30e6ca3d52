"""What the relay asks of an upstream, whichever it is."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from msgspec import Struct

from credentials.roster import Entry, ModelCard
from openai_api.translation.conversation import Conversation, Notice
from openai_api.translation.events import Event
from openai_api.upstream.refusals import Refusal


class Prepared(Struct, frozen=True):
    """A conversation in the upstream's words, made once and sent with whichever credential is leased."""

    model: str
    body: bytes
    notices: tuple[Notice, ...] = ()
    stops: tuple[str, ...] = ()
    """Stop sequences that the upstream does not enforce, so that we must."""
    names: dict[str, str] = {}
    """Tool names that the upstream would refuse: as sent → as the caller wrote them."""
    single_call: bool = False
    tokens: int = 0
    """An estimate of its input, where tokens are paced."""
    prefix: int | None = None
    """Stands for the beginning of the conversation, where that decides who is asked."""


class UpstreamRefused(Exception):
    """The upstream did not answer, or not with an answer. Nothing has been promised to the caller by it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Upstream(Protocol):
    kinds: frozenset[str]
    """The kinds of credential that open it."""

    def prepare(self, conversation: Conversation, card: ModelCard | None) -> Prepared:
        """Translate; raises InvalidRequest for what cannot be said to this upstream."""
        ...

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        """The answer's events, those that arrived together in one list. Closing it ends the call.

        Raises UpstreamRefused, also when the answer is not complete within `seconds`.
        """
        ...
