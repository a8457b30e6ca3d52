"""The request log in the admin: who switches it on, who may read it, and that what was said stays text."""

import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils.timezone import now

from credentials import crypto, loading
from credentials.models import ClientToken, ModelRoute, PoolVersion
from openai_api.models import LoggedRequest, UsageRecord
from openai_api.request_log import admin as log_admin
from openai_api.request_log.kept import Attempt, Call, File, Kept, Text
from tests.credentials.pages import act, rows, texts

pytestmark = pytest.mark.django_db

LOG, USAGE = "/admin/openai_api/loggedrequest/", "/admin/openai_api/usagerecord/"
TOKENS, ROUTES = "/admin/credentials/clienttoken/", "/admin/credentials/modelroute/"
HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{ 7|add:7 }}"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def somebody(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def text(said: str, **fields) -> Text:
    return Text(said, len(said.encode()), **fields)


def recorded(kept: Kept | None = None, **fields) -> LoggedRequest:
    packed = (kept or Kept(request=text("{}"))).packed()
    given = {
        "started_at": now(), "request_id": "req-1", "method": "POST", "path": "/v1/chat/completions", "status": 200,
        "model_asked": "gpt-4o", "model_served": "gemini-3.8-flash", "content": packed, "bytes": len(packed),
    }  # fmt: skip
    return LoggedRequest.objects.create(**given | fields)


def page_of(client: Client, record: LoggedRequest) -> str:
    return client.get(f"{LOG}{record.pk}/change/").content.decode()


@pytest.fixture
def token(owner) -> ClientToken:
    return ClientToken.issue(owner, label="laptop")[0]


class TestSwitchingItOn:
    @pytest.mark.parametrize(
        ("action", "minutes"), [("record_15_minutes", 15), ("record_1_hour", 60), ("record_24_hours", 24 * 60)]
    )
    def test_a_token_is_recorded_for_so_long_and_every_process_learns_of_it(self, admin, token, action, minutes):
        version = PoolVersion.current()[0]
        [said] = act(admin, action, token, url=TOKENS)
        token.refresh_from_db()
        assert said.startswith("1 client token is recorded until ")
        assert abs(token.record_until - now() - timedelta(minutes=minutes)) < timedelta(minutes=1)
        assert PoolVersion.current()[0] > version
        assert loading.load_roster({}).tokens[token.digest].record_until == token.record_until.timestamp()

    def test_a_route_is_recorded_and_no_longer_recorded(self, admin):
        route = ModelRoute.objects.create(pattern="gpt-*")
        act(admin, "record_1_hour", route, url=ROUTES)
        route.refresh_from_db()
        assert route.record_until > now()
        assert "Until 2" in rows(admin.get(ROUTES))
        assert act(admin, "stop_recording", route, url=ROUTES) == ["1 model route is no longer recorded."]
        route.refresh_from_db()
        assert route.record_until is None

    def test_its_page_says_until_when_and_its_buttons_lead_back_to_it(self, admin, token):
        address = f"{TOKENS}{token.pk}/change/"
        assert "Nothing of the requests of this token is kept" in admin.get(address).content.decode()
        form = {"action": "record_1_hour", "_selected_action": token.pk, "on_its_page": "1"}
        assert admin.post(TOKENS, form).url == address
        page = admin.get(address).content.decode()
        assert "The requests of this token are kept in the request log until" in page
        assert "Stop recording" in page

    def test_what_is_over_is_not_shown_as_recorded(self, admin, token):
        ClientToken.objects.update(record_until=now() - timedelta(seconds=1))
        assert "Until 2" not in rows(admin.get(TOKENS))
        assert "Stop recording" not in admin.get(f"{TOKENS}{token.pk}/change/").content.decode()

    def test_both_ways_leave_a_line_behind_that_says_who_did_it(self, admin, token):
        act(admin, "record_1_hour", token, url=TOKENS)
        act(admin, "stop_recording", token, url=TOKENS)
        off, on = LogEntry.objects.filter(object_id=str(token.pk))
        assert (on.user.username, on.action_flag) == ("root", CHANGE)
        assert on.change_message.startswith("Recording was switched on until ")
        assert off.change_message == "Recording was switched off."

    @pytest.mark.parametrize("permissions", [("view_clienttoken", "change_clienttoken"), ("view_clienttoken", "record_requests")])
    def test_it_takes_a_permission_of_its_own_beside_that_to_change_tokens(self, client, token, permissions):
        eve = somebody(client, *permissions)
        eve.post(TOKENS, {"action": "record_1_hour", "_selected_action": token.pk})
        token.refresh_from_db()
        assert token.record_until is None
        assert "Record for" not in eve.get(f"{TOKENS}{token.pk}/change/").content.decode()

    def test_whoever_has_both_may(self, client, token):
        eve = somebody(client, "view_clienttoken", "change_clienttoken", "record_requests")
        assert len(act(eve, "record_1_hour", token, url=TOKENS)) == 1
        assert "Record for" in eve.get(f"{TOKENS}{token.pk}/change/").content.decode()


