"""The answer of a model that speaks: its sound, and what can be wrong with it → UpstreamRefused."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from credentials.health import Outcome
from openai_api.translation.events import Event, Finished
from openai_api.translation.gemini.response import MalformedAnswer
from openai_api.translation.gemini.speech import SoundReader
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal

_CUT = ("content_filter", "length")


async def as_sound(answer: AsyncGenerator[list[Event], None]) -> AsyncGenerator[list[Event], None]:
    """Nothing but samples, usage and the end. Speech that stops before its text does is none: it cannot say that it is cut."""
    reader = SoundReader()
    async with aclosing(answer):
        async for events in answer:
            heard = _read(reader, events)
            cut = next((event for event in heard if isinstance(event, Finished) and event.reason in _CUT), None)
            if heard := [event for event in heard if event is not cut]:
                yield heard
            if cut is not None:
                raise UpstreamRefused(_cut_short(cut))


def _read(reader: SoundReader, events: list[Event]) -> list[Event]:
    try:
        return reader.read(events)
    except MalformedAnswer as error:
        message = "The upstream's speech could not be read."
        raise UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=502, message=message)) from error


def _cut_short(end: Finished) -> Refusal:
    if end.reason == "length":
        message = f"The model speaks no longer than this at once ({end.native}): send the text in shorter pieces."
        return Refusal(outcome=Outcome.REQUEST_REFUSED, status=400, message=message)
    message = f"Google does not let this text be spoken ({end.native})."
    return Refusal(outcome=Outcome.REQUEST_REFUSED, status=400, message=message, code="content_policy_violation")
