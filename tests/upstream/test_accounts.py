"""Google accounts as upstreams: Code Assist and the Gemini API by bearer, against the simulator."""

import base64
import json
import time
from contextlib import aclosing

import msgspec
import pytest
from msgspec.structs import replace

from credentials.accounts.tokens import Access
from credentials.health import Outcome
from credentials.roster import Entry, Roster
from openai_api.translation import chat
from openai_api.translation.conversation import Text, TextsToEmbed, Thinking
from openai_api.translation.events import Finished, Judgement, TextDelta, ThoughtDelta, ToolCallDelta, UsageReport
from openai_api.translation.gemini.response import read_usage
from openai_api.translation.gemini.wire import UsageMetadata
from openai_api.translation.moderations import conversation_about, read_judgement
from openai_api.upstream.access import AccessTokens
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.code_assist import CodeAssist
from openai_api.upstream.gemini import Gemini
from tests.credentials.pools import FLASH
from tests.upstream.test_http import opened

ADA = "ada@example.com"
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
    )
).decode()
KINDS = ("oauth", "code_assist")
EITHER = pytest.mark.parametrize("kind", KINDS)
_PLACE = {"type": "object", "properties": {"at": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": _PLACE}}


class Logins(AccessTokens):
    """The access tokens of the simulator's own logins."""

    def __init__(self, google) -> None:
        super().__init__()
        self._google = google
        self.given: list[str] = []

    async def _renew(self, credential_id, than, at_least):
        self.given.append(self._google.login(ADA).access_token)
        return Access(self.given[-1], time.time() + 3_600)


class Account:
    def __init__(self, google, client, kind, project="ada-project") -> None:
        self.entry = Entry(id=1, kind=kind, label=ADA, secret="", group="key:1", project=project)
        self.logins = Logins(google)
        ai_studio = AiStudio(client, google.url, self.logins)
        self.gemini = Gemini(ai_studio, CodeAssist(client, google.url, self.logins), None)

    async def ask(self, messages, *, at_once=False, **more):
        body = {"model": FLASH, "messages": messages, **more}
        conversation = chat.read_request(msgspec.json.encode(body)).conversation
        prepared = replace(self.gemini.prepare(conversation, Roster(entries=(self.entry,))), at_once=at_once)
        answer = self.gemini.ask(prepared, self.entry, new_call_id=lambda: "call_1", seconds=10)
        async with aclosing(answer):
            return [event async for batch in answer for event in batch]

    async def count(self, messages, **more) -> int:
        conversation = chat.read_request(msgspec.json.encode({"model": FLASH, "messages": messages, **more})).conversation
        prepared = self.gemini.prepare(conversation, Roster(entries=(self.entry,)), counts=True)
        async with aclosing(self.gemini.count(prepared, self.entry, new_call_id=str, seconds=10)) as answer:
            [[counted, _]] = [batch async for batch in answer]
        return counted.tokens

    async def embed(self, *texts):
        wanted = TextsToEmbed("gemini-embedding-001", texts, dimensions=128)
        [prepared] = self.gemini.prepare_embeddings(wanted, Roster(entries=(self.entry,)))
        async with aclosing(self.gemini.embed(prepared, self.entry, new_call_id=str, seconds=10)) as answer:
            [[vectors, *_]] = [batch async for batch in answer]
        return vectors.vectors

    async def judge(self, text) -> Judgement | None:
        conversation = conversation_about([Text(text)], model=FLASH, thinking=Thinking())
        prepared = self.gemini.prepare(conversation, Roster(entries=(self.entry,)), rated=True)
        async with aclosing(self.gemini.ask(prepared, self.entry, new_call_id=str, seconds=10)) as answer:
            return read_judgement([event async for batch in answer for event in batch])

    async def refused(self, **how):
        with pytest.raises(UpstreamRefused) as caught:
            await self.ask(HI, **how)
        return caught.value.refusal


HI = [{"role": "user", "content": "hi"}]


def text_of(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.fixture
async def account(google):
    google.add_user(ADA, project="ada-project")
    async with opened() as client:

        def account(kind, **more) -> Account:
            made.append(Account(google, client, kind, **more))
            return made[-1]

        made: list[Account] = []
        yield account
        for each in made:
            await each.logins.close()


@EITHER
async def test_words_come_as_they_are_said_with_thoughts_usage_and_an_end(account, google, kind):
    google.script(text="one two three", thoughts="Hm.", tokens_per_chunk=1)
    events = await account(kind).ask(HI, reasoning_effort="high")
    assert text_of(events) == "one two three"
    assert sum(isinstance(event, TextDelta) for event in events) > 1
    assert any(isinstance(event, ThoughtDelta) for event in events)
    assert [event.reason for event in events if isinstance(event, Finished)] == ["stop"]
    assert any(isinstance(event, UsageReport) and event.usage.completion for event in events)


@EITHER
async def test_a_whole_answer_that_is_asked_for_as_such_says_what_the_stream_would_have_said(account, google, kind):
    ada = account(kind)
    with google.scripted(text="one two three", thoughts="Hm.", calls=[{"name": "weather", "args": {"at": "Ulm"}, "id": "c1"}]):
        streamed = await ada.ask(HI, reasoning_effort="high", tools=[WEATHER])
        whole = await ada.ask(HI, reasoning_effort="high", tools=[WEATHER], at_once=True)
    assert [call.method for call in google.log.generation()] == ["streamGenerateContent", "generateContent"]
    assert text_of(whole) == text_of(streamed) == "one two three"
    [thought, call, end] = [event for event in whole if not isinstance(event, TextDelta | UsageReport)]
    assert (thought, end) == (ThoughtDelta("Hm."), Finished("tool_calls", "STOP"))
    assert (call.id, call.name, call.arguments, bool(call.signature)) == ("c1", "weather", '{"at":"Ulm"}', True)
    assert {type(event) for event in streamed} == {type(event) for event in whole}
    assert [[event for event in events if isinstance(event, UsageReport)][-1] for events in (streamed, whole)] == [
        UsageReport(read_usage(msgspec.convert(call.usage, UsageMetadata))) for call in google.log.generation()
    ]


@EITHER
async def test_a_whole_answer_that_breaks_off_is_none(account, google, kind):
    google.script(ends="cut", after=1)
    refused = await account(kind).refused(at_once=True)
    assert (refused.outcome, refused.status) == (Outcome.UPSTREAM_FAILED, 502)
    google.script(chunks=[{"candidates": [{"content": {"parts": [{"text": "without an end"}]}}]}])
    refused = await account(kind).refused(at_once=True)
    assert (refused.outcome, refused.message) == (Outcome.UPSTREAM_FAILED, "The upstream's answer broke off.")


@EITHER
async def test_a_tool_is_called_and_its_result_understood_with_its_signature(account, google, kind):
    ada = account(kind)
    asked = [{"role": "user", "content": 'call weather {"at": "Ulm"}'}]
    [call] = [event for event in await ada.ask(asked, tools=[WEATHER]) if isinstance(event, ToolCallDelta)]
    assert (call.name, json.loads(call.arguments)) == ("weather", {"at": "Ulm"})
    assert call.signature
    made = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": call.arguments}}
    made["extra_content"] = {"google": {"thought_signature": call.signature}}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    answer = await ada.ask([*asked, {"role": "assistant", "tool_calls": [made]}, result], tools=[WEATHER])
    assert text_of(answer)
    assert not google.log[-1].broken_rule


@EITHER
async def test_an_image_goes_in(account, google, kind):
    parts = [{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    assert text_of(await account(kind).ask([{"role": "user", "content": parts}]))
    assert PIXEL in google.log[-1].raw.decode()


async def test_code_assist_is_asked_in_its_envelope(account, google):
    await account("code_assist").ask(HI)
    call = google.log[-1]
    assert (call.surface, call.account, call.model) == ("code_assist", ADA, FLASH)
    assert call.body["project"] == "ada-project"
    assert "x-goog-user-project" not in call.headers


async def test_the_gemini_api_is_asked_in_the_name_of_the_accounts_project(account, google):
    await account("oauth").ask(HI)
    call = google.log[-1]
    assert (call.surface, call.account) == ("gemini", ADA)
    assert call.headers["x-goog-user-project"] == "ada-project"
    assert "x-goog-api-key" not in call.headers


@EITHER
async def test_a_token_that_has_ended_is_renewed_once_and_the_answer_comes(account, google, kind):
    ada = account(kind)
    await ada.ask(HI)
    google.expire_access(ADA)
    assert text_of(await ada.ask(HI))
    assert len(ada.logins.given) == 2


@EITHER
async def test_without_a_project_nothing_is_sent(account, google, kind):
    refusal = await account(kind, project="").refused()
    assert refusal.outcome is Outcome.PROJECT_MISSING
    assert not google.log.generation()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("rate_limit_exceeded", Outcome.MINUTE_QUOTA),
        ("quota_exhausted", Outcome.DAY_QUOTA),
        ("capacity_exhausted", Outcome.UPSTREAM_FAILED),
        ("unsupported_client", Outcome.UNSUPPORTED_CLIENT),
        ("no_licence", Outcome.NOT_PERMITTED),
        ("validation_required", Outcome.VALIDATION_REQUIRED),
        ("tos_violation", Outcome.SUSPENDED),
        ("service_disabled", Outcome.API_DISABLED),
        ("model_not_found", Outcome.MODEL_ABSENT),
    ],
)
async def test_code_assists_refusals_mean_what_they_say(account, google, error, outcome):
    ada = account("code_assist")
    google.script(error=error, account=ADA)
    refusal = await ada.refused()
    assert refusal.outcome is outcome
    assert refusal.project == "", "Code Assist counts by account, whatever project a refusal names"
    assert ada.logins.given[0] not in refusal.message


async def test_an_error_inside_the_stream_is_read_through_the_envelope(account, google):
    google.script(text="a b", ends="error", error="capacity_exhausted", after=0)
    assert (await account("code_assist").refused()).outcome is Outcome.UPSTREAM_FAILED


@EITHER
async def test_tokens_are_counted_as_they_would_be_charged(account, google, kind):
    ada = account(kind)
    asked = [{"role": "system", "content": "Be brief, and kind to everybody."}, {"role": "user", "content": "What is a beaver?"}]
    usage = [event.usage for event in await ada.ask(asked) if isinstance(event, UsageReport)][-1]
    assert await ada.count(asked) == usage.prompt
    assert google.log[-1].method == "countTokens"


async def test_the_gemini_api_counts_tools_as_well(account, google):
    ada = account("oauth")
    assert await ada.count(HI, tools=[WEATHER]) > await ada.count(HI)


@EITHER
async def test_a_refused_count_is_a_refusal_like_any_other(account, google, kind):
    ada = account(kind)
    google.script(error="overloaded" if kind == "oauth" else "capacity_exhausted", account=ADA, method="countTokens")
    with pytest.raises(UpstreamRefused) as caught:
        await ada.count(HI)
    assert caught.value.refusal.outcome is Outcome.UPSTREAM_FAILED


@EITHER
@pytest.mark.parametrize("body", ["{}", "no JSON", {"totalTokens": "many"}])
async def test_an_answer_without_a_count_is_none(account, google, kind, body):
    google.script(status=200, body=body, account=ADA, method="countTokens")
    with pytest.raises(UpstreamRefused) as caught:
        await account(kind).count(HI)
    assert caught.value.refusal.outcome is Outcome.UPSTREAM_FAILED


async def test_texts_are_embedded_in_the_name_of_the_accounts_project(account, google):
    vectors = await account("oauth").embed("a", "b")
    assert [len(vector) for vector in vectors] == [128, 128]
    [call] = google.log
    assert (call.method, call.account, call.headers["x-goog-user-project"]) == ("batchEmbedContents", ADA, "ada-project")


async def test_an_access_token_that_lapsed_is_renewed_before_texts_are_embedded(account, google):
    ada = account("oauth")
    await ada.embed("a")
    google.expire_access(ADA)
    assert len(await ada.embed("a")) == 1
    assert len(ada.logins.given) == 2


@EITHER
async def test_texts_are_judged_by_the_model_and_by_googles_filters(account, google, kind):
    rating = {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "MEDIUM"}
    asked = account(kind)
    google.script(ratings=[rating])
    judgement = await asked.judge('fill in {"violence": 0.7}')
    assert {name: score for name, score in judgement.scores.items() if score} == {"violence": 0.7, "hate": 0.6}
    google.script(block_reason="SAFETY", ratings=[{**rating, "blocked": True}])
    judgement = await asked.judge("a")
    assert (judgement.blocked, judgement.scores["hate"]) == ("SAFETY", 0.95)
