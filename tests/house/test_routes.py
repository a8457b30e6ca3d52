"""Who is let in where: every route of both URL maps, asked by everybody, on the real server. What is public is listed here."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from django.urls import URLResolver, get_resolver

from tests.house.castor import Castor, free_port, running
from tests.house.waiting import eventually

# A route is public because it stands here, and for no other reason. `*`: every path of the API that is none.
# Google's redirect is looked at for everybody, and counts only in the session that has asked for it; of the accounts everybody
# learns only whether there is one. A stored file is found by its name alone, which nobody can guess. Who may read the metrics is
# asked by tests of their own: from this machine everybody may.
PUBLIC = {"", "health", "ready", "metrics", "admin/login/", "auth/callback", "auth/status", "media/<name>"}
NOWHERE = "*"
# How a route is asked that has nothing for GET.
PICTURES = {"v1/images/generations", "v1/images/edits", "v1/images/variations"}
METHOD = {"v1/chat/completions": "POST", "v1/chat/completions/input_tokens": "POST", "v1/embeddings": "POST"}
METHOD |= dict.fromkeys(PICTURES, "POST")
METHOD |= {"v1/audio/speech": "POST", "v1/audio/transcriptions": "POST", "v1/audio/translations": "POST"}
METHOD |= {"v1/completions": "POST", "v1/moderations": "POST", "v1/responses": "POST", "v1/rerank": "POST"}
OF_ONE_FILE = ("v1/files/<file_id>", "v1/files/<file_id>/content")
# What any member of the staff may open, whatever their rights.
OF_ALL_STAFF = re.compile(
    r"admin/((search|logout|password_change|password_change/done|jsi18n)/)?|admin/r/.*|admin/<url>|.*/<object_id>/"
)
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


def routes(url_map: str) -> Iterator[str]:
    """The routes of a URL map, each argument as `<name>`."""
    for parts in _patterns(get_resolver(url_map)):
        yield re.sub(_ARGUMENT, lambda found: f"<{found[1] or found[2]}>", "".join(parts)).replace("^", "").replace("$", "")


def _patterns(resolver: URLResolver) -> Iterator[list[str]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from ([str(entry.pattern), *rest] for rest in _patterns(entry))
        else:
            yield [str(entry.pattern)]


API = [route or NOWHERE for route in routes("openai_api.urls")]
SITE = list(routes("proxy_site.urls"))

# Somebody of each sort, and a row of each kind for the pages of rows.
PREPARE = """
import json
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.utils.timezone import now
from credentials.models import Alert, ApiKey, CheckRun, ClientToken, GeminiCli, GoogleAccount, ModelAlias
from credentials.models import GoogleLogin, ModelRoute, QuotaLimit, Server, ServerKey, UnknownError
from openai_api.models import LoggedRequest, UploadedFile, UsageRecord
from openai_api.request_log.kept import Kept

def session(user):
    store = SessionStore()
    store[SESSION_KEY], store[BACKEND_SESSION_KEY] = str(user.pk), "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store.session_key

