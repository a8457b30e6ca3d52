"""Google accounts in production: tokens that end, days that are used up, logins that are revoked, processes that die."""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import openai
import pytest

from tests.google.accounts import ACCESS_LIFETIME
from tests.google.log import Call
from tests.house.parts import frozen
from tests.house.production import WebProcess
from tests.house.waiting import eventually
from tests.scenarios.load import MODEL, Samples, burst
from tests.scenarios.scene import Account, Scene
from tests.upstream.command_lines import REAL, need_real_cli

WORKERS = 4
WITHIN = 3.0
"""Seconds. A second is promised; the rest is for a machine that has other things to do."""
AT_ONCE = 60
DAILY = 40
"""Requests."""
PRO = "gemini-2.5-pro"
ADA, GRACE = "ada@example.com", "grace@example.com"
KEYS = {f"beside-accounts-{number}": f"beside-accounts-{number}" for number in range(2)}
TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(scope="module")
def every_mode(set_scene) -> Scene:
    return set_scene(workers=WORKERS, moved=True, CREDENTIAL_MODE="fallback", GEMINI_CLI_PATH=str(REAL))


@pytest.fixture(scope="module")
def mode() -> dict[str, str]:
    """The one that the web processes have been started with last."""
    return {"is": "fallback"}


def in_mode(wanted: str):
    @pytest.fixture
    def scene(every_mode: Scene, mode: dict[str, str]) -> Scene:
        if mode["is"] != wanted:
            every_mode.castor.web.stop()
            every_mode.castor.start_web(CREDENTIAL_MODE=wanted)
            mode["is"] = wanted
        return every_mode

    return scene


fallback, combined, disabled = in_mode("fallback"), in_mode("combined"), in_mode("disabled")


def asked(scene: Scene, method: str) -> list[Call]:
    return [call for call in scene.google.log if call.method == method]


def in_flight(scene: Scene) -> int:
    return sum(call.ended is None for call in scene.calls())


