"""Files handed out by URL: who can find them, and for how long."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openai_api.errors import StorageFull
from openai_api.media_store import MediaStore

NOON = 1_790_000_000.0
HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return MediaStore(tmp_path, hours=24, clock=clock)


def saved(store: MediaStore, tmp_path: Path, *, age: float = 0.0) -> str:
    name = store.save(b"content", "png")
    os.utime(tmp_path / name, (NOON - age, NOON - age))
    return name


def test_what_was_saved_is_found_by_its_name(store, tmp_path):
    found = store.find(saved(store, tmp_path))
    assert (found.path.read_bytes(), found.content_type, found.size, found.seconds_left) == (
        b"content",
        "image/png",
        7,
        24 * 3600,
    )


def test_names_cannot_be_guessed_and_nobody_else_on_the_machine_reads_the_files(store, tmp_path):
    names = {store.save(b"x", "webp") for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == len("x" * 32 + ".webp") for name in names)  # 32 letters of 64: 192 bits.
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in names} == {0o600}


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../castor.sqlite3",
        "..%2fcastor.sqlite3",
        "a" * 32,
        "a" * 32 + ".txt",
        "a" * 32 + ".png/",
        "a" * 32 + ".png\n",
        "a" * 31 + "/.png",
        "a" * 31 + "é.png",
        "/etc/passwd",
    ],
)
def test_no_other_name_finds_anything(store, tmp_path, name):
    (tmp_path.parent / "castor.sqlite3").write_text("secret")
    assert store.find(name) is None


def test_files_end_after_their_hours(store, tmp_path, clock):
    name = saved(store, tmp_path)
    clock.now = NOON + 24 * HOUR - 1
    assert store.find(name).seconds_left == 1
    clock.now = NOON + 24 * HOUR
    assert store.find(name) is None


def test_what_has_expired_is_forgotten_and_nothing_else(store, tmp_path):
    old, young = saved(store, tmp_path, age=24 * HOUR), saved(store, tmp_path, age=24 * HOUR - 1)
    abandoned, unfinished = tmp_path / "a.png.part", tmp_path / "b.png.part"
    for path, age in ((abandoned, HOUR), (unfinished, HOUR - 1)):
        path.write_bytes(b"half")
        os.utime(path, (NOON - age, NOON - age))
    assert store.forget_expired() == 2
    assert {path.name for path in tmp_path.iterdir()} == {young, unfinished.name}
    assert store.find(old) is None


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """Its own process: the limit on the size of files holds for all of it."""
    code = f"""
import resource
from pathlib import Path
from openai_api.errors import StorageFull
from openai_api.media_store import MediaStore
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    MediaStore(Path({str(tmp_path)!r}), hours=1).save(b"x" * 5000, "png")
except StorageFull as error:
    print(error.status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "507\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_said_to_be_unusable(tmp_path):
    with pytest.raises(StorageFull):
        MediaStore(tmp_path / "nowhere", hours=1).save(b"x", "png")


def test_many_may_save_and_forget_at_once(store, tmp_path):
    for _ in range(50):
        saved(store, tmp_path, age=25 * HOUR)
    with ThreadPoolExecutor(8) as threads:
        gone = list(threads.map(lambda _: store.forget_expired(), range(8)))
    assert sum(gone) == 50
    assert list(tmp_path.iterdir()) == []
