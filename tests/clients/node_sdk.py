"""The pytest fixture `node`: the official Node SDK, which does what `node/cases.mjs` says."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parent / "node"


@pytest.fixture
def node() -> Callable[..., Any]:
    if not shutil.which("node"):
        pytest.skip("missing program: node")
    if not (DIRECTORY / "node_modules" / "openai").is_dir():
        pytest.skip("missing program: npm (it installs the Node SDK into tests/clients/node)")

    def node(case: str, base_url: str, token: str, *more: str) -> Any:
        """What the case has seen."""
        command = ["node", "cases.mjs", case, base_url, token, *more]
        result = subprocess.run(command, cwd=DIRECTORY, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return node
