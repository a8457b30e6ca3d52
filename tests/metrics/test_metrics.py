"""`/metrics` of the real server."""

import json
import os
import signal

import pytest

from tests.api.server import Castor, chat_body
from tests.metrics.dashboard import expressions
from tests.metrics.prometheus import ALERTS, prometheus_of
from tests.metrics.scrape import Page, scrape

FLASH = "gemini-3.8-flash"


@pytest.fixture
def castor(castor_with) -> Castor:
    """Two web processes: each test sees that their numbers are told as one, for either of them may be asked."""
    return castor_with(WEB_WORKERS="2")


def test_what_requests_were_is_counted_by_dialect_model_and_status(castor):
    before = scrape(castor)
    for _ in range(3):
        assert castor.chat()[0] == 200
    assert castor.chat(temperature="hot")[0] == 400
    assert castor.chat(token="sk-nonsense")[0] == 401
    after = scrape(castor)
    assert grown(before, after, "castor_requests_total", dialect="chat", model=FLASH, status="2xx") == 3
    assert grown(before, after, "castor_requests_refused_total", code="401") == 1
    for histogram in ("castor_request_seconds", "castor_first_token_seconds"):
        assert grown(before, after, f"{histogram}_count", model=FLASH) == 3
        assert grown(before, after, f"{histogram}_bucket", model=FLASH, le="+Inf") == 3
        assert grown(before, after, f"{histogram}_sum", model=FLASH) > 0


def test_the_tokens_told_are_those_of_the_usage_records(castor):
    before = scrape(castor)
    castor.chat("a word or two", headers={"X-Request-ID": "for-the-tokens"})
    [record] = castor.usage("for-the-tokens")
    after = scrape(castor)
    for kind, column in (("in", "prompt_tokens"), ("out", "completion_tokens"), ("reasoning", "reasoning_tokens")):
        assert grown(before, after, "castor_tokens_total", model=FLASH, kind=kind) == record[column]
    assert record["prompt_tokens"] > 0


def test_every_attempt_is_counted_by_its_outcome(castor, google):
    before = scrape(castor)
    google.script(error="minute_quota")
    google.script(error="overloaded")
    assert castor.chat()[0] == 200
    after = scrape(castor)
    for outcome in ("minute_quota", "upstream_failed", "served"):
        assert grown(before, after, "castor_attempts_total", kind="api_key", outcome=outcome) == 1
    castor.wait(lambda: scrape(castor).value("castor_rests", reason="minute_quota") >= 1, "a rest told")


def test_a_stream_is_in_flight_until_its_client_goes(castor, google):
    google.script(text="one two three four", tokens_per_chunk=1, ends="stall", after=1)
    before = scrape(castor)
    with castor.streaming() as response:
        response.readline()
        during = scrape(castor)
        assert (during.value("castor_requests_in_flight"), during.value("castor_streams_in_flight")) == (1, 1)
    castor.wait(lambda: scrape(castor).value("castor_streams_in_flight") == 0, "rid of the stream")
    castor.wait(lambda: scrape(castor).value("castor_requests_in_flight") == 0, "rid of the request")
    after = scrape(castor)
    assert grown(before, after, "castor_requests_total", status="gone") == 1
    assert grown(before, after, "castor_attempts_total", outcome="abandoned") == 1


def test_five_hundred_made_up_models_make_no_series(castor):
    castor.chat(model="made-up")
    before = set(scrape(castor))
    for number in range(500):
        assert castor.chat(model=f"made-up-{number}")[0] == 404
    after = scrape(castor)
    assert set(after) - before == set()
    assert not [name for name in after.labels("castor_requests_total", "model") if "made-up" in name]
    assert after.value("castor_requests_total", model="other", status="4xx") >= 500


def test_no_secret_no_prompt_and_no_name_of_a_token_is_told(castor):
    castor.chat("a very private question")
    _, _, page = castor.ask("GET", "/metrics", token="")
    tokens = castor.rows("SELECT prefix FROM credentials_clienttoken")
    assert tokens
    for secret in ("private", castor.token, "pool-key", "project-of", *(token["prefix"] for token in tokens)):
        assert secret not in page.decode()


