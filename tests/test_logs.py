import pytest

from openai_api.ids import current_request
from proxy_site.logs import _as_json, _as_text, _of_request


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
