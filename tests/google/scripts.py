"""What a test wants Google to do: faults and answers per key, model and call number."""

from typing import Any, Literal

from msgspec import Struct, field

from tests.google.log import Call

GENERATION = ("generateContent", "streamGenerateContent")
End = Literal[
    "normally", "reset_before_headers", "close_before_headers", "reset", "close", "cut", "stall", "error", "bare_error",
    "malformed",
]  # fmt: skip


class Script(Struct, kw_only=True, forbid_unknown_fields=True):
    """One thing to do, for the calls that it concerns. Everything left out stays as it would have been.

    How an answer ends (`ends`), after `after` chunks of a stream, or after half of a whole answer's bytes (`after=0`: none):

    - `reset_before_headers`, `reset`: the TCP connection is reset (RST);
    - `close_before_headers`, `close`: it is closed (FIN), the latter in the midst of the chunked body;
    - `cut`: the body ends properly, but without finishReason (a whole answer: in the midst of its JSON);
    - `stall`: nothing more is sent, for as long as the caller waits;
    - `error`, `bare_error`: the error named by `error` follows in the 200 stream, as an event or as plain JSON lines;
    - `malformed`: an event that is not JSON follows, and the body ends.
    """

    # Which calls: any key, any account, any model, both ways of generating, unless said otherwise.
    key: str | None = None
    """An API key, or an access token."""
    account: str | None = None
    """The e-mail address of a Google account."""
    model: str | None = None
    surface: Literal["gemini", "code_assist", "oauth"] | None = None
    method: str = "generation"
    """`generation`, `*` for every call, or one of Google's methods (`countTokens`, `listModels`, `loadCodeAssist`, `token` …)."""
    call: int | None = None
    """Only from the n-th call on that it concerns (1: the first after the script was made)."""
    times: int | None = 1
    """For so many calls; None: until the scripts are cleared."""

    # An error, or any other answer, in place of the real one.
    error: str | None = None
    """A name of `every_fault.NAMES`."""
    limit: int | None = None
    seconds: float | None = None
    paid: bool = False
    status: int | None = None
    body: Any = None
    """With `status`: an object to send as JSON, or text to send as it is."""
    headers: dict[str, str] = field(default_factory=dict)

    # The model's answer.
    text: str | None = None
    thoughts: str | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Function calls: `{"name": …, "args": {…}}`, with `id` if it matters."""
    pictures: int | None = None
    """Of an image model; they follow the text, if there is one."""
    finish_reason: str | None = None
    finish_message: str = ""
    block_reason: str | None = None
    """Blocks the prompt: promptFeedback and no candidate."""
    ratings: list[dict[str, Any]] | None = None
    """The safetyRatings of the prompt if it is blocked, else of the answer; None: see `safety`."""
    empty: bool = False
    """200, STOP, and nothing."""
    megabytes: float = 0
    """An answer of so much text."""
    usage: dict[str, Any] = field(default_factory=dict)
    """Laid over the usageMetadata that would have been sent."""
    hop_tokens: int | None = None
    """Gemini 4: interrupt the answer by CONTINUATION after so many tokens."""
    chunks: list[dict[str, Any]] | None = None
    """The very responses to send; a whole answer is the first of them."""
    tokens_per_chunk: int | None = None
    wav: Literal["header_first", "each_piece"] = "header_first"
    """How a model of the second generation streams its speech."""

    # How it travels; times in seconds.
    delay: float = 0
    """Before the headers."""
    first_byte_delay: float = 0
    chunk_delay: float = 0
    pings: int = 0
    """So many SSE comments before the first chunk."""
    newline: Literal["\r\n", "\n"] = "\r\n"
    gzip: bool = False
    """Compressed, as Google's front end does for callers who say that they can read it."""
    cuts: list[int] = field(default_factory=list)
    """Byte offsets at which the body is cut into separate writes."""
    cut_every: int = 0
    ends: End = "normally"
    after: int = 0

    @property
    def is_refusal(self) -> bool:
        """Whether it answers with an error of HTTP, before any model is asked."""
        return self.status is not None or (self.error is not None and self.ends not in ("error", "bare_error"))

    def concerns(self, call: Call) -> bool:
        return (
            (self.key is None or self.key == call.key)
            and (self.account is None or self.account == call.account)
            and (self.surface is None or self.surface == call.surface)
            and (self.model is None or self.model == call.model)
            and (self.method == "*" or self.method == call.method or (self.method == "generation" and call.method in GENERATION))
        )


class Scripts:
    """Tried in the order in which they were made; the first that applies has the call to itself."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def add(self, script: Script) -> None:
        self._waiting = [*self._waiting, _Waiting(script, left=script.times)]

    def remove(self, script: Script) -> None:
        """It is over, whether it has been used up or not."""
        self._waiting = [waiting for waiting in self._waiting if waiting.script is not script]

    def clear(self) -> None:
        self._waiting = []

    def left(self) -> list[Script]:
        return [waiting.script for waiting in self._waiting if not waiting.is_done]

    def take(self, call: Call) -> Script | None:
        """The script for this call; every script that it concerns counts it."""
        concerned = [waiting for waiting in self._waiting if waiting.script.concerns(call)]
        for waiting in concerned:
            waiting.seen += 1
        chosen = next((waiting for waiting in concerned if waiting.applies), None)
        if chosen is None:
            return None
        if chosen.left is not None:
            chosen.left -= 1
        return chosen.script


class _Waiting(Struct):
    script: Script
    left: int | None
    seen: int = 0

    @property
    def is_done(self) -> bool:
        return self.left is not None and self.left <= 0

    @property
    def applies(self) -> bool:
        return not self.is_done and self.seen >= (self.script.call or 1)
