"""The pool's memory in the database, and how processes learn from one another by it."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from credentials import loading, store
from credentials.health import Outcome, Reason, State
from credentials.learning import AlertChange, Change, Evidence, Learned, LearnedLimit, Tally, Unknown
from credentials.models import (
    Alert,
    ApiKey,
    Cause,
    Credential,
    KeyHealth,
    PoolVersion,
    ProjectSource,
    QuotaLimit,
    ServedModel,
    StateChange,
    UnknownError,
)
from credentials.pool import Pool
from credentials.rests import FOREVER, Rest
from credentials.status import status_of
from tests.credentials.pools import FLASH, KEYS, PRO

pytestmark = pytest.mark.django_db
MINUTES = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAYS = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
TOKENS = "GenerateContentInputTokensPerModelPerMinute"


def add_key(number=1, **fields) -> ApiKey:
    row = ApiKey(secret=f"test-key-number-{number}", **fields)
    row.save()
    return row


def rest(reason=Reason.DAY_QUOTA, *, seconds=3_600.0, state=State.RATE_LIMITED, strikes=1, detail="", at=None) -> Rest:
    at = now().timestamp() if at is None else at
    return Rest(state, reason, FOREVER if seconds is None else at + seconds, at, strikes, detail)


def learned(*changes: tuple, **more) -> Learned:
    """`changes`: (place, credential, rest)."""
    return Learned(changes=[Change(place, row.pk, one) for place, row, one in changes], **more)


class Process:
    """A web process: a pool in memory that agrees with the database when it is told to."""

    def __init__(self) -> None:
        self.pool = Pool()
        self.pool.is_alone = False
        read = loading.load_rests()
        self.pool.install(loading.load_roster({}), read.standing, rests_version=read.version)

    def report(self, outcome, *, model=FLASH, only=None, **said):
        at = now().timestamp()
        others = frozenset(entry.id for entry in self.pool.roster.entries) - {only} if only else frozenset()
        taken = self.pool.lease(model, at=at, kinds=KEYS, tried=others)
        self.pool.report(taken, outcome, at=at, evidence=Evidence(**said))

    def save(self):
        store.save(self.pool.take_learned())

    def load(self):
        number, rests = PoolVersion.current()
        if number != self.pool.roster.version:
            self.pool.renew(loading.load_roster({}))
        if rests != self.pool.rests_version:
            read = loading.load_rests(since=self.pool.rests_version)
            self.pool.take_in(read.rests, version=read.version)

    def sync(self):
        self.save()
        self.load()

    def can_serve(self, model=FLASH, *, only=None, later=0.0) -> bool:
        others = frozenset(entry.id for entry in self.pool.roster.entries) - {only} if only else frozenset()
        at = now().timestamp() + later
        taken = self.pool.lease(model, at=at, kinds=KEYS, tried=others)
        if taken is not None:
            self.pool.release(taken, at=at)
        return taken is not None


# --- From one process to the others ---------------------------------------------------------------------------------------


def test_a_rest_reaches_the_other_process_with_its_next_look_and_so_does_its_end():
    row = add_key()
    one, other = Process(), Process()
    one.report(Outcome.DAY_QUOTA)
    one.sync()
    assert other.can_serve()
    other.load()
    assert not other.can_serve()
    store.return_to_service(Credential.objects.filter(pk=row.pk))
    for process in (one, other):
        process.load()
        assert process.can_serve()


def test_only_what_has_changed_is_read():
    rows = [add_key(number) for number in range(3)]
    store.save(learned(((f"key:{rows[0].pk}", FLASH), rows[0], rest())))
    first = loading.load_rests()
    store.save(learned(((f"key:{rows[1].pk}", FLASH), rows[1], rest())))
    second = loading.load_rests(since=first.version)
    assert list(first.rests) == [(f"key:{rows[0].pk}", FLASH)]
    assert list(second.rests) == [(f"key:{rows[1].pk}", FLASH)]
    assert second.version > first.version
    assert loading.load_rests(since=second.version).rests == {}


def test_the_end_of_a_rest_is_read_as_news_and_left_out_of_a_whole_reading():
    row = add_key()
    place = (f"key:{row.pk}", FLASH)
    store.save(learned((place, row, rest())))
    before = PoolVersion.current()[1]
    store.save(learned((place, row, None)))
    assert loading.load_rests(since=before).rests == {place: None}
    assert loading.load_rests().rests == {}


def test_a_rest_that_begins_again_at_the_same_place_is_one_row():
    row = add_key()
    place = (f"key:{row.pk}", FLASH)
    for one in (rest(), None, rest(Reason.MINUTE_QUOTA)):
        store.save(learned((place, row, one)))
    assert [found.reason for found in KeyHealth.objects.all()] == [Reason.MINUTE_QUOTA]
    assert loading.load_rests().rests[place].reason is Reason.MINUTE_QUOTA


def test_two_processes_that_learn_of_one_place_at_once_leave_the_longer_rest_standing():
    """One is told of the day's quota, the other, whose call was in flight, of the minute's; it writes last."""
    add_key()
    one, other = Process(), Process()
    one.report(Outcome.DAY_QUOTA)
    other.report(Outcome.MINUTE_QUOTA, asked_for=5)
    one.sync()
    other.sync()
    one.load()
    assert not one.can_serve(later=60)
    assert not other.can_serve(later=60)


def test_two_processes_that_learn_of_a_death_at_once_leave_it_standing():
    """In the other process it looked like one of many, so there the key is only suspected."""
    rows = [add_key(number) for number in range(4)]
    one, other = Process(), Process()
    for row in rows[1:]:
        other.report(Outcome.KEY_LEAKED, only=row.pk)
    one.report(Outcome.KEY_LEAKED, only=rows[3].pk)
    one.save()
    other.save()
    assert KeyHealth.objects.get(credential=rows[3]).state == State.INVALID


def test_a_passing_trouble_written_by_another_process_gives_way_to_a_real_one_and_never_takes_its_place():
    row = add_key()
    place = (f"key:{row.pk}", FLASH)
    for _ in range(2):
        store.save(learned((place, row, rest(Reason.UNEXPLAINED, seconds=500))))
        store.save(learned((place, row, rest(Reason.MINUTE_QUOTA, seconds=50))))
        assert KeyHealth.objects.get().reason == Reason.MINUTE_QUOTA


def test_news_are_read_in_a_bounded_number_of_queries(django_assert_max_num_queries):
    rows = [add_key(number) for number in range(30)]
    store.save(learned(*(((f"key:{row.pk}", FLASH), row, rest()) for row in rows)))
    with django_assert_max_num_queries(4):
        assert len(loading.load_rests(since=1).rests) + len(loading.load_rests().rests) >= 30


def test_ended_rests_reach_the_others_though_they_are_tidied_away_meanwhile():
    row = add_key()
    process = Process()
    process.report(Outcome.MINUTE_QUOTA, asked_for=10)
    process.sync()
    later = now() + timedelta(minutes=12)
    assert store.forget_ended_rests(at=later) == 1
    process.load()
    assert process.pool.rests.by_place == {}
    assert store.forget_ended_rests(at=later + timedelta(minutes=12)) == 0
    assert not KeyHealth.objects.exists()
    assert StateChange.objects.filter(credential=row, cause=Cause.TIME, state=State.AVAILABLE).count() == 1


# --- Who may find out -----------------------------------------------------------------------------------------------------


def ended(row) -> tuple[str, str]:
    place = (f"key:{row.pk}", FLASH)
    store.save(learned((place, row, rest(Reason.MINUTE_QUOTA, seconds=10, at=now().timestamp() - 60))))
    return place


def test_of_two_processes_one_is_granted_the_probe_and_the_other_when_the_first_has_not_used_it():
    place = ended(add_key())
    at = now()
    assert store.claim_probes([place], at=at) == ([place], [])
    assert store.claim_probes([place], at=at + timedelta(seconds=1)) == ([], [place])
    assert store.claim_probes([place], at=at + store.CLAIM_LASTS + timedelta(seconds=1)) == ([place], [])


def test_a_rest_that_goes_on_is_not_to_be_probed_nor_is_one_that_is_unknown():
    row = add_key()
    place = (f"key:{row.pk}", FLASH)
    store.save(learned((place, row, rest())))
    assert store.claim_probes([place, ("project:p", "")], at=now()) == ([], [place, ("project:p", "")])


def test_a_death_is_not_to_be_probed_by_requests():
    row = add_key()
    store.record_check(row.pk, Outcome.KEY_LEAKED)
    assert store.claim_probes([(f"key:{row.pk}", "")], at=now())[0] == []


def test_a_new_rest_after_a_failed_probe_can_be_probed_by_anybody():
    row = add_key()
    place = ended(row)
    at = now()
    store.claim_probes([place], at=at)
    store.save(learned((place, row, rest(Reason.MINUTE_QUOTA, seconds=10, at=at.timestamp(), strikes=2))))
    assert store.claim_probes([place], at=at + timedelta(seconds=11)) == ([place], [])


def test_a_process_that_starts_meanwhile_knows_that_another_has_the_right():
    place = ended(add_key())
    store.claim_probes([place], at=now())
    process = Process()
    assert process.pool.probes_wanted(at=now().timestamp()) == []


# --- Projects -------------------------------------------------------------------------------------------------------------


def test_a_project_that_google_names_is_written_down_with_where_it_is_known_from():
    row = add_key()
    process = Process()
    process.report(Outcome.DAY_QUOTA, project="p")
    process.sync()
    row.refresh_from_db()
    assert (row.project, row.project_source) == ("p", ProjectSource.LEARNED)
    assert [entry.group for entry in process.pool.roster.entries] == ["project:p"]


def test_the_rest_that_came_with_the_name_of_the_project_is_the_projects():
    rows = [add_key(1), add_key(2, project="p", project_source=ProjectSource.TYPED)]
    process = Process()
    process.report(Outcome.DAY_QUOTA, only=rows[0].pk, project="p")
    process.sync()
    assert [(found.project, found.credential_id) for found in KeyHealth.objects.standing()] == [("p", None)]
    assert not process.can_serve(only=rows[1].pk)
    assert not Process().can_serve()


def test_what_an_admin_has_typed_is_not_changed_by_what_google_says():
    row = add_key()
    store.set_project([row.pk], "typed", ProjectSource.TYPED)
    assert store.set_project([row.pk], "learned", ProjectSource.LEARNED) == 0
    row.refresh_from_db()
    assert (row.project, row.project_source) == ("typed", ProjectSource.TYPED)


def test_what_google_says_is_changed_by_an_admin_and_by_google():
    row = add_key()
    for project, source in (("a", ProjectSource.LEARNED), ("b", ProjectSource.LEARNED), ("c", ProjectSource.TYPED)):
        assert store.set_project([row.pk], project, source) == 1
        row.refresh_from_db()
        assert (row.project, row.project_source) == (project, source)


def test_an_admin_who_confirms_what_was_learned_makes_it_stay():
    row = add_key()
    store.set_project([row.pk], "p", ProjectSource.LEARNED)
    assert store.set_project([row.pk], "p", ProjectSource.TYPED) == 1
    assert store.set_project([row.pk], "other", ProjectSource.LEARNED) == 0


def test_an_admin_who_empties_the_project_leaves_it_to_google_again():
    row = add_key(project="p", project_source=ProjectSource.TYPED)
    assert store.set_project([row.pk], "", ProjectSource.TYPED) == 1
    row.refresh_from_db()
    assert (row.project, row.project_source) == ("", "")
    assert store.set_project([row.pk], "q", ProjectSource.LEARNED) == 1


def test_naming_the_same_project_twice_changes_nothing():
    row = add_key()
    store.set_project([row.pk], "p", ProjectSource.TYPED)
    before = PoolVersion.current()
    assert store.set_project([row.pk], "p", ProjectSource.TYPED) == 0
    assert PoolVersion.current() == before


def test_a_key_that_joins_a_project_brings_its_quota_rests_and_keeps_its_own_death():
    row, friend = add_key(1), add_key(2, project="p", project_source=ProjectSource.TYPED)
    store.save(learned(((f"key:{row.pk}", FLASH), row, rest()), ((f"key:{row.pk}", PRO), row, rest(Reason.MODEL_ABSENT))))
    store.set_project([row.pk], "p", ProjectSource.TYPED)
    standing = {(found.project, found.credential_id, found.reason) for found in KeyHealth.objects.standing()}
    assert standing == {("p", None, Reason.DAY_QUOTA), ("", row.pk, Reason.MODEL_ABSENT)}
    process = Process()
    assert not process.can_serve(FLASH, only=friend.pk)
    assert process.can_serve(PRO, only=friend.pk)


def test_a_project_that_rests_longer_already_keeps_its_rest():
    row = add_key(1)
    add_key(2, project="p", project_source=ProjectSource.TYPED)
    store.save(
        learned(
            (("project:p", FLASH), row, rest(seconds=9_000)),
            ((f"key:{row.pk}", FLASH), row, rest(Reason.MINUTE_QUOTA, seconds=9)),
        )
    )
    store.set_project([row.pk], "p", ProjectSource.TYPED)
    [standing] = KeyHealth.objects.standing()
    assert (standing.project, standing.reason) == ("p", Reason.DAY_QUOTA)


# --- History --------------------------------------------------------------------------------------------------------------


def history(row):
    return [(line.state, line.reason, line.cause) for line in StateChange.objects.filter(credential=row).order_by("pk")]


def test_each_rest_that_begins_or_ends_is_a_line_with_its_cause_and_words():
    row = add_key()
    process = Process()
    process.report(Outcome.MINUTE_QUOTA, asked_for=-5, detail="too fast")
    process.sync()
    process.pool.probes_granted([(f"key:{row.pk}", FLASH)], [], at=now().timestamp())
    process.report(Outcome.SERVED)
    process.sync()
    store.record_check(row.pk, Outcome.KEY_LEAKED, detail="leaked")
    store.return_to_service([row])
    assert history(row) == [
        (State.RATE_LIMITED, Reason.MINUTE_QUOTA, Cause.REQUEST),
        (State.AVAILABLE, "", Cause.REQUEST),
        (State.INVALID, Reason.KEY_LEAKED, Cause.CHECK),
        (State.AVAILABLE, "", Cause.ADMIN),
    ]
    assert list(StateChange.objects.order_by("pk").values_list("detail", flat=True)) == ["too fast", "", "leaked", ""]


def test_the_line_of_a_project_names_the_key_that_found_out():
    row = add_key(project="p", project_source=ProjectSource.TYPED)
    process = Process()
    process.report(Outcome.DAY_QUOTA)
    process.sync()
    [line] = StateChange.objects.all()
    assert (line.project, line.credential_id, line.model) == ("p", row.pk, FLASH)


def test_a_rest_that_several_processes_write_is_one_line_and_each_growth_another():
    row = add_key()
    place = (f"key:{row.pk}", FLASH)
    for strikes in (1, 1, 2, 2):
        store.save(learned((place, row, rest(Reason.MINUTE_QUOTA, strikes=strikes))))
    assert StateChange.objects.count() == 2


def test_ending_what_has_ended_already_is_no_line():
    row = add_key()
    place = (f"key:{row.pk}", FLASH)
    for one in (rest(), None, None):
        store.save(learned((place, row, one)))
    assert len(history(row)) == 2


# --- Alerts ---------------------------------------------------------------------------------------------------------------


def alert(cause=Outcome.THROTTLED, model=FLASH, message="all fail") -> AlertChange:
    return AlertChange(model, now().timestamp(), cause, message if cause else "")


def test_an_incident_is_one_alert_whoever_notices_it_and_ends_when_somebody_answers():
    for _ in range(3):
        store.save(Learned(alerts=[alert()]))
    [row] = Alert.objects.all()
    assert (row.cause, row.model, row.message, row.ended_at) == ("throttled", FLASH, "all fail", None)
    store.save(Learned(alerts=[alert(None)]))
    assert Alert.objects.get().ended_at is not None
    store.save(Learned(alerts=[alert()]))
    assert Alert.objects.filter(ended_at=None).count() == 1
    assert Alert.objects.count() == 2


def test_an_answer_ends_the_alerts_of_its_model_only():
    store.save(Learned(alerts=[alert(), alert(model=PRO), alert(Outcome.UPSTREAM_FAILED)]))
    store.save(Learned(alerts=[alert(None)]))
    assert [(row.model, row.cause) for row in Alert.objects.filter(ended_at=None)] == [(PRO, "throttled")]


def test_an_answer_ends_the_alert_that_google_refuses_this_castor():
    store.save(Learned(alerts=[alert(Outcome.GATEWAY_REFUSED)]))
    store.save(Learned(alerts=[alert(None)]))
    assert not Alert.objects.filter(ended_at=None).exists()


def test_an_alert_about_suspected_keys_ends_when_none_is_suspected_any_more():
    row = add_key()
    store.save(
        learned(((f"key:{row.pk}", ""), row, rest(Reason.KEY_REJECTED, seconds=60)), alerts=[alert(Outcome.KEY_REJECTED, "")])
    )
    store.forget_ended_rests(at=now())
    assert Alert.objects.get().ended_at is None
    store.forget_ended_rests(at=now() + timedelta(seconds=61))
    assert Alert.objects.get().ended_at is not None


# --- Errors that nobody knows -----------------------------------------------------------------------------------------


def unknown(body="I am a teapot", *, credential_id=0, status=418) -> Unknown:
    return Unknown(credential_id, FLASH, status, body, now().timestamp())


def test_each_kind_of_unknown_error_is_kept_once_and_counted():
    row = add_key()
    store.save(Learned(unknown=[unknown(), unknown(), unknown("other"), unknown(status=419)]))
    store.save(Learned(unknown=[unknown(credential_id=row.pk)]))
    teapot = UnknownError.objects.get(status=418, body="I am a teapot")
    assert (teapot.count, teapot.credential_id) == (3, row.pk)
    assert teapot.first_at < teapot.last_at
    assert UnknownError.objects.count() == 3


def test_only_so_many_are_kept_those_that_were_seen_last():
    begin = now().timestamp()
    for step in range(5):
        batch = [Unknown(0, FLASH, 418, f"body {step * 50 + number}", begin + step * 50 + number) for number in range(50)]
        store.save(Learned(unknown=batch))
    assert UnknownError.objects.count() == 200
    assert not UnknownError.objects.filter(body="body 49").exists()
    assert UnknownError.objects.filter(body="body 249").exists()


def test_one_met_by_a_key_that_is_gone_is_kept_without_it():
    store.save(Learned(unknown=[unknown(credential_id=999)]))
    connection.check_constraints()
    assert UnknownError.objects.get().credential is None


# --- Tallies --------------------------------------------------------------------------------------------------------------


def tally(*outcomes) -> Tally:
    made = Tally()
    for outcome in outcomes:
        made.add(outcome, now().timestamp())
    return made


def test_the_last_outcomes_failures_and_error_of_each_key_are_shown():
    row = add_key()
    store.save(Learned(tallies={row.pk: tally(Outcome.SERVED, *[Outcome.UPSTREAM_FAILED] * 2)}))
    store.save(Learned(tallies={row.pk: tally(Outcome.THROTTLED)}))
    row.refresh_from_db()
    assert (row.recent, row.failures, row.last_error) == ("sfft", 3, "throttled")
    store.save(Learned(tallies={row.pk: tally(Outcome.SERVED)}))
    row.refresh_from_db()
    assert (row.failures, row.last_error) == (0, "throttled")
    store.save(Learned(tallies={row.pk: tally(*[Outcome.SERVED] * 30)}))
    row.refresh_from_db()
    assert len(row.recent) == 20


def test_tallies_of_many_keys_are_written_in_a_few_queries_and_those_of_deleted_ones_left(django_assert_max_num_queries):
    rows = [add_key(number) for number in range(100)]
    gone = rows[0].pk
    rows[0].delete()
    with django_assert_max_num_queries(6):
        store.save(Learned(tallies={row_id: tally(Outcome.SERVED) for row_id in [gone, *(row.pk for row in rows[1:])]}))
    assert Credential.objects.filter(recent="s").count() == 99


def test_tallies_alone_move_no_version():
    row = add_key()
    before = PoolVersion.current()
    store.save(Learned(tallies={row.pk: tally(Outcome.SERVED)}))
    assert PoolVersion.current() == before


# --- Limits that Google names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "field"),
    [
        (MINUTES, "rpm"),
        (DAYS, "rpd"),
        (TOKENS, "tpm"),
        ("GenerateContentPaidTierInputTokensPerModelPerMinute", "tpm"),
        ("GenerateRequestsPerMinutePerProjectPerModel", "rpm"),
    ],
)
def test_a_limit_that_google_names_is_kept_for_its_project_and_model(quota, field):
    store.save(Learned(limits={("p", FLASH, quota): LearnedLimit("project:p", FLASH, quota, 20)}))
    limit = QuotaLimit.objects.get()
    assert (limit.project, limit.model, limit.source, getattr(limit, field)) == ("p", FLASH, ProjectSource.LEARNED, 20)


@pytest.mark.parametrize("quota", ["GenerateContentInputTokensPerModelPerDay", "SomethingElse", ""])
def test_a_limit_that_castor_cannot_keep_to_is_not_kept(quota):
    store.save(Learned(limits={("p", FLASH, quota): LearnedLimit("project:p", FLASH, quota, 20)}))
    assert not QuotaLimit.objects.exists()


def limits(*several: tuple[str, str, int]) -> Learned:
    return Learned(limits={(group, FLASH, quota): LearnedLimit(group, FLASH, quota, value) for group, quota, value in several})


def test_limits_of_one_place_are_one_row_and_move_the_version_only_when_they_change():
    store.save(limits(("project:p", MINUTES, 5), ("project:p", DAYS, 20)))
    assert QuotaLimit.objects.get().rpm == 5
    assert QuotaLimit.objects.get().rpd == 20
    before = PoolVersion.current()
    store.save(limits(("project:p", MINUTES, 5)))
    assert PoolVersion.current() == before
    store.save(limits(("project:p", MINUTES, 10)))
    assert QuotaLimit.objects.get().rpm == 10
    assert PoolVersion.current() != before


def test_a_key_without_a_project_has_limits_of_its_own_that_go_with_it():
    row = add_key()
    store.save(limits((f"key:{row.pk}", MINUTES, 5), ("key:999", MINUTES, 5)))
    connection.check_constraints()
    assert QuotaLimit.objects.get().credential_id == row.pk
    row.delete()
    assert not QuotaLimit.objects.exists()


def test_a_learned_limit_stands_beside_a_typed_one():
    QuotaLimit.objects.create(project="p", model=FLASH, rpm=2)
    store.save(limits(("project:p", MINUTES, 5)))
    assert {(row.source, row.rpm) for row in QuotaLimit.objects.all()} == {("typed", 2), ("learned", 5)}


def test_the_limit_that_came_with_the_name_of_the_project_is_the_projects(settings):
    settings.PACING = "learned"
    add_key()
    process = Process()
    process.report(Outcome.MINUTE_QUOTA, asked_for=-5, project="p", quota=MINUTES, quota_value=1)
    process.sync()
    assert [(limit.project, limit.rpm) for limit in process.pool.roster.limits] == [("p", 1)]


@pytest.mark.parametrize(("pacing", "used"), [("off", set()), ("declared", {2}), ("learned", {2, 5})])
def test_the_setting_says_which_limits_are_kept_to(settings, pacing, used):
    settings.PACING = pacing
    QuotaLimit.objects.create(project="p", model=FLASH, rpm=2)
    store.save(limits(("project:p", MINUTES, 5)))
    assert {limit.rpm for limit in loading.load_roster({}).limits} == used


# --- Checks and resets ----------------------------------------------------------------------------------------------------


def test_a_check_revives_the_project_of_a_key_too_and_tells_the_others():
    rows = [add_key(number, project="p", project_source=ProjectSource.TYPED) for number in range(2)]
    process = Process()
    process.report(Outcome.API_DISABLED)
    process.sync()
    assert set(Credential.objects.values_list("state", flat=True)) == {State.INVALID}
    store.record_check(rows[1].pk, Outcome.SERVED)
    process.load()
    assert set(Credential.objects.values_list("state", flat=True)) == {State.AVAILABLE}
    assert process.can_serve()


def test_a_check_of_one_model_rests_that_model():
    row = add_key()
    store.record_check(row.pk, Outcome.MODEL_ABSENT, model=PRO)
    process = Process()
    assert not process.can_serve(PRO)
    assert process.can_serve(FLASH)


def test_a_check_of_a_model_does_not_shorten_the_rest_that_requests_have_found():
    row = add_key()
    process = Process()
    process.report(Outcome.DAY_QUOTA)
    process.sync()
    store.record_check(row.pk, Outcome.MINUTE_QUOTA, asked_for=5, model=FLASH)
    process.load()
    assert not process.can_serve(later=60)


def test_checks_that_find_what_is_known_stir_up_nobody():
    row = add_key()
    store.record_check(row.pk, Outcome.KEY_LEAKED, detail="leaked")
    before, lines = PoolVersion.current(), StateChange.objects.count()
    for _ in range(3):
        store.record_check(row.pk, Outcome.KEY_LEAKED, detail="leaked")
    assert (PoolVersion.current(), StateChange.objects.count()) == (before, lines)


def test_a_check_of_a_key_that_is_gone_is_nothing():
    store.record_check(999, Outcome.KEY_LEAKED)
    assert not KeyHealth.objects.exists()


def test_some_models_are_returned_to_service_and_the_others_go_on_resting():
    row = add_key(project="p", project_source=ProjectSource.TYPED)
    process = Process()
    for model in (FLASH, PRO):
        process.report(Outcome.DAY_QUOTA, model=model)
    process.sync()
    assert store.return_to_service([row], models=[FLASH]) == 1
    process.load()
    assert process.can_serve(FLASH)
    assert not process.can_serve(PRO)
    assert store.return_to_service([row], models=[FLASH]) == 0


def test_a_key_whose_rest_is_over_is_shown_as_available_before_it_is_tidied():
    row = add_key()
    ServedModel.objects.create(credential=row, name=FLASH, methods=["generateContent"])
    process = Process()
    process.report(Outcome.MINUTE_QUOTA, asked_for=10)
    process.sync()
    row.refresh_from_db()
    assert status_of(row, at=now()).state == State.RATE_LIMITED
    assert status_of(row, at=now() + timedelta(seconds=11)).state == State.AVAILABLE


# --- In two goes ----------------------------------------------------------------------------------------------------------


def rows_written() -> list[tuple]:
    columns = ("credential_id", "project", "model", "state", "reason", "until", "strikes", "detail")
    return sorted(map(str, KeyHealth.objects.standing().values_list(*columns)))


@pytest.mark.parametrize("seed", range(12))
def test_what_is_written_in_two_goes_is_what_is_written_at_once(seed):
    row = add_key()
    chance, at = random.Random(seed), now().timestamp()
    places = [(f"key:{row.pk}", FLASH), (f"key:{row.pk}", PRO), ("project:p", FLASH)]

    def some(begin: int) -> Learned:
        """Rests end, or grow: no process lets one at the same place be followed by a shorter one."""
        rests = (rest(Reason.MINUTE_QUOTA, seconds=60.0 * (begin + step), strikes=begin + step, at=at) for step in range(1, 5))
        return learned(*((chance.choice(places), row, one if chance.random() < 0.7 else None) for one in rests))

    first, second = some(0), some(4)
    found = []
    for goes in ([first, second], [first.followed_by(second)]):
        with transaction.atomic():
            for one in goes:
                store.save(one)
            found.append(rows_written())
            transaction.set_rollback(True)
    assert found[0] == found[1]


def test_times_survive_the_way_through_the_database():
    row = add_key()
    at = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
    store.save(learned(((f"key:{row.pk}", FLASH), row, rest(seconds=1.25, at=at, strikes=4, detail="why"))))
    read = loading.load_rests().rests[f"key:{row.pk}", FLASH]
    assert (read.since, read.until, read.strikes, read.detail) == (at, at + 1.25, 4, "why")
