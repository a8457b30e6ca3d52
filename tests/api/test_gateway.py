"""What a process learns and what it reads, where the database cannot be used or something else goes wrong."""

import asyncio

import pytest
from django.db import OperationalError
from django.http import HttpRequest
from rest_framework.exceptions import APIException

from credentials import authentication, store
from credentials.health import Outcome
from credentials.pool import Pool
from credentials.roster import Roster
from openai_api import gateway as module
from openai_api import signatures
from openai_api.gateway import Gateway
from tests.credentials.pools import FLASH, key, lease


class Database:
    """Stands in for the database's thread: what each function run in it comes to, by its name."""

    def __init__(self, **outcomes):
        self.outcomes = outcomes
        self.asked = []

    async def __call__(self, function, *args, **kwargs):
        self.asked.append(function.__name__)
        named = self.outcomes.get(f"{function.__module__}.{function.__name__}")
        outcome = self.outcomes.get(function.__name__, (None, None) if function.__name__ == "_read_pool" else named)
        if isinstance(outcome, BaseException):
            raise outcome
        return await outcome() if callable(outcome) else outcome


@pytest.fixture
def gateway():
    gateway = Gateway(Pool())
    gateway.pool.install(Roster(entries=(key(1),)), {})
    return gateway


def learn_something(gateway):
    gateway.pool.report(lease(gateway.pool), Outcome.DAY_QUOTA, at=1_790_000_000.0)
    gateway.signatures.remember(1, "call_1", model=FLASH, signature="sig")


@pytest.mark.parametrize("fault", [OperationalError("gone"), ValueError("a fault of ours"), asyncio.CancelledError()])
@pytest.mark.parametrize("place", [store, signatures])
async def test_what_could_not_be_saved_is_tried_again_whatever_went_wrong(gateway, place, fault):
    learn_something(gateway)
    gateway.in_database = Database(**{f"{place.__name__}.save": fault})
    await asyncio.gather(gateway._sync(), return_exceptions=True)
    assert len(gateway.pool.take_learned().changes) == (place is store)
    assert len(gateway.signatures.take_unsaved()) == 1


async def test_what_has_been_saved_is_not_saved_again_because_something_else_went_wrong(gateway):
    learn_something(gateway)
    gateway.in_database = Database(_read_pool=OperationalError("gone"))
    await gateway._sync()
    assert gateway.pool.take_learned().changes == []


@pytest.mark.parametrize("fault", [OperationalError("locked"), OSError("unreadable")])
async def test_usage_that_cannot_be_imported_keeps_no_roster_from_being_read(gateway, fault):
    learn_something(gateway)
    roster = Roster(version=7, entries=(key(1), key(2)))
    gateway.in_database = Database(_read_pool=(roster, None), _import_usage=fault)
    await asyncio.gather(gateway._sync(), return_exceptions=True)
    assert gateway.pool.roster.version == 7
    assert gateway.pool.take_learned().changes == []


async def test_a_journal_that_cannot_turn_keeps_no_roster_from_being_read(gateway, monkeypatch):
    monkeypatch.setattr(module, "SYNC_SECONDS", 0)
    monkeypatch.setattr(module, "RUNG_SECONDS", 0)
    monkeypatch.setattr(gateway.usage, "rotate", lambda: 1 / 0)
    gateway.in_database = Database(_read_pool=(Roster(version=7), None))
    keeper = asyncio.create_task(gateway._keep())
    for _ in range(20):
        await asyncio.sleep(0)
    keeper.cancel()
    assert gateway.pool.roster.version == 7


@pytest.mark.parametrize("outcome", [OperationalError("gone"), asyncio.Event().wait], ids=["down", "silent"])
async def test_requests_go_on_without_the_signatures_that_the_database_cannot_give(gateway, monkeypatch, outcome):
    monkeypatch.setattr(module, "LOOKUP_SECONDS", 0.01)
    gateway.in_database = Database(look_up=outcome)
    assert await asyncio.wait_for(gateway._look_up_signatures(1, ["call_1"]), 5) == {}


def test_anonymous_callers_too_are_asked_for_patience_until_the_pool_is_loaded(settings, monkeypatch):
    settings.ALLOW_ANONYMOUS = True
    monkeypatch.setattr(authentication, "pool", Pool())
    with pytest.raises(authentication.PoolNotLoaded):
        authentication.BearerToken().authenticate(HttpRequest())


@pytest.mark.parametrize(("up_to_date", "status"), [(True, 401), (False, 503)])
def test_a_token_that_is_not_known_is_not_called_wrong_while_the_database_cannot_be_asked(monkeypatch, up_to_date, status):
    pool = Pool()
    pool.install(Roster(), {})
    pool.up_to_date = up_to_date
    monkeypatch.setattr(authentication, "pool", pool)
    request = HttpRequest()
    request.META["HTTP_AUTHORIZATION"] = "Bearer castor-made-a-minute-ago"
    with pytest.raises(APIException) as caught:
        authentication.BearerToken().authenticate(request)
    assert caught.value.status_code == status


async def test_a_database_that_went_away_and_came_back_is_noticed_both_times(gateway):
    gateway.in_database = Database(_read_pool=OperationalError("gone"))
    await gateway._sync()
    assert not gateway.pool.up_to_date
    gateway.in_database = Database()
    await gateway._sync()
    assert gateway.pool.up_to_date
