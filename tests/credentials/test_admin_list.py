"""The list of keys: what a row says, what it can be filtered by, and that ten thousand rows cost no more than ten."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from credentials.admin.shown import link_to
from credentials.health import LETTERS, Outcome, Reason, State
from credentials.models import Alert, ApiKey, Credential
from credentials.strip import WORDS, Sort, sort_of, strip_of
from tests.credentials.pages import KEYS, many_keys, rest, rows

pytestmark = pytest.mark.django_db


def labels(admin, query: str) -> set[str]:
    return {key.label for key in admin.get(f"{KEYS}?{query}").context["cl"].result_list}


class TestRows:
    def test_a_resting_key_says_why_and_until_when(self, admin, key):
        until = now() + timedelta(hours=6)
        Credential.objects.filter(pk=key.pk).update(state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA, until=until)
        page = admin.get(KEYS).content.decode()
        assert "Rate limited" in page
        assert "day quota used up · back" in page
        assert "Pacific, in 6 h" in page

    def test_a_rest_that_is_over_is_not_shown_any_more(self, admin, key):
        Credential.objects.filter(pk=key.pk).update(state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA, until=now())
        rest(key, until=now())
        assert "day quota used up" not in rows(admin.get(KEYS))
        assert "rests for" not in rows(admin.get(KEYS))
        assert admin.get(f"{KEYS}?state=available").context["cl"].result_count == 1
        assert admin.get(f"{KEYS}?state=rate_limited").context["cl"].result_count == 0

    def test_an_available_key_names_the_models_that_it_or_its_project_rests_for(self, admin, key):
        for model in "bcd":
            rest(key, model)
        rest(project="p-1", model="a")
        rest(project="p-2", model="e")
        assert "rests for a, b, c and 1 more · back" in rows(admin.get(KEYS))

    def test_the_overview_tells_what_rests_for_one_model_and_who_is_back_first(self, admin, key):
        rest(key, "late", until=now() + timedelta(hours=3))
        rest(project="p-1", model="soon", reason=Reason.MINUTE_QUOTA, until=now() + timedelta(minutes=5))
        rest(project="nobody's", model="unused")
        rest(key, "over", until=now())
        shown = admin.get("/admin/").context["resting"]["rows"]
        assert [row[:3] for row in shown] == [
            ["all of the project p-1", "soon", "minute quota used up"],
            [link_to(key), "late", "day quota used up"],
        ]
        assert [row[3].partition(", ")[2] for row in shown] == ["in 5 min", "in 3 h"]

    def test_the_overview_counts_the_rests_that_it_has_no_room_for(self, admin, key):
        for number in range(12):
            rest(key, f"model-{number}")
        assert admin.get("/admin/").context["resting"]["rows"][-1][0] == "and 2 more"

    def test_who_may_not_see_a_kind_is_not_told_what_it_rests_for(self, client, key):
        rest(key)
        clerk = User.objects.create_user("clerk", is_staff=True)
        clerk.user_permissions.add(Permission.objects.get(codename="view_googleaccount"))
        client.force_login(clerk)
        assert client.get("/admin/").context["resting"]["rows"] == []

    def test_the_last_outcomes_are_blocks_with_words_of_their_own(self, admin, key):
        Credential.objects.update(recent="ssd", failures=1, last_error=Outcome.DAY_QUOTA)
        row = rows(admin.get(KEYS))
        assert row.count('<i class="is-served" title="served"></i>') == 2
        assert row.count('<i class="is-quota" title="day quota used up"></i>') == 1
        assert 'aria-label="The last 3 outcomes: 2 served, 1 day quota used up. The newest: day quota used up."' in row
        assert "1 failed in a row" in row

    def test_a_shared_fault_is_told_above_the_list_and_on_the_overview_until_it_is_over(self, admin, key):
        alert = Alert.objects.create(cause=Outcome.THROTTLED, message="Everybody is throttled.", began_at=now())
        for page in (KEYS, "/admin/"):
            assert "Everybody is throttled. No credential is blamed" in admin.get(page).content.decode()
        Alert.objects.filter(pk=alert.pk).update(ended_at=now())
        for page in (KEYS, "/admin/"):
            assert "Everybody is throttled." not in admin.get(page).content.decode()

    def test_an_empty_pool_says_what_to_do(self, admin):
        for page in ("/admin/", KEYS):
            assert "Paste your first Gemini API key" in admin.get(page).content.decode()

    def test_a_pool_with_a_key_does_not(self, admin, key):
        for page in ("/admin/", KEYS):
            assert "Paste your first" not in admin.get(page).content.decode()


class TestFilters:
    @pytest.fixture(autouse=True)
    def pool(self, checked):
        made = [
            {"label": "one", "project": "web-1", "last_error": "day_quota", "last_used_at": now()},
            {"label": "two", "project": "web-2", "state": State.INVALID, "reason": Reason.KEY_LEAKED},
            {"label": "three", "notes": "for the web team"},
        ]
        for number, fields in enumerate(made):
            ApiKey.objects.create(secret=f"AQ.filtered-{number}-wxyz{number}", **fields)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("q=web", {"one", "two", "three"}),
            ("q=xyz1", {"two"}),
            ("project=WEB-", {"one", "two"}),
            ("project=web-2", {"two"}),
            ("project=-", {"three"}),
            ("last_error=day_quota", {"one"}),
            ("reason=key_leaked", {"two"}),
            ("state=invalid", {"two"}),
            ("used=never", {"two", "three"}),
            ("kind__exact=api_key", {"one", "two", "three"}),
            ("project=web-&used=yes", {"one"}),
        ],
    )
    def test_each_finds_what_it_says(self, admin, query, found):
        assert labels(admin, query) == found

    def test_only_reasons_and_errors_that_there_are_can_be_chosen(self, admin):
        page = admin.get(KEYS).content.decode()
        assert "Reported as leaked" in page
        assert "Day quota used up" in page
        assert "Suspended by google" not in page

    def test_the_filter_by_project_keeps_the_other_filters_and_suggests_projects(self, admin):
        page = admin.get(f"{KEYS}?used=never&q=web").content.decode()
        assert '<input type="hidden" name="used" value="never">' in page
        assert '<input type="hidden" name="q" value="web">' in page
        assert '<option value="web-1">' in page


class TestThousands:
    @pytest.mark.parametrize("url", [KEYS, "/admin/"])
    def test_the_number_of_queries_does_not_grow_with_the_pool(self, admin, checked, url):
        make_keys(10)
        admin.get(url)
        with CaptureQueriesContext(connection) as few:
            admin.get(url)
        make_keys(100, start=10)
        with CaptureQueriesContext(connection) as many:
            admin.get(url)
        assert len(many) == len(few) < 20

    def test_ten_thousand_keys_come_in_pages(self, admin):
        many_keys(10_000)
        listed = admin.get(KEYS).context["cl"]
        assert (len(listed.result_list), listed.result_count) == (50, 10_000)


def make_keys(number: int, *, start: int = 0) -> None:
    for place in range(start, start + number):
        key = ApiKey.objects.create(secret=f"AQ.one-of-many-{place:04d}", project=f"p-{place % 7}", recent="ssd")
        rest(key)
        if place < 7:
            rest(project=key.project, model="pro")


def test_every_outcome_has_words_and_a_sort():
    assert {*WORDS} == {*Outcome}
    assert {sort_of(outcome) for outcome in Outcome} == {*Sort}


@pytest.mark.parametrize(
    ("outcome", "sort"),
    [
        (Outcome.SERVED, Sort.SERVED),
        (Outcome.REQUEST_REFUSED, Sort.REQUEST),
        (Outcome.OUT_OF_CREDIT, Sort.QUOTA),
        (Outcome.UPSTREAM_FAILED, Sort.UPSTREAM),
        (Outcome.API_DISABLED, Sort.DEAD),
    ],
)
def test_a_strip_tells_the_sorts_apart(outcome, sort):
    assert f'class="is-{sort.value}"' in strip_of(LETTERS[outcome])


def test_a_letter_of_a_later_version_is_passed_over():
    assert strip_of("!") == strip_of("") == ""
    assert strip_of("s!s") == strip_of("ss")
