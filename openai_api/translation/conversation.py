"""What a caller asked for, freed of the dialect in which they asked it.

Dialects (chat, later responses and messages) read into these frozen values; upstreams write from them. Nothing here
knows a wire format. A value of None, or an empty tuple, means that the caller said nothing about it.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

Schema = dict[str, Any]
"""A JSON Schema as the caller wrote it."""


class Text(Struct, frozen=True):
    text: str
    signature: str = ""
    """Gemini's thought signature (base64), where an image model said the text."""


class Media(Struct, frozen=True):
    """An image, a sound or a document, inline."""

    mime_type: str
    data: str
    """Base64, standard alphabet, without a `data:` prefix."""
    name: str = ""
    signature: str = ""
    """Gemini's thought signature (base64), where a model made the file."""


class StoredFile(Protocol):
    """A file on this machine's disk, for as long as a request lasts: too large to lie in memory."""

    @property
    def key(self) -> int:
        """Tells the files of one request apart."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, size: int) -> bytes: ...


class StoredMedia(Struct, frozen=True):
    """An image, a sound or a document that lies on the disk."""

    mime_type: str
    file: StoredFile
    name: str = ""


class RemoteMedia(Struct, frozen=True):
    """A file that the caller named by http(s) URL; the fetcher turns it into `Media` before it is translated."""

    url: str
    field: str
    """Where the URL stood in the caller's body, for error messages: `messages[0].content[1].image_url.url`."""


class UploadedMedia(Struct, frozen=True):
    """A file that the caller has uploaded before; whoever keeps the files tells where Google has it (`uri`) and what it is."""

    file_id: str
    field: str
    """Where the id stood in the caller's body."""
    uri: str = ""
    mime_type: str = ""
    size: int = 0
    """Bytes."""


class ToolCall(Struct, frozen=True):
    """A call that the model made, as the caller replays it."""

    id: str
    name: str
    arguments: dict[str, Any]
    signature: str = ""
    """Gemini's thought signature (base64), empty where the caller's client has dropped it."""


class ToolResult(Struct, frozen=True):
    """What a tool answered. `name` is that of the call; empty where no call with this id came before."""

    call_id: str
    name: str
    output: str
    media: tuple[Media | RemoteMedia | UploadedMedia, ...] = ()


Part = Text | Media | StoredMedia | RemoteMedia | UploadedMedia | ToolCall | ToolResult
Role = Literal["system", "user", "model", "tool"]


class Turn(Struct, frozen=True):
    """One message of the history. A `system` turn is an instruction in mid-conversation; `tool` turns hold `ToolResult`s."""

    role: Role
    parts: tuple[Part, ...]


class Tool(Struct, frozen=True):
    name: str
    description: str = ""
    parameters: Schema | None = None


class ToolChoice(Struct, frozen=True):
    """`allowed` names the tools that may be called; empty means all of them."""

    mode: Literal["auto", "none", "required"] = "auto"
    allowed: tuple[str, ...] = ()


