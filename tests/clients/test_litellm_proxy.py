"""LiteLLM's proxy as the server behind Castor: one that nobody here wrote. It answers by itself, without any model."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import openai
import pytest

from tests.api.server import HOME

PROGRAM = HOME / ".venv-litellm" / "bin" / "litellm"
PATIENCE = 120.0
CONFIG = {
    "model_list": [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_key": "none", "mock_response": f"I am {name}."}}
        for name in ("llama-of-litellm", "mistral-of-litellm")
    ]
    + [
        {
            "model_name": "embedder-of-litellm",
            "litellm_params": {"model": "openai/embedder-of-litellm", "api_key": "none", "mock_response": [[0.5, 0.25]]},
        }
    ],
    "general_settings": {"master_key": "sk-litellm-master"},
}


@pytest.fixture(scope="module")
def litellm(tmp_path_factory):
    """Its address."""
    if not PROGRAM.exists():
        pytest.skip("litellm is not installed: `make test` makes .venv-litellm")
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(json.dumps(CONFIG))  # JSON is YAML.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [PROGRAM, "--config", folder / "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url, process, log) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(f"{url}/health/liveliness", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def _before_litellm(_makers, litellm):
    castor = _makers.make()
    castor.python(
        "from credentials.models import *\nfrom credentials.servers import *\nfrom openai_api.checks import *\n"
        f"add_keys(take_in_server('{litellm}/v1'), ['sk-litellm-master', 'sk-nobodys'])\n"
        "list(check_credentials(Credential.objects.filter(server__isnull=False)))\n"
        "ModelRoute.objects.create(pattern='mistral-of-*', server=Server.objects.get(), stream_internally=True)"
    )
    castor.wait(lambda: castor.ask("GET", "/v1/models/llama-of-litellm")[0] == 200, "aware of LiteLLM")
    yield castor
    castor.stop()


@pytest.fixture
def before_litellm(_before_litellm, _known_to_google):
    return _before_litellm


@pytest.fixture
def client(before_litellm):
    with openai.OpenAI(base_url=before_litellm.base_url, api_key=before_litellm.token, max_retries=0) as client:
        yield client


ASKED = [{"role": "user", "content": "Who are you?"}]


def test_a_check_finds_which_key_it_accepts_and_which_models_it_has(before_litellm):
    query = "SELECT masked, state, reason FROM credentials_credential WHERE kind = 'openai_compatible' ORDER BY id"
    found = [(row["masked"], row["state"], row["reason"]) for row in before_litellm.rows(query)]
    assert found == [("sk-li…ster", "available", ""), ("…", "invalid", "key_rejected")]
    names = {card["id"] for card in json.loads(before_litellm.ask("GET", "/v1/models")[2])["data"]}
    assert {"llama-of-litellm", "mistral-of-litellm", "gemini-3.8-flash"} <= names


def test_the_official_client_gets_its_answers_whole_and_streamed(client):
    for _ in range(3):  # The key that it does not accept is never used.
        answer = client.chat.completions.create(model="llama-of-litellm", messages=ASKED)
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("I am llama-of-litellm.", "stop")
    assert answer.usage.completion_tokens > 0
    stream = client.chat.completions.create(model="mistral-of-litellm", messages=ASKED, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "I am mistral-of-litellm."


def test_its_usage_is_counted(before_litellm, client):
    headers = {"X-Request-ID": "by-litellm"}
    stream = client.chat.completions.create(
        model="llama-of-litellm", messages=ASKED, stream=True, stream_options={"include_usage": True}, extra_headers=headers
    )
    told = [chunk.usage for chunk in stream if chunk.usage][-1]
    [row] = before_litellm.usage("by-litellm")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (told.prompt_tokens, told.completion_tokens)
    assert (row["estimated"], row["status"], row["model_served"]) == (False, 200, "llama-of-litellm")


def test_a_whole_answer_is_collected_from_its_stream_and_says_the_same(before_litellm, client, litellm):
    headers = {"X-Request-ID": "collected-from-litellm"}
    answer = client.chat.completions.create(model="mistral-of-litellm", messages=ASKED, extra_headers=headers)
    with openai.OpenAI(base_url=f"{litellm}/v1", api_key="sk-litellm-master", max_retries=0) as direct:
        whole = direct.chat.completions.create(model="mistral-of-litellm", messages=ASKED)
    said = {"message": {"role", "content"}, "finish_reason": True}
    assert answer.choices[0].model_dump(include=said) == whole.choices[0].model_dump(include=said)
    assert (answer.object, answer.model) == (whole.object, whole.model)
    [row] = before_litellm.usage("collected-from-litellm")
    told = answer.usage  # LiteLLM counts what it makes up in a stream, and makes up the number of what it does not stream.
    assert (row["prompt_tokens"], row["completion_tokens"]) == (told.prompt_tokens, told.completion_tokens)
    assert (row["estimated"], row["stream"], told.completion_tokens > 0) == (False, False, True)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_its_answers_are_cut_before_a_stop_tag(client, stream):
    tags = {"X-Castor-Stop-Tags": "-litellm"}
    answer = client.chat.completions.create(model="llama-of-litellm", messages=ASKED, stream=stream, extra_headers=tags)
    if stream:
        choices = [chunk.choices[0] for chunk in answer if chunk.choices]
        told, end = "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason
    else:
        told, end = answer.choices[0].message.content, answer.choices[0].finish_reason
    assert (told, end) == ("I am llama-of", "stop")


def test_other_endpoints_reach_it_too(client):
    response = client.responses.create(model="llama-of-litellm", input="Who are you?")
    assert response.output_text == "I am llama-of-litellm."


def test_what_it_refuses_comes_back_as_its_own_refusal(before_litellm, client, litellm):
    asked = {"model": "llama-of-litellm", "messages": "not a list"}
    status, _, content = before_litellm.ask("POST", "/v1/chat/completions", asked)
    request = urllib.request.Request(
        f"{litellm}/v1/chat/completions",
        json.dumps(asked).encode(),
        {"Authorization": "Bearer sk-litellm-master", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    direct = json.loads(refused.value.read())["error"]
    error = json.loads(content)["error"]
    assert (status, error["type"]) == (refused.value.code, direct["type"])
    assert error["message"][:40] == direct["message"][:40]
