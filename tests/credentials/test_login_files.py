"""What is found in the files of other tools, and what is not taken for a login."""

import json
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.accounts.importing import archives
from credentials.accounts.importing.files import read_files, read_value
from credentials.accounts.importing.found import FoundLogin, read_expiry
from credentials.accounts.importing.shapes import read_json
from credentials.keys import Candidate, read_keys
from credentials.models import Use
from proxy_site.environment import split_secrets
from tests.credentials.login_samples import (
    ACCESS,
    CLIENT,
    REFRESH,
    SCOPES,
    SECRET,
    SOON,
    archive,
    id_token,
    of_cli_proxy_api,
    of_gcli2api,
    of_gcloud,
    of_google_auth,
    of_the_cli,
)

KEY = "AQ.invented-key-0123456789"
PROXY = {"access_token": ACCESS, "refresh_token": REFRESH, "email": "ada@example.com", "scope": SCOPES}
CAMEL = {"accessToken": ACCESS, "refreshToken": REFRESH, "email": "ada@example.com", "scope": SCOPES, "projectId": "ada-project"}


def read(content, name: str = "file.json") -> list:
    return read_files([(name, content if isinstance(content, bytes) else json.dumps(content).encode())])


def logins(content, name: str = "file.json") -> list[FoundLogin]:
    return [found for found in read(content, name) if isinstance(found, FoundLogin)]


@pytest.mark.parametrize(
    ("document", "tool", "use", "email", "project", "brings_client"),
    [
        (of_the_cli(), "the Gemini CLI", Use.CODE_ASSIST, "ada@example.com", "", False),
        (of_the_cli(project_id="ada-project"), "the Gemini CLI", Use.CODE_ASSIST, "ada@example.com", "ada-project", False),
        (of_gcli2api(), "gcli2api", Use.CODE_ASSIST, "", "ada-project", True),
        (of_cli_proxy_api(), "CLIProxyAPI", Use.CODE_ASSIST, "ada@example.com", "ada-project", True),
        (of_gcloud(), "gcloud", Use.GEMINI_API, "", "ada-project", True),
        (of_google_auth(), "google-auth", Use.GEMINI_API, "ada@example.com", "", True),
        ({**PROXY, "expires_at": SOON}, "a proxy", Use.CODE_ASSIST, "ada@example.com", "", False),
        ({**CAMEL, "expiresAt": SOON * 1000}, "a proxy", Use.CODE_ASSIST, "ada@example.com", "ada-project", False),
    ],
)
def test_each_tool_s_file_is_read_for_what_it_says(document, tool, use, email, project, brings_client):
    [login] = logins(document)
    assert (login.refresh_token, login.flaw, login.where) == (REFRESH, "", "file.json")
    assert (login.tool, login.use, login.email, login.project) == (tool, use, email, project)
    assert (login.client_id, login.client_secret) == (tuple(CLIENT.values()) if brings_client else ("", ""))
    if tool != "gcloud":
        assert (login.access_token, login.expires_at, login.scope) == (ACCESS, pytest.approx(SOON, abs=1), SCOPES)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (SOON, SOON),
        (SOON * 1000, SOON),
        (SOON * 1000 + 0.75, SOON),
        (str(SOON), SOON),
        (f" {SOON * 1000} ", SOON),
        ("2025-11-21T08:00:00Z", SOON),
        ("2025-11-21T08:00:00", SOON),
        ("2025-11-21T10:00:00.123456789+02:00", SOON),
        ("tomorrow", 0),
        ("9" * 5000, 0),
        ("0001-01-01T00:00:00+14:00", 0),
        (None, 0),
        (True, 0),
        (-5, 0),
        (float("nan"), 0),
        (float("inf"), 0),
        (10**400, 0),
        ([], 0),
    ],
)
def test_moments_are_read_from_seconds_milliseconds_and_text(value, seconds):
    assert read_expiry(value) == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ([PROXY, CAMEL], ["item 1", "item 2"]),
        ({"accounts": [PROXY, CAMEL]}, ["accounts, item 1", "accounts, item 2"]),
        ({"version": 2, "accounts": {"one": PROXY, "two": CAMEL}}, ["accounts, one", "accounts, two"]),
        ({"tokens": {"ada@example.com": PROXY}}, ["tokens, ada@example.com"]),
        ({"tokens": PROXY, "version": 1}, [""]),
        ({"google": {"type": "oauth", "refresh": REFRESH, "access": ACCESS, "expires": SOON * 1000}}, ["google"]),
    ],
)
def test_one_account_or_several_may_stand_in_a_file(document, places):
    assert [login.where for login in logins(document)] == [f"file.json, {place}".removesuffix(", ") for place in places]
    assert {login.refresh_token for login in logins(document)} == {REFRESH}