class TestReading:
    def test_the_page_shows_all_sides(self, admin):
        body = json.dumps({"messages": [{"content": "what he asked, 你好"}]})
        calls = [Call("POST", "https://google/models/m", 0, 200, text("what Google said"))]
        kept = Kept(
            headers=[("User-Agent", "his client")],
            request=text(body, media_type="application/json"),
            bodies=[text('{"contents": "what Google was asked"}')],
            attempts=[Attempt("first key", "day_quota: spent"), Attempt("second key", "answered", 12.0, calls)],
            earlier_attempts=3,
            answer_status=200,
            answer=text("what he got"),
        )
        page = page_of(admin, recorded(kept, attempts=5))
        for said in ("what he asked, 你好", "his client", "what Google was asked", "what Google said", "what he got"):
            assert said in page
        assert "4. first key" in page
        assert "5. second key" in page
        assert "the last 2 of 5 attempts" in page

    def test_a_form_is_shown_as_fields_and_files(self, admin):
        kept = Kept(is_form=True, fields=[("prompt", "names")], files=[File("file", "talk.wav", "audio/wav", 2048)])
        page = page_of(admin, recorded(kept))
        assert "talk.wav" in page
        assert "audio/wav · 2.0\xa0KB" in page

    def test_what_was_said_stays_text_wherever_it_stands(self, admin):
        said = text(HOSTILE)
        kept = Kept(
            headers=[(HOSTILE, HOSTILE)], request=said, bodies=[said], answer=said, answer_status=200,
            answer_headers=[("A", HOSTILE)], attempts=[Attempt(HOSTILE, HOSTILE, 1.0, [Call(HOSTILE, HOSTILE, 0, 500, said)])],
        )  # fmt: skip
        named = dict.fromkeys(("request_id", "path", "model_asked", "model_served", "token_label"), HOSTILE[:100])
        record = recorded(kept, error=HOSTILE[:60], **named)
        form = recorded(Kept(is_form=True, fields=[(HOSTILE, HOSTILE)], files=[File(HOSTILE, HOSTILE, HOSTILE, 1)]))
        pages = [
            page_of(admin, record),
            page_of(admin, form),
            admin.get(LOG).content.decode(),
            admin.get(LOG, {"q": HOSTILE}).content.decode(),
        ]
        for page in pages:
            assert "<script>alert" not in page
            assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in pages[0]
        assert "{{ 7|add:7 }}" in pages[0]

    def test_a_secret_that_was_written_with_escapes_is_not_shown_once_they_are_read(self, admin):
        page = page_of(admin, recorded(Kept(request=text('{"say": "\\u0041IzaSyC0123456789abcdefghij"}'))))
        assert "AIzaS…ghij" in page
        assert "AIzaSyC0123456789" not in page

    @pytest.mark.parametrize("said", ["[" * 100_000, '{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}", "{", "[1,]"])
    def test_json_that_cannot_be_made_pretty_is_shown_as_it_is(self, admin, said):
        assert admin.get(f"{LOG}{recorded(Kept(request=text(said))).pk}/change/").status_code == 200

    def test_reading_one_leaves_a_line_behind_and_nothing_in_caches(self, admin):
        record = recorded()
        answer = admin.get(f"{LOG}{record.pk}/change/")
        [line] = LogEntry.objects.all()
        assert (line.user.username, line.object_id, line.get_change_message()) == ("root", str(record.pk), "Read.")
        assert "no-store" in answer["Cache-Control"]

    def test_reading_takes_a_permission_of_its_own(self, client):
        record = recorded(Kept(request=text("the words")))
        eve = somebody(client, "view_usagerecord", "view_clienttoken", "change_clienttoken", "record_requests")
        assert eve.get(LOG).status_code == 403
        assert eve.get(f"{LOG}{record.pk}/change/").status_code == 403
        assert LOG not in eve.get(TOKENS).content.decode()
        assert not LogEntry.objects.exists()

    def test_one_click_leads_to_its_usage_and_back(self, admin):
        usage = UsageRecord.objects.create(uid="u-1", request_id="req-1", model_asked="m", dialect="chat", status=200)
        record = recorded(usage_uid="u-1")
        assert f'href="{USAGE}{usage.pk}/change/"' in page_of(admin, record)
        assert f'href="{LOG}{record.pk}/change/"' in admin.get(f"{USAGE}{usage.pk}/change/").content.decode()

    def test_whoever_may_not_read_it_is_not_led_there(self, client):
        usage = UsageRecord.objects.create(uid="u-1", request_id="req-1", model_asked="m", dialect="chat", status=200)
        recorded(usage_uid="u-1")
        assert LOG not in somebody(client, "view_usagerecord").get(f"{USAGE}{usage.pk}/change/").content.decode()

    def test_what_no_key_opens_is_said_so(self, admin):
        record = recorded()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE openai_api_loggedrequest SET content = 'gAAAAAB'")
        assert "cannot be decrypted" in page_of(admin, record)
        assert admin.get(LOG, {"q": "words"}).status_code == 200

    def test_a_page_that_is_not_there_leads_back(self, admin):
        assert admin.get(f"{LOG}999/change/").status_code == 302


class TestFinding:
    @pytest.mark.parametrize(
        "wanted",
        ["req-77", "gemini-9", "gpt-77", "ci (castor", "ada", "/v1/embeddings", "UpstreamBroken", "ein wort", "EIN WORT"],
    )
    def test_a_request_is_found_by_what_is_known_of_it_and_by_what_was_said(self, admin, owner, wanted):
        recorded(request_id="other", model_asked="a", model_served="b")
        recorded(
            Kept(request=text("in dem ein Wort steht")), request_id="req-77", model_asked="gpt-77", model_served="gemini-9",
            token_label="ci (castor-x…)", owner=owner, path="/v1/embeddings", error="UpstreamBroken",
        )  # fmt: skip
        [found] = admin.get(LOG, {"q": wanted}).context["cl"].result_list
        assert found.request_id == "req-77"

    @pytest.mark.parametrize("side", ["answer", "body", "field"])
    def test_each_side_is_searched(self, admin, side):
        sides = {
            "answer": Kept(answer=text("a needle")),
            "body": Kept(bodies=[text("a needle")]),
            "field": Kept(is_form=True, fields=[("prompt", "a needle")]),
        }
        recorded(sides[side])
        assert len(admin.get(LOG, {"q": "needle"}).context["cl"].result_list) == 1

    def test_only_the_newest_are_searched_for_words(self, admin, monkeypatch):
        monkeypatch.setattr(log_admin, "SEARCHED", 2)
        for number in range(3):
            recorded(Kept(request=text("a needle")), request_id=f"req-{number}")
        found = {record.request_id for record in admin.get(LOG, {"q": "needle"}).context["cl"].result_list}
        assert found == {"req-1", "req-2"}

    def test_the_list_decrypts_nothing(self, admin, monkeypatch):
        recorded()
        monkeypatch.setattr(crypto, "decrypt", pytest.fail)
        assert "req" in admin.get(LOG).content.decode()

    def test_a_filter_leaves_the_failed_ones(self, admin):
        recorded(request_id="good")
        recorded(request_id="bad", status=502)
        [found] = admin.get(LOG, {"result": "failed"}).context["cl"].result_list
        assert found.request_id == "bad"


class TestDeleting:
    def test_some_are_deleted_without_being_decrypted(self, admin, monkeypatch):
        gone, stays = recorded(), recorded(request_id="stays")
        monkeypatch.setattr(crypto, "decrypt", pytest.fail)
        asked = admin.post(LOG, {"action": "delete_selected", "_selected_action": [gone.pk]})
        assert "req-1" in asked.content.decode()
        admin.post(LOG, {"action": "delete_selected", "_selected_action": [gone.pk], "post": "yes"})
        assert list(LoggedRequest.objects.values_list("pk", flat=True)) == [stays.pk]

    def test_one_is_deleted_on_its_page(self, admin):
        record = recorded()
        assert f"{LOG}{record.pk}/delete/" in page_of(admin, record)
        admin.post(f"{LOG}{record.pk}/delete/", {"post": "yes"})
        assert not LoggedRequest.objects.exists()

    def test_all_are_deleted_once_it_was_asked_whether(self, admin):
        recorded(), recorded()
        assert "2 recorded requests" in admin.get(f"{LOG}delete_all/").content.decode()
        assert LoggedRequest.objects.count() == 2
        answer = admin.post(f"{LOG}delete_all/", follow=True)
        assert texts(answer) == ["2 recorded requests are deleted."]
        assert not LoggedRequest.objects.exists()
        assert LogEntry.objects.get().action_flag == DELETION

    def test_whoever_may_only_read_deletes_nothing(self, client):
        eve, record = somebody(client, "view_loggedrequest"), recorded()
        assert eve.post(f"{LOG}delete_all/").status_code == 403
        assert eve.post(f"{LOG}{record.pk}/delete/", {"post": "yes"}).status_code == 403
        assert "/delete/" not in page_of(eve, record)
        assert LoggedRequest.objects.count() == 1
        assert not LogEntry.objects.filter(action_flag__in=[ADDITION, DELETION]).exists()
