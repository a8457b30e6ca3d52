"""From memory into the database: what waits, what is dropped, what is refused, and what goes again."""

import asyncio
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection
from django.utils.timezone import now
from msgspec.structs import replace
from structlog.testing import capture_logs

from credentials.models import ClientToken
from credentials.pool import Pool
from openai_api import tasks
from openai_api.gateway import Gateway
from openai_api.models import LoggedRequest, UsageRecord
from openai_api.request_log import log as module
from openai_api.request_log.kept import Kept, unpacked
from openai_api.request_log.log import RequestLog, save
from proxy_site.celery import app
from tests.request_log.requests import TOKEN, answered, recording
from tests.request_log.test_recording import USAGE


def waiting(number: int, **given) -> list:
    return [answered(recording(b'{"number": %d}' % one, **given)) for one in range(number)]


def bodies() -> list[str]:
    return [unpacked(row.content).request.text for row in LoggedRequest.objects.order_by("pk")]


class TestWaiting:
    @pytest.mark.parametrize(("limit", "value"), [("MOST_WAITING", 3), ("MOST_BYTES", 3 * 4500)])
    def test_of_too_many_the_oldest_are_dropped_with_one_warning(self, monkeypatch, limit, value):
        monkeypatch.setattr(module, limit, value)
        queue, recordings = RequestLog(), waiting(6)
        with capture_logs() as logs:
            for one in recordings:
                queue.add(one)
        assert queue.take() == recordings[3:]
        assert [line["log_level"] for line in logs] == ["warning"]

    def test_a_later_shortage_is_worth_another_warning(self, monkeypatch):
        monkeypatch.setattr(module, "MOST_WAITING", 1)
        queue = RequestLog()
        with capture_logs() as logs:
            for _ in range(2):
                for one in waiting(3):
                    queue.add(one)
                queue.is_through()
        assert len(logs) == 2

    def test_what_could_not_be_written_stands_before_what_has_come_since(self):
        queue, [first, second, third] = RequestLog(), waiting(3)
        queue.add(third)
        queue.put_back([first, second])
        assert queue.take() == [first, second, third]


@pytest.mark.django_db
class TestWriting:
    def test_all_are_written_in_a_round_that_has_time(self):
        assert save(waiting(3), seconds=30) == 3
        assert bodies() == ['{"number": 0}', '{"number": 1}', '{"number": 2}']

    def test_a_round_without_time_writes_one_so_that_it_goes_on_at_all(self):
        assert save(waiting(3), seconds=0) == 1
        assert bodies() == ['{"number": 0}']

    def test_what_was_said_is_no_text_in_the_database(self):
        save([answered(recording(b'{"say": "the secret plan"}'))])
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM openai_api_loggedrequest")
            assert "secret plan" not in str(cursor.fetchall())
        assert bodies() == ['{"say": "the secret plan"}']

    def test_it_is_encrypted_anew_with_a_new_key(self, settings):
        save(waiting(1))
        settings.CREDENTIAL_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_ENCRYPTION_KEYS]
        call_command("rotate_encryption_keys", stdout=StringIO())
        settings.CREDENTIAL_ENCRYPTION_KEYS = settings.CREDENTIAL_ENCRYPTION_KEYS[:1]
        assert bodies() == ['{"number": 0}']

    def test_whose_token_and_account_are_gone_is_written_without_them(self, owner):
        token = ClientToken.issue(owner, label="gone")[0]
        entry = replace(TOKEN, id=token.pk, owner_id=owner.pk)
        User.objects.all().delete()
        save(waiting(1, token=entry))
        row = LoggedRequest.objects.get()
        assert (row.token, row.owner, row.token_label) == (None, None, "laptop (castor-abc…)")

    @pytest.mark.parametrize("fault", [{"total_ms": None}, {"request_id": "\ud800 the secret plan"}], ids=["value", "text"])
    def test_one_that_cannot_be_written_holds_up_no_others_and_is_told_by_its_id_alone(self, fault):
        recordings = waiting(3)
        for name, value in fault.items():
            setattr(recordings[1], name, value)
        with capture_logs() as logs:
            assert save(recordings, seconds=30) == 3
        assert bodies() == ['{"number": 0}', '{"number": 2}']
        assert [line["id"] for line in logs] == [recordings[1].request_id]
        assert [set(line) for line in logs] == [{"event", "log_level", "id", "error"}]

    def test_parameters_of_the_address_are_kept_by_their_names_unless_they_are_harmless(self):
        save([answered(recording(path="/v1/files", query=b"api_key=of-no-known-shape&limit=2&q=the+secret+plan"))])
        assert LoggedRequest.objects.get().path == "/v1/files?api_key=…&limit=2&q=…"

    @pytest.mark.parametrize("letter", ["\0", "\ud800"], ids=["NUL", "half a pair"])
    def test_letters_that_databases_refuse_reach_none(self, letter):
        one = recording(b'{"a": "\x00"}')
        one.path = f"/v1/{letter}"
        one.settled(replace(USAGE, model_asked=f"a{letter}b"))
        assert save([answered(one)]) == 1
        row = LoggedRequest.objects.get()
        assert letter not in row.path + row.model_asked + bodies()[0]


