"""One request while it is recorded: when it is over, and what belongs to it."""

import asyncio

import pytest

from credentials.roster import Entry
from openai_api.request_log import recording as module
from openai_api.request_log.recording import Recording, call_of_attempt, is_wanted
from openai_api.translation.events import TextDelta
from openai_api.translation.splicing import Spliced, Stored
from openai_api.uploads import Form
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.usage import Entry as UsageEntry
from proxy_site.sending import Pulse
from tests.api.upstreams import refusal
from tests.request_log.requests import TOKEN, answered, recording, request

KEY = Entry(id=1, kind="api_key", label="first key", secret="AQ.secret-0123456789", group="key:1")
USAGE = UsageEntry(
    uid="u-1",
    request_id="req-1",
    started_at=0.0,
    token=1,
    owner=1,
    model_asked="m",
    model_served="m",
    dialect="chat",
    stream=False,
)
NOON = 1_790_000_000.0


@pytest.mark.parametrize(("until", "wanted"), [(0.0, False), (NOON - 0.001, False), (NOON, False), (NOON + 0.001, True)])
def test_a_request_is_recorded_that_begins_before_the_end(monkeypatch, until, wanted):
    monkeypatch.setattr(module.time, "time", lambda: NOON)
    assert is_wanted(until) is wanted


def test_it_is_handed_over_once_when_nothing_more_goes_to_its_caller():
    done = []
    one = answered(recording(done=done.append))
    one.ended()
    assert done == [one]
    assert (one.answer_status, one.answer.text) == (200, '"hi"')


def test_a_call_that_is_drained_after_its_caller_has_gone_is_waited_for():
    done = []
    one = recording(done=done.append)
    one.asking(lambda *_, **__: None)
    one.ended()
    assert done == []
    one.settled(USAGE)
    assert (done, one.usage) == ([one], USAGE)


async def ask(one, *, sends=True, then: object = None, reads: int = 9, prepared=None) -> None:
    """Ask with one credential: send something to an upstream, then be answered, or refused."""

    async def upstream(prepared, entry, *, new_call_id, seconds):
        if sends:
            call = call_of_attempt("POST", "https://google/m", {"x-goog-api-key": entry.secret}, prepared.body)
            call.answered(200, "text/plain")
            call.take(b"words")
        yield [TextDelta("a")]
        if isinstance(then, BaseException):
            raise then
        yield [TextDelta("b")]

    answer = one.asking(upstream)(prepared or Prepared("m", b"the body"), KEY, new_call_id=str, seconds=1.0)
    try:
        while reads and await anext(answer, None):
            reads -= 1
    finally:
        await answer.aclose()


async def test_an_attempt_has_what_was_sent_in_it_and_what_came_of_it():
    one = recording()
    await ask(one)
    await ask(one, reads=1)
    with pytest.raises(UpstreamRefused):
        await ask(one, then=refusal("day_quota"))
    outcomes = [attempt.outcome for attempt in one.attempts]
    assert outcomes[:2] == ["answered", "closed before its end"]
    assert outcomes[2].startswith("day_quota: ")
    for attempt in one.attempts:
        [call] = attempt.calls
        assert (attempt.credential, call.body.text, call.answer.text) == ("first key", "the body", "words")
    assert KEY.secret in one.secrets


async def test_attempts_that_go_on_side_by_side_are_not_mixed_up():
    one = recording()
    await asyncio.gather(*(ask(one, prepared=Prepared("m", f"body {number}".encode())) for number in range(4)))
    assert sorted(call.body.text for attempt in one.attempts for call in attempt.calls) == [
        f"body {number}" for number in range(4)
    ]


async def test_only_the_last_attempts_are_kept_and_all_are_counted():
    one = recording()
    for number in range(module.MOST_ATTEMPTS + 3):
        await ask(one, prepared=Prepared("m", b"body %d" % number))
    assert (len(one.attempts), one.number_of_attempts) == (module.MOST_ATTEMPTS, module.MOST_ATTEMPTS + 3)
    assert one.attempts[-1].calls[0].body.text == f"body {module.MOST_ATTEMPTS + 2}"


async def test_what_is_sent_after_it_was_handed_over_does_not_belong_to_it():
    one = recording()
    await ask(one)
    one.settled(USAGE)
    answered(one)
    assert call_of_attempt("DELETE", "https://google/files/1", {}, b"") is None


async def test_outside_of_a_recording_nothing_is_noted():
    assert call_of_attempt("POST", "https://google/m", {}, b"") is None


class File:
    key, size = 0, 3_000_000

    def read(self, offset, size):
        pytest.fail("a file need not be read to be told of")


@pytest.mark.parametrize(
    ("body", "shown", "size"),
    [
        (Spliced((b'{"data": "', File(), b'"}')), '{"data": "(a file of 3000000 bytes)"}', 3_000_012),
        (Stored(File()), "(a file of 3000000 bytes)", 3_000_000),
    ],
    ids=["within JSON", "alone"],
)
def test_files_on_the_disk_are_told_of_and_not_read(body, shown, size):
    excerpt = recording().sent(body)
    assert (excerpt.text, excerpt.size) == (shown, size)


@pytest.mark.parametrize("times", [1, 50])
def test_it_keeps_no_more_in_memory_than_its_texts_may_have(times):
    one = recording(b"word " * 100_000, most=1000)
    for _ in range(times):
        one.hear({"type": "http.response.body", "body": b"word " * 1000})
    assert one.held < 10_000
    assert (one.request.size, one.answer.size) == (500_000, 5000 * times)


def test_what_forms_and_addresses_hold_counts_too(tmp_path):
    form = Form(tmp_path)
    form.fields = {"f" * 100: ["v" * 100] * 100}
    made = request(path="/" + "p" * 10_000)
    made.form = form
    one = Recording(made, TOKEN, request_id="req-1", most=100_000, done=lambda _: None)
    assert one.held > 10_000 + 100 * 200


async def test_a_credentials_secret_is_known_though_nothing_was_sent_over_http():
    one = recording()
    await ask(one, sends=False)
    assert KEY.secret in one.secrets


async def test_heartbeats_and_answers_that_had_begun_are_heard_too():
    sent = []

    async def send(message):
        sent.append(message)

    pulse, one = Pulse(send, 0), recording()
    pulse.has_begun = True
    pulse.is_heard_by(one)
    await pulse.send({"type": "http.response.body", "body": b": heartbeat\n\n", "more_body": True})
    pulse.end()
    assert (one.answer_status, one.answer.text, len(sent), one.is_over) == (200, ": heartbeat\n\n", 1, True)