ada = User.objects.create_user("ada")
clerk = User.objects.create_user("clerk", is_staff=True)
token, plain = ClientToken.issue(ada)
record = UsageRecord.objects.create(uid="u", request_id="r", owner=ada, token=token, model_asked="m", dialect="chat", status=200)
rows = [ada, Group.objects.create(name="readers"), ApiKey.objects.create(secret="AQ.a-key-of-routes"), token, record]
rows += [ModelAlias.objects.first(), CheckRun.objects.create(by="ada", total=1), QuotaLimit.objects.create(rpm=1)]
rows.append(GeminiCli.objects.create(secret="AQ.a-key-of-routes", use="gemini_api"))
rows.append(GoogleAccount.objects.create(email="ada@example.com", secret="1//a-login-of-routes", use="gemini_api"))
GoogleLogin.objects.create(credential=rows[-1])
rows += [Server.objects.create(name="s", base_url="http://127.0.0.1:9/v1"), ModelRoute.objects.create(pattern="m-*")]
rows.append(ServerKey.objects.create(server=rows[-2], secret="sk-a-key-of-routes"))
rows.append(UnknownError.objects.create(digest="d", status=418, body="tea", first_at=now(), last_at=now()))
rows.append(Alert.objects.create(cause="throttled", message="Everybody is throttled.", began_at=now()))
rows.append(UploadedFile.objects.create(id="file-1", owner=ada, bytes=1, created_at=now(), expires_at=now(), kept_until=now()))
rows.append(LoggedRequest.objects.create(started_at=now(), method="GET", path="/", status=200, bytes=1, content=Kept().packed()))
named = {f"{row._meta.app_label}/{row._meta.model_name}": row.pk for row in rows}
sessions = {"user": session(ada), "clerk": session(clerk), "admin": session(User.objects.get(username="admin"))}
print(json.dumps({"token": plain, "sessions": sessions, "rows": named}))
"""


class House:
    def __init__(self, castor: Castor) -> None:
        self.root = castor.root
        self._client = httpx.Client(base_url=castor.root)
        made = json.loads(castor.python(PREPARE))
        self._rows: dict[str, int] = made["rows"]
        self.callers = {
            "anonymous": {},
            "token": {"Authorization": f"Bearer {made['token']}"},
            **{name: {"Cookie": f"sessionid={session}"} for name, session in made["sessions"].items()},
        }

    def path_of(self, route: str) -> str:
        """A path that the route matches; rows of it exist."""
        page = "/".join(route.split("/")[1:3])
        row = str(self._rows.get(page, 1))
        examples = {"object_id": row, "id": row, "model": "gemini-3.8-flash", "app_label": "credentials", "url": "no/such/page"}
        examples |= {"content_type_id": "1", "name": "no-such-file.png", "file_id": "x"}
        return "/" + _ARGUMENT.sub(lambda found: examples[found[1]], "v1/no/such/path" if route == NOWHERE else route)

    def ask(self, caller: str, route: str, method: str = "") -> httpx.Response:
        self._client.cookies.clear()  # Everybody brings their own.
        return self._client.request(method or METHOD.get(route, "GET"), self.path_of(route), headers=self.callers[caller])


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with running(tmp_path_factory.mktemp("routes") / "var", PORT=str(free_port())) as castor:
        house = House(castor)
        # The web process learns of the token that was just made when it looks at the database next.
        eventually(lambda: house.ask("token", "v1/models").status_code == 200, "opened to the new token")
        yield house


def verdict(answer: httpx.Response) -> str:
    """`sign in`, `refused`, or `open` (also where what is behind the door says that there is nothing)."""
    assert answer.status_code < 500, answer.request.url
    if answer.status_code in (401, 403):
        return "refused"
    away = answer.headers.get("location", "")
    # Signing out without being signed in leads to the first page, which asks to sign in.
    signing_out = answer.request.url.path == "/admin/logout/" and away == "/admin/"
    return "sign in" if away.startswith("/admin/login/?next=") or signing_out else "open"


def test_the_maps_were_read():
    chat = {"v1/chat/completions", "v1/chat/completions/input_tokens"}
    audio = {"v1/audio/speech", "v1/audio/transcriptions", "v1/audio/translations"}
    texts = {"v1/completions", "v1/moderations", "v1/responses", "v1/rerank"}
    files = {"v1/files", *OF_ONE_FILE}
    others = {"v1/embeddings", "v1/models", "v1/models/<model>", "media/<name>", "health", "ready", "metrics", NOWHERE}
    assert chat | audio | texts | PICTURES | files | others == set(API)
    assert {"admin/", "admin/credentials/apikey/paste_keys/", "admin/auth/user/<id>/password/", "admin/<url>"} <= set(SITE)
    assert len(SITE) == len(set(SITE)) > 45


def test_what_opens_without_any_credential_is_exactly_what_is_listed_as_public(house):
    opened = {route for route in API + SITE if verdict(house.ask("anonymous", route)) == "open"}
    assert opened == PUBLIC | {NOWHERE}


def test_a_path_of_the_api_that_does_not_exist_is_the_same_for_everybody(house):
    assert {house.ask(caller, NOWHERE).status_code for caller in house.callers} == {404}


@pytest.mark.parametrize("caller", ["anonymous", "user", "clerk", "admin"])
def test_the_api_opens_to_no_session(house, caller):
    guarded = [route for route in API if route not in PUBLIC | {NOWHERE}]
    assert {route: house.ask(caller, route).status_code for route in guarded} == dict.fromkeys(guarded, 401)


def test_the_api_opens_to_a_token(house):
    answers = {route: house.ask("token", route).status_code for route in API}
    # 400: the request without a body was read.
    opened = {**dict.fromkeys(METHOD, 400), "v1/models": 200, "v1/models/<model>": 200, "v1/files": 200}
    opened |= dict.fromkeys(OF_ONE_FILE, 404)
    assert answers == opened | {"health": 200, "ready": 200, "metrics": 200, "media/<name>": 404, NOWHERE: 404}


@pytest.mark.parametrize("caller", ["anonymous", "token", "user"])
def test_the_admin_asks_everybody_else_to_sign_in(house, caller):
    guarded = [route for route in SITE if route not in PUBLIC]
    answers = {route: verdict(house.ask(caller, route)) for route in guarded}
    assert answers == dict.fromkeys(guarded, "sign in")


def test_a_member_of_the_staff_without_rights_sees_no_row(house):
    guarded = [route for route in SITE if route not in PUBLIC and not OF_ALL_STAFF.fullmatch(route)]
    answers = {route: house.ask("clerk", route).status_code for route in guarded}
    # Of an application that they may see nothing of, they are told that it does not exist.
    expected = {route: 404 if "<app_label>" in route else 403 for route in guarded}
    assert len(guarded) > 30
    assert answers == expected


def test_an_admin_opens_every_page(house):
    answers = {route: verdict(house.ask("admin", route)) for route in SITE}
    refused = {route for route, answer in answers.items() if answer != "open"}
    # An autocompletion must say for which field it is; what Castor writes itself can be read only.
    written = ["openai_api/usagerecord", "openai_api/uploadedfile", "credentials/checkrun", "credentials/alert"]
    read_only = {f"admin/{name}/{action}" for name in written for action in ("add/", "<object_id>/delete/")}
    deleted = {f"admin/{name}/add/" for name in ("credentials/unknownerror", "openai_api/loggedrequest")}
    assert refused == {"admin/autocomplete/"} | deleted | read_only


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("caller", ["anonymous", "user"])
def test_nothing_can_be_done_without_a_credential_by_any_method(house, caller, method):
    done = {route for route in API + SITE if house.ask(caller, route, method).is_success}
    assert done == set()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_not_even_an_admins_session_does_anything_for_a_page_of_somebody_else(house, method):
    """A form of another site brings the cookie, but not the secret that our own forms carry."""
    done = {route for route in SITE if house.ask("admin", route, method).is_success}
    assert done == set()


def test_asking_what_is_allowed_tells_nothing_else(house):
    for route in API:
        answer = house.ask("anonymous", route, "OPTIONS")
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin/credentials/apikey/",
        "/health/../admin/credentials/apikey/",
        "/v1/%2e%2e/admin/credentials/apikey/",
        "//admin/credentials/apikey/",
        "/admin//credentials/apikey/",
        "/ADMIN/credentials/apikey/",
        "/admin/login/../credentials/apikey/",
        "/admin/credentials/apikey/;/admin/login/",
        "/static/../secrets.json",
        "/static/..%2fsecrets.json",
        "/static/%2e%2e/%2e%2e/castor.sqlite3",
        "/var/secrets.json",
        "/.env",
    ],
)
def test_no_spelling_of_a_path_leads_around_the_door(house, path):
    address = httpx.URL(house.root)
    with closing(http.client.HTTPConnection(address.host, address.port, timeout=20)) as connection:
        connection.request("GET", path)  # As it stands: cleverer clients would tidy it up first.
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status in (302, 401, 404)
    if answer.status == 302:
        assert answer.headers["Location"].startswith("/admin/login/?next=")
    assert b"a-key-of-routes" not in body
    assert b"SECRET_KEY" not in body
