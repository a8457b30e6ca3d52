"""Stop sequences that the upstream does not enforce itself: cutting an answer's text where the first of them begins."""

from bisect import bisect_right

from openai_api.translation.events import CONTENT, Citation, Event, Finished, TextDelta, UsageReport

_DECIDING = (*CONTENT, Finished)


class StopFilter:
    """Passes events on, and ends the answer with Finished("stop") exactly before the earliest stop.

    Text that may be the beginning of a stop is held back until the next piece decides; so are citations of held text.
    A stop may span any number of text events, but not another kind of content between them.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = sorted({stop for stop in stops if stop})
        self._firsts = frozenset(stop[0] for stop in self._stops)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self._passed = 0  # characters
        self._citations: list[Citation] = []
        self.hit = False

    def feed(self, events: list[Event]) -> list[Event]:
        """Return what of `events`, and of what was held before, may be passed on."""
        if not self._stops:
            return events
        passed: list[Event] = []
        for event in events:
            self._take(event, passed)
        return passed

    def _take(self, event: Event, passed: list[Event]) -> None:
        if isinstance(event, UsageReport):
            passed.append(event)
        elif self.hit:
            return
        elif isinstance(event, TextDelta):
            self._text(self._held + event.text, passed)
        elif isinstance(event, Citation) and event.end > self._passed:
            self._citations.append(event)
        else:
            if isinstance(event, _DECIDING):
                self._release(passed)
            if not self.hit:
                passed.append(event)

    def _text(self, text: str, passed: list[Event]) -> None:
        cut, undecided = self._earliest(text), self._undecided(text)
        # A stop that is complete may still lie inside a longer one that began before it.
        if cut is not None and cut <= undecided:
            self._stop(text[:cut], passed)
        else:
            self._held = text[undecided:]
            self._pass(text[:undecided], passed)

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

    def _release(self, passed: list[Event]) -> None:
        """Decide about held text without what might have followed it."""
        held, self._held = self._held, ""
        cut = self._earliest(held)
        if cut is not None:
            self._stop(held[:cut], passed)
            return
        self._pass(held, passed)
        passed += self._citations
        self._citations = []

    def _stop(self, text: str, passed: list[Event]) -> None:
        self.hit, self._held = True, ""
        self._pass(text, passed)
        passed.append(Finished("stop"))

    def _pass(self, text: str, passed: list[Event]) -> None:
        if text:
            self._passed += len(text)
            passed.append(TextDelta(text))
        if self._citations:
            ready = [source for source in self._citations if source.end <= self._passed]
            self._citations = [source for source in self._citations if source.end > self._passed]
            passed += ready
