"""What the README and docs/ tell people to type, typed."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from openai import OpenAI

from tests.sound import need_ffmpeg

HOME = Path(__file__).parents[2]
PAGES = [HOME / "README.md", *sorted((HOME / "docs").rglob("*.md"))]
BLOCKS = [
    pytest.param(language, code, id=f"{page.name}: {code.strip().splitlines()[0][:60]}")
    for page in PAGES
    for language, code in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
]
RUNS_HERE = re.compile("client|langchain")
"""LiteLLM has a venv of its own."""
LOCAL = "http://localhost:8000/v1"


def blocks(matches):
    return [block for block in BLOCKS if matches(*block.values)]


@pytest.mark.parametrize(("language", "code"), blocks(lambda language, code: language == "python" and RUNS_HERE.search(code)))
def test_a_block_of_python_runs(castor, tmp_path, monkeypatch, language, code):
    if "audio" in code:
        need_ffmpeg()
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    monkeypatch.chdir(tmp_path)
    code = code.replace(LOCAL, castor.base_url).replace('"castor-…"', repr(castor.token))
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        exec(compile(code, "a block of the documentation", "exec"), {"client": client, "texts": ["a dam", "a lodge"]})


@pytest.mark.parametrize(("language", "code"), blocks(lambda _, code: code.startswith("curl ")))
def test_a_block_of_curl_is_answered(castor, language, code):
    command = code.replace(LOCAL.removesuffix("/v1"), castor.base_url.removesuffix("/v1")).replace(
        "curl ", "curl -sS --fail-with-body "
    )
    told = {**os.environ, "CASTOR_TOKEN": castor.token}
    answered = subprocess.run(["bash", "-c", command], env=told, capture_output=True, text=True, timeout=60, check=False)
    assert answered.returncode == 0, answered.stdout + answered.stderr
    assert answered.stdout.startswith("{")