class Sampling(Struct, frozen=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


class Thinking(Struct, frozen=True):
    """How hard to think: at most one of `effort`, `level` and `budget` is set.

    `effort` is OpenAI's word (none … max), `level` Gemini's (minimal … xhigh), `budget` tokens (-1: the model decides).
    `include` asks for the thoughts' summary to be returned.
    """

    effort: str | None = None
    level: str | None = None
    budget: int | None = None
    include: bool | None = None


class Format(Struct, frozen=True):
    """The answer is one JSON text, of this schema if there is one."""

    schema: Schema | None = None


class PictureFormat(Struct, frozen=True):
    """How a picture that the model makes is to be, in Gemini's words: `16:9`, and `512`, `1K`, `2K` or `4K`."""

    aspect_ratio: str = ""
    size: str = ""


class SafetySetting(Struct, frozen=True):
    category: str
    threshold: str


class Conversation(Struct, frozen=True):
    """One request for one answer.

    `model` is the upstream's own name of it (aliases are resolved by then).
    """

    model: str
    turns: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    sampling: Sampling = Sampling()
    thinking: Thinking = Thinking()
    format: Format | None = None
    safety: tuple[SafetySetting, ...] = ()
    cached_content: str = ""
    web_search: bool = False
    modalities: tuple[str, ...] = ()
    """Upper-case words: TEXT, IMAGE, AUDIO."""
    picture: PictureFormat | None = None
    service_tier: str = ""
    """Gemini's words: standard, flex, priority."""

    def remote_media(self) -> Iterator[RemoteMedia]:
        """Every file that has yet to be fetched."""
        for turn in self.turns:
            for part in turn.parts:
                if isinstance(part, RemoteMedia):
                    yield part
                elif isinstance(part, ToolResult):
                    yield from (media for media in part.media if isinstance(media, RemoteMedia))

    def uploaded_media(self) -> Iterator[UploadedMedia]:
        """Every file that was uploaded before."""
        for turn in self.turns:
            for part in turn.parts:
                if isinstance(part, UploadedMedia):
                    yield part
                elif isinstance(part, ToolResult):
                    yield from (media for media in part.media if isinstance(media, UploadedMedia))

    def stored_files(self) -> Iterator[StoredFile]:
        """Every file that lies on the disk."""
        return (part.file for turn in self.turns for part in turn.parts if isinstance(part, StoredMedia))

    def with_media(self, fetched: dict[str, Media]) -> "Conversation":
        """The same conversation with every remote file replaced by what its URL held."""

        def inline(part: Part) -> Part:
            return fetched[part.url] if isinstance(part, RemoteMedia) else part

        return self._with_each(inline)

    def with_uploads(self, known: dict[str, UploadedMedia]) -> "Conversation":
        """The same conversation with every uploaded file replaced by what is known of it, by id."""

        def told(part: Part) -> Part:
            return known[part.file_id] if isinstance(part, UploadedMedia) else part

        return self._with_each(told)

    def _with_each(self, change: Callable[[Part], Part]) -> "Conversation":
        def changed(part: Part) -> Part:
            if isinstance(part, ToolResult) and part.media:
                return replace(part, media=tuple(map(change, part.media)))
            return change(part)

        turns = tuple(replace(turn, parts=tuple(map(changed, turn.parts))) for turn in self.turns)
        return replace(self, turns=turns)


EMBEDDING_TASKS = (
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)


class TextsToEmbed(Struct, frozen=True):
    """Texts, none of them empty, each of which is to become a vector of `dimensions` numbers (None: as many as the model likes).

    `task` is one of EMBEDDING_TASKS, or empty; `title` that of every text.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    task: str = ""
    title: str = ""


class TextToSpeak(Struct, frozen=True):
    """A text that is to be read aloud. `style` says how, in words of the caller's; `voice` is one of OpenAI's or Gemini's."""

    model: str
    text: str
    voice: str
    style: str = ""


class PictureWish(Struct, frozen=True):
    """How a picture is to be, as OpenAI's callers say it. `aspect_ratio` and `size` are Gemini's words for it, and go first."""

    width: int = 0
    height: int = 0
    """Pixels; 0 where the caller leaves it to the model."""
    aspect_ratio: str = ""
    size: str = ""
    quality: str = ""
    """OpenAI's words: low … max, standard, hd."""
    is_hint: bool = False
    """It is not the caller's own: nothing need be said where the model cannot do it."""


class PicturesToMake(Struct, frozen=True):
    """`count` pictures, of whatever the prompt says, which may be about the files that come with it."""

    model: str
    prompt: str
    count: int = 1
    sources: tuple[Media | StoredMedia, ...] = ()
    wish: PictureWish = PictureWish()
    drafts: bool = False
    """The pictures that the model makes on its way to the one to come are wanted too."""


class SpeechToWrite(Struct, frozen=True):
    """A recording whose speech is to become text.

    `seconds` is its length, where its file tells. `vocabulary` are words that may come up in it, `hint` whatever else the
    caller says about it. `times` asks when each word is spoken, `speakers` by whom. `into` is the language in which the text
    is to be (`English`); empty: as it is spoken.
    """

    model: str
    audio: StoredMedia
    seconds: float | None = None
    languages: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    hint: str = ""
    times: bool = False
    speakers: bool = False
    into: str = ""
    temperature: float | None = None


class Notice(Struct, frozen=True):
    """One thing that the caller asked for and does not get as asked: dropped, or changed.

    `field` is the caller's own name for it (`frequency_penalty`, `messages[2].name`), `reason` one short plain phrase.
    """

    field: str
    reason: str


# A file on the disk stands for itself by its length.
_encode = msgspec.json.Encoder(enc_hook=lambda file: file.size).encode


def prefix_of(conversation: Conversation) -> int:
    """64 bits that stand for how the conversation begins: instructions, tools and first message, which later requests repeat."""
    begins = (conversation.system, conversation.tools, conversation.turns[:1])
    return int.from_bytes(blake2b(_encode(begins), digest_size=8).digest())
