"""What came of a call for pictures: the pictures, and why others are missing."""

from collections.abc import Iterable

from openai_api.errors import GatewayError, InvalidRequest, UpstreamBroken
from openai_api.translation.events import DraftDelta, Event, Finished, MediaDelta, TextDelta, Usage, UsageReport

REFUSED = "content_policy_violation"
SPOKE = "no_image"
LONGEST_QUOTE = 300


class Album:
    """Takes the answers in whatever order they come. `count` pictures were asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._answers: dict[int, _Answer] = {}

    def take(self, index: int, events: Iterable[Event]) -> list[DraftDelta]:
        """Returns the drafts among them."""
        answer = self._answers.setdefault(index, _Answer())
        drafts = [event for event in events if isinstance(event, DraftDelta)]
        for event in events:
            answer.take(event)
        return drafts

    @property
    def pictures(self) -> list[MediaDelta]:
        """As many as were asked for, or fewer: the first of each answer before the second of any."""
        answers = [answer for _, answer in sorted(self._answers.items())]
        most = max((len(answer.pictures) for answer in answers), default=0)
        in_turn = [answer.pictures[turn] for turn in range(most) for answer in answers if turn < len(answer.pictures)]
        return in_turn[: self._count]

    @property
    def failures(self) -> list[GatewayError]:
        """Why there are not as many, in the order of the answers."""
        if len(self.pictures) == self._count:
            return []
        return [answer.failure for _, answer in sorted(self._answers.items()) if not answer.is_complete]

    @property
    def usage(self) -> Usage | None:
        """Of all answers together; None where no upstream has told."""
        told = [answer.usage for answer in self._answers.values() if answer.usage is not None]
        if not told:
            return None
        return Usage(
            prompt=sum(usage.prompt for usage in told),
            completion=sum(usage.completion for usage in told),
            total=sum(usage.total for usage in told),
            prompt_image=sum(usage.prompt_image for usage in told),
            completion_image=sum(usage.completion_image for usage in told),
        )


class _Answer:
    def __init__(self) -> None:
        self.pictures: list[MediaDelta] = []
        self.usage: Usage | None = None
        self._text = ""
        self._end: Finished | None = None

    def take(self, event: Event) -> None:
        match event:
            case MediaDelta() if event.mime_type.startswith("image/"):
                self.pictures.append(event)
            case TextDelta(text):
                self._text = (self._text + text)[: LONGEST_QUOTE + 1]
            case UsageReport(usage):
                self.usage = usage
            case Finished():
                self._end = event

    @property
    def is_complete(self) -> bool:
        return bool(self.pictures) and (self._end is None or self._end.reason != "content_filter")

    @property
    def failure(self) -> GatewayError:
        end = self._end or Finished("failed")
        if end.reason == "content_filter":
            return InvalidRequest(f"Google refused to make this picture ({end.native}). {end.message}".strip(), code=REFUSED)
        if self._text:
            quoted = self._text if len(self._text) <= LONGEST_QUOTE else f"{self._text[:LONGEST_QUOTE]}…"
            return InvalidRequest(f"The model answered with text in place of a picture: “{quoted}”", code=SPOKE)
        return UpstreamBroken(f"The model's answer ended without a picture ({end.native}). {end.message}".strip())