def test_how_the_pool_and_what_castor_stands_on_are_is_told(castor):
    page = scrape(castor)
    assert page.value("castor_credentials", kind="api_key") == 300
    assert page.labels("castor_credentials", "state") == {"available", "rate_limited", "invalid", "disabled"}
    assert page.value("castor_database_up") == page.value("castor_build_info") == 1
    assert page.value("castor_web_processes") == 2
    assert page.value("castor_requests_in_flight_limit") == 2000
    assert page.value("castor_celery_heartbeat_timestamp_seconds") == 0  # No worker has ever run here.
    castor.python("from openai_api.tasks import give_sign_of_life; give_sign_of_life()")
    beaten = scrape(castor).value("castor_celery_heartbeat_timestamp_seconds")
    assert page.value("castor_start_timestamp_seconds") < beaten


def served(castor: Castor) -> float:
    """What is told must be the same whoever is asked: new connections are spread over the processes."""
    told = {scrape(castor).value("castor_requests_total", status="2xx") for _ in range(6)}
    assert len(told) == 1
    return told.pop()


def grown(before: Page, after: Page, name: str, **labels: str) -> float:
    return after.value(name, **labels) - before.value(name, **labels)


# --- Who may ask -----------------------------------------------------------------------------------------------------


def test_through_a_proxy_nobody_is_near(castor):
    for head in ("X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"):
        status, _, body = castor.ask("GET", "/metrics", token="", **{head: "127.0.0.1"})
        assert (status, json.loads(body)["error"]["code"]) == (403, "metrics_forbidden")


def test_the_token_opens_it_and_nothing_else_does_then(castor_with):
    castor = castor_with(METRICS_TOKEN="only-for-prometheus")
    for token in ("", "nonsense", castor.token, "only-for-prometheus-"):
        status, headers, body = castor.ask("GET", "/metrics", token=token)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert "METRICS_TOKEN" in json.loads(body)["error"]["message"]
    assert castor.ask("GET", "/metrics", token="only-for-prometheus", X_Forwarded_For="8.8.8.8")[0] == 200
    assert castor.ask("POST", "/v1/chat/completions", chat_body(), token="only-for-prometheus")[0] == 401


def test_a_real_prometheus_takes_the_page_every_rule_and_every_query_of_the_dashboard(castor_with, tmp_path):
    castor = castor_with(METRICS_TOKEN="only-for-prometheus")
    castor.chat()
    with prometheus_of(castor, "only-for-prometheus", tmp_path) as prometheus:
        assert prometheus.wait_for('up{job="castor"} == 1') == [1]
        assert prometheus.wait_for('castor_requests_total{dialect="chat", status="2xx"}') == [1]
        [group] = prometheus.ask("rules")["groups"]
        assert [rule["name"] for rule in group["rules"]] == ALERTS
        [target] = prometheus.ask("targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        for expression in expressions():
            prometheus.values(expression)  # Raises for what is no query.
        assert prometheus.values("sum(castor_credentials)") == [300]
        assert prometheus.values("castor_first_token_seconds_count") == [1]


# --- /ready ----------------------------------------------------------------------------------------------------------


def test_ready_tells_of_each_check(castor):
    status, _, body = castor.ask("GET", "/ready", token="")
    assert (status, json.loads(body)) == (
        200,
        {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "pool": "ok"}, "credentials": 300},
    )


# --- Last, since it costs all processes their lives -------------------------------------------------------------------


def test_what_a_killed_process_had_counted_stays_and_what_it_had_in_flight_goes(castor, google):
    """Each process counts alone, so what is told by either of them must be the sum, before and after both of them die."""
    before = served(castor)
    for _ in range(20):
        castor.chat()
    assert served(castor) == before + 20
    google.script(text="one two three", tokens_per_chunk=1, ends="stall", after=1, times=2)
    with castor.streaming() as one, castor.streaming() as two:
        one.readline(), two.readline()
        assert scrape(castor).value("castor_streams_in_flight") == 2
        old = castor.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        castor.wait(lambda: len(set(castor.workers()) - set(old)) == 2 and castor.is_ready(), "with new processes")
        castor.wait(lambda: scrape(castor).value("castor_web_processes") == 2, "told of both")
        assert scrape(castor).value("castor_streams_in_flight") == 0
    for _ in range(20):
        castor.chat()
    assert served(castor) == before + 40