class TestTheGateway:
    @pytest.fixture
    def gateway(self):
        gateway = Gateway(Pool())
        for one in waiting(2):
            gateway.requests.add(one)
        return gateway

    @pytest.mark.parametrize(
        ("fault", "wait"),
        [
            (OperationalError("gone"), 2),
            (ProgrammingError("no such table"), 2),
            (asyncio.CancelledError(), 2),
            (TypeError("a fault of ours"), 0),
        ],
    )
    async def test_usage_is_written_first_and_what_could_not_be_written_waits(self, gateway, fault, wait):
        asked = []

        async def in_database(function, *_args, **_given):
            asked.append(f"{function.__module__}.{function.__name__}")
            if function is save:
                raise fault
            return None, None

        gateway.in_database = in_database
        await asyncio.gather(gateway._sync(), return_exceptions=True)
        assert asked[-2:] == ["openai_api.gateway._import_usage", "openai_api.request_log.log.save"]
        assert len(gateway.requests.take()) == wait

    async def test_a_table_that_takes_none_is_told_once_and_is_no_outage(self, gateway):
        async def in_database(function, *_args, **_given):
            if function is save:
                raise ProgrammingError("INSERT of the secret plan: no such table")
            return None, None

        gateway.in_database, gateway.pool.up_to_date = in_database, True
        with capture_logs() as logs:
            await gateway._sync()
            await gateway._sync()
        assert gateway.pool.up_to_date
        assert [(line["log_level"], line["error"]) for line in logs] == [("warning", "ProgrammingError")]
        assert "secret" not in str(logs)

    async def test_what_a_round_has_no_time_for_waits_for_the_next(self, gateway):
        async def in_database(function, *_args, **_given):
            return 1

        gateway.in_database = in_database
        await gateway._save_requests()
        assert len(gateway.requests.take()) == 1


@pytest.mark.django_db
class TestForgetting:
    def row(self, *, days: float = 0, size: int = 1000) -> LoggedRequest:
        packed = Kept().packed()
        return LoggedRequest.objects.create(
            started_at=now() - timedelta(days=days),
            request_id="r",
            method="GET",
            path="/",
            status=200,
            content=packed,
            bytes=size,
        )

    def test_what_is_older_than_the_days_goes(self, settings):
        settings.REQUEST_LOG_DAYS = 2
        self.row(days=2.01)
        stays = self.row(days=1.99)
        UsageRecord.objects.create(uid="u", request_id="r", model_asked="m", dialect="chat", status=200)
        tasks.forget_old_requests()
        assert list(LoggedRequest.objects.all()) == [stays]
        assert UsageRecord.objects.exists()

    def test_of_too_much_the_oldest_go(self, settings):
        settings.REQUEST_LOG_MAX_MB = 1
        rows = [self.row(size=300_000) for _ in range(5)]  # 400,000 each, once they are encrypted.
        tasks.forget_old_requests()
        assert list(LoggedRequest.objects.order_by("pk")) == rows[3:]

    def test_celery_does_it_every_minute(self):
        [entry] = [entry for entry in app.conf.beat_schedule.values() if entry["task"] == "openai_api.tasks.forget_old_requests"]
        assert entry["schedule"] == 60.0
