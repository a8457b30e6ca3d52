"""`.env.example` and proxy_site/settings.py name the same settings with the same defaults."""

import ast
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

HOME = Path(__file__).parents[2]
EXAMPLE = (HOME / ".env.example").read_text()
LINE = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)
# Prints every setting but the secrets, which are made anew in each directory.
DUMP = """
import json
from proxy_site import settings
made = {"SECRET_KEY", "CREDENTIAL_ENCRYPTION_KEYS"}
plain = {name: value for name, value in vars(settings).items() if name.isupper() and name not in made}
print(json.dumps(plain, default=lambda value: type(value).__name__))
"""


def names_read_by_settings() -> set[str]:
    """The string arguments of every `env.…("NAME", …)`, and of `os.environ.get`."""
    calls = [node for node in ast.walk(ast.parse((HOME / "proxy_site/settings.py").read_text())) if isinstance(node, ast.Call)]
    readers = [
        call for call in calls if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("env", "os.environ")
    ]
    literals = [argument.value for call in readers for argument in call.args if isinstance(argument, ast.Constant)]
    return {text for text in literals if isinstance(text, str) and re.fullmatch(r"[A-Z][A-Z_]+", text)}


def names_read_by_compose() -> set[str]:
    """What stands in `.env` for docker-compose.yml alone."""
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (HOME / "docker-compose.yml").read_text()))
    return asked - names_read_by_settings()


def settings_with(tmp_path: Path, env_file: str) -> dict:
    (tmp_path / "env").write_text(env_file)
    environment = {"PATH": os.environ["PATH"], "CASTOR_VAR": str(tmp_path / "var"), "CASTOR_ENV_FILE": str(tmp_path / "env")}
    dumped = subprocess.run([sys.executable, "-c", DUMP], check=True, capture_output=True, cwd=HOME, env=environment)
    return json.loads(dumped.stdout)


def test_every_setting_is_listed_once_and_nothing_else_is():
    listed = [name for name, _ in LINE.findall(EXAMPLE)]
    assert sorted(listed) == sorted(names_read_by_settings() | names_read_by_compose())


def test_every_setting_has_a_line_that_says_what_it_means():
    lines = EXAMPLE.splitlines()
    unexplained = [line for before, line in pairwise(lines) if LINE.match(line) and not before.startswith("# ")]
    assert unexplained == []


def test_the_listed_defaults_are_the_real_ones(tmp_path):
    written_out = "\n".join(f"{name}={default}" for name, default in LINE.findall(EXAMPLE) if default)
    assert settings_with(tmp_path, written_out) == settings_with(tmp_path, "")


def test_the_comparison_of_defaults_would_notice_another_one(tmp_path):
    assert settings_with(tmp_path, "MAX_RETRIES=4") != settings_with(tmp_path, "")
