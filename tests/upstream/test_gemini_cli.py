"""The upstream with Google's own Gemini CLI, before the simulator. What no real CLI does stands in `test_cli_process`."""

import asyncio
import json

import pytest
import uvloop

from credentials.health import Outcome
from openai_api.translation.cli_prompt import CliPrompt
from openai_api.translation.conversation import Format, Sampling, Text, Thinking, Turn
from openai_api.translation.events import Finished, TextDelta, UsageReport
from openai_api.upstream.cli_home import by_api_key, instead_of, order
from openai_api.upstream.cli_process import run
from tests.google.test_real_cli import REDIRECT
from tests.upstream.command_lines import (
    BY_KEY,
    BY_LOGIN,
    KEY,
    Login,
    answer_of,
    asking,
    begin,
    children,
    cli_of,
    command_lines,
    homes,
    leave_out_others,
    need_real_cli,
    refusal_of,
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    leave_out_others()


@pytest.fixture
def cli(google):
    return cli_of(need_real_cli(), google.url)


@pytest.fixture
def cli_with_login(google, tmp_path):
    """It asks Google's sign-in who has logged in, by an address that it lets nobody set."""
    file = tmp_path / "gemini"
    file.write_text(
        f'#!/bin/sh\nexport NODE_OPTIONS="--require {REDIRECT}" GOOGLE_SIMULATOR={google.url}\nexec {need_real_cli()} "$@"\n'
    )
    file.chmod(0o755)
    google.add_user("ada@example.com", project="ada-project")
    return lambda *tokens: cli_of(file, google.url, login=Login(*tokens))


def prompt_in(call) -> list[str]:
    """The parts of the last message without what the CLI says of its surroundings."""
    body = call.body.get("request", call.body)
    texts = [part["text"] for content in body["contents"] for part in content["parts"]]
    assert texts[0].startswith("<session_context>")
    return texts[1:]


def text_of(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_text_goes_in_and_an_answer_with_its_usage_comes_out(google, cli):
    google.script(text="Grüße \x1b[1m\n", thoughts="Hm, what shall I say?")
    asked = asking(
        "What now?\n",
        system=(Text("Be brief."),),
        sampling=Sampling(temperature=0.5, top_p=0.5, max_tokens=700, stop=("stop",), seed=7),
        thinking=Thinking(budget=128),
        format=Format({"type": "object", "properties": {"a": {"type": "string"}}}),
    )
    events = await answer_of(cli, asked)
    (call,) = google.log
    counted = call.usage
    assert text_of(events) == "Grüße \x1b[1m\n"
    assert events[-1] == Finished("stop")
    (report,) = [event for event in events if isinstance(event, UsageReport)]
    assert report.usage.prompt == counted["promptTokenCount"]
    assert report.usage.reasoning == counted["thoughtsTokenCount"] > 0
    assert report.usage.completion == counted["candidatesTokenCount"] + counted["thoughtsTokenCount"]
    assert report.usage.total == counted["totalTokenCount"]
    assert (call.key, call.key_in, call.model) == (KEY, "header", "gemini-2.5-flash")
    assert prompt_in(call) == ["What now?\n"]
    assert call.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert call.body["tools"] == []
    assert call.body["generationConfig"] == {
        "temperature": 0.5, "topP": 0.5, "maxOutputTokens": 700, "stopSequences": ["stop"], "seed": 7,
        "thinkingConfig": {"thinkingBudget": 128}, "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
    }  # fmt: skip
    assert homes() == []


async def test_the_answer_comes_as_it_is_made_and_who_leaves_takes_all_of_it_along(google, cli):
    google.script(text="one two three", tokens_per_chunk=1, ends="stall", after=2)
    answer = begin(cli)
    events = await anext(answer)
    while len(text_of(events)) < len("one two"):
        events += await anext(answer)
    (home,) = homes()
    guard, program = command_lines()
    assert b"cli_guard.py" in guard
    assert b"gemini" in program
    assert KEY.encode() not in guard + program
    await answer.aclose()
    assert not home.exists()
    assert children() == []
    await google.until(lambda log: log[-1].client_closed)


async def test_what_the_cli_would_take_for_commands_and_files_arrives_as_it_was_written(google, cli):
    texts = [
        "/help",
        "/clear all\n\n@/etc/hostname, @~/.gemini/settings.json and @../system.md",
        "@system.md ${HOME} \\@x",
        "@generalist hi",
    ]
    cli = cli_of(cli._path, google.url, most=len(texts))
    await asyncio.gather(*(answer_of(cli, asking(text)) for text in texts))
    assert sorted(prompt_in(call)[0].removeprefix("\n") for call in google.log) == sorted(texts)
    assert all(len(prompt_in(call)) == 1 for call in google.log)


async def test_several_turns_arrive_as_one_text(google, cli):
    turns = (Turn("user", (Text("One?"),)), Turn("model", (Text("1."),)), Turn("user", (Text("Two?"),)))
    asked = asking()
    await answer_of(cli, type(asked)(asked.model, turns))
    (text,) = prompt_in(google.log[-1])
    assert text.index("One?") < text.index("1.") < text.index("Two?")


FAULTS = {
    "day_quota": (Outcome.DAY_QUOTA, 429),
    "minute_quota": (Outcome.MINUTE_QUOTA, 429),
    "api_key_invalid": (Outcome.KEY_REJECTED, 400),
    "suspended": (Outcome.SUSPENDED, 403),
    "model_not_found": (Outcome.MODEL_ABSENT, 404),
    "internal": (Outcome.UPSTREAM_FAILED, 500),
    "overloaded": (Outcome.UPSTREAM_FAILED, 503),
}


async def test_every_refusal_of_googles_is_read_as_if_the_cli_did_not_stand_between(google, cli):
    entries = {
        name: type(BY_KEY)(number, "gemini_cli", name, f"test-key-{number}", name) for number, name in enumerate(FAULTS, 1)
    }
    for name, entry in entries.items():
        google.script(key=entry.secret, error=name, seconds=12.5)
    refusals = dict(zip(FAULTS, await asyncio.gather(*(refusal_of(cli, entry=entry) for entry in entries.values())), strict=True))
    assert {name: (refusal.outcome, refusal.status) for name, refusal in refusals.items()} == FAULTS
    assert refusals["minute_quota"].retry_after == 12.5
    # The key is echoed here.
    assert entries["suspended"].secret not in str(refusals["suspended"])
    # It asks no second time, neither the same model nor another.
    assert len(google.log) == len(FAULTS)
    assert {call.model for call in google.log} == {"gemini-2.5-flash"}


async def test_blocked_cut_and_empty_answers_are_told_apart(google, cli):
    def script(number, **fields):
        google.script(key=f"test-key-{number}", **fields)
        return type(BY_KEY)(number, "gemini_cli", str(number), f"test-key-{number}", str(number))

    limited = asking(sampling=Sampling(max_tokens=20))
    ends = await asyncio.gather(
        answer_of(cli, entry=script(1, finish_reason="SAFETY", text="")),
        answer_of(cli, entry=script(2, block_reason="PROHIBITED_CONTENT")),
        answer_of(cli, entry=script(3, empty=True)),
        answer_of(cli, limited, entry=script(4, finish_reason="MAX_TOKENS", text="a b c d e f g h i j k l m n o p q r s t")),
        refusal_of(cli, entry=script(5, ends="cut", text="a b c d e f", after=1)),
    )
    assert [answer[-1].reason for answer in ends[:4]] == ["content_filter", "failed", "stop", "length"]
    assert text_of(ends[2]) == ""
    assert (ends[4].outcome, ends[4].message) == (Outcome.UPSTREAM_FAILED, "The upstream's answer broke off.")


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "gemini-3-flash", "gemini-3.1-flash-lite"])
async def test_the_models_that_the_cli_exchanges_for_others_are_those_that_are_not_asked_of_it(google, cli, model):
    refusal = await refusal_of(cli, asking(model=model))
    assert (refusal.outcome, len(google.log)) == (Outcome.MODEL_ABSENT, 0)
    assert instead_of(model, by_key=True) in refusal.message
    access = by_api_key(KEY, google.url)
    async with run(order(cli._path, CliPrompt("hi"), model=model, config={}, access=access, by_key=True)) as process:
        await process.end()
    assert google.log[-1].model == instead_of(model, by_key=True)