@contextmanager
def meanwhile(scene: Scene, count: int) -> Iterator[Future[Samples]]:
    """So many requests that go on while the block does."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(burst, scene.castor, count, at_once=AT_ONCE)


@contextmanager
def sdk(scene: Scene) -> Iterator[openai.OpenAI]:
    """On one connection, so that one web process answers."""
    with openai.OpenAI(base_url=f"{scene.castor.root}/v1", api_key=scene.castor.token, max_retries=0) as client:
        yield client


def said(client: openai.OpenAI, text: str, **fields) -> openai.types.chat.ChatCompletionMessage:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **fields)
    return answer.choices[0].message


def history(scene: Scene, name: str) -> list[tuple[str, str]]:
    query = "SELECT state, reason FROM credentials_statechange WHERE credential_id = %s ORDER BY id"
    return [(row["state"], row["reason"]) for row in scene.castor.rows(query, scene.ids[name])]


def midnight(scene: Scene) -> datetime:
    """The next one in California."""
    return scene.clock.now() + timedelta(seconds=scene.google.clock.seconds_to_pacific_midnight())


# --- Access tokens ------------------------------------------------------------------------------------------------


def test_a_token_that_ends_under_load_is_renewed_by_one_call_and_no_request_fails(fallback):
    with fallback.pool({}, {ADA: Account(fields={"max_concurrent": AT_ONCE})}):
        fallback.google.script(method="token", delay=1.0)
        with fallback.google.scripted(delay=0.4), meanwhile(fallback, 5 * AT_ONCE) as samples:
            eventually(lambda: in_flight(fallback) >= 50, "under load")
            fallback.clock.advance(ACCESS_LIFETIME)
        assert samples.result().statuses == {200: 5 * AT_ONCE}
        assert {sample.attempts for sample in samples.result()} == {1}
        assert [call.status for call in asked(fallback, "token")] == [200]
        assert {call.status for call in fallback.calls()} <= {200, 401}
        _, after = dict.fromkeys(call.key for call in fallback.calls() if call.status == 200)
        assert len([call for call in fallback.calls() if call.key == after]) >= AT_ONCE
        assert fallback.states() == [{ADA: "available"}] * WORKERS


def test_celery_renews_a_token_ahead_of_its_end_so_that_no_request_waits_for_google(fallback):
    with fallback.pool({}, {ADA: Account()}):
        fallback.clock.advance(ACCESS_LIFETIME - 500)
        fallback.let_beat_find_everything_due()
        far = fallback.clock.now() + timedelta(seconds=ACCESS_LIFETIME - 60)
        eventually(lambda: token_ends(fallback, ADA) > far, "renewed")
        fallback.castor.beat.stop()
        with fallback.google.scripted(method="token", ends="stall", after=0):
            fallback.clock.advance(600)
            assert not burst(fallback.castor, 40).failed
        assert [call.status for call in asked(fallback, "token")] == [200]
        assert len({call.key for call in fallback.calls(ADA)}) == 1


def token_ends(scene: Scene, email: str) -> datetime:
    [row] = scene.castor.rows("SELECT access_until FROM credentials_googlelogin WHERE credential_id = %s", scene.ids[email])
    return row["access_until"]


def test_without_celery_requests_renew_the_token_themselves(fallback):
    with fallback.pool({}, {ADA: Account()}):
        fallback.castor.worker.kill()
        try:
            for _ in range(2):
                fallback.google.log.clear()
                fallback.clock.advance(ACCESS_LIFETIME)
                assert not burst(fallback.castor, 40, at_once=16).failed
                assert [call.status for call in asked(fallback, "token")] == [200]
        finally:
            fallback.castor.worker.start()


def test_when_a_process_is_killed_in_the_middle_of_a_renewal_another_one_takes_over(fallback):
    with fallback.pool({}, {ADA: Account()}):
        fallback.clock.advance(ACCESS_LIFETIME)
        fallback.google.script(method="token", ends="stall", after=0)  # Only this one call.
        victim, *others = fallback.workers
        with ThreadPoolExecutor(WORKERS) as threads:
            lost = threads.submit(victim.chat)
            eventually(lambda: asked(fallback, "token"), "asking Google")
            os.kill(victim.pid, signal.SIGKILL)
            answers = [threads.submit(other.chat) for other in others]
        assert isinstance(lost.exception(), OSError | http.client.HTTPException)
        assert [answer.result().status for answer in answers] == [200] * len(others)
        first, second = asked(fallback, "token")
        assert (first.client_closed, second.status) == (True, 200)
        print(f"taken over after {second.started - first.started:.1f} s")
        fallback.castor.wait_for_web()
        with fallback.connected():
            assert [worker.chat().status for worker in fallback.workers] == [200] * WORKERS
        assert len(asked(fallback, "token")) == 2


def test_an_outage_of_googles_sign_in_fails_no_request_and_the_account_serves_again_after_it(fallback):
    with fallback.pool(KEYS, {ADA: Account(fields={"max_concurrent": AT_ONCE})}):
        fallback.clock.advance(ACCESS_LIFETIME)
        # All who wait for the token learn at the same moment that there is none, long before anybody is answered.
        with fallback.google.scripted(method="token", status=503, body=""):
            with fallback.google.scripted(first_byte_delay=1.0):
                assert burst(fallback.castor, AT_ONCE, at_once=AT_ONCE).statuses == {200: AT_ONCE}
            assert not burst(fallback.castor, 40).failed
            assert fallback.calls_by_key().keys() == KEYS.keys()
        assert {call.status for call in asked(fallback, "token")} == {503}
        # The pause between two renewals is by the database's clock, which nobody moves.
        paused = "SELECT credential_id FROM credentials_googlelogin WHERE renewing_until > now()"
        eventually(lambda: not fallback.castor.rows(paused), "over")
        fallback.clock.advance(60)
        fallback.ask_until_tried(ADA)
        for worker in fallback.workers:
            eventually(lambda worker=worker: asks(fallback, worker, ADA), "asked again by every process")
        assert "invalid" not in dict(history(fallback, ADA))


def test_a_login_that_is_revoked_is_invalid_once_and_serves_again_within_a_second_of_a_new_one(fallback):
    with fallback.pool(KEYS, {ADA: Account(fields={"label": "Ada's", "weight": 3})}):
        fallback.google.revoke(ADA)
        assert not burst(fallback.castor, 80, at_once=16).failed
        fallback.everyone_sees(ADA, "invalid")
        assert [call.status for call in asked(fallback, "token")] == [400]
        eventually(lambda: history(fallback, ADA) == [("invalid", "login_ended")], "written down, and once")
        fallback.google.log.clear()
        with sdk(fallback) as client:
            assert [said(client, text).content for text in ("one", "two")] == ["echo: one", "echo: two"]
        assert not burst(fallback.castor, 20).failed
        assert fallback.calls_by_key().keys() == KEYS.keys()
        fallback.google.log.clear()

        with meanwhile(fallback, 3 * AT_ONCE) as samples:
            assert "Authentication successful" in log_in_again(fallback, ADA)
            fallback.everyone_sees(ADA, "available", seconds=WITHIN)
            [exchange] = asked(fallback, "token")
            print(f"back in every process {time.time() - exchange.ended:.2f} s after the new tokens were given, or before")
        assert samples.result().statuses == {200: 3 * AT_ONCE}
        for worker in fallback.workers:
            before = len(fallback.calls(ADA))
            assert worker.chat().status == 200
            assert [call.status for call in fallback.calls(ADA)[before:]] in ([200], [401, 200])
        assert [call.body["grant_type"] for call in asked(fallback, "token")] == ["authorization_code"]
        assert history(fallback, ADA) == [("invalid", "login_ended"), ("available", "")]
        kept = "SELECT id, label, weight, enabled FROM credentials_credential WHERE email = %s"
        assert fallback.castor.rows(kept, ADA) == [{"id": fallback.ids[ADA], "label": "Ada's", "weight": 3, "enabled": True}]


def log_in_again(scene: Scene, email: str) -> str:
    """As the admin does, from the account's page on; the page that it ends on."""
    with scene.castor.admin() as browser:
        page = browser.get(f"/admin/credentials/googleaccount/{scene.ids[email]}/change/").text
        assert "Its login has ended" in page
        again = f"/auth/login?account={scene.ids[email]}"
        assert again in page
        at_google = browser.get(again).url
        assert str(at_google).startswith(scene.google.url)
        return browser.get(scene.google.consent(str(at_google), email)).text


