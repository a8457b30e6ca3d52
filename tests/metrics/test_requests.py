"""Which labels a request is counted by."""

import pytest

from credentials.roster import ModelCard, Roster, Route, Server
from openai_api.metrics import requests
from openai_api.metrics.attempts import count_attempt
from openai_api.metrics.memory import here
from openai_api.metrics.requests import MOST_MODELS, count_request
from openai_api.metrics.text import totals
from openai_api.models import CLIENT_GONE
from openai_api.usage import Entry

ROSTER = Roster(
    models={"listed": ModelCard("listed")},
    servers={1: Server(1, "a server", models={"elsewhere": ModelCard("elsewhere")})},
    aliases={"gpt-4o": "aliased"},
    routes=(Route("routed", server=1, fallback=("fallen-back",)), Route("pattern-*")),
)


@pytest.fixture(autouse=True)
def no_model_is_known_yet(monkeypatch):
    monkeypatch.setattr(requests, "_of_models", {})


def entry(model: str = "listed", **fields) -> Entry:
    about = {"model_asked": model, "model_served": model, "dialect": "a-dialect", "stream": False, "status": 200, **fields}
    return Entry(uid="u", request_id="r", started_at=0.0, token=1, owner=1, **about)


def counted(model: str, status: str = "2xx") -> float:
    return totals(here.regions).get(f'castor_requests_total{{dialect="a-dialect",model="{model}",status="{status}"}}', [0.0])[0]


@pytest.mark.parametrize(
    ("model", "label"),
    [
        *((name, name) for name in ("listed", "elsewhere", "aliased", "routed", "fallen-back", "files")),
        *((name, "other") for name in ("gpt-4o", "made-up", "pattern-1", "", "pattern-*x")),
    ],
)
def test_only_models_that_the_pool_knows_are_told_by_name(model, label):
    before = counted(label)
    count_request(entry(model), ROSTER)
    assert counted(label) == before + 1


@pytest.mark.parametrize(
    ("status", "label"), [(200, "2xx"), (400, "4xx"), (429, "4xx"), (CLIENT_GONE, "gone"), (500, "5xx"), (507, "5xx")]
)
def test_who_has_hung_up_is_no_error_of_the_client(status, label):
    before = counted("listed", label)
    count_request(entry(status=status), ROSTER)
    assert counted("listed", label) == before + 1


def test_a_server_that_lists_thousands_of_models_makes_no_thousands_of_series():
    many = Roster(models={f"model-{number}": ModelCard(f"model-{number}") for number in range(1000)})
    before = counted("other")
    for number in range(1000):
        count_request(entry(f"model-{number}"), many)
    assert counted("other") == before + 1000 - MOST_MODELS
    assert len(requests._of_models) == MOST_MODELS + 1


@pytest.mark.parametrize(
    ("kind", "label"),
    [("api_key", "api_key"), ("code_assist", "oauth"), ("server:7", "openai_compatible"), ("gemini_cli", "gemini_cli")],
)
def test_an_attempt_is_counted_by_the_kind_that_credentials_are_counted_by(kind, label):
    name = f'castor_attempts_total{{kind="{label}",outcome="served"}}'
    before = totals(here.regions).get(name, [0.0])[0]
    count_attempt(kind, "served")
    assert totals(here.regions)[name] == [before + 1]
