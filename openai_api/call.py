"""One attempt under way: the upstream's events, checked for what must not pass as an answer."""

from collections.abc import AsyncGenerator

from credentials.health import Outcome
from credentials.rests import Lease
from openai_api.translation.events import CONTENT, DraftDelta, Event, Finished, Passed, ThoughtDelta, Usage, UsageReport
from openai_api.translation.gemini.estimate import bytes_said
from openai_api.translation.stops import StopFilter
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusal_body import LONGEST_MESSAGE, plain
from openai_api.upstream.refusals import Refusal


class Call:
    def __init__(
        self, lease: Lease, answer: AsyncGenerator[list[Event], None], stops: tuple[str, ...], *, may_be_empty: bool = False
    ) -> None:
        self.lease = lease
        self._may_be_empty = may_be_empty
        self.said = False
        self.ended = False
        self.was_cut = False
        """Whether it ended because time was up."""
        self.usage: Usage | None = None
        self.estimated = False
        self.bytes_said = 0
        """How much text it has brought before its usage was told for the first time."""
        self._spoke = False
        self._answer = answer
        self._stops = StopFilter(stops) if stops else None

    @property
    def was_stopped(self) -> bool:
        """Whether we have ended it, at a stop that the upstream did not know of."""
        return self._stops is not None and self._stops.hit

    async def read(self) -> list[Event]:
        """The events that come next; none may mean that there is nothing more to come (`ended`). Raises UpstreamRefused."""
        batch = await anext(self._answer, None)
        if batch is None:
            self.ended = True
            if not self.said:
                raise Empty
            return []
        return await self._checked(batch)

    async def close(self) -> None:
        await self._answer.aclose()

    async def _checked(self, batch: list[Event]) -> list[Event]:
        end: Finished | None = None
        for event in batch:
            if isinstance(event, CONTENT):
                self.said = self.said or self._stops is None
                self._spoke = self._spoke or not isinstance(event, ThoughtDelta | DraftDelta)
                if self.usage is None:
                    self.bytes_said += bytes_said(event)
            elif isinstance(event, UsageReport):
                self.usage, self.estimated = event.usage, event.estimated
            elif isinstance(event, Finished):
                end = event
            elif isinstance(event, Passed):
                self.said = self.said or event.speaks
                self.bytes_said = event.letters
        if self._stops is not None:
            batch = self._stops.feed(batch)
            # Text that is held back is not told, so that another may still take over.
            self.said = self.said or self.was_stopped or any(isinstance(event, CONTENT) for event in batch)
            if self.was_stopped:
                self.ended = True
                await self.close()  # What would follow is not wanted and need not be paid for.
                return batch
        if end is not None:
            self._check_end(end)
        return batch

    def _check_end(self, end: Finished) -> None:
        if end.reason == "failed":
            raise _unusable(end)
        if end.reason == "stop" and not (self._spoke or self._may_be_empty):
            raise Empty
        self.said = True  # A refusal or a length limit is an answer, even without a word.


class Empty(UpstreamRefused):
    """Nothing was said, and not even why."""

    def __init__(self) -> None:
        super().__init__(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=502, message="The upstream's answer was empty."))


def _unusable(end: Finished) -> UpstreamRefused:
    message = f"The model's answer was unusable ({end.native})."
    quoted = plain(end.message, LONGEST_MESSAGE)
    return UpstreamRefused(Refusal(outcome=Outcome.ANSWER_UNUSABLE, status=502, message=message, quoted=quoted))
