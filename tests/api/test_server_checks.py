"""Checks of keys of OpenAI-compatible servers: what they list, whether they live, and whether the server is there at all."""

import pytest

from credentials import loading, startup, store
from credentials.health import Outcome, Reason, State
from credentials.models import Credential, ServedModel, Server, ServerKey
from credentials.servers import add_keys
from openai_api import tasks
from openai_api.checks import check_credentials
from tests.servers.server import OpenAiServer, Reply, completion, failing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(elsewhere) -> Server:
    elsewhere.models = ["llama-9", "llama-9-mini", "embed-1"]
    return Server.objects.create(name="elsewhere", base_url=f"{elsewhere.url}/v1")


@pytest.fixture
def one(server) -> Credential:
    add_keys(server, ["sk-one"])
    return ServerKey.objects.get()


def check(**given) -> dict[str, Outcome]:
    return {check.credential.secret: check.outcome for check in check_credentials(ServerKey.objects.all(), **given)}


def test_a_check_lists_the_models_and_asks_for_nothing_that_costs(one, elsewhere):
    assert check() == {"sk-one": Outcome.SERVED}
    assert sorted(one.served_models.values_list("name", flat=True)) == ["embed-1", "llama-9", "llama-9-mini"]
    assert [taken.path for taken in elsewhere.taken] == ["/v1/models"]


def test_a_key_that_is_not_accepted_is_invalid_and_another_one_is_not(server):
    add_keys(server, ["sk-one", "sk-wrong-key"])
    assert check() == {"sk-one": Outcome.SERVED, "sk-wrong-key": Outcome.KEY_REJECTED}
    states = {key.secret: (key.state, key.reason) for key in ServerKey.objects.all()}
    assert states == {"sk-one": (State.AVAILABLE, ""), "sk-wrong-key": (State.INVALID, Reason.KEY_REJECTED)}
    assert "sk-wrong-key" not in ServerKey.objects.exclude(reason="").get().detail


def test_a_dead_key_returns_only_when_it_has_been_given_a_token(one, elsewhere):
    store.record_check(one.pk, Outcome.KEY_REJECTED)
    elsewhere.script(Reply(b'{"data":[{"id":"llama-9"},{"id":"llama-9-mini"}]}'), failing(401, code="invalid_api_key"))
    assert check() == {"sk-one": Outcome.HALF_ALIVE}
    assert check() == {"sk-one": Outcome.SERVED}
    one.refresh_from_db()
    assert one.state == State.AVAILABLE
    asked = elsewhere.taken[-1]
    assert (asked.path, asked.json["model"], asked.json["max_tokens"]) == ("/v1/chat/completions", "llama-9-mini", 1)


def test_another_model_is_tried_where_one_cannot_be_asked_so(one, elsewhere):
    refused = failing(400, "Unsupported parameter: max_tokens", type="invalid_request_error")
    elsewhere.script(Reply(b'{"data":[{"id":"a"},{"id":"bb"},{"id":"tts-1"}]}'), refused, Reply(completion()))
    assert check(generates=True) == {"sk-one": Outcome.SERVED}
    assert [taken.json["model"] for taken in elsewhere.taken[1:]] == ["a", "bb"]


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_that_lists_nothing_may_have_anything(one, elsewhere, status):
    elsewhere.script(failing(status))
    assert check() == {"sk-one": Outcome.SERVED}
    assert not one.served_models.exists()
    assert not loading.load_roster({}).servers[one.server_id].unreachable


def test_one_without_keys_is_asked_without(elsewhere):
    with OpenAiServer().running() as keyless:
        server = Server.objects.create(name="ollama", base_url=f"{keyless.url}/v1")
        add_keys(server, [""])
        assert check() == {"": Outcome.SERVED}
        assert "authorization" not in keyless.taken[0].headers


