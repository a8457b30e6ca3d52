"""The bench itself, for a moment: whether it still measures Castor, not what it finds."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.house.castor import HOME

MEASURES = 7


@pytest.fixture(scope="module")
def tiny():
    if shutil.which("wrk") is None:
        pytest.skip("missing program: wrk")
    command = [sys.executable, "-m", "bench", "--tiny", "--rounds", "1", "--only", "floor", "Castor"]
    return subprocess.run(command, capture_output=True, text=True, cwd=HOME, timeout=120)


def test_a_tiny_round_prints_a_number_for_each_measure_of_each_system(tiny):
    assert tiny.returncode == 0, tiny.stderr
    head, _, *rows = tiny.stdout.splitlines()
    assert head == "| median | floor | Castor | Castor ÷ floor |"
    assert len(rows) == MEASURES
    for row in rows:
        assert re.fullmatch(r"\| [^|]+ \| -?[\d,.]+ \| -?[\d,.]+ \| (-?[\d.]+|–) \|", row)


def test_the_table_goes_between_the_marks_of_a_document(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text("Before.\n<!-- table: make bench -->\nold\n<!-- end of table -->\nAfter.\n")
    code = "import pathlib, sys; from bench.__main__ import _write; _write(pathlib.Path(sys.argv[1]), 'new')"
    subprocess.run([sys.executable, "-c", code, document], check=True, cwd=HOME)
    assert document.read_text() == "Before.\n<!-- table: make bench -->\nnew\n<!-- end of table -->\nAfter.\n"
