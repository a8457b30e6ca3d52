"""Who keeps whose file, on plain memory and in the database."""

import time

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from msgspec.structs import replace

from credentials.models import ApiKey
from credentials.roster import Roster
from openai_api import files
from openai_api.errors import FileNotFound, NotReady
from openai_api.files import FileStore, Kept
from openai_api.models import UploadedFile
from tests.credentials.pools import key

NOW = time.time()


def kept(number: int = 1, **fields) -> Kept:
    given = {"owner": 1, "credential": 7, "project": "p", "status": "processed", "expires_at": NOW + 3600, **fields}
    return Kept(
        id=f"file-{number:03}", google_name=f"files/{number}", uri=f"https://google/files/{number}", mime_type="text/plain",
        bytes=5, filename="a.txt", purpose="user_data", created_at=NOW, kept_until=NOW + 7200, **given,
    )  # fmt: skip


class Database:
    """Runs what would run in the database's thread; counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, function):
        self.asked += 1
        return function()


@pytest.fixture
def rows(monkeypatch):
    """The table."""
    rows: dict[str, Kept] = {}

    def select(owner, file_ids):
        return {file_id: rows[file_id] for file_id in file_ids if file_id in rows and rows[file_id].owner == owner}

    monkeypatch.setattr(files, "_insert", lambda file: rows.update({file.id: file}))
    monkeypatch.setattr(files, "_select", select)
    monkeypatch.setattr(files, "_update", lambda file: rows.update({file.id: file}))
    monkeypatch.setattr(files, "_delete", lambda file: rows.pop(file.id, None) is not None)
    return rows


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def store(rows, database):
    return FileStore(database)


async def test_a_file_that_has_just_come_is_found_without_the_database(store, database):
    await store.add(kept())
    assert await store.find_all(1, {"file-001": "a"}) == {"file-001": kept()}
    assert database.asked == 1


async def test_a_file_that_another_process_took_is_asked_for_once(store, database, rows):
    rows["file-001"] = kept()
    for _ in range(3):
        await store.find_all(1, {"file-001": "a"})
    assert database.asked == 1


async def test_a_file_in_processing_is_asked_for_each_time(store, database):
    await store.add(kept(status="uploaded"))
    for _ in range(2):
        await store.find_all(1, {"file-001": "a"})
    assert database.asked == 3


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_another_owner_is_told_that_there_is_no_such_file_and_where_it_was_named(store, rows, is_remembered):
    await store.add(kept()) if is_remembered else rows.update({"file-001": kept()})
    with pytest.raises(FileNotFound) as refused:
        await store.find_all(2, {"file-001": "messages[3]"})
    assert refused.value.param == "messages[3]"


async def test_what_is_remembered_ends_with_the_file_and_after_a_minute(store, rows, monkeypatch):
    now = time.time()
    await store.add(kept(1, expires_at=now + 10))
    await store.add(kept(2, expires_at=now + 3600))
    rows.clear()
    monkeypatch.setattr(files.time, "time", lambda: now + 11)
    with pytest.raises(FileNotFound):
        await store.find_all(1, {"file-001": ""})
    assert await store.find_all(1, {"file-002": ""})
    monkeypatch.setattr(files.time, "time", lambda: now + 90)
    with pytest.raises(FileNotFound):
        await store.find_all(1, {"file-002": ""})


async def test_a_deleted_file_is_forgotten_and_a_lost_one_is_told_as_such(store):
    await store.add(kept(1))
    await store.add(kept(2))
    assert await store.delete(kept(1))
    assert not await store.delete(kept(1))
    await store.settle(kept(2), "error", "gone")
    with pytest.raises(FileNotFound):
        await store.find_all(1, {"file-001": ""})
    assert (await store.find_all(1, {"file-002": ""}))["file-002"].detail == "gone"


async def test_the_memory_is_bounded(store, database, monkeypatch):
    monkeypatch.setattr(files, "_MOST_REMEMBERED", 2)
    for number in range(3):
        await store.add(kept(number))
    for number in (2, 1, 0):
        await store.find_all(1, {f"file-{number:03}": ""})
    assert database.asked == 4  # Three were written, and the oldest was asked for.


async def test_a_database_that_is_down_is_told_and_files_that_are_remembered_go_on(store, monkeypatch):
    await store.add(kept())

    def down(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(files, "_select", down)
    assert await store.find_all(1, {"file-001": ""})
    with pytest.raises(NotReady):
        await store.find_all(1, {"file-002": ""})


@pytest.mark.parametrize(
    ("file", "entries", "group"),
    [
        (kept(), [key(7, group="project:p")], "project:p"),
        (kept(), [key(8, group="project:p"), key(7, group="project:q")], "project:p"),
        (kept(project=""), [key(7)], "key:7"),
        (kept(project=""), [key(7, group="project:learned-since")], "project:learned-since"),
        (kept(project="123"), [key(7, group="project:its-name")], "project:its-name"),
        (kept(), [key(9)], "project:p"),
        (kept(project=""), [key(9)], "key:7"),
    ],
    ids=["as ever", "of its project", "unknown", "learned", "renamed", "project gone", "credential gone"],
)
def test_which_group_can_read_a_file(file, entries, group):
    assert file.group(Roster(entries=tuple(entries))) == group


@pytest.mark.django_db
class TestRows:
    def test_a_row_comes_back_as_it_was(self, owner):
        sent = kept(owner=owner.pk, credential=ApiKey.objects.create(secret="k").pk)
        files._insert(sent)
        [(file_id, found)] = files._select(owner.pk, [sent.id, "file-0\0"]).items()
        assert file_id == sent.id
        assert replace(found, created_at=0, expires_at=0, kept_until=0) == replace(sent, created_at=0, expires_at=0, kept_until=0)
        assert found.expires_at == pytest.approx(sent.expires_at, abs=0.001)

    def test_a_credential_that_has_been_deleted_meanwhile_is_left_out(self, owner):
        files._insert(kept(owner=owner.pk, credential=12345))
        assert files._select(owner.pk, ["file-001"])["file-001"].credential == 0

    def test_a_deleted_credential_takes_no_file_along_and_a_deleted_owner_does(self, owner):
        credential = ApiKey.objects.create(secret="k")
        files._insert(kept(owner=owner.pk, credential=credential.pk))
        credential.delete()
        assert files._select(owner.pk, ["file-001"])["file-001"].credential == 0
        owner.delete()
        assert not UploadedFile.objects.exists()

    def test_expired_files_and_those_of_others_are_not_there(self, owner):
        files._insert(kept(1, owner=owner.pk, expires_at=NOW - 1))
        files._insert(kept(2, owner=User.objects.create_user("bob").pk))
        files._insert(kept(3, owner=0))
        assert files._select(owner.pk, ["file-001", "file-002", "file-003"]) == {}
        assert list(files._select(0, ["file-001", "file-002", "file-003"])) == ["file-003"]
        assert files._page(owner.pk, "", 10, True, "").files == []
        assert not files._delete(kept(2, owner=owner.pk))