def test_accounts_with_a_known_token_go_on_while_redis_and_the_database_do_not_answer(fallback):
    with fallback.pool({}, {ADA: Account()}):
        with frozen(fallback.castor.redis.pid, fallback.castor.cluster.pid):
            eventually(lambda: answers_to_a_stranger(fallback) == [503] * WORKERS, "noticed by every web process")
            assert not burst(fallback.castor, 40).failed
            # Now each process would rather have a new token, and cannot.
            fallback.clock.advance(ACCESS_LIFETIME - 150)
            assert not burst(fallback.castor, 40).failed
            assert asked(fallback, "token") == []
        fallback.clock.advance(150)
        eventually(lambda: answers_to_a_stranger(fallback) == [401] * WORKERS, "back")
        assert not burst(fallback.castor, 40).failed
        assert [call.status for call in asked(fallback, "token")] == [200]


def answers_to_a_stranger(scene: Scene) -> list[int]:
    return [worker.chat(token="castor-of-a-stranger").status for worker in scene.workers]


# --- Quota --------------------------------------------------------------------------------------------------------


def test_an_account_serves_until_its_day_is_used_up_then_keys_do_and_it_is_asked_again_when_google_says(fallback):
    with fallback.pool(KEYS, {ADA: Account(user={"daily_requests": DAILY})}):
        reset = midnight(fallback)
        assert not burst(fallback.castor, 80).failed
        served = [call.account or call.key for call in fallback.calls() if call.status == 200]
        assert served.count(ADA) == DAILY - WORKERS, "all that was left of its day"
        assert {*served} == {ADA, *KEYS}
        assert set(served[: served.index(next(one for one in served if one != ADA))]) == {ADA}, "the keys come after it"
        fallback.everyone_sees(ADA, "rate_limited")
        [rest] = eventually(fallback.rests, "written down")
        assert (rest.who, rest.model, rest.reason) == (ADA, MODEL, "day_quota")
        assert abs(rest.until - reset) < timedelta(seconds=2)

        fallback.google.log.clear()
        for before in (reset - fallback.clock.now()) / 2, timedelta(seconds=20):
            fallback.clock.move_to(reset - before)
            assert not burst(fallback.castor, 20).failed
        assert fallback.calls(ADA) == []
        fallback.clock.move_to(reset + timedelta(seconds=5))
        fallback.ask_until_tried(ADA)
        for worker in fallback.workers:
            eventually(lambda worker=worker: asks(fallback, worker, ADA), "asked again by every process")
        eventually(lambda: fallback.rests() == [], "forgotten")
        fallback.google.log.clear()
        assert not burst(fallback.castor, 10).failed
        assert fallback.calls_by_key() == {ADA: 10}


def test_code_assist_is_believed_when_it_names_another_moment_than_midnight(fallback):
    with fallback.pool(KEYS, {ADA: Account()}):
        fallback.google.script(account=ADA, error="quota_exhausted", seconds=5 * 3600)
        fallback.ask_until_tried(ADA)
        [rest] = eventually(fallback.rests, "written down")
        assert abs(rest.until - fallback.clock.now() - timedelta(hours=5)) < timedelta(minutes=1)
        fallback.everyone_sees(ADA, "rate_limited")
        fallback.google.log.clear()
        fallback.clock.move_to(rest.until - timedelta(minutes=1))
        assert not burst(fallback.castor, 20).failed
        assert fallback.calls(ADA) == []
        fallback.clock.move_to(rest.until + timedelta(seconds=5))
        fallback.ask_until_tried(ADA)
        for worker in fallback.workers:
            eventually(lambda worker=worker: asks(fallback, worker, ADA), "asked again by every process")


def asks(scene: Scene, worker: WebProcess, email: str) -> bool:
    """Whether the process has its next request served by the account."""
    before = len(scene.calls(email))
    assert worker.chat().status == 200
    return len(scene.calls(email)) > before


