"""What an upstream answers, freed of its dialect: a sequence of these frozen values.

A whole answer is the same sequence, collected. An answer that ends well ends with exactly one `Finished`; `UsageReport`
may come before or after it, and the last one counts.
"""

from array import array
from typing import Literal

from msgspec import Struct

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "failed"]
"""`failed`: the upstream gave up on its own answer (a malformed call, say); before the first token it is asked again."""


class TextDelta(Struct, frozen=True, gc=False):
    text: str


class ThoughtDelta(Struct, frozen=True, gc=False):
    """A piece of the summary of the model's thoughts."""

    text: str


class ToolCallDelta(Struct, frozen=True, gc=False):
    """One whole call. `arguments` is the JSON text of an object; `signature` is base64, or empty."""

    id: str
    name: str
    arguments: str
    signature: str = ""


class MediaDelta(Struct, frozen=True, gc=False):
    """A file that the model made; `data` is base64, and so are the signatures, which may be empty."""

    mime_type: str
    data: str
    signature: str = ""
    text_signature: str = ""
    """That of the text before it, if this is the first file after it."""


class DraftDelta(Struct, frozen=True, gc=False):
    """A picture that the model made on its way to the one to come; only who asks for drafts is told of them."""

    mime_type: str
    data: str


class Citation(Struct, frozen=True, gc=False):
    """A source of the answer's text between two character offsets (of the whole text, end exclusive)."""

    start: int
    end: int
    title: str
    url: str


class Usage(Struct, frozen=True, gc=False):
    """Tokens. `completion` includes `reasoning`, `prompt` includes `cached`; the modality counts are parts of these two."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    total: int = 0
    prompt_audio: int = 0
    prompt_image: int = 0
    completion_audio: int = 0
    completion_image: int = 0


class UsageReport(Struct, frozen=True, gc=False):
    """What has been used so far: cumulative, so the last report is the true one."""

    usage: Usage
    estimated: bool = False
    """The upstream has told nothing."""


class Finished(Struct, frozen=True, gc=False):
    """The end. `native` is the upstream's own word for the reason, `message` what it said about it."""

    reason: FinishReason
    native: str = ""
    message: str = ""


class TokenCount(Struct, frozen=True, gc=False):
    """The answer of an upstream that was only asked how many tokens the conversation has."""

    tokens: int


class Vectors(Struct, frozen=True, gc=False):
    """The answer of an upstream that was asked for embeddings: those of its texts, in their order, each of length 1."""

    vectors: "tuple[array[float], ...]"


class FileSeen(Struct, frozen=True, gc=False):
    """The answer of an upstream that keeps files: the file as it is there now.

    `state` is PROCESSING, ACTIVE, FAILED or DELETED; `expires_at` is in epoch seconds; `error` says why it FAILED.
    """

    name: str
    credential: int = 0
    group: str = ""
    """Whose credential was asked, and of which quota group it is."""
    uri: str = ""
    state: str = "ACTIVE"
    expires_at: float = 0.0
    error: str = ""


class SafetyRating(Struct, frozen=True, gc=False):
    """What the upstream's own filter thinks, in its own words; only told where it was asked for. It may come several times."""

    category: str = ""
    probability: str = ""
    blocked: bool = False


class Judgement(Struct, frozen=True, gc=False):
    """The answer of an upstream that was asked to judge: how likely each sort of harm is, from 0 to 1.

    `blocked` is the upstream's own word for why its filter let nothing through; empty: it did.
    """

    scores: dict[str, float]
    blocked: str = ""


class AudioDelta(Struct, frozen=True, gc=False):
    """A piece of speech: samples of 16 bits (little endian), one channel, 24,000 a second; whole ones, at least one."""

    pcm: bytes


class SpokenWord(Struct, frozen=True, gc=False):
    """Times are seconds from the recording's beginning."""

    word: str
    start: float
    end: float


class Utterance(Struct, frozen=True):
    """Speech that was written down: a stretch of one speaker's, or a piece of it as it comes.

    What is not known is empty, or None. `text` may be empty: nobody spoke. `language` is a BCP-47 code, `speaker` the
    upstream's own label.
    """

    text: str
    words: tuple[SpokenWord, ...] = ()
    start: float | None = None
    end: float | None = None
    speaker: str = ""
    language: str = ""


class PassedHead(Struct, frozen=True, gc=False):
    """What follows are the bytes of another server's answer, as they are; `whole`: they come together, or not at all."""

    content_type: str
    whole: bool = False


class Passed(Struct, frozen=True, gc=False):
    """Some of them. `speaks`: by now it has said something, so that nobody else may take over."""

    data: bytes
    speaks: bool = True
    letters: int = 0
    """How long the texts of the answer are so far, where that can be told."""


Event = (
    TextDelta
    | ThoughtDelta
    | ToolCallDelta
    | MediaDelta
    | DraftDelta
    | Citation
    | TokenCount
    | Vectors
    | SafetyRating
    | Judgement
    | AudioDelta
    | Utterance
    | FileSeen
    | PassedHead
    | Passed
    | UsageReport
    | Finished
)

CONTENT = (
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    MediaDelta,
    DraftDelta,
    AudioDelta,
    Utterance,
    TokenCount,
    FileSeen,
    Vectors,
    Judgement,
)
"""The events that are a real token: after the first of them no other credential may take over a stream."""
