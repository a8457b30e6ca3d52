"""Errors that came too late for an HTTP status, and are told to whoever asks again."""

import os
import time

import pytest
from django.http import HttpResponse

from openai_api.late_errors import SECONDS, LateErrors, is_repeated, question

ASKED = question(1, "/v1/chat/completions", b"{}")


@pytest.fixture
def late_errors(tmp_path):
    return LateErrors(tmp_path)


def busy() -> HttpResponse:
    headers = {"Content-Type": "application/json", "Retry-After": "7", "X-Request-ID": "req-1"}
    return HttpResponse(b'{"error":{}}', status=429, headers=headers)


async def test_an_error_is_told_again_as_it_was(late_errors):
    await late_errors.keep(ASKED, busy())
    told = await late_errors.take(ASKED)
    assert (told.status_code, told.content) == (429, b'{"error":{}}')
    # Whose request it is has changed meanwhile.
    assert dict(told.items()) == {"Content-Type": "application/json", "Retry-After": "7"}


async def test_it_is_told_once_and_by_any_web_process(late_errors, tmp_path):
    await late_errors.keep(ASKED, busy())
    assert await LateErrors(tmp_path).take(ASKED) is not None
    assert await late_errors.take(ASKED) is None


async def test_after_a_minute_it_is_forgotten(late_errors, tmp_path):
    for body in (b"one", b"two"):
        await late_errors.keep(question(1, "/", body), busy())
        os.utime(tmp_path / question(1, "/", body), (time.time() - SECONDS - 1,) * 2)
    assert await late_errors.take(question(1, "/", b"two")) is None
    await LateErrors(tmp_path).keep(ASKED, busy())
    assert [file.name for file in tmp_path.iterdir()] == [ASKED]


async def test_what_is_old_is_not_looked_for_at_each_error(late_errors, tmp_path):
    for body in (b"one", b"two"):
        await late_errors.keep(question(1, "/", body), busy())
        os.utime(tmp_path / question(1, "/", body), (0, 0))
    assert len(list(tmp_path.iterdir())) == 2


async def test_where_nothing_can_be_kept_the_answer_goes_out_all_the_same(tmp_path):
    nowhere = LateErrors(tmp_path / "nowhere")
    await nowhere.keep(ASKED, busy())
    assert await nowhere.take(ASKED) is None


async def test_what_is_in_pieces_is_not_told(late_errors, tmp_path):
    (tmp_path / ASKED).write_bytes(b"")
    assert await late_errors.take(ASKED) is None


async def test_what_lies_there_besides_keeps_no_error_from_being_kept(late_errors, tmp_path):
    (tmp_path / "folder").mkdir()
    os.utime(tmp_path / "folder", (0, 0))
    await late_errors.keep(ASKED, busy())
    assert await late_errors.take(ASKED) is not None


async def test_a_clock_that_was_set_back_keeps_nothing_for_longer(late_errors, tmp_path):
    await late_errors.keep(ASKED, busy())
    os.utime(tmp_path / ASKED, (time.time() + SECONDS + 60,) * 2)
    assert await late_errors.take(ASKED) is None


def test_a_question_is_one_tokens_at_one_path():
    others = {
        question(2, "/v1/chat/completions", b"{}"),
        question(1, "/v1/embeddings", b"{}"),
        question(1, "/v1/chat/completions", b""),
        question(1, f"/v1/{'x' * 64}/one", b"{}"),
        question(1, f"/v1/{'x' * 64}/two", b"{}"),
    }
    assert len(others | {ASKED}) == 6


@pytest.mark.parametrize(
    ("headers", "repeated"),
    [
        ({}, False),
        ({"HTTP_X_STAINLESS_RETRY_COUNT": ""}, False),
        ({"HTTP_X_STAINLESS_RETRY_COUNT": "0"}, False),
        ({"HTTP_X_STAINLESS_RETRY_COUNT": "1"}, True),
    ],
)
def test_sdks_say_that_they_ask_again(headers, repeated):
    assert is_repeated(headers) == repeated
