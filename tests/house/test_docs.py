"""The documentation says what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

from credentials.health import Reason
from openai_api import errors

HOME = Path(__file__).parents[2]
TROUBLES = (HOME / "docs/troubleshooting.md").read_text()
SOURCES = "\n".join(
    re.sub(r'"\s*\n\s*f?"', "", path.read_text())  # A text over several lines is one.
    for room in ("credentials", "openai_api", "proxy_site")
    for path in sorted((HOME / room).rglob("*.py"))
)


def hooks():
    spec = importlib.util.spec_from_file_location("hooks", HOME / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(title: str) -> list[list[str]]:
    """The cells of a table, row by row, without its head."""
    [text] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TROUBLES, re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def quoted(cell: str) -> list[str]:
    """What stands in code marks, in pieces: of a message, what varies is left out as …, N, NAME or MODEL."""
    pieces = [piece.strip(" ()'.") for text in re.findall(r"`([^`]+)`", cell) for piece in re.split(r"…|\bN\b|\bNAME\b", text)]
    return [piece for piece in pieces if piece]


def test_the_page_of_settings_is_made_of_the_example():
    assert hooks().PAGE.read_text() == hooks().settings_page((HOME / ".env.example").read_text()), "run: make docs"


@pytest.mark.parametrize("piece", [piece for row in section("Castor does not start") for piece in quoted(row[0])])
def test_what_a_start_is_said_to_say_it_does_say(piece):
    assert piece in SOURCES


@pytest.mark.parametrize("piece", [piece for row in section("Requests fail") for piece in quoted(row[1])])
def test_what_requests_are_said_to_be_told_they_are_told(piece):
    assert piece in SOURCES


def test_every_cause_that_a_program_can_read_is_explained_with_its_status():
    family = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.GatewayError)]
    codes = {(str(error.status), error.default_code) for error in family if error.default_code}
    explained = {(row[0][:3], code) for row in section("Requests fail") for code in quoted(row[0])}
    # These say all that there is to say.
    plain = {("404", "file_not_found"), ("405", "method_not_supported"), ("500", "encoder_failed"), ("503", "not_ready")}
    assert codes - plain == explained


def test_every_reason_that_an_admin_is_advised_on_is_one():
    advised = {words for row in section("Credentials") for words in re.findall(r"^\*(.+)\*$", row[0])}
    assert len(advised) > 5
    assert advised <= {reason.label for reason in Reason}
