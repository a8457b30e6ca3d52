"""`.env` files: read as Castor's settings read them, and changed without losing anything that a person has written."""

import os
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_site.environment import Env
from proxy_site.setup import env_file

NOON = datetime(2026, 11, 21, 12)
WRITTEN_BY_HAND = """\
# My notes
export PORT=8001
this line is nothing

#TIMEOUT=600
  INDENTED=1
MAX_RETRIES=2
LOG_LEVEL='debug'
MAX_RETRIES=3
"""


def test_only_the_lines_that_say_something_else_change():
    changed = env_file.with_values(WRITTEN_BY_HAND, {"PORT": "9000", "TIMEOUT": "60", "MAX_RETRIES": "5", "HOST": "0.0.0.0"})
    assert (
        changed
        == """\
# My notes
export PORT=9000
this line is nothing

#TIMEOUT=600
TIMEOUT=60
  INDENTED=1
MAX_RETRIES=2
LOG_LEVEL='debug'
MAX_RETRIES=5

# Written by manage.py setup
HOST=0.0.0.0
"""
    )


def test_further_settings_join_those_that_setup_has_written_before():
    first = env_file.with_values("", {"HOST": "0.0.0.0"})
    assert first == "# Written by manage.py setup\nHOST=0.0.0.0\n"
    assert env_file.with_values(first, {"PORT": "1"}) == first + "PORT=1\n"


def test_line_ends_stay_what_they_are_and_a_last_line_gets_one():
    assert env_file.with_values("A=1\r\nB=2", {"B": "3", "C": "4"}).replace("\r\n", "|") == (
        "A=1|B=3||# Written by manage.py setup|C=4|"
    )


def test_of_two_lines_for_one_name_the_last_counts():
    assert env_file.read_values(WRITTEN_BY_HAND) == {"PORT": "8001", "MAX_RETRIES": "3", "LOG_LEVEL": "debug"}


LETTERS = st.characters(min_codepoint=32, max_codepoint=0x17F, categories=("L", "N", "P", "S", "Zs"))


@settings(max_examples=200, deadline=None)
@given(value=st.text(LETTERS.filter(str.isprintable)))
def test_any_printable_value_comes_back_as_it_was_both_here_and_in_the_settings(value):
    text = env_file.with_values("", {"CASTOR_TEST_VALUE": value})
    assert env_file.read_values(text) == {"CASTOR_TEST_VALUE": value}
    found: dict[str, str] = {}

    class Reader(Env):
        ENVIRON = found

    path = Path(os.environ["CASTOR_VAR"]) / "one-value.env"
    path.write_text(text)
    Reader.read_env(path)
    assert found == {"CASTOR_TEST_VALUE": value}


@pytest.mark.parametrize("value", ["two\nlines", "a\x00b", "\x1b[31m"])
def test_a_value_that_no_line_can_hold_is_refused(value):
    with pytest.raises(ValueError, match="line break"):
        env_file.with_values("", {"A": value})


def test_a_change_is_for_nobody_else_to_read_and_leaves_a_copy(tmp_path):
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o644)
    backup = env_file.change(path, {"A": "2"}, at=NOON)
    assert backup == tmp_path / ".env.backup-20261121-120000"
    assert (path.read_text(), backup.read_text()) == ("A=2\n", "A=1\n")
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, backup)] == [0o600, 0o600]
    assert sorted(os.listdir(tmp_path)) == [".env", ".env.backup-20261121-120000"]


def test_what_is_so_already_is_not_touched(tmp_path):
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    before = path.stat()
    assert env_file.change(path, {"A": "1"}, at=NOON) is None
    assert path.stat() == before
    assert os.listdir(tmp_path) == [".env"]


def test_a_new_file_has_no_copy(tmp_path):
    assert env_file.change(tmp_path / ".env", {"A": "1"}, at=NOON) is None
    assert os.listdir(tmp_path) == [".env"]


def test_a_link_goes_on_to_lead_to_the_file(tmp_path):
    (tmp_path / "real").write_text("A=1\n")
    (tmp_path / ".env").symlink_to(tmp_path / "real")
    env_file.change(tmp_path / ".env", {"A": "2"}, at=NOON)
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "real").read_text() == "A=2\n"


def test_what_is_no_file_is_left_alone():
    with pytest.raises(OSError, match="not a file"):
        env_file.change(Path(os.devnull), {"A": "1"}, at=NOON)
    assert Path(os.devnull).is_char_device()


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    (tmp_path / ".env").write_text("A=1\n")
    # By a process of its own, for which files may not become larger than 4 bytes.
    code = (
        "import resource, signal, sys; from datetime import datetime; from pathlib import Path;"
        "from proxy_site.setup import env_file;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4));"
        "env_file.change(Path(sys.argv[1]), {'A': 'a long value'}, at=datetime(2026, 11, 21))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / ".env")], cwd=Path(__file__).parents[2], capture_output=True
    )
    assert b"File too large" in done.stderr
    assert (tmp_path / ".env").read_text() == "A=1\n"
    assert not [name for name in os.listdir(tmp_path) if name not in (".env", ".env.backup-20261121-000000")]