async def test_every_other_model_is_the_one_that_is_asked(google):
    models = ["gemini-3.1-pro-preview", "gemini-3-flash-preview", "gemini-3.8-flash", "gemini-2.5-flash-lite"]
    cli = cli_of(need_real_cli(), google.url, most=len(models))
    for answer in await asyncio.gather(*(answer_of(cli, asking(model=model)) for model in models)):
        assert answer[-1] == Finished("stop")
    assert sorted(call.model for call in google.log) == sorted(models)


async def test_a_login_serves_by_an_access_token_alone(google, cli_with_login):
    google.script(text="Hello, Ada", model="gemini-3.8-flash")
    cli = cli_with_login("expired", google.login("ada@example.com").access_token)
    events = await answer_of(cli, asking(model="gemini-3.8-flash"), entry=BY_LOGIN)
    assert text_of(events) == "Hello, Ada"
    assert events[-1] == Finished("stop")
    (call,) = google.log.generation()
    assert (call.surface, call.account, call.body["project"]) == ("code_assist", "ada@example.com", "ada-project")
    assert call.body["request"]["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}
    assert not any(call.method in ("token", "revoke") for call in google.log)
    assert cli._access.tokens != ["expired"]


async def test_what_google_says_of_an_account_is_read_with_its_link(google, cli_with_login):
    token = google.login("ada@example.com").access_token
    refusals = []
    for fault in ("validation_required", "tos_violation", "quota_exhausted"):
        google.script(error=fault, method="streamGenerateContent")
        refusals.append(await refusal_of(cli_with_login(token), entry=BY_LOGIN))
    assert [refusal.outcome for refusal in refusals[:2]] == [Outcome.VALIDATION_REQUIRED, Outcome.SUSPENDED]
    assert all("https://" in refusal.message for refusal in refusals[:2])
    assert refusals[2].outcome in (Outcome.DAY_QUOTA, Outcome.MINUTE_QUOTA)
    assert refusals[2].retry_after > 0


def test_it_works_on_the_event_loop_of_the_server(google, cli):
    google.script(text="Hello")
    google.script(text="one two", tokens_per_chunk=1, ends="stall", after=1)

    async def ask_and_leave() -> str:
        said = text_of(await answer_of(cli))
        answer = begin(cli)
        await anext(answer)
        await answer.aclose()
        return said

    assert uvloop.run(ask_and_leave()) == "Hello"
    assert (homes(), children()) == ([], [])


def test_nothing_of_what_it_runs_with_is_a_callers_word_or_a_secret_on_the_command_line():
    wanted = order("gemini", CliPrompt("PROMPT", "SYSTEM"), model="m", config={}, access=by_api_key("SECRET", "u"), by_key=True)
    assert not any(word in part for part in wanted.command for word in ("PROMPT", "SYSTEM", "SECRET"))
    assert "SECRET" not in json.dumps(dict(wanted.files))


async def test_a_deadline_ends_it(google, cli):
    google.script(ends="stall", text="one two", tokens_per_chunk=1, after=1)
    refusal = await refusal_of(cli, seconds=3)
    assert (refusal.outcome, refusal.status) == (Outcome.UPSTREAM_FAILED, 504)
    assert (homes(), children()) == ([], [])
