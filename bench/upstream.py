"""A Gemini that answers at once, on a bare asyncio protocol so that it is never what is measured.

`maxOutputTokens` (however it is spelled; `max_tokens` when the load asks directly) is how many chunks a stream has,
`seed` how many milliseconds lie between two of them.
"""

import asyncio
import re
import sys

import uvloop

TEXT = "The quick brown fox jumps over the lazy dog. "
_CHUNKS = re.compile(rb'"max(?:OutputT|_output_t|_t)okens":\s*(\d+)')
_PACE = re.compile(rb'"seed":\s*(\d+)')
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")

_MODEL = (
    b'{"models":[{"name":"models/gemini-3.8-flash","version":"3.8","displayName":"Gemini 3.8 Flash","inputTokenLimit":1048576,'
    b'"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"],"thinking":true}]}'
)


def _answer(text: str, ending: str) -> bytes:
    return (
        f'{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}}{ending},"index":0}}],'
        '"usageMetadata":{"promptTokenCount":187,"candidatesTokenCount":120,"totalTokenCount":307,'
        '"promptTokensDetails":[{"modality":"TEXT","tokenCount":187}]},'
        '"modelVersion":"gemini-3.8-flash","responseId":"mZx7aK3oEcOnz7IP5s2R-AY"}'
    ).encode()


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def _event(body: bytes) -> bytes:
    return b"%x\r\ndata: %b\r\n\r\n\r\n" % (len(body) + 10, body)


_STOP = ',"finishReason":"STOP"'
_WHOLE = _whole(_answer(TEXT * 12, _STOP))
_MODELS = _whole(_MODEL)
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_MORE = _event(_answer(TEXT, ""))
_LAST = _event(_answer(TEXT, _STOP)) + b"0\r\n\r\n"


class Gemini(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self.received, 0, head)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(self.received) >= end:
            request, self.received = self.received[:end], self.received[end:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        target = request[: request.find(b"\r\n")]
        if target.startswith(b"GET"):
            self.transport.write(_MODELS)
        elif b":streamGenerateContent" in target or b'"stream": true' in request:
            self.transport.write(_STREAM)
            # Neither may be missing: a gateway that lost them on the way would look cheap.
            self._stream(int(_CHUNKS.search(request)[1]), int(_PACE.search(request)[1]) / 1000)
        else:
            self.transport.write(_WHOLE)

    def _stream(self, chunks: int, pace: float) -> None:
        """Each chunk in a packet of its own, as they come from a model; the first at once."""
        if self.transport.is_closing():
            return
        self.transport.write(_MORE if chunks > 1 else _LAST)
        if chunks > 1:
            self.loop.call_later(pace, self._stream, chunks - 1, pace)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Gemini, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
