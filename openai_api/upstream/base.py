"""What the relay asks of an upstream, whichever it is."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from credentials.roster import Entry, Roster
from credentials.selection import KEYS
from openai_api.translation.cli_prompt import CliPrompt
from openai_api.translation.conversation import (
    Conversation,
    Notice,
    PicturesToMake,
    SpeechToWrite,
    StoredMedia,
    TextsToEmbed,
    TextToSpeak,
)
from openai_api.translation.events import Event
from openai_api.translation.splicing import Body, Streamed
from openai_api.upstream.refusals import Refusal

if TYPE_CHECKING:
    from openai_api.upstream.google_files import GoogleFile, GoogleFiles


class Custody(Struct, frozen=True):
    """The one quota group that can serve a request, since it keeps a file which the request names."""

    group: str
    file_id: str
    field: str = ""
    """Where the file's id stood in the caller's body."""


FILES = "files"
"""Stands for a model where files are sent, looked at or deleted: what rests for that rests for no model."""


FileCall = Callable[["GoogleFiles", Mapping[str, str], float], Awaitable["GoogleFile"]]
"""(Google's Files API, headers that prove who asks, seconds) → the file as it is afterwards. Raises UpstreamRefused."""


class HandedOn(Struct, frozen=True):
    """A caller's request as it is sent on to a server of the same dialect."""

    path: str
    """Below the server's base URL, with a slash."""
    content_type: str
    body: bytes | Streamed
    stop_tags: tuple[str, ...] = ()
    """Where the answer is to be cut."""
    collected: bool = False
    """The caller wants a whole answer, which is to be collected from a stream."""


class Prepared(Struct, frozen=True):
    """What is asked in the upstream's words, made once and sent with whichever credential is leased."""

    model: str
    body: Body = b""
    handed_on: HandedOn | None = None
    """In place of the body."""
    kinds: frozenset[str] = KEYS
    """The kinds of credential that can serve it."""
    unfit: tuple[Notice, ...] = ()
    """Why other kinds, which the pool has, cannot. One without a field holds for whatever is asked."""
    group: str = ""
    """The one quota group that is to be asked, where an admin has said so."""
    only: str = ""
    """What an admin has said may serve it alone, in words."""
    prompt: CliPrompt | None = None
    """The conversation as the Gemini CLI takes it, where it may be asked."""
    notices: tuple[Notice, ...] = ()
    stops: tuple[str, ...] = ()
    """Stop sequences that the upstream does not enforce, so that we must."""
    stopped: bool = False
    """Whether the caller has named any stop sequences: an answer may end before its first word."""
    names: dict[str, str] = {}
    """Tool names that the upstream would refuse: as sent → as the caller wrote them."""
    single_call: bool = False
    at_once: bool = False
    """Whether a whole answer is asked for as such, and not collected from a stream, where there is a choice."""
    rated: bool = False
    """Whether the ratings of Google's filters are wanted among the events."""
    tokens: int = 0
    """An estimate of its input, where tokens are paced or Google may not count them."""
    free: bool = False
    """Whether it takes no tokens."""
    inputs: int = 0
    """How many vectors it is to be answered with, where it asks for embeddings."""
    samples: int = 0
    """How many pictures it is to be answered with, where it asks a model that makes several at once."""
    drafts: bool = False
    """Whether pictures are wanted that the model makes on its way."""
    upload: StoredMedia | None = None
    """A file that must lie with the upstream before `body`, which has a place for its address, can be sent."""
    prefix: int | None = None
    """Stands for the beginning of the conversation, where that decides who is asked."""
    file_call: FileCall | None = None
    """What is asked of whoever keeps files."""
    custody: Custody | None = None
    lasting: bool = False
    """It binds later calls, for whatever model, to the project that serves it."""


class UpstreamRefused(Exception):
    """The upstream did not answer, or not with an answer. Nothing has been promised to the caller by it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Ask(Protocol):
    def __call__(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        """The answer's events, those that arrived together in one list. Closing it ends the call.

        Raises UpstreamRefused, also when the answer is not complete within `seconds`.
        """
        ...


class Upstream(Protocol):
    def prepare(self, conversation: Conversation, roster: Roster, *, counts: bool = False, rated: bool = False) -> Prepared:
        """Translate, for `ask` or (`counts`) for `count`; raises InvalidRequest for what cannot be said to this upstream.

        `rated`: only for credentials that tell why Google's filters block something, and how they rate the rest.
        """
        ...

    def prepare_files(self, call: FileCall, roster: Roster, *, custody: Custody | None = None) -> Prepared:
        """For `on_files`. Without `custody` the call is one that will bind later ones: an upload."""
        ...

    @property
    def on_files(self) -> Ask:
        """Asks for one FileSeen: the file as it is after the call."""
        ...

    def prepare_embeddings(self, asked: TextsToEmbed, roster: Roster) -> tuple[Prepared, ...]:
        """Translate, for `embed`: one for each batch that the upstream takes at once, in order. Raises InvalidRequest."""
        ...

    def prepare_speech(self, asked: TextToSpeak, roster: Roster) -> Prepared:
        """Translate, for `speak`. Raises InvalidRequest."""
        ...

    def prepare_pictures(self, wanted: PicturesToMake, roster: Roster) -> tuple[Prepared, ...]:
        """Translate, for `draw`: one for each call that it takes. Raises InvalidRequest."""
        ...

    def prepare_transcription(self, asked: SpeechToWrite, roster: Roster) -> Prepared:
        """Translate, for `transcribe`. Raises InvalidRequest."""
        ...

    @property
    def ask(self) -> Ask:
        """Asks for the answer."""
        ...

    @property
    def count(self) -> Ask:
        """Asks for one TokenCount instead: how long the conversation is, which is free."""
        ...

    @property
    def embed(self) -> Ask:
        """Asks for one Vectors: those of one batch of texts."""
        ...

    @property
    def speak(self) -> Ask:
        """Asks for AudioDeltas: a text, read aloud."""
        ...

    @property
    def draw(self) -> Ask:
        """Asks for pictures: as many MediaDeltas as one call makes, or fewer where the upstream withholds some."""
        ...

    @property
    def transcribe(self) -> Ask:
        """Asks for Utterances: what is said in a recording."""
        ...
