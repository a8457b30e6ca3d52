"""Castor on one command: up, used by an operator and a client, started again, and stopped without a trace."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.house.castor import HOME, all_gone, free_port, processes_of, running

PASSWORD = r"first admin: admin, password (\S+)"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One first start, stopped at the end of this module's tests that only look."""
    var = tmp_path_factory.mktemp("castor") / "var"
    with running(var, PORT=str(free_port())) as castor:
        yield castor


def sign_in(root: str, password: str) -> httpx.Response:
    with httpx.Client(base_url=root, follow_redirects=True) as browser:
        browser.get("/admin/login/")
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        return browser.post("/admin/login/?next=/admin/", data=form, headers={"Referer": root})


def curl_of(said: str) -> list[str]:
    command = re.search(r"^    curl .*?'$", said, re.MULTILINE | re.DOTALL)
    assert command, said
    return shlex.split(command[0].replace("\\\n", " "))


def test_it_answers_that_it_is_healthy(started):
    assert httpx.get(f"{started.root}/health").json() == {"status": "ok"}


def test_the_server_does_not_say_what_it_is_made_of(started):
    headers = httpx.get(f"{started.root}/health").headers
    assert not {"server", "x-powered-by"} & set(headers)


def test_the_admins_login_page_comes_with_its_styles(started):
    page = httpx.get(f"{started.root}/admin/login/")
    sheets = re.findall(r'<link[^>]+href="([^"]+\.css[^"]*)"', page.text)
    assert page.status_code == 200
    assert sheets
    for sheet in sheets:
        answer = httpx.get(f"{started.root}{sheet}")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/css")


def test_the_printed_login_opens_the_admin(started):
    assert "/admin/logout/" in sign_in(started.root, started.find(PASSWORD)).text


def test_the_printed_curl_works_as_pasted_and_says_where_a_key_is_missing(started):
    if shutil.which("curl") is None:
        pytest.skip("missing program: curl")
    done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *curl_of(started.output)[1:]], capture_output=True, text=True)
    body, status = done.stdout.rsplit("\n", 1)
    assert status == "503"
    assert "/admin/" in body or "GEMINI_API_KEYS" in body


def test_it_says_where_to_add_a_key_when_there_is_none(started):
    assert "There is no Gemini API key yet" in started.output


def test_what_it_keeps_is_nobody_elses_to_read(started):
    open_to_others = [path.name for path in started.var.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_a_second_start_keeps_everything_and_prints_no_secret(tmp_path: Path):
    settings = {"PORT": str(free_port()), "GEMINI_API_KEYS": "AQ.a-key-for-the-test-of-starts"}
    with running(tmp_path, **settings) as first:
        password, token = first.find(PASSWORD), first.find(r"Bearer (castor-\S+)\"")
        assert first.stop() == 0
    with running(tmp_path, **settings) as second:
        assert "/admin/logout/" in sign_in(second.root, password).text
        models = httpx.get(f"{second.root}/v1/models", headers={"Authorization": f"Bearer {token}"})
        assert models.status_code == 200
        assert second.stop() == 0
    assert "password" not in second.output
    assert "castor-" not in second.output
    assert "$CASTOR_TOKEN" in second.output
    assert "There is no Gemini API key" not in second.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_of_it_quietly(tmp_path: Path, number: signal.Signals):
    with running(tmp_path, PORT=str(free_port())) as castor:
        assert len(processes_of(tmp_path)) >= 4  # the launcher, gunicorn and its worker, Celery
        assert castor.stop(number) == 0
        assert processes_of(tmp_path) == []
    assert "Traceback" not in castor.output


@pytest.fixture
def gemini():
    """The bench's upstream: how many chunks and how far apart is said by the request."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "bench.upstream", str(port)], cwd=HOME)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


def lines_of_a_stream(root: str, *, chunks: int, pace: int) -> Iterator[str]:
    """`pace`: milliseconds between chunks."""
    request = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": chunks, "seed": pace}
    authorization = {"Authorization": "Bearer a-token-for-the-tests"}
    with httpx.stream("POST", f"{root}/v1/chat/completions", json=request | {"stream": True}, headers=authorization) as answer:
        yield from (line for line in answer.iter_lines() if line)


def start_with(gemini: str, var: Path):
    settings = {"GEMINI_API_KEYS": "AQ.a-key-for-the-test-of-stops", "PROXY_AUTH_KEYS": "a-token-for-the-tests"}
    return running(var, PORT=str(free_port()), GOOGLE_GEMINI_BASE_URL=gemini, **settings)


def test_a_stream_that_is_under_way_ends_as_it_should_before_castor_does(gemini, tmp_path: Path):
    with start_with(gemini, tmp_path) as castor:
        stream = lines_of_a_stream(castor.root, chunks=15, pace=100)
        assert next(stream).startswith("data: {")
        castor.process.send_signal(signal.SIGTERM)
        castor.wait_for("Stopping.")
        *chunks, last = stream
        assert (len(chunks) >= 14, last) == (True, "data: [DONE]")
        assert castor.end() == 0


def test_a_second_signal_cuts_a_stream_off(gemini, tmp_path: Path):
    with start_with(gemini, tmp_path) as castor:
        stream = lines_of_a_stream(castor.root, chunks=600, pace=100)
        next(stream)
        castor.process.send_signal(signal.SIGINT)
        castor.wait_for("Stopping.")
        castor.process.send_signal(signal.SIGINT)
        with pytest.raises(httpx.RemoteProtocolError):
            list(stream)
        assert castor.end() == 0
        assert processes_of(tmp_path) == []


def test_when_one_part_dies_the_rest_is_stopped_and_it_is_said(tmp_path: Path):
    with running(tmp_path, PORT=str(free_port())) as castor:
        worker = next(pid for pid in processes_of(tmp_path) if b"celery" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(worker, signal.SIGKILL)
        assert castor.end() == 1
        assert processes_of(tmp_path) == []
    assert "The background worker ended by itself" in castor.output


def test_nothing_lives_on_when_the_launcher_is_killed_outright(tmp_path: Path):
    with running(tmp_path, PORT=str(free_port())) as castor:
        castor.process.kill()
        assert all_gone(tmp_path)
