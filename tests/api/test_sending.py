"""Signs of life, and where there is no room for them."""

import asyncio
import weakref

import pytest
from django.http import HttpResponse

from openai_api.streaming import WHITE_SPACE
from proxy_site.lean import _Watch
from proxy_site.sending import Pulse, send_response

SECONDS = 0.01


async def test_none_falls_into_a_short_answer_that_is_read_slowly():
    reads_on, sent = asyncio.Event(), []

    async def send(message):
        await reads_on.wait()
        sent.append(message)

    pulse = Pulse(send, SECONDS)
    pulse.begin(WHITE_SPACE, lambda: HttpResponse(content_type="application/json"))
    sending = asyncio.create_task(send_response(HttpResponse(b"{}"), pulse))
    await asyncio.sleep(10 * SECONDS)
    reads_on.set()
    await sending
    pulse.end()
    assert (b"content-length", b"2") in sent[0]["headers"]
    assert [message.get("body") for message in sent] == [None, b"{}"]


class View:
    """Holds a large request."""

    def opening(self):
        return HttpResponse(content_type="application/json")


@pytest.mark.parametrize("silent", [False, True], ids=["by itself", "by a sign of life"])
async def test_whoever_makes_the_opening_is_let_go_once_the_answer_has_begun(silent):
    begun = asyncio.Event()

    async def send(message):
        if silent == (message["type"] == "http.response.body"):
            begun.set()

    view = View()
    held = weakref.ref(view)
    pulse = Pulse(send, SECONDS if silent else 60)
    pulse.begin(WHITE_SPACE, view.opening)
    del view
    assert held() is not None
    if not silent:
        await pulse.send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.wait_for(begun.wait(), 10)
    assert held() is None
    pulse.end()


async def test_who_has_left_is_given_none_while_the_answer_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr(_Watch, "BEGINS_AFTER", 0.0)
    left = asyncio.Event()

    async def receive():
        return {"type": "http.disconnect"}

    watch = _Watch(receive, left.set)
    watch.abandon = lambda: True
    watch.request_is_read()
    await asyncio.wait_for(left.wait(), 10)
    watch.end()
