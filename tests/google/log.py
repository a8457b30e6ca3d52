"""What the simulator saw: every call, in the order in which it came in."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct, field


class Call(Struct, kw_only=True):
    """One HTTP request. Times are Unix seconds of the real clock; None until it happened."""

    number: int
    surface: str = ""
    """Which service: `gemini` (the Gemini API), `code_assist`, or `oauth` (sign-in)."""
    method: str = ""
    """Google's method (`generateContent`, `listModels`, `loadCodeAssist`, `token`, …); empty for an unknown path."""
    model: str = ""
    key: str = ""
    """The API key or access token it came with, however it was sent."""
    key_in: str = ""
    """Where it stood: `header`, `bearer`, or `query` (which leaks it to logs)."""
    account: str = ""
    """The e-mail address of the Google account that asked, or whose token was asked for."""
    project: str = ""
    http_method: str = ""
    path: str = ""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    body: Any = None
    """The parsed JSON, as it was sent."""
    connection: int = 0
    """Number of the TCP connection that it came over, from 1."""
    status: int | None = None
    """The HTTP status of the answer; None when the connection was reset before it."""
    refused: str = ""
    """The text of the error that it got."""
    broken_rule: str = ""
    """The rule of Google's that the body breaks, even where a scripted fault answered first."""
    usage: dict[str, Any] = field(default_factory=dict)
    """The usageMetadata that went out last."""
    started: float = 0.0
    first_byte: float | None = None
    """When the first byte of the answer's body left."""
    ended: float | None = None
    bytes_sent: int = 0
    chunks_sent: int = 0
    client_closed: bool = False
    """Whether the caller hung up before the answer was complete."""
    client_closed_at: float | None = None

    @property
    def text(self) -> str:
        """All text of the last content that was sent, for short assertions."""
        body = self.body or {}
        contents = body.get("request", body).get("contents") or [{}]
        return "".join(part.get("text", "") for part in contents[-1].get("parts", ()))


class Log:
    """The calls so far, and ways to wait for what they will become without guessing how long it takes."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._changed = threading.Condition()
        self._numbered = 0
        self.longest: int | None = None
        """Of a longer body no bytes are kept, and of its longer texts their beginning and their length. None: all is kept."""

    def add(self, **fields: Any) -> Call:
        self._numbered += 1
        call = Call(number=self._numbered, started=time.time(), **fields)
        self._calls.append(call)
        self.changed()
        return call

    def changed(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def shorten(self, call: Call) -> None:
        """Once the call is over."""
        if self.longest is not None and len(call.raw) > self.longest:
            call.raw = b""
            call.body = _shortened(call.body, self.longest)

    def clear(self) -> None:
        self._calls = []

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._calls))

    def __getitem__(self, index: int) -> Call:
        return self._calls[index]

    def generation(self) -> list[Call]:
        """The calls that asked for an answer, whole or streamed."""
        return [call for call in self if call.method in ("generateContent", "streamGenerateContent")]

    def wait(self, condition: Callable[["Log"], Any], seconds: float = 10.0) -> None:
        """Block this thread until the condition holds; `TimeoutError` after so long."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), seconds):
                raise TimeoutError(f"The condition did not become true in {seconds:g} s; {len(self)} calls are in the log.")


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(one, longest) for name, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one, longest) for one in value]
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:40]}… ({len(value)} characters)"
    return value
