"""The admin's pages: each opens, none shows a secret; what is given in by a form, and what becomes of it."""

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from credentials import crypto, store
from credentials.health import Outcome, Reason, State
from credentials.models import (
    Alert,
    ApiKey,
    CheckResult,
    CheckRun,
    ClientToken,
    Credential,
    KeyHealth,
    ModelAlias,
    OnDisconnect,
    PoolVersion,
    ProjectSource,
    QuotaLimit,
    ServedModel,
    StateChange,
    UnknownError,
)
from credentials.signals import check_requested
from openai_api.models import UsageRecord
from tests.credentials.pages import (
    ALERTS,
    ALIASES,
    CANARY,
    ERRORS,
    KEYS,
    LIMITS,
    PASTE,
    RUNS,
    TOKENS,
    USAGE,
    WHO,
    act,
    rest,
    rows,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def every_page(key) -> list[str]:
    """The address of every page that can be opened, with something on it."""
    rest(key, "gemini-3.8-flash")
    rest(None, "gemini-3.8-pro", project="p-1")
    ServedModel.objects.create(credential=key, name="gemini-3.8-flash")
    owner = User.objects.create_user("ada")
    token, _ = ClientToken.issue(owner, label="laptop", plain=f"{CANARY}-token")
    record = UsageRecord.objects.create(
        uid="u", request_id="r", owner=owner, token=token, model_asked="gpt-4o", dialect="chat", status=200
    )
    StateChange.objects.create(credential=key, state=State.INVALID, reason=Reason.KEY_LEAKED, detail="said Google")
    limit = QuotaLimit.objects.create(project="p-1", rpm=5)
    error = UnknownError.objects.create(digest="d", status=418, body="a teapot", credential=key, first_at=now(), last_at=now())
    alert = Alert.objects.create(cause=Outcome.THROTTLED, message="Everybody is throttled.", began_at=now())
    run = CheckRun.objects.create(by="root", total=2)
    CheckResult.objects.create(run=run, credential=key, outcome=Outcome.SERVED)
    pages = [
        "/admin/",
        PASTE,
        WHO,
        f"{WHO}?model=gpt-4o",
        "/admin/auth/user/",
        f"/admin/auth/user/{owner.pk}/change/",
        "/admin/auth/group/",
    ]
    for url, pk in ((KEYS, key.pk), (TOKENS, token.pk), (ALIASES, ModelAlias.objects.first().pk), (LIMITS, limit.pk)):
        pages += [url, f"{url}add/", f"{url}{pk}/change/", f"{url}{pk}/delete/", f"{url}{pk}/history/"]
    for url, pk in ((RUNS, run.pk), (ALERTS, alert.pk), (ERRORS, error.pk)):
        pages += [url, f"{url}{pk}/change/", f"{url}{pk}/history/"]
    return [
        *pages,
        USAGE,
        f"{USAGE}{record.pk}/change/",
        f"{KEYS}?q=build&state=rate_limited&used=never&project=p-1&kind__exact=api_key",
        f"{KEYS}{key.pk}/change/?earlier=1",
        f"{RUNS}{run.pk}/change/?outcome=served&page=9",
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


def no_queue(**kwargs):
    raise OperationalError("redis is gone")


TABS = {f"{tab}-{count}_FORMS": "0" for tab in ("served_models",) for count in ("TOTAL", "INITIAL")}
CHOICES = {"label": "mine", "project": "", "enabled": "on", "priority": "0", "weight": "1", "notes": ""} | TABS


class TestKeyForm:
    def test_a_new_key_is_stored_and_checked(self, admin, checked):
        response = admin.post(f"{KEYS}add/", CHOICES | {"key": f" {CANARY} "}, follow=True)
        key = ApiKey.objects.get()
        assert (key.secret, key.label, key.enabled) == (CANARY, "mine", True)
        assert checked == [key.pk]
        assert response.redirect_chain[-1][0] == f"{RUNS}{CheckRun.objects.get().pk}/change/"
        assert "CANARY" not in response.content.decode()

    def test_no_check_is_asked_for_before_the_key_is_stored_for_good(self, admin, checked):
        """A worker may be faster than a transaction, and would find nothing to check."""
        open_transactions = []

        def note(**kwargs):
            open_transactions.append(len(connection.savepoint_ids))

        check_requested.connect(note)
        admin.post(f"{KEYS}add/", CHOICES | {"key": CANARY})
        assert open_transactions == [len(connection.savepoint_ids)]

    def test_a_key_left_empty_stays_as_it_was(self, admin, key, checked):
        admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "", "label": "renamed"})
        key = ApiKey.objects.get()
        assert (key.secret, key.label, checked) == (CANARY, "renamed", [])

    def test_a_replaced_key_starts_afresh(self, admin, key, checked):
        KeyHealth.objects.create(credential=key, state=State.INVALID, reason=Reason.KEY_LEAKED, since=now())
        Credential.objects.update(state=State.INVALID, reason=Reason.KEY_LEAKED)
        admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "AQ.replacement-0123456789"})
        fresh = ApiKey.objects.get()
        assert (fresh.pk, fresh.secret, fresh.state) == (key.pk, "AQ.replacement-0123456789", State.AVAILABLE)
        assert fresh.fingerprint == crypto.fingerprint("AQ.replacement-0123456789")
        assert checked == [key.pk]

    def test_saving_does_not_overwrite_what_the_pool_wrote_meanwhile(self, admin, key):
        Credential.objects.update(state=State.RATE_LIMITED)
        with CaptureQueriesContext(connection) as queries:
            admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "", "project": "p-1"})
        [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "credentials_credential"')]
        assert '"state"' not in update
        assert '"secret"' not in update

    def test_save_and_check_does_both(self, admin, key, checked):
        admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "", "_check": ""})
        assert (ApiKey.objects.get().label, checked) == ("mine", [key.pk])

    def test_a_project_that_an_admin_types_wins_over_what_was_learned(self, admin, key):
        Credential.objects.update(project_source=ProjectSource.LEARNED)
        page = f"{KEYS}{key.pk}/change/"
        assert "This one was named by Google in an error" in admin.get(page).content.decode()
        admin.post(page, CHOICES | {"key": "", "project": "p-2"})
        typed = ApiKey.objects.get()
        assert (typed.project, typed.project_source) == ("p-2", ProjectSource.TYPED)
        store.set_project([key.pk], "p-3", ProjectSource.LEARNED)
        assert ApiKey.objects.get().project == "p-2"
        assert "typed in by an admin" in admin.get(page).content.decode()

    def test_a_project_that_is_cleared_is_learned_again(self, admin, key):
        Credential.objects.update(project_source=ProjectSource.TYPED)
        admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "", "project": ""})
        store.set_project([key.pk], "p-3", ProjectSource.LEARNED)
        assert ApiKey.objects.get().project == "p-3"

    @pytest.mark.parametrize(("source", "kept"), [(ProjectSource.TYPED, "p-1"), (ProjectSource.LEARNED, "")])
    def test_a_replaced_key_keeps_only_a_project_that_was_typed(self, admin, key, source, kept):
        Credential.objects.update(project_source=source)
        admin.post(f"{KEYS}{key.pk}/change/", CHOICES | {"key": "AQ.replacement-0123456789", "project": "p-1"})
        assert ApiKey.objects.get().project == kept

    def test_the_project_of_a_new_key_counts_as_typed(self, admin, checked):
        admin.post(f"{KEYS}add/", CHOICES | {"key": CANARY, "project": "p-7"})
        assert ApiKey.objects.get().project_source == ProjectSource.TYPED

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
        assert new.project_source == ProjectSource.TYPED
        assert checked == [new.pk]
        assert f'href="{RUNS}{CheckRun.objects.get().pk}/change/"' in page

    def test_an_import_of_nothing_new_starts_no_check(self, admin, key, checked):
        page = admin.post(PASTE, {"keys": CANARY, "priority": "0", "import": "1"}).content.decode()
        assert "0 added" in page
        assert "being checked" not in page
        assert not CheckRun.objects.exists()

    def test_an_import_without_a_task_queue_says_so(self, admin, checked):
        check_requested.connect(no_queue)
        page = admin.post(PASTE, {"keys": CANARY, "priority": "0", "import": "1"}).content.decode()
        assert "1 added" in page
        assert "task queue cannot be reached" in page
        assert ApiKey.objects.count() == 1

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
        admin.post(PASTE, {"keys": "", "uploads": file, "priority": "0", "import": "1"})
        assert ApiKey.objects.get().secret == CANARY

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"keys": ""}, "There is neither a key nor a login"),
            ({"keys": "", "uploads": SimpleUploadedFile("keys", b"\xff\xfe")}, "not UTF-8"),
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
            "on_disconnect": "drain",
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
        assert token.on_disconnect == OnDisconnect.DRAIN
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

    def test_the_list_tells_what_becomes_of_answers_that_nobody_waits_for(self, admin, owner):
        token, _ = ClientToken.issue(owner)
        assert "call is ended" in rows(admin.get(TOKENS))
        ClientToken.objects.filter(pk=token.pk).update(on_disconnect=OnDisconnect.DRAIN)
        assert "answer is read to its end" in rows(admin.get(TOKENS))

    def test_revoking_is_for_good(self, admin, owner):
        token, _ = ClientToken.issue(owner)
        version = PoolVersion.current()
        assert act(admin, "revoke", token, url=TOKENS) == ["1 token is revoked."]
        assert not ClientToken.objects.live(at=now()).exists()
        assert PoolVersion.current() > version
        assert act(admin, "revoke", token, url=TOKENS) == ["0 tokens are revoked."]


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


