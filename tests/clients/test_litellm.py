"""litellm as a client of the real server. It lives in a venv of its own; what it does is in `litellm_cases.py`."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.api.server import HOME
from tests.google import media

PYTHON = HOME / ".venv-litellm" / "bin" / "python"
CASES = Path(__file__).parent / "litellm_cases.py"


def test_litellm_gets_answers_streams_tools_and_errors(castor, google):
    if not PYTHON.exists():
        pytest.skip("litellm is not installed: `make test` makes .venv-litellm")
    command = [PYTHON, "-W", "ignore", CASES, castor.base_url, castor.token]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout.splitlines()[-1])

    whole, stream, *_, last = [call for call in google.log.generation() if call.model == "gemini-3.8-flash"]
    for case, call in (("whole", whole), ("stream", stream)):
        assert seen[case] == {"text": "echo: hello", "end": "stop", "tokens": call.usage["totalTokenCount"]}
    assert seen["in_async"] == {"text": "echo: hello"}
    assert (seen["tools"]["end"], seen["tools"]["arguments"]) == ("tool_calls", {"city": "Paris"})
    assert "sunny" in seen["tools"]["text"]
    assert last.status == 200
    assert seen["pictures"] == [[f"data:image/png;base64,{media.picture(1024, 1024)}"]] * 3
    assert seen["errors"] == ["AuthenticationError", "NotFoundError", "BadRequestError"]
