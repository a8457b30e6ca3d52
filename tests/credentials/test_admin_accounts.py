"""Google accounts in the admin: the list, the page of one with what can be done about it, and what is done to several."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from credentials.admin import login_pages
from credentials.admin.advice import safe_link
from credentials.health import Reason, State
from credentials.models import ApiKey, Credential, GoogleAccount, GoogleLogin, KeyHealth, ProjectSource, Use
from tests.credentials.pages import ACCOUNTS, KEYS, WHO, act, rest, rows, texts

pytestmark = pytest.mark.django_db
REFRESH, ACCESS, SECRET = "1//CANARY-refresh-0123456789", "ya29.CANARY-access-0123456789", "GOCSPX-CANARY-0123456789"
CLIENT = {"GOOGLE_OAUTH_CLIENT_ID": "castor-test-client", "GOOGLE_OAUTH_CLIENT_SECRET": "castor-test-secret"}


@pytest.fixture(autouse=True)
def oauth_client(settings):
    for name, value in CLIENT.items():
        setattr(settings, name, value)


def account(
    email: str = "ada@example.com", *, use: Use = Use.CODE_ASSIST, terms: bool = True, login=None, **given
) -> GoogleAccount:
    made = GoogleAccount(email=email, use=use, secret=f"{REFRESH}-{email}", **given)
    if terms and use == Use.CODE_ASSIST:
        made.accept_terms(by="grace")
    made.enabled = not made.lacks_terms and made.enabled
    made.save()
    tokens = {"access_token": ACCESS, "access_until": now() + timedelta(minutes=40), "client_secret": SECRET}
    GoogleLogin.objects.create(credential=made, **tokens | (login or {}))
    return made


@pytest.fixture
def ada(checked) -> GoogleAccount:
    return account(login={"project": "team-project", "tier_name": "Standard"})


def page_of(admin, one: Credential) -> str:
    return admin.get(f"{ACCOUNTS}{one.pk}/change/").content.decode()


def change(admin, one: Credential, **given):
    """Send its form as its page fills it in, but for what is given."""
    form = admin.get(f"{ACCOUNTS}{one.pk}/change/").context["adminform"].form
    filled = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    sent = {name: value for name, value in (filled | given).items() if value is not None and value is not False}
    inline = {"served_models-TOTAL_FORMS": "0", "served_models-INITIAL_FORMS": "0"}
    return admin.post(f"{ACCOUNTS}{one.pk}/change/", sent | inline, follow=True)


def bucket(model: str, left: float, **given) -> dict:
    return {"model": model, "remaining_fraction": left, "remaining_amount": None, "reset_at": None} | given


class TestList:
    def test_a_row_says_who_it_is_for_what_in_which_project_and_what_is_left(self, admin, ada):
        quota = [bucket("flash", 0.9), bucket("pro", 0.04), bucket("lite", 1.0)]
        GoogleLogin.objects.update(quota=quota, quota_at=now())
        row = rows(admin.get(ACCOUNTS))
        for said in ("ada@example.com", "Code Assist", "team-project", "Standard", "Available", "for 40 min", "and 1 more"):
            assert said in row
        assert re.findall(r">(\d+ %)</b> (\w+)", row) == [("4 %", "pro"), ("90 %", "flash")]

    def test_an_account_whose_terms_nobody_has_acknowledged_says_so(self, admin, checked):
        account(terms=False)
        assert "terms not acknowledged" in rows(admin.get(ACCOUNTS))

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("q=grace", {"grace@example.com"}),
            ("q=team-proj", {"ada@example.com"}),
            ("q=Standard", {"ada@example.com"}),
            ("use=gemini_api", {"grace@example.com"}),
            ("use=lacking", {"cy@example.com"}),
            ("state=disabled", {"cy@example.com"}),
            ("project=billing", {"grace@example.com"}),
            ("project=team", {"ada@example.com"}),
        ],
    )
    def test_each_filter_finds_what_it_says(self, admin, ada, query, found):
        account("grace@example.com", use=Use.GEMINI_API, project="billing")
        account("cy@example.com", terms=False)
        assert {one.email for one in admin.get(f"{ACCOUNTS}?{query}").context["cl"].result_list} == found

    def test_keys_stand_in_a_list_of_their_own(self, admin, ada, key):
        assert [one.pk for one in admin.get(ACCOUNTS).context["cl"].result_list] == [ada.pk]

    def test_a_broken_quota_is_passed_over(self, admin, ada):
        GoogleLogin.objects.update(quota=["x", {"remaining_fraction": 0.1}, bucket("pro", None, reset_at="no moment")])
        assert admin.get(ACCOUNTS).status_code == 200
        assert [row["model"] for row in admin.get(f"{ACCOUNTS}{ada.pk}/change/").context["quota"]] == ["pro"]

    def test_without_any_account_it_says_what_to_do(self, admin):
        page = admin.get(ACCOUNTS).content.decode()
        assert "It needs an OAuth client of yours" in page
        assert f'href="{ACCOUNTS}connect/"' in page

    def test_the_number_of_queries_does_not_grow_and_no_token_is_read(self, admin, checked):
        admin.get(ACCOUNTS)
        account("first@example.com")
        with CaptureQueriesContext(connection) as few:
            admin.get(ACCOUNTS)
        for number in range(40):
            account(f"user-{number}@example.com", login={"quota": [bucket("pro", 0.5)]})
        with CaptureQueriesContext(connection) as many:
            admin.get(ACCOUNTS)
        assert len(many) == len(few) < 20
        assert not [query for query in many if re.search(r'"(secret|access_token|client_secret)"', query["sql"])]


class TestWhatToDo:
    @pytest.mark.parametrize(
        ("reason", "detail", "says"),
        [
            (Reason.VALIDATION_REQUIRED, "Verify: https://accounts.google.com/v?a=1&b=2.", 'href="https://accounts.google.com/v?a=1&amp;b=2"'),
            (Reason.LOGIN_ENDED, "Token has been expired or revoked.", 'href="/auth/login?account='),
            (Reason.API_DISABLED, "It is disabled.", "https://console.cloud.google.com/apis/library/cloudaicompanion.googleapis.com"),
            (Reason.API_DISABLED, "Cloud Code Private API cloudcode-pa.googleapis.com is off", "Enable Cloud Code Private API"),
            (Reason.SUSPENDED, "Appeal at https://support.google.com/a", 'href="https://support.google.com/a"'),
            (Reason.PROJECT_MISSING, "", "Set the Google project below"),
            (Reason.UNSUPPORTED_CLIENT, "", "licences for Standard and Enterprise only"),
            (Reason.NOT_PERMITTED, "", "a licence or a role"),
        ],
    )  # fmt: skip
    def test_each_reason_leads_to_what_can_be_done(self, admin, ada, reason, detail, says):
        Credential.objects.update(state=State.INVALID, reason=reason, detail=detail)
        shown = admin.get(f"{ACCOUNTS}{ada.pk}/change/")
        assert says in shown.content.decode()
        assert shown.context["status"].reason == reason.label

    def test_while_all_is_well_there_is_nothing_to_do(self, admin, ada):
        assert admin.get(f"{ACCOUNTS}{ada.pk}/change/").context["advice"] == []

    def test_onboarding_that_goes_on_is_told(self, admin, ada):
        GoogleLogin.objects.update(operation="operations/1")
        assert "Google is setting it up" in page_of(admin, ada)

    def test_without_any_oauth_client_it_names_the_settings(self, admin, ada, settings):
        settings.GOOGLE_OAUTH_CLIENT_ID = ""
        assert "Set GOOGLE_OAUTH_CLIENT_ID" in page_of(admin, ada)
        GoogleLogin.objects.update(client_id="its-own")
        assert "Set GOOGLE_OAUTH_CLIENT_ID" not in page_of(admin, ada)

    def test_no_page_shows_a_token_or_the_client_s_secret(self, admin, ada):
        GoogleLogin.objects.update(client_id="its-own")
        assert "its-own" in page_of(admin, ada)
        for address in (ACCOUNTS, f"{ACCOUNTS}{ada.pk}/change/", f"{ACCOUNTS}{ada.pk}/delete/"):
            assert "CANARY" not in admin.get(address).content.decode()

    def test_who_may_only_look_gets_no_button(self, client, ada):
        Credential.objects.update(state=State.INVALID, reason=Reason.LOGIN_ENDED)
        viewer = User.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_googleaccount"))
        client.force_login(viewer)
        page = page_of(client, ada)
        assert "Its login has ended" in page
        assert "/auth/login" not in page
        assert "CANARY" not in page


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("go to https://a.example/x?y=1, then", "https://a.example/x?y=1"),
        ("(https://a.example/x)", "https://a.example/x"),
        ("http://a.example/x", ""),
        ("javascript:alert(1)", ""),
        ("https://accounts.google.com@evil.example/", ""),
        ('https://a.example/"onclick="x', "https://a.example/"),
        ("https://[broken then https://b.example/", "https://b.example/"),
        ("https:// nothing", ""),
        ("", ""),
    ],
)
def test_only_a_whole_https_address_is_a_link(text, link):
    assert safe_link(text) == link


class TestForm:
    def test_a_project_for_code_assist_is_the_login_s_and_no_quota_group(self, admin, ada, checked):
        change(admin, ada, project="another-project")
        ada.refresh_from_db()
        assert (ada.login.project, ada.project) == ("another-project", "")
        assert checked == [ada.pk]

    @pytest.mark.parametrize("project", ["My Project", "p\nX-Forged: 1", "проект"])
    def test_what_can_be_no_project_is_refused(self, admin, ada, project):
        assert "no id of a Google Cloud project" in change(admin, ada, project=project).content.decode()
        assert GoogleLogin.objects.get().project == "team-project"

    def test_a_project_for_the_gemini_api_is_the_quota_s(self, admin, checked):
        one = account(use=Use.GEMINI_API)
        change(admin, one, project="billing")
        one.refresh_from_db()
        assert (one.login.project, one.project, one.project_source) == ("", "billing", ProjectSource.TYPED)

    def test_what_is_not_changed_stays_as_it_is(self, admin, ada, checked):
        Credential.objects.update(state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA)
        change(admin, ada, label="Ada")
        after = GoogleAccount.objects.select_related("login").get()
        assert (after.label, after.state, after.secret) == ("Ada", State.RATE_LIMITED, f"{REFRESH}-ada@example.com")
        assert (after.login.client_secret, after.login.project, checked) == (SECRET, "team-project", [])

    def test_an_oauth_client_of_its_own_is_stored_and_its_secret_is_kept_until_there_is_another(self, admin, ada):
        change(admin, ada, client_id="its-own", client_secret="GOCSPX-new-0123456789")
        assert "GOCSPX-new" not in change(admin, ada, label="Ada").content.decode()
        login = GoogleLogin.objects.get()
        assert (login.client_id, login.client_secret) == ("its-own", "GOCSPX-new-0123456789")

    def test_without_a_client_of_its_own_it_keeps_no_secret_either(self, admin, ada):
        GoogleLogin.objects.update(client_id="its-own")
        change(admin, ada, client_id="")
        login = GoogleLogin.objects.get()
        assert (login.client_id, login.client_secret) == ("", "")

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"client_secret": "GOCSPX-x-0123456789"}, "give its ID as well"),
            ({"client_id": "another"}, "Give the secret of the new client"),
        ],
    )
    def test_half_a_client_is_refused(self, admin, ada, given, says):
        assert says in change(admin, ada, **given).content.decode()

    def test_it_cannot_be_enabled_before_the_terms_are_acknowledged(self, admin, checked):
        one = account(terms=False)
        assert "Nobody has acknowledged" in change(admin, one, enabled="on").context["adminform"].form.errors["enabled"][0]
        assert not GoogleAccount.objects.get().enabled

    def test_its_use_cannot_be_changed(self, admin, ada):
        change(admin, ada, use=Use.GEMINI_API)
        assert GoogleAccount.objects.get().use == Use.CODE_ASSIST


class TestTerms:
    def test_what_they_say_is_asked_to_be_read_first(self, admin, checked):
        one = account(terms=False)
        page = admin.post(ACCOUNTS, {"action": "acknowledge_terms", "_selected_action": [one.pk]}).content.decode()
        assert "has suspended accounts for that" in page
        assert "1 account will be changed" in page
        assert GoogleAccount.objects.get().lacks_terms

    def test_an_acknowledgement_records_who_and_when_and_enables_if_wished(self, admin, checked):
        one, other = account(terms=False), account("cy@example.com", terms=False)
        said = act(admin, "acknowledge_terms", one, url=ACCOUNTS, terms="on", enable="on")
        assert said == ["1 account is allowed to serve Code Assist: root has acknowledged the terms."]
        one.refresh_from_db()
        assert (one.enabled, one.terms_accepted_by, checked) == (True, "root", [one.pk])
        assert now() - one.terms_accepted_at < timedelta(minutes=1)
        act(admin, "acknowledge_terms", other, url=ACCOUNTS, terms="on")
        other.refresh_from_db()
        assert (other.enabled, other.lacks_terms) == (False, False)

    def test_without_the_box_nothing_is_acknowledged(self, admin, checked):
        one = account(terms=False)
        act(admin, "acknowledge_terms", one, url=ACCOUNTS, enable="on")
        assert GoogleAccount.objects.get().lacks_terms

    def test_who_has_acknowledged_before_stays_recorded(self, admin, ada):
        assert act(admin, "acknowledge_terms", ada, url=ACCOUNTS, terms="on") == ["None of them lacks it."]
        assert GoogleAccount.objects.get().terms_accepted_by == "grace"

    def test_enabling_several_leaves_out_those_whose_terms_nobody_has_acknowledged_and_says_so(self, admin, ada):
        waiting = account("cy@example.com", terms=False)
        Credential.objects.update(enabled=False)
        assert act(admin, "enable", ada, waiting, url=ACCOUNTS) == [
            "1 account is left disabled: nobody has acknowledged what Google's terms say of Code Assist.",
            "1 account is enabled.",
        ]
        assert set(GoogleAccount.objects.filter(enabled=True)) == {ada}


class TestSeveral:
    def test_a_project_goes_where_each_one_s_use_keeps_it(self, admin, ada, checked):
        api = account("grace@example.com", use=Use.GEMINI_API)
        assert act(admin, "set_project", ada, api, url=ACCOUNTS, project="p-9") == ["2 accounts are of project p-9 now."]
        ada.refresh_from_db(), api.refresh_from_db()
        assert [(one.login.project, one.project) for one in (ada, api)] == [("p-9", ""), ("", "p-9")]
        assert set(checked) == {ada.pk, api.pk}

    def test_rests_priorities_and_checks_are_those_of_keys(self, admin, ada, checked):
        rest(ada, "", reason=Reason.KEY_LEAKED)
        assert act(admin, "return_to_service", ada, url=ACCOUNTS) == ["1 account is back in the pool."]
        act(admin, "set_priority", ada, url=ACCOUNTS, priority="4")
        act(admin, "check_now", ada, url=ACCOUNTS)
        assert (KeyHealth.objects.standing().count(), GoogleAccount.objects.get().priority, checked) == (0, 4, [ada.pk])


@pytest.mark.django_db(transaction=True)
class TestDelete:
    @pytest.fixture
    def revoked(self, monkeypatch) -> list[str]:
        ended: list[str] = []

        def revoke(token: str) -> bool:
            assert not connection.in_atomic_block, "nobody may write while Google takes its time"
            ended.append(token)
            return True

        monkeypatch.setattr(login_pages.oauth, "revoke", revoke)
        return ended

    def test_it_asks_whether_the_login_should_be_revoked(self, admin, ada, revoked):
        assert "Also revoke the login at Google" in admin.get(f"{ACCOUNTS}{ada.pk}/delete/").content.decode()
        admin.post(f"{ACCOUNTS}{ada.pk}/delete/", {"post": "yes"})
        assert (GoogleAccount.objects.count(), GoogleLogin.objects.count(), revoked) == (0, 0, [])

    def test_it_revokes_where_that_is_wished(self, admin, ada, revoked):
        admin.post(f"{ACCOUNTS}{ada.pk}/delete/", {"post": "yes", "revoke": "1"})
        assert (GoogleAccount.objects.count(), revoked) == (0, [f"{REFRESH}-ada@example.com"])

    def test_what_google_does_not_revoke_is_deleted_all_the_same_and_told(self, admin, ada, monkeypatch):
        monkeypatch.setattr(login_pages.oauth, "revoke", lambda token: False)
        response = admin.post(f"{ACCOUNTS}{ada.pk}/delete/", {"post": "yes", "revoke": "1"}, follow=True)
        assert "1 of the logins were not ended at Google" in " ".join(texts(response))
        assert not GoogleAccount.objects.exists()

    def test_several_are_revoked_one_after_the_other(self, admin, ada, revoked):
        other = account("cy@example.com")
        form = {"action": "delete_selected", "_selected_action": [ada.pk, other.pk]}
        assert "Delete 2 Google accounts?" in admin.post(ACCOUNTS, form).content.decode()
        admin.post(ACCOUNTS, form | {"post": "yes", "revoke": "1"})
        assert (GoogleAccount.objects.count(), len(revoked)) == (0, 2)

    def test_a_page_does_not_wait_for_ever_for_google(self, admin, ada, revoked, monkeypatch):
        monkeypatch.setattr(login_pages, "REVOKING_LASTS", -1.0)
        response = admin.post(f"{ACCOUNTS}{ada.pk}/delete/", {"post": "yes", "revoke": "1"}, follow=True)
        assert "1 of the logins were not ended" in " ".join(texts(response))
        assert (GoogleAccount.objects.count(), revoked) == (0, [])

    def test_all_that_a_filter_finds_are_deleted_without_naming_each(self, admin, ada):
        ApiKey.objects.create(secret="AQ.stays-0123456789")
        others = [account(f"{name}@example.com").pk for name in "xyz"]
        form = {"action": "delete_selected", "_selected_action": [ada.pk, *others], "select_across": "1"}
        page = admin.post(f"{ACCOUNTS}?use=code_assist", form).content.decode()
        sent = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page[page.index("Delete 4") - 600 :]))
        assert page.count('name="_selected_action"') == 1
        admin.post(f"{ACCOUNTS}?use=code_assist", sent)
        assert (GoogleAccount.objects.count(), ApiKey.objects.count()) == (0, 1)


class TestConnect:
    def test_nothing_is_chosen_beforehand_and_the_terms_are_there_to_read(self, admin):
        page = admin.get(f"{ACCOUNTS}connect/").content.decode()
        assert "has suspended accounts for that" in page
        assert not re.search(r"<input[^>]* checked[ >]", page)

    def test_adding_an_account_is_connecting_one(self, admin):
        assert admin.get(f"{ACCOUNTS}add/").url == f"{ACCOUNTS}connect/"

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({}, "This field is required."),
            ({"use": "code_assist"}, "Code Assist needs it"),
            ({"use": "gemini_api"}, "needs a project"),
            ({"use": "gemini_api", "project": "no such/id"}, "This is no id of a Google Cloud project."),
            ({"use": "both"}, "both is not one of the available choices"),
        ],
    )
    def test_what_is_missing_is_asked_for(self, admin, given, says):
        assert says in admin.post(f"{ACCOUNTS}connect/", given).content.decode()

    def test_what_was_answered_goes_on_with_the_request_itself(self, admin):
        answer = admin.post(f"{ACCOUNTS}connect/", {"use": "code_assist", "terms": "on", "project": " p-1 ", "label": "Ada"})
        assert answer.status_code == 307
        assert answer.url == "/auth/login?kind=oauth&use=code_assist&project=p-1&label=Ada"

    def test_the_login_that_follows_has_the_acknowledgement(self, admin):
        given = {"use": "code_assist", "terms": "on", "project": "p-1", "label": ""}
        answer = admin.post(f"{ACCOUNTS}connect/", given, follow=True)
        assert answer.redirect_chain[0][1] == 307
        [pending] = admin.session["google_logins"].values()
        assert (pending["wanted"]["terms_accepted_by"], pending["wanted"]["use"]) == ("root", "code_assist")

    def test_who_wants_to_paste_gets_the_page_for_it(self, admin):
        given = {"use": "gemini_api", "project": "p-1", "paste": "1"}
        page = admin.post(f"{ACCOUNTS}connect/", given, follow=True)
        assert page.status_code == 200
        assert 'name="address"' in page.content.decode()

    def test_a_setting_names_the_project_where_the_form_does_not(self, admin, settings):
        settings.GOOGLE_CLOUD_PROJECT = "house-project"
        assert "house-project" in admin.get(f"{ACCOUNTS}connect/").content.decode()
        assert admin.post(f"{ACCOUNTS}connect/", {"use": "gemini_api"}).status_code == 307

    def test_who_may_not_add_accounts_may_not_connect_one(self, client):
        client.force_login(User.objects.create_user("clerk", is_staff=True))
        assert [client.get(f"{ACCOUNTS}{page}").status_code for page in ("connect/", "add/")] == [403, 403]


class TestAmongOthers:
    def test_the_overview_counts_and_names_them(self, admin, ada, key):
        Credential.objects.filter(pk=ada.pk).update(state=State.INVALID, reason=Reason.LOGIN_ENDED)
        shown = admin.get("/admin/").context
        assert [(card["title"], card["count"], card["told"]) for card in shown["cards"] if "told" in card] == [
            ("Google accounts", 1, "1 invalid")
        ]
        assert f"{ACCOUNTS}{ada.pk}/change/" in shown["attention"]["rows"][0][0]

    def test_who_may_see_keys_alone_is_told_of_no_account(self, client, ada, key):
        Credential.objects.update(state=State.INVALID, reason=Reason.LOGIN_ENDED)
        clerk = User.objects.create_user("clerk", is_staff=True)
        clerk.user_permissions.add(Permission.objects.get(codename="view_apikey"))
        client.force_login(clerk)
        for address in ("/admin/", f"{WHO}?model=gemini-3.8-flash"):
            page = client.get(address).content.decode()
            assert "build server" in page
            assert "ada@example.com" not in page

    def test_without_keys_the_pool_is_not_called_empty_while_there_are_accounts(self, admin, ada):
        assert "Paste your first" in admin.get(KEYS).content.decode()
        for address in (KEYS, "/admin/"):
            assert "Castor answers nobody" not in admin.get(address).content.decode()