def test_an_account_under_its_address_belongs_to_it_unless_it_says_otherwise():
    nameless = {"refresh_token": REFRESH}
    found = logins({"ada@example.com": nameless, "bob@example.com": {**nameless, "email": "eve@example.com"}})
    assert [login.email for login in found] == ["ada@example.com", "eve@example.com"]


def test_keys_and_logins_may_stand_in_one_file():
    found = read({"keys": [KEY, {"key": KEY + "2", "label": "second"}], "oauth": PROXY})
    assert [(type(one), one.where) for one in found] == [
        (FoundLogin, "file.json, oauth"),
        (Candidate, "file.json, keys, item 1"),
        (Candidate, "file.json, keys, item 2"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{json}",
        "GEMINI_API_KEY_1={json}",
        "export GEMINI_API_KEY_1='{json}'",
        'GEMINI_API_KEY_1="{escaped}"',
    ],
)
def test_an_env_file_may_hold_a_login_beside_keys(line):
    document = json.dumps(of_the_cli())
    line = line.replace("{json}", document).replace("{escaped}", document.replace('"', r"\""))
    key, login = read(f"GEMINI_API_KEY={KEY}\n{line}\n".encode(), ".env")
    assert (key.secret, key.where) == (KEY, ".env, line 1")
    assert (login.refresh_token, login.email, login.where) == (REFRESH, "ada@example.com", ".env, line 2")


def test_the_cli_s_file_of_accounts_says_whose_login_lies_beside_it_and_only_there():
    nameless = json.dumps(of_the_cli(email="")).encode()
    accounts = json.dumps({"active": "ada@example.com", "old": ["bob@example.com"]}).encode()
    files = [("a/oauth_creds.json", nameless), ("a/google_accounts.json", accounts), ("b/oauth_creds.json", nameless)]
    assert [(found.where, found.email) for found in read_files(files)] == [
        ("a/oauth_creds.json", "ada@example.com"),
        ("b/oauth_creds.json", ""),
    ]


def test_what_google_has_signed_says_more_than_what_a_tool_has_noted():
    [login] = logins({**PROXY, "id_token": id_token(email="signed@example.com")})
    assert login.email == "signed@example.com"


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.e30.c", "a.W10.c", f"a.{'W10' * 99}.c", id_token(email="two words@x")])
def test_an_id_token_that_says_nothing_leaves_what_the_tool_has_noted(token):
    [login] = logins({**PROXY, "id_token": token})
    assert login.email == "ada@example.com"


@pytest.mark.parametrize("project", ["ALL", "one,two", "projects/random-1/locations/global", "", "x" * 101, "a\u0000b"])
def test_what_is_no_project_is_left_to_google(project):
    [login] = logins(of_cli_proxy_api(project_id=project))
    assert login.project == ""


def test_the_project_is_unpacked_from_behind_a_refresh_token():
    [login] = logins({"type": "oauth", "refresh": f"{REFRESH}|ada-project|managed-1"})
    assert (login.refresh_token, login.project) == (REFRESH, "ada-project")


