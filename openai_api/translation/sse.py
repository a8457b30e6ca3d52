"""Bytes of an event stream → the data of its events, wherever the bytes were cut.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, and for Google's
bare JSON errors, which come without `data:`, wire reference 1.13.
"""

import re

MAX_EVENT_BYTES = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_JSON_STRING = re.compile(rb'"(?:\\.|[^"\\])*"')
_OPENING = re.compile(rb"[{\[]")
_CLOSING = re.compile(rb"[}\]]")


class EventTooLarge(Exception):
    """One event is longer than `MAX_EVENT_BYTES`."""


class Decoder:
    """Feed it what the socket gives. `event:`, `id:`, `retry:` and comments are skipped; an event without data is none."""

    def __init__(self) -> None:
        # The pieces of a line whose end has not come yet: joined once, so that a long line in small pieces costs linear time.
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        # The lines of a JSON text outside of any event, as long as `_depth` of its brackets are open.
        self._bare: list[bytes] = []
        self._depth = 0
        self._held = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[bytes]:
        """Raises EventTooLarge."""
        if self._is_one_event(data):
            return [data[6:-4]]
        if self._after_cr and data:
            data = data.removeprefix(b"\n")  # The CR and LF of one line end came apart.
            self._after_cr = False
        lines = data.splitlines(keepends=True)
        if not lines:
            return []
        self._after_cr = data.endswith(b"\r")
        unfinished = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        payloads: list[bytes] = []
        for line in lines:
            self._take_line(self._whole(line.rstrip(b"\r\n")), payloads)
        if unfinished:
            self._hold(self._pieces, unfinished)
        return payloads

    def _is_one_event(self, data: bytes) -> bool:
        """Whether this is what Google nearly always sends at once: one whole event, after a whole one."""
        if self._at_start or self._after_cr or self._pieces or self._data or self._bare:
            return False
        lines = data.count(b"\n")
        return lines == 2 and data.startswith(b"data: ") and data.endswith(b"\r\n\r\n") and data.count(b"\r") == 2

    def end(self) -> list[bytes]:
        """What the stream left unfinished when it ended, as it is."""
        payloads: list[bytes] = []
        if self._pieces:
            self._take_line(self._whole(b""), payloads)
        self._dispatch(self._data, payloads)
        self._dispatch(self._bare, payloads)
        return payloads

    def _whole(self, line: bytes) -> bytes:
        if self._pieces:
            self._held -= sum(map(len, self._pieces))
            line = b"".join((*self._pieces, line))
            self._pieces.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _take_line(self, line: bytes, payloads: list[bytes]) -> None:
        if line.startswith(b"data:"):
            self._dispatch(self._bare, payloads)
            self._hold(self._data, line[6:] if line.startswith(b"data: ") else line[5:])
        elif not line:
            self._dispatch(self._data, payloads)
        elif self._bare or line.lstrip().startswith((b"{", b"[")):
            self._dispatch(self._data, payloads)
            self._take_bare(line, payloads)

    def _take_bare(self, line: bytes, payloads: list[bytes]) -> None:
        self._hold(self._bare, line)
        brackets = _JSON_STRING.sub(b"", line)
        self._depth += len(_OPENING.findall(brackets)) - len(_CLOSING.findall(brackets))
        if self._depth <= 0:
            self._dispatch(self._bare, payloads)

    def _hold(self, lines: list[bytes], line: bytes) -> None:
        lines.append(line)
        self._held += len(line)
        if self._held > MAX_EVENT_BYTES:
            raise EventTooLarge(f"An event of the upstream's answer is longer than {MAX_EVENT_BYTES} bytes.")

    def _dispatch(self, lines: list[bytes], payloads: list[bytes]) -> None:
        """Put out the text that these lines hold, if any, and forget them."""
        if not lines:
            return
        payload = lines[0] if len(lines) == 1 else b"\n".join(lines)
        self._held -= sum(map(len, lines))
        if lines is self._bare:
            self._depth = 0
        lines.clear()
        if payload:
            payloads.append(payload)
