import subprocess
import sys
from pathlib import Path

import pytest

from openai_api.ids import current_request
from proxy_site.logs import _as_json, _as_text, _of_request

HOME = Path(__file__).parents[1]


@pytest.mark.parametrize("write", [_as_text, _as_json])
@pytest.mark.parametrize("name", ["gpt-4o\n2026-01-01T00:00:00Z info     request status=200", "gpt-4o\x1b[2J", "a\u2028b\r"])
def test_what_a_caller_calls_a_model_forges_no_line_and_steers_no_terminal(write, name):
    written = write(None, "info", {"timestamp": "2026-11-20T00:00:00Z", "level": "info", "event": "request", "model": name})
    assert written.isprintable() or write is _as_json
    assert not set("\n\r\x1b") & set(written)


def test_what_can_be_read_is_written_as_it_is():
    event = {"timestamp": "2026-11-20T00:00:00Z", "level": "info", "event": "request", "credential": "AQ.Ab…x9Qz", "status": 200}
    assert _as_text(None, "info", event) == "2026-11-20T00:00:00Z info     request credential=AQ.Ab…x9Qz status=200"


def test_what_is_said_for_a_request_names_it_once():
    known = current_request.set("req-1")
    try:
        assert _of_request(None, "warning", {"event": "slow"}) == {"event": "slow", "request": "req-1"}
        assert _of_request(None, "info", {"event": "request", "id": "req-1"}) == {"event": "request", "id": "req-1"}
    finally:
        current_request.reset(known)
    assert _of_request(None, "info", {"event": "idle"}) == {"event": "idle"}


def test_a_web_process_does_not_load_what_only_the_wizard_draws_with():
    """structlog and Celery would, if anything were loaded before `proxy_site.gunicorn` keeps it from them: 3 MB."""
    looked_at = "import sys, proxy_site.gunicorn, proxy_site.asgi; print(sys.modules['rich'], 'redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", looked_at], check=True, capture_output=True, text=True, cwd=HOME)
    assert done.stdout.split() == ["None", "False"]