def test_half_an_oauth_client_is_none():
    [login] = logins(of_gcloud() | {"client_secret": ""})
    assert (login.client_id, login.client_secret) == ("", "")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"installed": CLIENT}, "an OAuth client, not a login: put its client_id and client_secret into GOOGLE_OAUTH_CLIENT_ID"),
        ({"web": {**CLIENT, "redirect_uris": []}}, "an OAuth client, not a login"),
        ({"type": "service_account", "private_key": SECRET, "client_email": "x@y.example"}, "not from service accounts"),
        ({"type": "external_account", "audience": "x"}, "a workload identity configuration"),
        ({"type": "impersonated_service_account", "source_credentials": of_gcloud()}, "a service account's impersonation"),
        ({"type": "codex", "refresh_token": REFRESH, "email": "ada@example.com"}, "a login for codex"),
        ({"type": "antigravity", "refresh_token": REFRESH}, "Antigravity, which Google forbids"),
        (of_gcli2api(scopes=["https://www.googleapis.com/auth/experimentsandconfigs"]), "Antigravity, which Google forbids"),
        ({"anthropic": {"type": "oauth", "refresh": REFRESH}}, "a login for anthropic"),
        ({**CAMEL, "tokenUrl": "https://login.example.com/token"}, "a login that login.example.com renews, not Google"),
        ({**CAMEL, "tokenUrl": "https://evilgoogle.com/token"}, "a login that evilgoogle.com renews, not Google"),
        ({**CAMEL, "tokenUrl": "https://[broken"}, "a login that https://[broken renews, not Google"),
        ({"access_token": ACCESS, "expires_in": 3599}, "no refresh token: log in with the account instead"),
        ({"refresh_token": "short"}, "a form that none can have"),
        ({"refresh_token": REFRESH + "\ud800"}, "a form that none can have"),
        ({"some": "settings"}, "neither a key nor a Google login"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"refresh_token": REFRESH}}}}}}}, "neither a key nor a Google login"),
        ([[[[[[REFRESH]]]]]], "neither a key nor an object"),
        ([7], "neither a key nor an object"),
    ],
)
def test_what_is_no_login_is_refused_by_its_name_and_without_a_secret(document, said):
    [found] = read(document)
    assert said in found.flaw
    assert not {REFRESH, ACCESS, SECRET} & {found.flaw, found.masked, repr(found)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"refresh_token": ', "not valid JSON"),
        (b'{"expiry_date": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (archives.LARGEST_FILE + 1), "larger than 20 MB"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content, said):
    [found] = read(content)
    assert said in found.flaw
    assert found.where.startswith("file.json")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gemini-credentials.json", "sealed by the Gemini CLI for its own machine: log in with the account instead"),
        ("notes.json", "not JSON"),
    ],
)
def test_what_is_called_json_and_is_none_is_not_searched_for_keys(name, said):
    assert [found.flaw for found in read(b"0a1b2c3d4e5f60718293:aabbccddeeff0011:00112233445566778899", f"dir/{name}")] == [said]


def test_logins_for_other_people_s_servers_that_the_cli_keeps_are_left_alone():
    assert read([{"serverName": "x", "token": CAMEL}], ".gemini/mcp-oauth-tokens.json") == []


def test_pasted_logins_are_no_keys():
    assert all(candidate.flaw for candidate in read_keys(json.dumps(of_the_cli())))


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["refresh_token", "token", "accounts", "keys", "email", "type", "token_uri", "id_token", "expiry", "x@y"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_JSON)
def test_no_json_can_break_the_reading(document):
    for found in read_json(document, "file"):
        assert isinstance(found, Candidate | FoundLogin)
        assert found.flaw or found.masked


