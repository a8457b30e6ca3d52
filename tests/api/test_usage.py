import asyncio
import errno
import fcntl
import os
import subprocess
import sys

import pytest

from openai_api import usage
from openai_api.journal import Journal
from openai_api.models import UsageRecord
from openai_api.usage import Entry, UsageLog

pytestmark = pytest.mark.django_db


def entry(uid: str, **fields) -> Entry:
    known = {"request_id": f"req-{uid}", "started_at": 1_790_000_000.0, "token": 0, "owner": 0, "model_asked": "gpt-4o"}
    return Entry(uid=uid, **{**known, "model_served": "gemini-3.8-flash", "dialect": "chat", "stream": False, **fields})


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    journal.open()
    yield journal
    journal.close()


def written(log: UsageLog, *steps) -> None:
    """Run the steps in one event loop, as requests do."""

    async def run():
        for step in steps:
            step()
        await asyncio.sleep(0)

    asyncio.run(run())


def served(log: UsageLog, one: Entry, **outcome):
    def serve():
        log.begin(one)
        for name, value in outcome.items():
            setattr(one, name, value)
        log.end(one)

    return serve


def test_a_request_becomes_one_row_with_all_that_is_known_of_it(journal):
    log = UsageLog(journal)
    written(log, served(log, entry("a"), status=200, attempts=2, prompt_tokens=5, completion_tokens=7, first_token_ms=1.5))
    log.rotate()
    assert usage.import_ready(journal) == 1
    row = UsageRecord.objects.get()
    assert (row.uid, row.request_id, row.model_asked, row.model_served) == ("a", "req-a", "gpt-4o", "gemini-3.8-flash")
    assert (row.status, row.attempts, row.prompt_tokens, row.completion_tokens, row.first_token_ms) == (200, 2, 5, 7, 1.5)


def test_a_segment_that_another_process_imports_meanwhile_does_not_hold_up_the_next(journal, tmp_path):
    log = UsageLog(journal)
    written(log, served(log, entry("a"), status=200))
    log.rotate()
    # It was there when the directory was read.
    (tmp_path / "0-1.ready").symlink_to(tmp_path / "imported by another process")
    assert usage.import_ready(journal) == 1
    assert UsageRecord.objects.get().uid == "a"


def test_importing_a_segment_twice_changes_nothing(journal, tmp_path):
    log = UsageLog(journal)
    written(log, served(log, entry("a"), status=200))
    log.rotate()
    (segment,) = journal.ready()
    content = segment.read_bytes()
    usage.import_ready(journal)
    segment.write_bytes(content)
    usage.import_ready(journal)
    assert UsageRecord.objects.count() == 1
    assert journal.ready() == []


def test_a_request_under_way_is_not_counted_until_it_ends_however_often_the_journal_turns(journal):
    log, one = UsageLog(journal), entry("a")
    written(log, lambda: log.begin(one))
    for _ in range(3):
        written(log, log.rotate)
        usage.import_ready(journal)
    assert UsageRecord.objects.count() == 0
    one.status = 200
    written(log, lambda: log.end(one))
    log.rotate()
    usage.import_ready(journal)
    assert UsageRecord.objects.get().status == 200


def test_a_living_process_keeps_its_segment_to_itself(journal, tmp_path):
    log = UsageLog(journal)
    written(log, lambda: log.begin(entry("a")))
    other = Journal(tmp_path)
    other.open()
    assert usage.import_orphans(other) == 0
    other.close()


