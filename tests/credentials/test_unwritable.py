"""Writing down what was learned where something of it cannot be written, or others write at the same time."""

import threading

import pytest
from django.db import connection
from structlog.testing import capture_logs

from credentials import store
from credentials.health import Outcome
from credentials.learning import AlertChange, Learned, LearnedLimit, Tally, Unknown
from credentials.models import Alert, Credential, KeyHealth, QuotaLimit, UnknownError
from tests import postgresql
from tests.credentials.pools import FLASH, PRO
from tests.credentials.test_memory import add_key, learned, rest

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 1e15
"""Seconds: no calendar reaches so far."""


def test_what_can_never_be_written_is_said_and_keeps_nothing_else_from_being_written():
    row = add_key()
    place = f"key:{row.pk}"
    everything = learned(
        (("project:p-1", FLASH), row, rest(seconds=NEVER)),
        ((place, FLASH), row, rest()),
        ((place, PRO), row, rest(seconds=NEVER)),
        projects={row.pk: "p-2"},
        limits={(place, FLASH, "d"): LearnedLimit(place, FLASH, "RequestsPerDay", 50)},
        unknown=[Unknown(row.pk, FLASH, 418, "tea", 0.0)],
        alerts=[AlertChange(FLASH, 0.0, Outcome.THROTTLED, "all fail")],
        tallies={row.pk: Tally(letters="s")},
    )
    with capture_logs() as said:
        store.save(everything)
    row.refresh_from_db()
    assert len(said) - said.count({"log_level": "error", "event": "all fail", "cause": "throttled", "model": FLASH}) == 2
    assert KeyHealth.objects.standing().get().project == row.project == "p-2"
    assert (QuotaLimit.objects.get().rpd, row.recent) == (50, "s")
    assert UnknownError.objects.count() == Alert.objects.count() == 1


@pytest.mark.skipif(not postgresql.wanted(), reason="the tests' SQLite is in memory, where threads do not wait for each other")
def test_processes_that_count_at_the_same_time_lose_nothing():
    row = add_key()
    together = threading.Barrier(2)

    def count():
        together.wait()
        for _ in range(25):
            store.save(Learned(tallies={row.pk: Tally(failures=1, letters="f")}))
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Credential.objects.get().failures == 50
