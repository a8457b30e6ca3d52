from django.http.response import HttpResponseBase
from rest_framework.request import Request

from openai_api.gateway import gateway
from openai_api.orders.speech import Speech
from openai_api.speaking import Encoding, speak
from openai_api.streaming import SSE, AnswerStream
from openai_api.translation import speech
from openai_api.views.base import GatewayView


class SpeechView(GatewayView):
    """POST /v1/audio/speech"""

    passes_as = "speech"

    def is_answered_in_json(self) -> bool:
        return False  # But in sound, by servers too.

    async def post(self, request: Request) -> HttpResponseBase:
        asked = speech.read_request(request.body)
        encoding = Encoding(asked, gateway.ffmpeg)
        exchange = self.exchange("speech", stream=True)
        if asked.in_events:
            self.keep_alive()
        writer = speech.EventWriter() if asked.in_events else speech.SoundWriter()
        body = speak(exchange, Speech(asked.wanted), encoding, writer)
        # Awaited before the first byte leaves: until then an error is an answer of its own.
        await anext(body)
        return AnswerStream(body, exchange, content_type=SSE if asked.in_events else encoding.format.content_type)