def test_what_a_killed_process_had_under_way_is_recorded_as_such(tmp_path):
    script = (
        "import asyncio, os, signal, pathlib, django; django.setup()\n"
        "from openai_api.journal import Journal; from openai_api.usage import *; from tests.api.test_usage import entry\n"
        f"journal = Journal(pathlib.Path({str(tmp_path)!r})); journal.open(); log = UsageLog(journal)\n"
        "async def run():\n"
        "    done = entry('done'); log.begin(done); done.status = 200; log.end(done); log.begin(entry('open'))\n"
        "    await asyncio.sleep(0); os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(run())\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], env={**os.environ, "DJANGO_SETTINGS_MODULE": "proxy_site.settings"})
    assert killed.returncode == -9
    heir = Journal(tmp_path)
    heir.open()
    assert usage.import_orphans(heir) == 2
    heir.close()
    assert dict(UsageRecord.objects.values_list("uid", "status")) == {"done": 200, "open": usage.KILLED}
    assert UsageRecord.objects.get(uid="open").error == "killed"


def test_a_line_cut_off_by_a_crash_costs_only_itself(journal):
    log = UsageLog(journal)
    written(log, served(log, entry("a"), status=200))
    log.rotate()
    (segment,) = journal.ready()
    with segment.open("ab") as file:
        file.write(b'{"uid":"b","reque')
    assert usage.import_ready(journal) == 1
    assert UsageRecord.objects.get().uid == "a"


def test_a_record_outlives_the_token_and_the_credential_that_it_speaks_of(journal, owner):
    log = UsageLog(journal)
    written(log, served(log, entry("a", token=77, owner=owner.pk), status=200, credential=88, credential_label="main"))
    log.rotate()
    usage.import_ready(journal)
    row = UsageRecord.objects.get()
    assert (row.token_id, row.owner_id, row.credential_id, row.credential_label) == (None, owner.pk, None, "main")


@pytest.mark.parametrize(
    "poison",
    [{"prompt_tokens": -1}, {"completion_tokens": 2**70}, {"status": 10**6}, {"credential_label": "x\0"}, {"dialect": "x" * 50}],
)
def test_a_record_that_the_database_refuses_costs_only_itself(journal, poison):
    log = UsageLog(journal)
    written(log, served(log, entry("a")), served(log, entry("b"), **poison), served(log, entry("c")))
    log.rotate()
    usage.import_ready(journal)
    assert set(UsageRecord.objects.values_list("uid", flat=True)) >= {"a", "c"}
    assert journal.ready() == []


def test_what_a_caller_may_write_into_a_models_name_is_recorded(journal):
    log = UsageLog(journal)
    written(log, served(log, entry("a", model_asked="gpt-4o\0" + "x" * 300), status=404))
    log.rotate()
    usage.import_ready(journal)
    assert UsageRecord.objects.get().model_asked.startswith("gpt-4o")


def test_a_line_that_is_not_even_text_costs_only_itself(journal):
    log = UsageLog(journal)
    written(log, served(log, entry("a")))
    log.rotate()
    (segment,) = journal.ready()
    with segment.open("ab") as file:
        file.write(b'{"uid":"\xff\xfe","ended":true}\n\0\0\0\n')
    assert usage.import_ready(journal) == 1
    assert journal.ready() == []


def test_another_process_may_have_imported_a_segment_meanwhile(journal, monkeypatch):
    log = UsageLog(journal)
    written(log, served(log, entry("a")))
    log.rotate()
    segments = journal.ready()
    usage.import_ready(journal)
    monkeypatch.setattr(journal, "ready", lambda: segments)
    assert usage.import_ready(journal) == 0


def test_what_is_under_way_is_in_the_new_segment_before_the_old_one_is_given_away(journal, tmp_path):
    log = UsageLog(journal)
    written(log, lambda: log.begin(entry("a")))
    log.rotate()
    (live,) = tmp_path.glob("*.live")
    assert b'"uid":"a"' in live.read_bytes()


def test_a_segment_is_never_taken_for_an_orphans_while_it_is_made(tmp_path, monkeypatch):
    heir, real, journal = Journal(tmp_path), fcntl.flock, Journal(tmp_path)
    seen = []

    def flock(fd, operation):
        if operation == fcntl.LOCK_EX:
            monkeypatch.undo()
            seen.extend(heir.orphans())
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    journal.open()
    journal.close()
    assert seen == []


def test_lines_that_the_disk_has_no_room_for_are_kept_and_written_later(journal, monkeypatch):
    real = os.write

    def full(fd, data):
        if len(data) > 100:
            return real(fd, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    log = UsageLog(journal)
    monkeypatch.setattr(os, "write", full)
    written(log, served(log, entry("a")))
    monkeypatch.undo()
    written(log, served(log, entry("b")))
    log.rotate()
    usage.import_ready(journal)
    assert set(UsageRecord.objects.values_list("uid", flat=True)) == {"a", "b"}


def test_a_segment_that_cannot_be_begun_leaves_the_one_so_far_in_use(journal, monkeypatch):
    log, real = UsageLog(journal), os.open
    written(log, served(log, entry("a")))

    def too_many(*arguments, **options):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", too_many)
    with pytest.raises(OSError, match="Too many"):
        log.rotate()
    monkeypatch.setattr(os, "open", real)
    written(log, served(log, entry("b")))
    log.rotate()
    usage.import_ready(journal)
    assert set(UsageRecord.objects.values_list("uid", flat=True)) == {"a", "b"}


def test_requests_under_way_when_the_server_goes_are_recorded_as_killed(tmp_path):
    journal = Journal(tmp_path)
    journal.open()
    log, late = UsageLog(journal), entry("late")
    written(log, lambda: log.begin(late), log.close, lambda: log.end(late))
    usage.import_ready(journal)
    assert list(UsageRecord.objects.values_list("uid", "status", "error")) == [("late", usage.KILLED, "killed")]
