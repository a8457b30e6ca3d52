"""The admin's pages: each opens, none shows a secret, and each action does what its name says."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from credentials import crypto
from credentials.health import Reason, State
from credentials.models import ApiKey, ClientToken, Credential, KeyHealth, ModelAlias, PoolVersion, ServedModel
from credentials.signals import check_requested
from openai_api.models import UsageRecord

pytestmark = pytest.mark.django_db
CANARY = "AQ.CANARY-0123456789-abcdef"
KEYS, PASTE = "/admin/credentials/apikey/", "/admin/credentials/apikey/paste_keys/"
TOKENS, ALIASES = "/admin/credentials/clienttoken/", "/admin/credentials/modelalias/"
USAGE = "/admin/openai_api/usagerecord/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def checked():
    """The ids of the keys that somebody wanted checked."""
    seen: list[int] = []

    def remember(ids: list[int], **kwargs):
        seen.extend(ids)

    others, check_requested.receivers = check_requested.receivers, []
    check_requested.connect(remember)
    yield seen
    check_requested.receivers = others


@pytest.fixture
def key(checked) -> ApiKey:
    return ApiKey.objects.create(secret=CANARY, label="build server", project="p-1")


def texts(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def act(admin: Client, url: str, action: str, *rows) -> list[str]:
    response = admin.post(url, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)
    assert response.status_code == 200
    return texts(response)


@pytest.fixture
def every_page(key) -> list[str]:
    """The address of every page that can be opened, with something on it."""
    rest = {"state": State.RATE_LIMITED, "reason": Reason.DAY_QUOTA, "since": now(), "until": now() + timedelta(hours=6)}
    KeyHealth.objects.create(credential=key, model="gemini-3.8-flash", detail="day quota", **rest)
    ServedModel.objects.create(credential=key, name="gemini-3.8-flash")
    owner = User.objects.create_user("ada")
    token, _ = ClientToken.issue(owner, label="laptop", plain=f"{CANARY}-token")
    record = UsageRecord.objects.create(
        uid="u", request_id="r", owner=owner, token=token, model_asked="gpt-4o", dialect="chat", status=200
    )
    pages = ["/admin/", PASTE, "/admin/auth/user/", f"/admin/auth/user/{owner.pk}/change/", "/admin/auth/group/"]
    for url, pk in ((KEYS, key.pk), (TOKENS, token.pk), (ALIASES, ModelAlias.objects.first().pk)):
        pages += [url, f"{url}add/", f"{url}{pk}/change/", f"{url}{pk}/delete/", f"{url}{pk}/history/"]
    return [
        *pages,
        USAGE,
        f"{USAGE}{record.pk}/change/",
        f"{KEYS}?q=build&state=rate_limited&used=never",
        f"{USAGE}?result=failed",
    ]


def test_every_page_opens_and_none_shows_a_secret(admin, every_page):
    for page in every_page:
        response = admin.get(page)
        assert response.status_code == 200, page
        assert "CANARY" not in response.content.decode(), page


def test_no_page_opens_without_signing_in(client, every_page):
    for page in every_page:
        assert client.get(page).status_code == 302, page


def test_no_page_needs_the_encryption_key(admin, every_page, settings):
    settings.CREDENTIAL_ENCRYPTION_KEYS = ["bm90IHRoZSBrZXkgaXQgd2FzIHN0b3JlZCB3aXRoISE="]
    for page in every_page:
        assert admin.get(page).status_code == 200, page


class TestPoolList:
    def test_a_resting_key_says_why_and_until_when(self, admin, key):
        until = now() + timedelta(hours=6)
        Credential.objects.filter(pk=key.pk).update(state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA, until=until)
        page = admin.get(KEYS).content.decode()
        assert "Rate limited" in page
        assert "day quota used up · back" in page
        assert "Pacific, in 6 h" in page

    def test_a_rest_that_is_over_is_not_shown_any_more(self, admin, key):
        Credential.objects.filter(pk=key.pk).update(state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA, until=now())
        assert "day quota used up" not in rows(admin.get(KEYS))
        assert admin.get(f"{KEYS}?state=available").context["cl"].result_count == 1
        assert admin.get(f"{KEYS}?state=rate_limited").context["cl"].result_count == 0

    def test_an_available_key_names_the_models_that_it_rests_for(self, admin, key):
        for model in "abcd":
            KeyHealth.objects.create(
                credential=key, model=model, state=State.RATE_LIMITED, reason=Reason.NOT_ENTITLED, since=now(), until=None
            )
        assert "rests for a, b, c and 1 more" in rows(admin.get(KEYS))

    def test_an_empty_pool_says_what_to_do(self, admin):
        for page in ("/admin/", KEYS):
            assert "Paste your first Gemini API key" in admin.get(page).content.decode()

    def test_a_pool_with_a_key_does_not(self, admin, key):
        for page in ("/admin/", KEYS):
            assert "Paste your first" not in admin.get(page).content.decode()

    @pytest.mark.parametrize("url", [KEYS, "/admin/"])
    def test_the_number_of_queries_does_not_grow_with_the_pool(self, admin, url, key):
        make_keys(3)
        admin.get(url)
        with CaptureQueriesContext(connection) as few:
            admin.get(url)
        make_keys(45, start=3)
        with CaptureQueriesContext(connection) as many:
            admin.get(url)
        assert len(many) == len(few)

    def test_ten_thousand_keys_come_in_pages(self, admin):
        ApiKey.objects.bulk_create(
            (ApiKey(secret="s" * 20, fingerprint=f"{number}", masked=f"{number}") for number in range(10_000)), batch_size=500
        )
        listed = admin.get(KEYS).context["cl"]
        assert (len(listed.result_list), listed.result_count) == (50, 10_000)


def rows(response) -> str:
    """The page without its list of filters, which names every reason."""
    page = response.content.decode()
    return page[page.index('id="changelist-form"') : page.index("</form>", page.index('id="changelist-form"'))]


def make_keys(number: int, *, start: int = 0) -> None:
    for place in range(start, start + number):
        key = ApiKey.objects.create(secret=f"AQ.one-of-many-{place:04d}")
        KeyHealth.objects.create(
            credential=key,
            model="m",
            state=State.RATE_LIMITED,
            reason=Reason.DAY_QUOTA,
            since=now(),
            until=now() + timedelta(hours=1),
        )


class TestActions:
    def test_disable_and_enable(self, admin, key):
        assert act(admin, KEYS, "disable", key) == ["1 key is disabled."]
        assert not ApiKey.objects.get().enabled
        assert act(admin, KEYS, "enable", key) == ["1 key is enabled."]
        assert ApiKey.objects.get().enabled

    def test_return_to_service_forgets_what_was_wrong(self, admin, key):
        KeyHealth.objects.create(credential=key, state=State.INVALID, reason=Reason.KEY_LEAKED, since=now())
        Credential.objects.update(state=State.INVALID, reason=Reason.KEY_LEAKED)
        assert act(admin, KEYS, "return_to_service", key) == ["1 key is back in the pool."]
        assert (ApiKey.objects.get().state, KeyHealth.objects.count()) == (State.AVAILABLE, 0)

    def test_check_now_asks_for_a_check(self, admin, key, checked):
        assert "1 key is being checked." in act(admin, KEYS, "check_now", key)[0]
        assert checked == [key.pk]

    def test_a_wish_for_very_many_checks_is_cut_and_says_so(self, admin, checked):
        ApiKey.objects.bulk_create(
            (ApiKey(secret="s" * 20, fingerprint=f"{number}", masked=f"{number}") for number in range(501)), batch_size=100
        )
        form = {"action": "check_now", "_selected_action": [ApiKey.objects.first().pk], "select_across": "1"}
        assert texts(admin.post(KEYS, form, follow=True)) == ["The first 500 are being checked. Check the others later."]
        assert len(checked) == 500

    def test_without_a_task_queue_the_admin_is_told(self, admin, key, checked):
        def no_queue(**kwargs):
            raise OperationalError("redis is gone")

        check_requested.connect(no_queue)
        assert "task queue cannot be reached" in act(admin, KEYS, "check_now", key)[0]

    def test_deleting_asks_first_and_takes_everything_of_the_key_along(self, admin, key):
        ServedModel.objects.create(credential=key, name="m")
        question = admin.post(KEYS, {"action": "delete_selected", "_selected_action": [key.pk]})
        assert "build server" in question.content.decode()
        admin.post(KEYS, {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"})
        assert (ApiKey.objects.count(), ServedModel.objects.count()) == (0, 0)

    def test_who_may_only_look_is_offered_no_action(self, client, key):
        viewer = User.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_apikey"))
        client.force_login(viewer)
        assert "build server" in client.get(KEYS).content.decode()
        act(client, KEYS, "disable", key)
        assert ApiKey.objects.get().enabled
        assert client.get(PASTE).status_code == 403


TABS = {f"{tab}-{count}_FORMS": "0" for tab in ("health", "served_models") for count in ("TOTAL", "INITIAL")}
CHOICES = {"label": "mine", "project": "", "enabled": "on", "priority": "0", "weight": "1", "notes": ""} | TABS


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """`with committed():` is a transaction that ends: what waits for its end is done then."""
    return partial(django_capture_on_commit_callbacks, execute=True)


class TestKeyForm:
    def test_a_new_key_is_stored_and_checked(self, admin, checked, committed):
        with committed():
            response = admin.post(f"{KEYS}add/", CHOICES | {"key": f" {CANARY} "}, follow=True)
            assert checked == []  # A worker that is told now would find no key.
        key = ApiKey.objects.get()
        assert (key.secret, key.label, key.enabled) == (CANARY, "mine", True)
        assert checked == [key.pk]
        assert "CANARY" not in response.content.decode()

    def test_a_key_left_empty_stays_as_it_was(self, admin, key, checked):
        admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "", "label": "renamed"})
        key = ApiKey.objects.get()
        assert (key.secret, key.label, checked) == (CANARY, "renamed", [])

    def test_a_replaced_key_starts_afresh(self, admin, key, checked, committed):
        KeyHealth.objects.create(credential=key, state=State.INVALID, reason=Reason.KEY_LEAKED, since=now())
        Credential.objects.update(state=State.INVALID, reason=Reason.KEY_LEAKED)
        with committed():
            admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "AQ.replacement-0123456789"})
        fresh = ApiKey.objects.get()
        assert (fresh.pk, fresh.secret, fresh.state) == (key.pk, "AQ.replacement-0123456789", State.AVAILABLE)
        assert fresh.fingerprint == crypto.fingerprint("AQ.replacement-0123456789")
        assert checked == [key.pk]

    def test_saving_does_not_overwrite_what_the_pool_wrote_meanwhile(self, admin, key):
        Credential.objects.update(state=State.RATE_LIMITED)
        with CaptureQueriesContext(connection) as queries:
            admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": ""})
        [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "credentials_credential"')]
        assert '"state"' not in update
        assert '"secret"' not in update

    def test_save_and_check_does_both(self, admin, key, checked, committed):
        with committed():
            admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "", "_check": ""})
        assert (ApiKey.objects.get().label, checked) == ("mine", [key.pk])

    @pytest.mark.parametrize(
        ("entry", "says"), [(CANARY, "in the pool already, as build server"), ("short", "shorter than 8"), ("", "required")]
    )
    def test_what_cannot_be_a_new_key_is_refused_without_being_shown(self, admin, key, entry, says):
        page = admin.post(f"{KEYS}add/", CHOICES | {"key": entry}).content.decode()
        assert says in page
        assert "CANARY" not in page
        assert ApiKey.objects.count() == 1


class TestPaste:
    GIVEN = {"keys": f"{CANARY}\nAQ.second-0123456789, short", "project": "p-9", "priority": "2"}

    def test_a_dry_run_reports_and_stores_nothing(self, admin, key):
        page = admin.post(PASTE, self.GIVEN | {"dry_run": "1"}).content.decode()
        assert "1 would be added" in page
        assert "in the pool already as build server" in page
        assert "shorter than 8 characters" in page
        assert "CANARY" not in page
        assert ApiKey.objects.count() == 1

    def test_an_import_stores_what_is_new_and_has_it_checked(self, admin, key, checked):
        page = admin.post(PASTE, self.GIVEN | {"import": "1"}).content.decode()
        new = ApiKey.objects.latest("pk")
        assert "1 added" in page
        assert "CANARY" not in page
        assert (new.secret, new.project, new.priority) == ("AQ.second-0123456789", "p-9", 2)
        assert checked == [new.pk]

    def test_a_check_is_asked_for_only_once_the_keys_are_stored_for_good(self, admin, checked):
        """A worker may be faster than a transaction, and would find nothing to check."""
        open_transactions = []

        def note(**kwargs):
            open_transactions.append(len(connection.savepoint_ids))

        check_requested.connect(note)
        admin.post(PASTE, self.GIVEN | {"import": "1"})
        assert open_transactions == [len(connection.savepoint_ids)]

    def test_a_file_is_read_as_well(self, admin, checked):
        file = SimpleUploadedFile("keys.txt", f"\ufeffGEMINI_API_KEYS={CANARY}".encode())
        admin.post(PASTE, {"keys": "", "file": file, "priority": "0", "import": "1"})
        assert ApiKey.objects.get().secret == CANARY

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"keys": ""}, "There is no key"),
            ({"keys": "", "file": SimpleUploadedFile("keys", b"\xff\xfe")}, "not UTF-8"),
            ({"keys": CANARY, "priority": "high"}, "whole number"),
        ],
    )
    def test_a_form_that_cannot_be_read_is_sent_back_without_what_was_pasted(self, admin, given, says):
        page = admin.post(PASTE, {"priority": "0", "import": "1"} | given).content.decode()
        assert says in page
        assert "CANARY" not in page
        assert not ApiKey.objects.exists()

    def test_a_long_report_is_cut(self, admin, checked):
        keys = "\n".join(f"AQ.long-report-{number:05d}" for number in range(300))
        page = admin.post(PASTE, {"keys": keys, "priority": "0", "dry_run": "1"}).content.decode()
        assert "The first 200 of 300 are shown." in page


class TestTokens:
    @pytest.fixture
    def form(self, owner) -> dict:
        return {
            "owner": owner.pk,
            "label": "laptop",
            "models": "gemini-*-flash,\n gpt-4o",
            "expires_at_0": "",
            "expires_at_1": "",
        }

    def test_the_plain_token_is_shown_once_and_kept_nowhere(self, admin, form):
        response = admin.post(f"{TOKENS}add/", form)
        token = ClientToken.objects.get()
        [plain] = {
            word.strip('"')
            for word in response.content.decode().replace("<", " ").replace(">", " ").split()
            if "castor-" in word and len(word) > 30
        }
        assert crypto.token_digest(plain) == token.digest
        assert token.allowed_models == ["gemini-*-flash", "gpt-4o"]
        assert "no-store" in response.headers["Cache-Control"]
        assert plain not in str(response.cookies)
        for page in (TOKENS, f"{TOKENS}{token.pk}/change/", "/admin/"):
            assert plain not in admin.get(page).content.decode()
        with connection.cursor() as cursor:
            for table in ("credentials_clienttoken", "django_session", "django_admin_log"):
                cursor.execute(f"SELECT * FROM {table}")
                assert plain not in str(cursor.fetchall())

    def test_changing_a_token_keeps_its_digest(self, admin, form, owner):
        token, _ = ClientToken.issue(owner, allowed_models=["gpt-4o"])
        admin.post(f"{TOKENS}{token.pk}/change/", form | {"models": ""})
        changed = ClientToken.objects.get()
        assert (changed.digest, changed.label, changed.allowed_models) == (token.digest, "laptop", [])

    def test_revoking_is_for_good(self, admin, owner):
        token, _ = ClientToken.issue(owner)
        version = PoolVersion.current()
        assert act(admin, TOKENS, "revoke", token) == ["1 token is revoked."]
        assert not ClientToken.objects.live(at=now()).exists()
        assert PoolVersion.current() > version
        assert act(admin, TOKENS, "revoke", token) == ["0 tokens are revoked."]


@pytest.mark.parametrize(
    ("pattern", "target", "says"),
    [("gpt 4", "m", "no blanks"), ("gpt-?", "m", "no blanks"), ("gpt-[45]", "m", "no blanks"), ("new", "gemini-*", "one model")],
)
def test_an_alias_that_could_not_work_is_refused(admin, pattern, target, says):
    page = admin.post(f"{ALIASES}add/", {"pattern": pattern, "target": target, "enabled": "on"}).content.decode()
    assert says in page
    assert not ModelAlias.objects.filter(pattern=pattern).exists()


@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_usage_can_be_read_and_nothing_else(admin, every_page, action):
    pk = UsageRecord.objects.get().pk
    address = f"{USAGE}add/" if action == "add" else f"{USAGE}{pk}/{action}/"
    assert admin.post(address, {"status": "500", "post": "yes"}).status_code == 403
    assert UsageRecord.objects.get().status == 200


class TestPoolVersion:
    """Whatever changes what requests read moves the version; nothing else does."""

    def moved_by(self, change) -> bool:
        before = PoolVersion.current()
        change()
        return PoolVersion.current() > before

    def test_every_change_moves_it(self, key, owner):
        token, _ = ClientToken.issue(owner)
        alias = ModelAlias.objects.first()
        owner.is_active = False
        assert self.moved_by(key.save)
        assert self.moved_by(token.save)
        assert self.moved_by(alias.save)
        assert self.moved_by(owner.save)
        assert self.moved_by(alias.delete)
        assert self.moved_by(token.delete)
        assert self.moved_by(key.delete)
        assert self.moved_by(owner.delete)

    @pytest.mark.parametrize("action", ["enable", "disable", "return_to_service"])
    def test_every_action_moves_it(self, admin, key, action):
        assert self.moved_by(lambda: act(admin, KEYS, action, key))

    def test_signing_in_does_not(self, client, owner):
        assert not self.moved_by(lambda: client.force_login(owner))
