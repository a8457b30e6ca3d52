from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import now

from credentials import loading, store
from credentials.health import Outcome, Reason, State
from credentials.learning import AlertChange, Change, Evidence, Learned
from credentials.models import Alert, ApiKey, ClientToken, Credential, KeyHealth, ModelAlias, PoolVersion, ServedModel
from credentials.pool import Pool
from credentials.rests import FOREVER, Rest
from credentials.roster import ModelCard
from tests.credentials.pools import FLASH, KEYS, NOON, PRO, key, lease, pool_of

pytestmark = pytest.mark.django_db


def add_key(secret="test-key-one-of-many", **fields) -> ApiKey:
    key = ApiKey(secret=secret, **fields)
    key.save()
    return key


def loaded_pool() -> Pool:
    pool = Pool()
    read = loading.load_rests()
    pool.install(loading.load_roster({}), read.standing, rests_version=read.version)
    return pool


def report(pool: Pool, outcome: Outcome, model=FLASH, **details) -> None:
    at = now().timestamp()
    pool.report(pool.lease(model, at=at, kinds=KEYS), outcome, at=at, evidence=Evidence(**details))
    store.save(pool.take_learned())


def test_the_roster_holds_what_the_tables_hold():
    key = add_key(label="main", project="p-1", weight=2, priority=3, max_concurrent=7)
    add_key("test-key-disabled-one", enabled=False)
    ServedModel.objects.create(credential=key, name=FLASH, input_limit=10, output_limit=5, methods=["generateContent"])
    roster = loading.load_roster({})
    (entry,) = roster.entries
    assert (entry.label, entry.secret, entry.group) == ("main", "test-key-one-of-many", "project:p-1")
    assert (entry.weight, entry.priority, entry.max_concurrent, entry.models) == (2, 3, 7, frozenset({FLASH}))
    assert roster.models[FLASH].output_limit == 5


def test_a_roster_never_shows_a_secret_when_printed():
    add_key()
    assert "test-key-one-of-many" not in repr(loading.load_roster({}))


def test_the_shipped_models_stand_in_until_a_credential_has_been_listed():
    add_key()
    card = ModelCard(FLASH)
    assert loading.load_roster({FLASH: card}).models == {FLASH: card}


def test_a_token_is_found_by_its_plain_text_alone(owner):
    token, plain = ClientToken.issue(owner, allowed_models=["gemini-*-flash"])
    entry = loading.load_roster({}).token(plain)
    assert entry.id == token.pk
    assert entry.may_use(FLASH)
    assert not entry.may_use(PRO)
    assert loading.load_roster({}).token(plain + "x") is None


@pytest.mark.parametrize("ended", ["revoked", "owner left"])
def test_a_token_that_was_taken_away_is_still_recognised_as_such(owner, ended):
    token, plain = ClientToken.issue(owner)
    if ended == "revoked":
        ClientToken.objects.filter(pk=token.pk).update(revoked_at=now())
    else:
        owner.is_active = False
        owner.save()
    assert loading.load_roster({}).token(plain).revoked


def test_the_most_specific_alias_wins_and_a_real_model_is_never_hidden():
    ModelAlias.objects.all().delete()
    ModelAlias.objects.create(pattern="gpt-*", target="a")
    ModelAlias.objects.create(pattern="gpt-4o*", target="b")
    ModelAlias.objects.create(pattern="gpt-4o-mini", target="c")
    ModelAlias.objects.create(pattern="gemini-*", target="d")
    roster = loading.load_roster({FLASH: ModelCard(FLASH)})
    asked = ("gpt-5", "gpt-4o-2024", "gpt-4o-mini", FLASH, "models/gpt-5", f"google/{FLASH}", "other")
    assert [roster.resolve(name) for name in asked] == ["a", "b", "c", FLASH, "a", FLASH, "other"]


def test_a_rest_survives_a_restart():
    add_key()
    report(loaded_pool(), Outcome.DAY_QUOTA, detail="20 a day")
    pool = loaded_pool()
    assert pool.lease(FLASH, at=now().timestamp(), kinds=KEYS) is None
    assert pool.lease(PRO, at=now().timestamp(), kinds=KEYS) is not None
    assert KeyHealth.objects.standing().get().detail == "20 a day"


