from django.http import HttpResponse
from django.http.response import HttpResponseBase
from msgspec.structs import replace
from rest_framework.request import Request

from openai_api.gateway import gateway
from openai_api.orders.transcription import EnglishLines, Transcription
from openai_api.streaming import AnswerStream, as_it_comes
from openai_api.translation import transcription
from openai_api.translation.conversation import Notice
from openai_api.translation.events import Event, Utterance
from openai_api.translation.gemini.transcription import transcribes
from openai_api.translation.transcription import TranscriptionRequest
from openai_api.translation.transcription.segments import in_order
from openai_api.translation.transcription.translating import TRANSLATOR, batches, translated
from openai_api.views.base import GatewayView


class _RecordingView(GatewayView):
    takes_forms = True

    def is_answered_in_json(self) -> bool:
        return self.form.fields.get("response_format", ["json"])[-1].endswith("json")


class TranscriptionsView(_RecordingView):
    """POST /v1/audio/transcriptions"""

    passes_as = "transcription"

    async def post(self, request: Request) -> HttpResponseBase:
        asked = transcription.read_request(self.form.fields, self.form.files)
        exchange = self.exchange("transcription", stream=asked.stream)
        if asked.stream:
            self.keep_alive()
        await exchange.open(Transcription(asked.wanted), notices=asked.notices)
        if asked.stream:
            return AnswerStream(as_it_comes(transcription.Writer(asked), exchange), exchange)
        async with exchange:
            [events] = await exchange.collect()
            return _written(asked, events)


class TranslationsView(_RecordingView):
    """POST /v1/audio/translations"""

    passes_as = "translation"

    async def post(self, request: Request) -> HttpResponseBase:
        asked = transcription.read_request(self.form.fields, self.form.files, translates=True)
        named = asked.wanted.model
        model = gateway.pool.roster.resolve(named)
        if not transcribes(model):
            return _written(asked, await self._heard(asked))
        if model == named:  # Who says whisper-1 has not asked for a model of Google's.
            asked = replace(asked, notices=(*asked.notices, Notice("model", f"it cannot translate: {TRANSLATOR} does")))
        if not asked.wanted.times:
            return _written(asked, await self._heard(asked, instead=TRANSLATOR))
        heard = await self._heard(replace(asked, wanted=replace(asked.wanted, into="")))
        return _written(asked, await self._in_english(asked, heard))

    async def _heard(self, asked: TranscriptionRequest, *, instead: str = "") -> list[Event]:
        exchange = self.exchange("translation", stream=False)
        await exchange.open(Transcription(asked.wanted), notices=asked.notices, instead=instead)
        async with exchange:
            [events] = await exchange.collect()
            transcription.check_whole(events)
        return events

    async def _in_english(self, asked: TranscriptionRequest, heard: list[Event]) -> list[Event]:
        """The events with their utterances translated, line by line: the times stay those of what was heard."""
        lines = batches(in_order(event for event in heard if isinstance(event, Utterance)))
        others: list[Event] = [event for event in heard if not isinstance(event, Utterance)]
        if not lines:
            return others
        exchange = self.exchange("translation", stream=False)
        order = EnglishLines(asked.wanted.model, tuple(tuple(line.text for line in batch) for batch in lines))
        await exchange.open(order, notices=asked.notices, instead=TRANSLATOR)
        async with exchange:
            answers = await exchange.collect()
            english = [line for batch, events in zip(lines, answers, strict=True) for line in translated(batch, events)]
        return [*english, *others]


def _written(asked: TranscriptionRequest, events: list[Event]) -> HttpResponse:
    writer = transcription.Writer(asked)
    return HttpResponse(writer.answer(events), content_type=writer.content_type)