class TestArchives:
    def test_an_export_is_read_member_by_member(self):
        content = archive({"ada.json": json.dumps(of_gcli2api()), "keys.txt": KEY, "notes.txt": "not-a-key-at-all", "x/": b""})
        login, key = read(content, "credentials.zip")
        assert (login.where, login.tool) == ("credentials.zip/ada.json", "gcli2api")
        assert (key.where, key.secret) == ("credentials.zip/keys.txt, line 1", KEY)

    def test_names_are_labels_and_nothing_else(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        names = ["../../escape.json", "/etc/absolute.json", "c:\\win.json", "\x1b[31mred.json", "__MACOSX/._ada.json"]
        found = read(archive({name: json.dumps(of_gcli2api()) for name in names}), "export.zip")
        assert len(found) == 4
        assert all(one.where.isprintable() for one in found)
        assert not list(tmp_path.iterdir())

    def test_a_bomb_is_refused_whatever_size_it_declares(self):
        bomb = archive({"bomb.json": b" " * (300 * archives.LARGEST_MEMBER)})
        size = struct.pack("<L", 300 * archives.LARGEST_MEMBER)
        for content in (bomb, bomb.replace(size, struct.pack("<L", 100))):
            [found] = read(content, "export.zip")
            assert found.flaw in ("larger than 1 MB", "cannot be read from its archive (BadZipFile)")

    def test_all_archives_together_may_bring_only_so_much(self, monkeypatch):
        document = json.dumps(of_gcli2api())
        monkeypatch.setattr(archives, "MOST_BYTES", 4 * len(document))
        found = read(archive({f"{number}.json": document for number in range(50)}), "export.zip")
        assert len([one for one in found if not one.flaw]) == 4
        assert found[-1].flaw == "it brings more than is read at once: the rest of it is left out"

    def test_more_members_than_anybody_has_accounts_are_refused_unopened(self, monkeypatch):
        monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
        [found] = read(archive({f"{number}.json": "{}" for number in range(4)}), "export.zip")
        assert found.flaw == "an archive of more than 3 files"

    def test_an_archive_in_an_archive_is_read_and_one_in_that_is_not(self):
        inner = archive({"ada.json": json.dumps(of_gcli2api())})
        middle = archive({"inner.zip": inner})
        assert [one.flaw for one in read(middle, "outer.zip")] == [""]
        assert ["within an archive" in one.flaw for one in read(archive({"middle.zip": middle}), "outer.zip")] == [True]

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_that_unpack_without_bound_are_not_read(self, method):
        [found] = read(archive({"ada.json": "{}"}, method), "export.zip")
        assert "by a method that is not read" in found.flaw

    def test_a_broken_and_an_encrypted_archive_are_named(self):
        whole = archive({"ada.json": json.dumps(of_gcli2api())})
        [broken] = read(whole[:60], "export.zip")
        assert "a broken archive" in broken.flaw
        encrypted = bytearray(whole)
        encrypted[6] |= 1  # The flag in the file's header …
        encrypted[whole.index(b"PK\x01\x02") + 8] |= 1  # … and in the directory.
        [sealed] = read(bytes(encrypted), "export.zip")
        assert sealed.flaw == "encrypted in its archive"

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_no_damage_can_break_the_reading(self, data):
        content = bytearray(archive({"ada.json": json.dumps(of_gcli2api()), "bob.json": "[]"}))
        for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
            content[position] = data.draw(st.integers(0, 255))
        read(b"PK\x03\x04" + bytes(content[4:]), "export.zip")


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("", []),
            (" , ,, ", []),
            ("a, b,c ,", ["a", "b", "c"]),
            ('{"x": "1,2"}', ['{"x": "1,2"}']),
            ('a, {"x": "1,2", "y": [1, 2]} ,b', ["a", '{"x": "1,2", "y": [1, 2]}', "b"]),
            ('{"x": 1}{"y": 2}', ['{"x": 1}', '{"y": 2}']),
            ('["a", "b"],c', ['["a", "b"]', "c"]),
            ('a,{"x": 1,', ["a", '{"x": 1']),
        ],
    )
    def test_a_comma_list_keeps_json_whole(self, text, values):
        assert split_secrets(text) == values

    def test_a_value_is_a_key_or_a_login(self):
        document = json.dumps(of_the_cli())
        [key], [login], [quoted] = read_value(f" {KEY} ", "A"), read_value(document, "B"), read_value(f"'{document}'", "C")
        assert (key.secret, key.where) == (KEY, "A")
        assert (login.refresh_token, login.where) == (quoted.refresh_token, "B") == (REFRESH, "B")

    def test_a_value_that_only_looks_like_json_is_named_and_not_shown(self):
        [found] = read_value('{"refresh_token": "1//secret', "VALUE")
        assert "not valid JSON" in found.flaw
        assert "secret" not in found.flaw + found.masked
