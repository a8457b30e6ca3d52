"""Stop sequences that the upstream does not enforce itself: cutting an answer's text where the first of them begins."""

from bisect import bisect_right
from collections.abc import Iterable

from openai_api.translation.events import CONTENT, Citation, Event, Finished, TextDelta, ToolCallDelta, UsageReport

_DECIDING = (*CONTENT, Finished)


class StopSearch:
    """Looks for stops in one text that comes in pieces, and tells how much of it lies before the first of them for certain.

    What may be the beginning of a stop is held back until the next piece decides.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = sorted({stop for stop in stops if stop})
        self._firsts = frozenset(stop[0] for stop in self._stops)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.passed = 0
        """Characters that lie before any stop; once there is a hit, all that do."""
        self.hit = False

    def __bool__(self) -> bool:
        return bool(self._stops)

    def feed(self, piece: str) -> str:
        """What has become certain."""
        text = self._held + piece
        cut, undecided = self._earliest(text), self._undecided(text)
        # A stop that is complete may still lie inside a longer one that began before it.
        if cut is not None and cut <= undecided:
            return self._stop(text[:cut])
        self._held = text[undecided:]
        return self._pass(text[:undecided])

    def release(self) -> str:
        """Decide about what is held without what might have followed it."""
        held, self._held = self._held, ""
        cut = self._earliest(held)
        return self._pass(held) if cut is None else self._stop(held[:cut])

    def _earliest(self, text: str) -> int | None:
        return min((at for stop in self._stops if (at := text.find(stop)) >= 0), default=None)

    def _undecided(self, text: str) -> int:
        """Return where the longest end of `text` begins that a stop could go on from."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._firsts and self._begins_a_stop(text[start:]):
                return start
        return len(text)

    def _begins_a_stop(self, end: str) -> bool:
        # In sorted order the longer strings that begin with `end` come straight after it.
        after = bisect_right(self._stops, end)
        return after < len(self._stops) and self._stops[after].startswith(end)

    def _stop(self, text: str) -> str:
        self.hit, self._held = True, ""
        return self._pass(text)

    def _pass(self, text: str) -> str:
        self.passed += len(text)
        return text


class StopFilter:
    """Passes events on, and ends the answer's text exactly before the earliest stop.

    The end is Finished("stop"), or "tool_calls" where the model has made some before.

    Text that may be the beginning of a stop is held back until the next piece decides; so are citations of held text.
    A stop may span any number of text events, but not another kind of content between them.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._search = StopSearch(stops)
        self._citations: list[Citation] = []
        self._called = False

    @property
    def hit(self) -> bool:
        return self._search.hit

    def feed(self, events: list[Event]) -> list[Event]:
        """Return what of `events`, and of what was held before, may be passed on."""
        if not self._search:
            return events
        passed: list[Event] = []
        was_hit = self.hit
        for event in events:
            self._take(event, passed)
        if self.hit and not was_hit:
            passed.append(Finished("tool_calls" if self._called else "stop"))
        return passed

    def _take(self, event: Event, passed: list[Event]) -> None:
        if isinstance(event, UsageReport):
            passed.append(event)
        elif isinstance(event, Citation):
            self._cite(event, passed)
        elif self.hit:
            return
        elif isinstance(event, TextDelta):
            self._pass(self._search.feed(event.text), passed)
        else:
            if isinstance(event, _DECIDING):
                self._release(passed)
            if not self.hit:
                self._called = self._called or isinstance(event, ToolCallDelta)
                passed.append(event)

    def _cite(self, source: Citation, passed: list[Event]) -> None:
        if source.end <= self._search.passed:
            passed.append(source)  # Also where the cut came first: sources are named behind a text.
        elif not self.hit:
            self._citations.append(source)

    def _release(self, passed: list[Event]) -> None:
        self._pass(self._search.release(), passed)
        if not self.hit:
            passed += self._citations
            self._citations = []

    def _pass(self, text: str, passed: list[Event]) -> None:
        """Pass text on, and what cites it."""
        if text:
            passed.append(TextDelta(text))
        if self._citations:
            ready = [source for source in self._citations if source.end <= self._search.passed]
            self._citations = [source for source in self._citations if source.end > self._search.passed]
            passed += ready
