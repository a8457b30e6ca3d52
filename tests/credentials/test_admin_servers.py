"""The admin's pages of servers, their keys and the routes to models."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction

from credentials.crypto import TOKEN_PREFIX
from credentials.health import Reason, State
from credentials.loading import load_roster
from credentials.models import CheckRun, Credential, Kind, ModelRoute, PoolVersion, ServedModel, Server, ServerKey
from credentials.servers import add_keys
from credentials.signals import check_requested
from tests.credentials.pages import CANARY, KEYS, WHO, act, rest, texts

pytestmark = pytest.mark.django_db
SERVERS, SERVER_KEYS, ROUTES = (f"/admin/credentials/{name}/" for name in ("server", "serverkey", "modelroute"))
FORM = {"priority": 0, "weight": 1, "enabled": "on", "served_models-TOTAL_FORMS": 0, "served_models-INITIAL_FORMS": 0}


@pytest.fixture
def checked():
    ids: list[int] = []

    def note(ids_wished=ids, **given):
        ids_wished.extend(given["ids"])

    check_requested.connect(note)
    yield ids
    check_requested.disconnect(note)


@pytest.fixture
def server() -> Server:
    return Server.objects.create(name="New-API", base_url="http://new-api.example.com/v1")


@pytest.fixture
def one(server) -> Credential:
    add_keys(server, [CANARY])
    return ServerKey.objects.get()


def test_a_server_is_added_with_several_keys_which_are_checked(admin_client, checked):
    given = {"name": "New-API", "base_url": "https://New-API.example.com/v1/chat/completions", "keys": "sk-one, sk-two\nsk-one"}
    response = admin_client.post(f"{SERVERS}add/", given, follow=True)
    server = Server.objects.get()
    assert (response.status_code, server.base_url) == (200, "https://new-api.example.com/v1")
    assert sorted(key.secret for key in server.credentials.all()) == ["sk-one", "sk-two"]
    assert {key.kind for key in server.credentials.all()} == {Kind.OPENAI_COMPATIBLE}
    assert sorted(checked) == sorted(server.credentials.values_list("pk", flat=True))
    assert any("2 keys are being checked" in text for text in texts(response))


def test_a_server_without_a_key_has_one_credential_that_says_so(admin_client, checked):
    for _ in range(2):
        admin_client.post(f"{SERVERS}add/", {"name": "ollama", "base_url": "http://127.0.0.1:11434", "keyless": "on"})
    key = ServerKey.objects.get()
    assert (key.secret, str(key), key.server.base_url) == ("", "no key", "http://127.0.0.1:11434/v1")


@pytest.mark.parametrize(
    "address", ["new-api.example.com", "ftp://a.example", "http://", "http://u:p@a.example", "http://a.example?x=1", "http://a:b"]
)
def test_what_is_no_address_is_refused(admin_client, address):
    response = admin_client.post(f"{SERVERS}add/", {"name": "x", "base_url": address})
    assert b"no address of a server" in response.content
    assert not Server.objects.exists()


def test_two_addresses_of_one_server_are_the_same(admin_client, server):
    response = admin_client.post(f"{SERVERS}add/", {"name": "again", "base_url": "http://new-api.example.com/"})
    assert b"already exists" in response.content


def test_keys_are_pasted_for_a_server_and_each_is_there_once(admin_client, server, one, checked):
    response = admin_client.post(f"{SERVER_KEYS}paste_keys/", {"server": server.pk, "keys": f"sk-two;{CANARY}", "priority": 3})
    assert response.status_code == 302
    assert response.url.startswith("/admin/credentials/checkrun/")
    new = ServerKey.objects.exclude(pk=one.pk).get()
    assert (new.secret, new.priority, checked) == ("sk-two", 3, [new.pk])
    assert CheckRun.objects.get().total == 1


@pytest.mark.parametrize("keys", ["", f"{TOKEN_PREFIX}of-this-gateway", "sk-\N{SNOWMAN}", "sk-" + "x" * 500])
def test_what_is_no_key_is_refused_and_never_sent_back(admin_client, server, keys):
    response = admin_client.post(f"{SERVER_KEYS}paste_keys/", {"server": server.pk, "keys": keys, "priority": 0})
    assert response.status_code == 200
    assert not keys or keys not in response.content.decode()
    assert not ServerKey.objects.exists()


def test_the_same_key_may_belong_to_two_servers_but_not_twice_to_one(admin_client, server, one):
    other = Server.objects.create(name="other", base_url="http://other.example.com/v1")
    response = admin_client.post(f"{SERVER_KEYS}add/", FORM | {"server": server.pk, "key": CANARY})
    assert b"has this key already" in response.content
    admin_client.post(f"{SERVER_KEYS}add/", FORM | {"server": other.pk, "key": CANARY})
    assert other.credentials.get().secret == CANARY


def test_the_list_says_in_which_state_a_key_is_why_and_until_when(admin_client, one):
    held = rest(one, "llama-9", reason=Reason.MINUTE_QUOTA)
    page = admin_client.get(SERVER_KEYS).content.decode()
    assert "rests for llama-9" in page
    Credential.objects.update(state=State.RATE_LIMITED, reason=Reason.OUT_OF_CREDIT, until=held.until)
    page = admin_client.get(SERVER_KEYS).content.decode()
    assert "prepaid credit used up · back" in page
    assert "Rate limited" in page


def test_no_page_shows_a_key(admin_client, server, one):
    route = ModelRoute.objects.create(pattern="gpt-*", server=server)
    pages = (
        *(SERVERS, SERVER_KEYS, ROUTES, f"{SERVER_KEYS}paste_keys/", f"{SERVERS}{server.pk}/change/"),
        *(f"{SERVER_KEYS}{one.pk}/change/", f"{SERVER_KEYS}{one.pk}/delete/", f"{SERVERS}{server.pk}/delete/"),
        *(f"{SERVERS}add/", f"{SERVER_KEYS}add/", f"{ROUTES}add/", f"{ROUTES}{route.pk}/change/", "/admin/"),
        f"{SERVER_KEYS}?server={server.pk}&state=available",
    )
    for page in pages:
        response = admin_client.get(page)
        assert response.status_code == 200, page
        assert CANARY not in response.content.decode(), page


def test_a_key_is_replaced_in_place_and_returns_to_service(admin_client, one, checked):
    rest(one, "", reason=Reason.KEY_LEAKED)
    admin_client.post(f"{SERVER_KEYS}{one.pk}/change/", FORM | {"key": "sk-new"})
    one.refresh_from_db()
    assert (one.secret, one.health.standing().count(), checked) == ("sk-new", 0, [one.pk])
    admin_client.post(f"{SERVER_KEYS}{one.pk}/change/", FORM | {"key": "", "label": "mine"})
    one.refresh_from_db()
    assert (one.secret, one.label) == ("sk-new", "mine")


def test_keys_are_disabled_checked_and_deleted_as_all_others(admin_client, one, checked):
    assert act(admin_client, "disable", one, url=SERVER_KEYS) == ["1 key is disabled."]
    act(admin_client, "check_now", one, url=SERVER_KEYS)
    assert checked == [one.pk]
    act(admin_client, "set_priority", one, url=SERVER_KEYS, priority="4")
    one.refresh_from_db()
    assert (one.enabled, one.priority) == (False, 4)
    admin_client.post(f"{SERVER_KEYS}{one.pk}/delete/", {"post": "yes"})
    assert not ServerKey.objects.exists()


def test_whoever_deletes_a_server_deletes_its_keys_and_routes_and_requests_learn_of_it(admin_client, server, one):
    ModelRoute.objects.create(pattern="gpt-*", server=server)
    before = PoolVersion.current()
    admin_client.post(f"{SERVERS}{server.pk}/delete/", {"post": "yes"})
    assert [model.objects.count() for model in (Server, ServerKey, ModelRoute)] == [0, 0, 0]
    assert PoolVersion.current() > before


def test_a_route_keeps_the_models_that_may_stand_in_in_their_order(admin_client, server):
    given = {"pattern": "gpt-*", "priority": 2, "server": server.pk, "models": "b-1\na-1, c-1", "enabled": "on"}
    admin_client.post(f"{ROUTES}add/", given)
    route = ModelRoute.objects.get()
    assert (route.pattern, route.priority, route.server, route.fallback) == ("gpt-*", 2, server, ["b-1", "a-1", "c-1"])
    admin_client.post(f"{ROUTES}{route.pk}/change/", given | {"server": "", "models": ""})
    route.refresh_from_db()
    assert (route.server, route.fallback, str(route)) == (None, [], "gpt-* → Gemini")


def test_a_route_may_leave_one_kind_and_one_project_of_the_pool_but_of_no_server(admin_client, server):
    given = {"pattern": "*-pro", "priority": 0, "kind": "api_key", "project": " billed ", "enabled": "on"}
    refused = admin_client.post(f"{ROUTES}add/", given | {"server": server.pk})
    assert "A server has credentials of its own" in refused.content.decode()
    admin_client.post(f"{ROUTES}add/", given)
    assert "Gemini · Gemini API keys · billed" in admin_client.get(ROUTES).content.decode()
    [route] = load_roster({}).routes
    assert (route.kind, route.project, route.group) == ("api_key", "billed", "project:billed")


@pytest.mark.parametrize(("field", "value"), [("pattern", "a b"), ("pattern", "gpt-[ab]"), ("models", "flash-*")])
def test_a_route_that_cannot_be_is_refused(admin_client, field, value):
    admin_client.post(f"{ROUTES}add/", {"pattern": "gpt-*", "priority": 0, "models": "", field: value})
    assert not ModelRoute.objects.exists()


def test_a_route_says_where_answers_are_cut_and_how_they_come(admin_client):
    given = {"pattern": "gpt-*", "priority": 0, "enabled": "on", "stream_internally": "False"}
    admin_client.post(f"{ROUTES}add/", given | {"tags": '</answer>\r\n  [END], and more \r\n"\\nUser:"'})
    route = ModelRoute.objects.get()
    assert (route.stop_tags, route.stream_internally) == (["</answer>", "[END], and more", "\nUser:"], False)
    page = admin_client.get(ROUTES).content.decode()
    assert "&lt;/answer&gt;, [END], and more, &quot;\\nUser:&quot;" in page
    assert ">Never<" in page
    form = admin_client.get(f"{ROUTES}{route.pk}/change/").context["adminform"].form
    assert form["tags"].value() == '</answer>\n[END], and more\n"\\nUser:"'
    assert '<option value="False" selected>Never</option>' in str(form["stream_internally"])
    admin_client.post(f"{ROUTES}{route.pk}/change/", given | {"stream_internally": "", "tags": ""})
    route.refresh_from_db()
    assert (route.stop_tags, route.stream_internally) == ([], None)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ("x" * 201, "one is longer than 200"),
        ("\n".join(map(str, range(21))), "they are 21, and may be 20"),
        ('"open', "begins with a quote"),
    ],
)
def test_absurd_stop_tags_of_a_route_are_refused(admin_client, tags, said):
    page = admin_client.post(f"{ROUTES}add/", {"pattern": "gpt-*", "priority": 0, "tags": tags})
    assert said in page.content.decode()
    assert not ModelRoute.objects.exists()


def test_who_would_serve_knows_routes_and_who_comes_next(admin_client, server, one):
    ServedModel.objects.create(credential=one, name="llama-9")
    ModelRoute.objects.create(pattern="big-*", server=server, fallback=["gemini-3.8-flash"])
    page = admin_client.get(WHO, {"model": "big-1"}).content.decode()
    assert "1 would be asked" in page
    assert f"{SERVER_KEYS}{one.pk}/change/" in page
    assert "If none of these can: gemini-3.8-flash of Gemini." in page
    assert "0 would be asked" in admin_client.get(WHO, {"model": "gemini-3.8-flash"}).content.decode()


def test_only_whoever_may_sees_servers_and_their_keys(client, server, one):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client.force_login(clerk)
    assert client.get(KEYS).status_code == 200
    for page in (SERVERS, SERVER_KEYS, ROUTES, f"{SERVER_KEYS}paste_keys/"):
        assert client.get(page).status_code == 403
    assert str(one) not in client.get(WHO, {"model": "llama-9"}).content.decode()


def test_only_the_key_of_a_server_has_a_server(server):
    for wrong in ({"kind": Kind.API_KEY, "server": server}, {"kind": Kind.OPENAI_COMPATIBLE}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Credential.objects.create(secret="x", **wrong)
