"""What is done to many keys at once: what each action does, what it asks first, and who may."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from kombu.exceptions import OperationalError

from credentials.admin import bulk
from credentials.health import Reason, State
from credentials.models import ApiKey, CheckRun, Credential, KeyHealth, PoolVersion, ProjectSource, ServedModel
from credentials.signals import check_requested
from tests.credentials.pages import KEYS, RUNS, act, many_keys, rest, texts

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(key) -> ApiKey:
    return ApiKey.objects.create(secret="AQ.another-0123456789", label="laptop")


def ask(admin: Client, action: str, *keys: ApiKey, across: bool = False):
    form = {"action": action, "_selected_action": [key.pk for key in keys], "select_across": "1" if across else ""}
    return admin.post(KEYS, form)


def test_disable_and_enable(admin, key):
    assert act(admin, "disable", key) == ["1 key is disabled."]
    assert not ApiKey.objects.get().enabled
    assert act(admin, "enable", key) == ["1 key is enabled."]
    assert ApiKey.objects.get().enabled


def test_return_to_service_forgets_what_was_wrong(admin, key):
    rest(key, "", reason=Reason.KEY_LEAKED)
    rest(project="p-1")
    Credential.objects.update(state=State.INVALID, reason=Reason.KEY_LEAKED)
    assert act(admin, "return_to_service", key) == ["1 key is back in the pool."]
    assert (ApiKey.objects.get().state, KeyHealth.objects.standing().count()) == (State.AVAILABLE, 0)


class TestReturnForSomeModels:
    def test_it_asks_for_which_of_those_that_rest(self, admin, key, other):
        rest(key, "flash")
        rest(project="p-1", model="pro")
        rest(other, "lite")
        page = ask(admin, "return_models_to_service", key).content.decode()
        assert [model for model in ("flash", "pro", "lite") if f'value="{model}"' in page] == ["flash", "pro"]
        assert KeyHealth.objects.standing().count() == 3

    def test_only_the_chosen_ones_are_forgotten(self, admin, key):
        rest(key, "flash")
        rest(key, "pro")
        assert act(admin, "return_models_to_service", key, models=["flash"]) == ["1 key is back in the pool for flash."]
        assert list(KeyHealth.objects.standing().values_list("model", flat=True)) == ["pro"]

    def test_a_model_that_none_rests_for_is_no_choice(self, admin, key):
        rest(key, "flash")
        form = {"action": "return_models_to_service", "_selected_action": [key.pk], "answered": "1", "models": ["lite"]}
        assert "lite is not one of the available choices" in admin.post(KEYS, form).content.decode()
        assert KeyHealth.objects.standing().exists()

    def test_where_none_rests_it_says_so(self, admin, key):
        rest(key, "", reason=Reason.KEY_LEAKED)
        assert act(admin, "return_models_to_service", key) == ["None of them rests for one model only."]


class TestSettings:
    @pytest.mark.parametrize("action", ["set_priority", "set_weight", "set_project"])
    def test_it_says_first_how_many_are_meant_and_changes_nothing_yet(self, admin, key, other, action):
        page = ask(admin, action, key, other).content.decode()
        assert "2 keys will be changed" in page
        assert "build server" in page
        assert not ApiKey.objects.exclude(priority=0, weight=1).exists()

    @pytest.mark.parametrize(
        ("action", "given", "says"),
        [
            ("set_priority", {"priority": "7"}, "2 keys are of priority 7 now."),
            ("set_weight", {"weight": "3"}, "2 keys are of weight 3 now."),
            ("set_project", {"project": "p-9"}, "2 keys are of project p-9 now."),
        ],
    )
    def test_it_changes_those_that_were_chosen(self, admin, key, other, action, given, says):
        third = ApiKey.objects.create(secret="AQ.a-third-0123456789")
        assert act(admin, action, key, other, **given) == [says]
        [(column, value)] = given.items()
        assert set(ApiKey.objects.filter(**{column: value})) == {key, other}
        assert third in ApiKey.objects.exclude(**{column: value})

    def test_a_project_that_is_set_counts_as_typed_and_an_empty_one_is_learned_again(self, admin, key):
        act(admin, "set_project", key, project="p-9")
        assert ApiKey.objects.get().project_source == ProjectSource.TYPED
        assert act(admin, "set_project", key, project="") == ["1 key is of no known project now."]
        assert (ApiKey.objects.get().project, ApiKey.objects.get().project_source) == ("", "")

    @pytest.mark.parametrize(
        ("action", "given"),
        [("set_priority", {"priority": "40000"}), ("set_weight", {"weight": "0"}), ("set_weight", {"weight": "heavy"})],
    )
    def test_what_cannot_be_is_asked_for_again(self, admin, key, action, given):
        form = {"action": action, "_selected_action": [key.pk], "answered": "1"} | given
        response = admin.post(KEYS, form)
        assert response.context["question"].form.errors
        assert (ApiKey.objects.get().priority, ApiKey.objects.get().weight) == (0, 1)

    def test_all_keys_of_a_filter_are_meant_when_all_are_chosen(self, admin):
        many_keys(120)
        first = ApiKey.objects.first()
        assert "120 keys will be changed" in ask(admin, "set_priority", first, across=True).content.decode()
        form = {"action": "set_priority", "_selected_action": [first.pk], "select_across": "1", "answered": "1", "priority": "4"}
        assert texts(admin.post(KEYS, form, follow=True)) == ["120 keys are of priority 4 now."]
        assert ApiKey.objects.filter(priority=4).count() == 120

    def test_going_back_leads_to_the_list_as_it_was_filtered(self, admin, key):
        form = {"action": "set_weight", "_selected_action": [key.pk], "answered": "1", "weight": "2"}
        assert admin.post(f"{KEYS}?project=p-1", form).headers["Location"] == f"{KEYS}?project=p-1"


class TestChecks:
    @pytest.mark.parametrize(("action", "generates"), [("check_now", False), ("check_with_one_token", True)])
    def test_a_check_leads_to_its_run(self, admin, key, other, checked, action, generates):
        response = ask(admin, action, key, other)
        run = CheckRun.objects.get()
        assert response.headers["Location"] == f"{RUNS}{run.pk}/change/"
        assert (run.total, run.generates, run.by) == (2, generates, "root")
        assert sorted(checked) == [key.pk, other.pk]

    def test_a_wish_for_too_many_checks_is_cut_and_says_so(self, admin, checked, monkeypatch):
        monkeypatch.setattr(bulk, "MOST_CHECKS", 100)
        many_keys(101)
        form = {"action": "check_now", "_selected_action": [ApiKey.objects.first().pk], "select_across": "1"}
        said = texts(admin.post(KEYS, form, follow=True))
        assert said == ["The first 100 of 101 are being checked. Check the others later."]
        assert len(checked) == 100

    def test_without_a_task_queue_the_admin_is_told(self, admin, key, checked):
        def no_queue(**kwargs):
            raise OperationalError("redis is gone")

        check_requested.connect(no_queue)
        assert act(admin, "check_now", key) == ["The task queue cannot be reached: nothing is checked now."]
        assert not CheckRun.objects.exists()

    def test_who_may_not_see_runs_stays_where_they_are(self, client, key, checked):
        sign_in(client, "view_apikey", "change_apikey")
        assert act(client, "check_now", key) == ["1 key is being checked."]
        assert checked == [key.pk]


def test_deleting_asks_first_and_takes_everything_of_the_key_along(admin, key):
    ServedModel.objects.create(credential=key, name="m")
    assert "build server" in ask(admin, "delete_selected", key).content.decode()
    admin.post(KEYS, {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"})
    assert (ApiKey.objects.count(), ServedModel.objects.count()) == (0, 0)


def test_thousands_are_counted_rather_than_named_before_they_are_deleted(admin):
    many_keys(1_000)
    page = ask(admin, "delete_selected", ApiKey.objects.first(), across=True).content.decode()
    assert "and 800 more" in page
    assert "Delete 1000 Gemini API keys?" in page


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("enable", {}),
        ("disable", {}),
        ("set_priority", {"priority": "1"}),
        ("set_weight", {"weight": "2"}),
        ("set_project", {"project": "p-9"}),
    ],
)
def test_many_keys_move_the_pool_s_version_once(admin, action, given):
    many_keys(30)
    Credential.objects.update(enabled=action != "enable")
    before, _ = PoolVersion.current()
    act(admin, action, *ApiKey.objects.all(), **given)
    assert PoolVersion.current()[0] == before + 1


@pytest.mark.parametrize("action", bulk.BulkActions.actions)
def test_who_may_only_look_can_do_nothing(client, key, checked, action):
    sign_in(client, "view_apikey", "view_checkrun")
    rest(key)
    before = PoolVersion.current(), list(ApiKey.objects.values()), KeyHealth.objects.standing().count()
    answers = {"answered": "1", "priority": "9", "weight": "9", "project": "p-9", "models": ["m"]}
    client.post(KEYS, {"action": action, "_selected_action": [key.pk]} | answers)
    assert (PoolVersion.current(), list(ApiKey.objects.values()), KeyHealth.objects.standing().count()) == before
    assert (checked, CheckRun.objects.count()) == ([], 0)


def test_an_action_needs_the_secret_of_its_form(key):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    assert ask(strict, "disable", key).status_code == 403
    assert ApiKey.objects.get().enabled


def sign_in(client: Client, *permissions: str) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(viewer)