def test_a_server_that_is_gone_hides_its_own_models_until_it_is_back(one, elsewhere):
    with OpenAiServer().running() as other:
        add_keys(Server.objects.create(name="other", base_url=f"{other.url}/v1"), ["sk-other"])
        other.models = ["other-1", "llama-9"]
        check()
        listed = loading.load_roster({}).elsewhere
        assert len(listed["llama-9"]) == 2
    assert check()["sk-other"] is Outcome.UPSTREAM_FAILED
    roster = loading.load_roster({})
    assert "other-1" not in roster.elsewhere
    assert roster.elsewhere["llama-9"] == (one.server_id,)
    assert ServerKey.objects.get(server__name="other").state == State.AVAILABLE  # No key is to blame.
    Server.objects.filter(name="other").update(base_url=f"{elsewhere.url}/v1/")
    elsewhere.keys.add("sk-other")
    assert check()["sk-other"] is Outcome.SERVED
    assert "llama-9" in loading.load_roster({}).servers[Server.objects.get(name="other").pk].models


@pytest.mark.parametrize("body", [b"<html>", b'{"data":"x"}', b'{"models":[]}'])
def test_what_is_no_list_of_models_says_so_and_blames_no_key(one, elsewhere, body):
    ServedModel.objects.create(credential=one, name="known")
    elsewhere.script(Reply(body))
    [found] = check_credentials(ServerKey.objects.all())
    assert found.outcome is Outcome.UPSTREAM_FAILED
    assert "base URL" in found.detail
    assert one.served_models.get().name == "known"


def test_the_schedule_lists_servers_more_often_than_keys_of_google(one, monkeypatch):
    queued: list[int] = []
    monkeypatch.setattr(tasks, "_queue", lambda ids, **given: queued.extend(ids))
    check()
    Credential.objects.update(checked_at="2026-01-01T00:00Z")
    tasks.refresh_model_lists()
    assert queued == []
    Credential.objects.update(models_listed_at="2026-01-01T00:00Z")
    tasks.refresh_model_lists()
    assert queued == [one.pk]


# --- UPSTREAM_URL and FIXED_API_KEY -------------------------------------------------------------------------------------


@pytest.fixture
def environment(settings, monkeypatch):
    settings.GEMINI_API_KEYS = []
    settings.UPSTREAM_URL, settings.FIXED_API_KEY = "https://New-API.example.com", ["sk-a", "sk-b"]
    checked: list[int] = []
    monkeypatch.setattr(startup, "request_check", lambda ids: checked.extend(ids))
    return checked


def test_the_environment_makes_a_server_once(environment, settings):
    for address in ("https://New-API.example.com", "https://new-api.example.com/v1", "https://new-api.example.com/v1/"):
        settings.UPSTREAM_URL = address
        startup.take_in_environment()
    server = Server.objects.get()
    assert (server.name, server.base_url) == ("new-api.example.com", "https://new-api.example.com/v1")
    assert sorted(key.secret for key in server.credentials.all()) == ["sk-a", "sk-b"]
    assert sorted(environment) == sorted(server.credentials.values_list("pk", flat=True))


def test_what_an_admin_has_changed_stays(environment, settings):
    startup.take_in_environment()
    Server.objects.update(name="mine")
    ServerKey.objects.update(enabled=False)
    settings.FIXED_API_KEY = ["sk-a", "sk-c"]
    startup.take_in_environment()
    found = {key.secret: key.enabled for key in Server.objects.get(name="mine").credentials.all()}
    assert found == {"sk-a": False, "sk-b": False, "sk-c": True}


def test_without_a_key_the_server_is_asked_without(environment, settings):
    settings.FIXED_API_KEY = []
    for _ in range(2):
        startup.take_in_environment()
    assert [key.secret for key in ServerKey.objects.all()] == [""]


def test_a_name_that_is_taken_is_not_taken_twice(environment, settings):
    Server.objects.create(name="new-api.example.com", base_url="https://elsewhere.example.com/v1")
    startup.take_in_environment()
    assert {server.name for server in Server.objects.all()} == {"new-api.example.com", "new-api.example.com (2)"}


def test_an_address_that_is_none_stops_the_start_with_a_sentence(environment, settings):
    settings.UPSTREAM_URL = "new-api.example.com"
    with pytest.raises(startup.ImproperlyConfigured, match="UPSTREAM_URL is no address of a server"):
        startup.take_in_environment()
    assert not Server.objects.exists()