def test_a_check_by_celery_lets_the_model_rest_of_which_nothing_is_left_and_no_other(fallback):
    with fallback.pool(KEYS, {ADA: Account(user={"quota": {PRO: 0.0}})}):
        fallback.let_beat_find_everything_due()
        eventually(lambda: asked(fallback, "retrieveUserQuota"), "asked by the background worker")
        fallback.everyone_sees(ADA, "rate_limited", model=PRO)
        fallback.castor.beat.stop()
        fallback.everyone_sees(ADA, "available")
        [rest] = fallback.rests()
        assert (rest.who, rest.model, rest.reason) == (ADA, PRO, "day_quota")
        assert abs(rest.until - midnight(fallback)) < timedelta(seconds=2)
        assert left(fallback, ADA)[PRO] == 0.0 < left(fallback, ADA)[MODEL]
        fallback.google.log.clear()
        assert not burst(fallback.castor, 20, model=PRO).failed
        assert fallback.calls_by_key().keys() == KEYS.keys()
        fallback.google.log.clear()
        for model in (MODEL, "gemini-2.5-flash"):
            assert not burst(fallback.castor, 10, model=model).failed
        assert fallback.calls_by_key() == {ADA: 20}


def left(scene: Scene, email: str) -> dict[str, float]:
    """What the admin shows of each model's quota."""
    [row] = scene.castor.rows("SELECT quota FROM credentials_googlelogin WHERE credential_id = %s", scene.ids[email])
    return {bucket["model"]: bucket["remaining_fraction"] for bucket in row["quota"]}


# --- Kinds beside each other --------------------------------------------------------------------------------------


def test_combined_a_key_and_accounts_of_both_uses_share_the_work(combined):
    accounts = {ADA: Account(), GRACE: Account(use="gemini_api", project="of-grace")}
    with combined.pool({"alike": "alike"}, accounts):
        assert not burst(combined.castor, 60).failed
        assert not burst(combined.castor, 60, stream=True).failed
        asked_of = combined.calls_by_key()
        assert asked_of.keys() == {"alike", ADA, GRACE}
        assert {name: count for name, count in asked_of.items() if abs(count - 40) > WORKERS} == {}
        assert {(call.account, call.surface, call.project) for call in combined.calls()} == {
            ("", "gemini", "alike"), (ADA, "code_assist", "of-the-account"), (GRACE, "gemini", "of-grace"),
        }  # fmt: skip


def test_plain_text_goes_to_the_gemini_cli_as_well_and_a_request_with_tools_never_does(combined):
    need_real_cli()
    keys = {"by-itself": "by-itself", "by-cli": "by-cli"}
    accounts = {ADA: Account(), GRACE: Account(use="gemini_api", project="of-grace")}
    with (
        combined.pool(keys, accounts, **{"by-cli": {"kind": "gemini_cli", "use": "gemini_api"}}),
        sdk(combined) as client,
    ):
        for number in range(4):
            assert said(client, f"text {number}").content.endswith(f"text {number}")  # The CLI sends a preface of its own.
        assert combined.calls_by_key() == {"by-itself": 1, "by-cli": 1, ADA: 1, GRACE: 1}
        combined.google.log.clear()
        for number in range(8):
            [call] = said(client, f'call look_up {{"number": {number}}}', tools=TOOLS).tool_calls
            assert (call.function.name, json.loads(call.function.arguments)) == ("look_up", {"number": number})
        assert combined.calls_by_key().keys() == {"by-itself", ADA, GRACE}
        combined.google.log.clear()

        combined.django(_ONLY_THE_CLI)
        eventually(lambda: all(view.keys() == {"by-cli"} for view in combined.views()), "alone in every web process")
        with pytest.raises(openai.BadRequestError) as refused:
            said(client, "hello", tools=TOOLS)
        assert refused.value.param == "tools"
        assert combined.calls() == []
        assert said(client, "hello").content.endswith("hello")


_ONLY_THE_CLI = """
import django
django.setup()
from credentials.models import Credential
for credential in Credential.objects.exclude(kind="gemini_cli"):
    credential.enabled = False
    credential.save()
"""


def test_disabled_keys_are_not_asked_even_when_no_account_can_serve(disabled):
    with disabled.pool(KEYS, {ADA: Account(user={"daily_requests": WORKERS + 6})}):
        assert burst(disabled.castor, 6).statuses == {200: 6}
        refused = burst(disabled.castor, 20)
        assert refused.statuses == {429: 20}
        until_reset = disabled.google.clock.seconds_to_pacific_midnight()
        assert all(abs(sample.retry_after - until_reset) < 60 for sample in refused)
        assert disabled.calls_by_key().keys() == {ADA}