def test_a_rest_of_a_project_is_shared_by_its_keys_after_a_restart():
    add_key("test-key-first-of-two", project="p")
    add_key("test-key-second-of-two", project="p")
    report(loaded_pool(), Outcome.MINUTE_QUOTA, asked_for=100)
    assert loaded_pool().lease(FLASH, at=now().timestamp(), kinds=KEYS) is None


def test_success_after_a_rest_forgets_it_in_the_database_too():
    add_key(project="p")
    pool = loaded_pool()
    report(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    later = now().timestamp() + 11
    pool.report(pool.lease(FLASH, at=later, kinds=KEYS), Outcome.SERVED, at=later)
    store.save(pool.take_learned())
    assert not KeyHealth.objects.standing().exists()


def test_a_dead_key_is_shown_as_invalid_with_its_reason():
    key = add_key()
    report(loaded_pool(), Outcome.KEY_LEAKED, detail="Your API key was reported as leaked.")
    key.refresh_from_db()
    assert (key.state, key.reason, key.until) == (State.INVALID, Reason.KEY_LEAKED, None)
    assert loaded_pool().rests.by_place[f"key:{key.pk}", ""].until == FOREVER


def test_a_key_is_shown_as_resting_once_nothing_that_it_serves_is_free():
    key = add_key()
    for name in (FLASH, PRO):
        ServedModel.objects.create(credential=key, name=name, methods=["generateContent"])
    pool = loaded_pool()
    report(pool, Outcome.DAY_QUOTA, FLASH)
    key.refresh_from_db()
    assert key.state == State.AVAILABLE
    report(pool, Outcome.MINUTE_QUOTA, PRO, asked_for=30)
    key.refresh_from_db()
    assert (key.state, key.reason) == (State.RATE_LIMITED, Reason.MINUTE_QUOTA)


def test_the_keys_of_a_project_are_shown_resting_together():
    keys = [add_key(f"test-key-number-{number}", project="p") for number in range(2)]
    for added in keys:
        ServedModel.objects.create(credential=added, name=FLASH, methods=["generateContent"])
    report(loaded_pool(), Outcome.DAY_QUOTA)
    assert set(Credential.objects.values_list("state", flat=True)) == {State.RATE_LIMITED}
    store.return_to_service(Credential.objects.all())
    assert set(Credential.objects.values_list("state", flat=True)) == {State.AVAILABLE}


def test_checking_a_dead_key_again_leaves_the_day_on_which_it_died():
    key = add_key()
    store.record_check(key.pk, Outcome.KEY_REJECTED, detail="first")
    since = KeyHealth.objects.standing().get().since
    store.record_check(key.pk, Outcome.KEY_REJECTED, detail="second")
    assert (KeyHealth.objects.standing().get().since, KeyHealth.objects.standing().get().detail) == (since, "second")


def test_failures_that_have_not_led_to_a_rest_are_not_written_down():
    add_key()
    report(loaded_pool(), Outcome.UPSTREAM_FAILED)
    assert not KeyHealth.objects.standing().exists()


def test_a_check_that_succeeds_revives_a_dead_key_and_leaves_its_quotas_alone():
    key = add_key()
    pool = loaded_pool()
    report(pool, Outcome.DAY_QUOTA)
    report(pool, Outcome.KEY_REJECTED, PRO)
    store.record_check(key.pk, Outcome.SERVED)
    key.refresh_from_db()
    assert key.state == State.AVAILABLE
    assert key.checked_at is not None
    assert [row.reason for row in KeyHealth.objects.standing()] == [Reason.DAY_QUOTA]


def test_a_check_that_google_does_not_answer_says_nothing_about_the_key():
    key = add_key()
    store.record_check(key.pk, Outcome.UPSTREAM_FAILED, detail="timeout")
    key.refresh_from_db()
    assert key.state == State.AVAILABLE


def test_returning_to_service_forgets_everything_and_tells_the_other_processes():
    key = add_key()
    report(loaded_pool(), Outcome.KEY_LEAKED)
    before = PoolVersion.current()
    assert store.return_to_service(Credential.objects.all()) == 1
    key.refresh_from_db()
    assert key.state == State.AVAILABLE
    assert PoolVersion.current() > before
    assert loaded_pool().lease(FLASH, at=now().timestamp(), kinds=KEYS) is not None


def test_ended_rests_are_tidied_away_and_doing_so_twice_changes_nothing():
    key = add_key()
    ServedModel.objects.create(credential=key, name=FLASH, methods=["generateContent"])
    report(loaded_pool(), Outcome.MINUTE_QUOTA, asked_for=5)
    later = now() + timedelta(minutes=11)
    assert store.forget_ended_rests(at=later) == 1
    key.refresh_from_db()
    assert (key.state, key.until) == (State.AVAILABLE, None)
    version = PoolVersion.current()
    assert store.forget_ended_rests(at=later) == 0
    assert PoolVersion.current() == version


def test_what_was_learned_about_a_key_that_is_gone_meanwhile_holds_nothing_up():
    gone, stays = add_key(), add_key("test-key-that-stays")
    pool = loaded_pool()
    at = now().timestamp()
    for _ in range(2):
        pool.report(pool.lease(FLASH, at=at, kinds=KEYS), Outcome.DAY_QUOTA, at=at)
    gone.delete()
    store.save(pool.take_learned())
    connection.check_constraints()
    assert [row.credential_id for row in KeyHealth.objects.standing()] == [stays.pk]


def test_a_trouble_that_lasts_for_weeks_can_still_be_written_down():
    key = add_key()
    rest = Rest(State.RATE_LIMITED, Reason.REPEATED_FAILURES, now().timestamp() + 60, now().timestamp(), strikes=40_000)
    store.save(Learned(changes=[Change((f"key:{key.pk}", FLASH), key.pk, rest)]))
    assert KeyHealth.objects.standing().get().reason == Reason.REPEATED_FAILURES


def test_an_alert_stands_as_long_as_its_fault_is_met_and_is_one_row():
    add_key()
    began = now()
    for minutes in (0, 6, 12):
        at = began + timedelta(minutes=minutes)
        change = AlertChange(FLASH, at.timestamp(), Outcome.THROTTLED, "All are throttled.")
        store.save(Learned(alerts=[change]))
        store.forget_ended_rests(at=at + timedelta(minutes=5))
    alert = Alert.objects.get()
    assert (alert.began_at, alert.ended_at) == (began, None)
    store.forget_ended_rests(at=began + timedelta(minutes=28))
    alert.refresh_from_db()
    assert alert.ended_at is not None


def test_a_shared_fault_that_goes_on_is_said_again_so_that_its_alert_stands():
    pool = pool_of(*(key(number) for number in range(1, 5)))
    said = []
    for second in range(0, 900, 10):
        taken = lease(pool, at=NOON + second)
        pool.report(taken, Outcome.THROTTLED, at=NOON + second)
        said += [second] * len(pool.take_learned().alerts)
    assert said == [20, 320, 620]


def well(number):
    return add_key(f"test-key-that-lists-{number}", models_listed_at=now())


def test_checks_too_never_take_more_than_half_of_the_pool_at_once_and_believe_what_they_find_again_and_again():
    keys = [well(number) for number in range(6)]
    for added in keys:
        store.record_check(added.pk, Outcome.KEY_REJECTED)
    assert Credential.objects.filter(state=State.INVALID).count() == 3
    assert Credential.objects.filter(state=State.RATE_LIMITED, reason=Reason.KEY_REJECTED).count() == 3
    assert Alert.objects.filter(ended_at=None).count() == 1
    for _ in range(2):
        KeyHealth.objects.exclude(until=None).update(until=now() - timedelta(seconds=1))
        for added in keys:
            store.record_check(added.pk, Outcome.KEY_REJECTED)
    assert Credential.objects.filter(state=State.INVALID).count() == 6


def test_a_check_of_keys_that_never_worked_says_of_each_of_them_that_it_is_dead():
    for number in range(4):
        store.record_check(add_key(f"test-key-never-{number}").pk, Outcome.KEY_REJECTED)
    assert Credential.objects.filter(state=State.INVALID).count() == 4
