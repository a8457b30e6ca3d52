import json

import pytest
from msgspec import structs

from credentials.roster import Roster
from openai_api.translation.conversation import Conversation, SpeechToWrite, StoredMedia, Text, Turn
from openai_api.translation.gemini import transcription
from openai_api.upstream.access import AccessTokens
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.gemini import Gemini
from tests.api.upstreams import prepare
from tests.credentials.pools import FLASH, key
from tests.upstream.test_google_files import OnDisk
from tests.upstream.test_http import opened, running


def refused_in(body: bytes, *, status: str) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@pytest.mark.parametrize("inside_a_200", [False, True])
async def test_a_key_that_google_echoes_goes_to_nobody(inside_a_200):
    entry = key(1)  # Its secret has no shape that could be recognised.
    error = json.dumps({"error": {"code": 503, "status": "UNAVAILABLE", "message": f"Consumer {entry.secret} is too busy."}})
    if inside_a_200:
        answer = refused_in(f"data: {error}\r\n\r\n".encode(), status="200 OK")
    else:
        answer = refused_in(error.encode(), status="503 Service Unavailable")
    async with running(answer) as server, opened() as client:
        upstream = AiStudio(client, server.url.rstrip("/"), AccessTokens())
        prepared = prepare(Conversation(FLASH, (Turn("user", (Text("hi"),)),)))
        with pytest.raises(UpstreamRefused) as caught:
            await anext(upstream.ask(prepared, entry, new_call_id=str, seconds=5))
    assert "is too busy" in caught.value.refusal.message
    assert entry.secret not in caught.value.refusal.message


async def test_whoever_closes_it_leaves_no_recording_at_google(google, monkeypatch):
    monkeypatch.setattr(transcription, "MOST_INLINE", 10)
    google.script(delay=0.2, method="deleteFile")
    asked = SpeechToWrite("gemini-3.5-transcribe", StoredMedia("audio/wav", OnDisk(b"\1" * 64_000)))
    async with opened() as client:
        upstream = AiStudio(client, google.url, AccessTokens())
        prepared = Gemini(upstream, None, None).prepare_transcription(asked, Roster())
        entry = structs.replace(key(1), secret="test-key-1")
        async for _ in upstream.transcribe(prepared, entry, new_call_id=str, seconds=10):
            assert len(list(google.files)) == 1
        await upstream.close()
    assert list(google.files) == []