def test_usage_tells_who_hung_up_and_what_is_estimated(admin, owner):
    for number, estimated in enumerate((True, False)):
        UsageRecord.objects.create(
            uid=f"{number}", request_id=f"{number}", model_asked="m", dialect="chat", status=499, prompt_tokens=7 + number,
            estimated=estimated,
        )  # fmt: skip
    page = rows(admin.get(USAGE, {"result": "left"}))
    assert page.count("499 client hung up") == 2
    assert "≈ 7 / 0" in page
    assert "≈ 8" not in page
    assert "8 / 0" in page
    assert "client hung up" not in rows(admin.get(USAGE, {"result": "refused"}))


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
        limit = QuotaLimit(project="p-1", rpm=1)
        assert self.moved_by(alias.save)
        assert self.moved_by(limit.save)
        assert self.moved_by(limit.delete)
        assert self.moved_by(owner.save)
        assert self.moved_by(alias.delete)
        assert self.moved_by(token.delete)
        assert self.moved_by(key.delete)
        assert self.moved_by(owner.delete)

    @pytest.mark.parametrize("action", ["enable", "disable", "return_to_service"])
    def test_every_action_moves_it(self, admin, key, action):
        assert self.moved_by(lambda: act(admin, action, key))

    def test_signing_in_does_not(self, client, owner):
        assert not self.moved_by(lambda: client.force_login(owner))
