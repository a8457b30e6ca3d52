"""What `/ready` and `/metrics` say of the things that Castor stands on."""

import time

import pytest
from django.db import connection

from credentials.pool import Pool
from credentials.roster import Roster
from openai_api import heartbeat
from openai_api.journal import Journal
from openai_api.readiness import OK, Readiness, missing_migrations
from tests.house.castor import free_port
from tests.redis_server import redis as redis


@pytest.fixture
def pool() -> Pool:
    pool = Pool()
    pool.install(Roster(), {})
    return pool


@pytest.fixture
def readiness() -> Readiness:
    readiness = Readiness()
    readiness.missing = []
    return readiness


def wrong(readiness: Readiness, pool: Pool) -> set[str]:
    return {name for name, check in readiness.checks(pool).items() if check != OK}


def test_all_is_well(readiness, pool):
    assert wrong(readiness, pool) == set()


def test_each_check_fails_for_its_own_reason(readiness, pool):
    assert wrong(readiness, Pool()) == {"pool"}
    pool.up_to_date = False
    assert wrong(readiness, pool) == {"database"}
    pool.up_to_date = True
    readiness.missing = ["credentials.0010_x", "openai_api.0003_y"]
    assert wrong(readiness, pool) == {"migrations"}
    assert "2 are not applied, credentials.0010_x first" in readiness.checks(pool)["migrations"]
    assert wrong(Readiness(), pool) == {"migrations"}


@pytest.mark.django_db
def test_a_migration_that_was_not_applied_is_missed():
    assert missing_migrations() == []
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'openai_api' AND name LIKE '0001%%'")
    [missing] = missing_migrations()
    assert missing.startswith("openai_api.0001")


@pytest.mark.django_db
def test_an_empty_database_misses_all_of_them():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO away")
        try:
            missing = missing_migrations()
        finally:
            cursor.execute("ALTER TABLE away RENAME TO django_migrations")
    assert {"admin", "auth", "contenttypes", "credentials", "openai_api", "sessions"} == {
        name.partition(".")[0] for name in missing
    }


async def test_the_backlog_is_what_has_been_written_and_not_been_imported(tmp_path):
    journal = Journal(tmp_path)
    journal.open()
    assert journal.backlog().segments == 0
    began = time.time()
    journal.append(b"x" * 99)
    journal.rotate()
    journal.append(b"y" * 49)
    journal.write()
    (tmp_path / "something.else").write_text("of somebody else")
    backlog = journal.backlog()
    assert (backlog.segments, backlog.bytes) == (2, 150)
    assert abs(backlog.since - began) < 60
    for segment in journal.ready():
        segment.unlink()
    assert journal.backlog().bytes == 50
    journal.close()


def test_a_sign_of_life_is_kept_in_a_file_where_the_queue_is_files(settings, tmp_path):
    settings.VAR_DIR, settings.REDIS_URL = tmp_path, ""
    assert heartbeat.last() == 0
    heartbeat.beat()
    assert abs(heartbeat.last() - time.time()) < 60


def test_a_sign_of_life_is_kept_in_redis_where_the_queue_is(settings, tmp_path, redis):
    settings.VAR_DIR = tmp_path
    assert heartbeat.last() == 0
    heartbeat.beat()
    assert abs(heartbeat.last() - time.time()) < 60
    assert list(tmp_path.glob("celery*")) == []


def test_a_redis_that_is_down_is_not_taken_for_silence_and_its_url_is_not_told(settings):
    settings.REDIS_URL = f"redis://:a-password@127.0.0.1:{free_port()}/0"
    with pytest.raises(heartbeat.Unknown) as raised:
        heartbeat.last()
    assert "a-password" not in str(raised.value)
