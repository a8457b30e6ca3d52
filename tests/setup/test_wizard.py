"""The wizard at a terminal, in both languages: from an empty directory to a request that works; again; and broken off."""

import json
import shutil

import pytest

from tests import postgresql
from tests.house.castor import free_port, running
from tests.house.parts import Redis
from tests.house.test_start_and_stop import sign_in
from tests.setup.terminal import CTRL_C, DOWN, ENTER, KEPT_OUT, KEY, UP, Place, run_curl, run_python

HOST = {"en": "From where will it be used?", "es": "¿Desde dónde se usará?"}
KEYS = {"en": "Gemini API keys:", "es": "Claves de la API de Gemini:"}
ACCOUNT = {"en": "Connect a Google account?", "es": "¿Conectar una cuenta de Google?"}
LIMITS = {"en": "Are these right?", "es": "¿Son correctos?"}
ADMIN = {"en": "Name of the admin:", "es": "Nombre del administrador:"}
PASSWORD = {"en": "Password:", "es": "Contraseña:"}
TOKEN = {"en": "Make a client token?", "es": "¿Crear un token de cliente?"}
ANOTHER = {"en": "Make another client token?", "es": "¿Crear otro token de cliente?"}
GO = {"en": "Go ahead?", "es": "¿Adelante?"}
DONE = {"en": "Done", "es": "Hecho"}
SHOWN_ONCE = {"en": "the token is shown only now", "es": "el token solo se muestra ahora"}
WORKS = {"en": "works, ", "es": "funciona, "}
NOTHING = {"en": "Nothing is to be changed.", "es": "No hay nada que cambiar."}
STOPPED = {"en": "Stopped: nothing was changed.", "es": "Interrumpido: no se ha cambiado nada."}

CHOSEN_PASSWORD = "a-password-of-my-own"


@pytest.mark.parametrize("lang", ["en", "es"])
def test_from_an_empty_directory_to_a_request_that_works(place, lang):
    port = str(free_port())
    wizard = place.wizard("--lang", lang, "--port", port)
    wizard.answer((HOST[lang], ENTER), (KEYS[lang], f"{KEY} test-key-2{ENTER}"))
    wizard.expect(WORKS[lang])
    wizard.answer((ACCOUNT[lang], ENTER), (LIMITS[lang], ENTER))
    wizard.answer((ADMIN[lang], ENTER), (PASSWORD[lang], CHOSEN_PASSWORD + ENTER), (TOKEN[lang], ENTER), (GO[lang], ENTER))
    wizard.expect(SHOWN_ONCE[lang])
    assert wizard.end() == 0
    assert f"PORT={port}\n" in place.env.read_text()
    assert place.env.stat().st_mode & 0o077 == 0
    assert KEY not in wizard.shown
    assert CHOSEN_PASSWORD not in wizard.shown
    settings = {name: value for name, value in place.settings.items() if name != "PORT"}
    with running(place.var, **settings) as castor:
        assert castor.root.endswith(f":{port}")
        status, body = run_curl(wizard.shown)
        assert (status, json.loads(body)["object"]) == (200, "chat.completion")
        assert "/admin/logout/" in sign_in(castor.root, CHOSEN_PASSWORD).text
        assert run_python(wizard.shown) == json.loads(body)["choices"][0]["message"]["content"]


def test_what_a_google_account_needs_is_asked_for_and_a_link_is_made(tmp_path, google):
    place = Place(tmp_path, GOOGLE_GEMINI_BASE_URL=google.url)
    wizard = place.wizard("--lang", "en", "--host", "127.0.0.1", "--keys", "none", "--timeout", "9", "--admin-password", "")
    wizard.answer((ACCOUNT["en"], DOWN + ENTER), ("Id of your OAuth client:", ENTER))
    wizard.answer(("Without an OAuth client", f"my-client{ENTER}"), ("Its secret:", f"my-secret{ENTER}"))
    wizard.answer(("Id of your Google Cloud project:", f"no id{ENTER}"), ("It looks like", "\x7f" * 5 + f"my-project-1{ENTER}"))
    wizard.answer(
        ("In which order?", ENTER), ("Keys first", ENTER), (ADMIN["en"], ENTER), (TOKEN["en"], ENTER), (GO["en"], ENTER)
    )
    wizard.expect("/auth/login?link=")
    assert wizard.end() == 0
    assert "my-secret" not in wizard.shown
    assert place.env.read_text().splitlines()[1:] == [
        "GOOGLE_OAUTH_CLIENT_ID=my-client",
        "GOOGLE_OAUTH_CLIENT_SECRET=my-secret",
        "GOOGLE_CLOUD_PROJECT=my-project-1",
        "TIMEOUT=9",
    ]
    assert place.ask_database("LoginLink.objects.values_list('use', 'project').get()") == "('gemini_api', 'my-project-1')"


@pytest.mark.parametrize("lang", ["en", "es"])
def test_run_again_it_shows_what_is_there_and_changes_nothing(place, lang):
    assert place.script(*KEPT_OUT, "--keys", KEY, "--max-retries", "5").returncode == 0
    before = place.files(), place.census()
    wizard = place.wizard("--lang", lang)
    wizard.answer((HOST[lang], ENTER), (KEYS[lang], ENTER), (ACCOUNT[lang], ENTER), (LIMITS[lang], ENTER), (ANOTHER[lang], ENTER))
    wizard.expect(NOTHING[lang])
    assert wizard.end() == 0
    assert (place.files(), place.census()) == before


def test_one_answer_that_differs_changes_one_setting_and_nothing_else(place):
    place.env.write_text("# mine\nMAX_RETRIES=2\nSOMETHING_ELSE=kept\n")
    assert place.script(*KEPT_OUT, "--keys", KEY).returncode == 0
    before = place.census()
    wizard = place.wizard("--lang", "en")
    wizard.answer((HOST["en"], ENTER), (KEYS["en"], ENTER), (ACCOUNT["en"], ENTER), (LIMITS["en"], DOWN + ENTER))
    wizard.answer(("Calls at once", ENTER), ("Further attempts", "\x7f7" + ENTER), ("Seconds for", ENTER))
    wizard.answer((ANOTHER["en"], ENTER), (GO["en"], ENTER))
    wizard.expect("MAX_RETRIES")
    assert wizard.end() == 0
    assert place.env.read_text() == "# mine\nMAX_RETRIES=7\nSOMETHING_ELSE=kept\n"
    [backup] = place.folder.glob(".env.backup-*")
    assert backup.read_text() == "# mine\nMAX_RETRIES=2\nSOMETHING_ELSE=kept\n"
    assert place.census() == before


def test_a_key_that_google_refuses_is_named_and_asked_for_again(place):
    wizard = place.wizard("--lang", "en")
    wizard.answer((HOST["en"], ENTER), (KEYS["en"], "AQ.nobody-knows-this-key" + ENTER))
    wizard.expect("API key not valid")
    assert "✗ AQ.no…-key" in wizard.shown
    wizard.answer((KEYS["en"], f"{KEY} AQ.nor-is-this-one-known{ENTER}"))
    wizard.expect("works, ")
    wizard.answer((ACCOUNT["en"], ENTER), (LIMITS["en"], ENTER), (ADMIN["en"], ENTER), (PASSWORD["en"], ENTER))
    wizard.answer((TOKEN["en"], ENTER), (GO["en"], ENTER))
    wizard.expect(SHOWN_ONCE["en"])
    assert wizard.end() == 0
    assert place.ask_database("[key.secret for key in Credential.objects.all()]") == f"['{KEY}']"


@pytest.mark.parametrize("acknowledges", [True, False])
def test_found_logins_are_imported_and_serve_only_once_the_terms_are_acknowledged(place, google, acknowledges):
    place.lay_down_a_login(google)
    wizard = place.wizard("--lang", "es")
    wizard.expect("1 cuenta de Google")
    wizard.answer(
        (HOST["es"], ENTER), ("¿Importar las credenciales encontradas?", ENTER), (KEYS["es"], ENTER), (ACCOUNT["es"], ENTER)
    )
    wizard.expect("perderse la cuenta entera")
    wizard.answer(
        ("¿Lo declara?", (UP if acknowledges else "") + ENTER), ("¿En qué orden?", ENTER), ("¿Las claves primero", ENTER)
    )
    wizard.answer((LIMITS["es"], ENTER), (ADMIN["es"], ENTER), (PASSWORD["es"], ENTER), (TOKEN["es"], ENTER), (GO["es"], ENTER))
    wizard.expect(SHOWN_ONCE["es"])
    assert wizard.end() == 0
    rows = place.ask_database("sorted((c.kind, c.enabled, c.state) for c in Credential.objects.all())")
    assert rows == f"[('api_key', True, 'available'), ('oauth', {acknowledges}, 'available')]"
    who = place.ask_database("Credential.objects.get(kind='oauth').terms_accepted_by")
    assert who.startswith("setup by ") is acknowledges


QUESTIONS = [
    (HOST["en"], DOWN + ENTER),
    (KEYS["en"], KEY + ENTER),
    (ACCOUNT["en"], ENTER),
    (LIMITS["en"], ENTER),
    (ADMIN["en"], ENTER),
    (PASSWORD["en"], ENTER),
    (TOKEN["en"], ENTER),
    (GO["en"], ""),
]


@pytest.mark.parametrize("answered", [0, 1, 4, len(QUESTIONS) - 1])
def test_ctrl_c_leaves_everything_as_it_was(place, answered):
    place.env.write_text("MAX_RETRIES=2\n")
    wizard = place.wizard("--lang", "en")
    wizard.answer(*QUESTIONS[:answered], (QUESTIONS[answered][0], CTRL_C))
    wizard.expect(STOPPED["en"])
    assert wizard.end() == 130
    assert place.files() == {".env": b"MAX_RETRIES=2\n"}
    assert not (place.var / "castor.sqlite3").exists()


def test_a_no_at_the_end_leaves_everything_as_it_was(place):
    wizard = place.wizard(
        "--lang", "en", "--keys", KEY, "--connect", "none", "--admin", "ada", "--admin-password", CHOSEN_PASSWORD
    )
    wizard.answer((HOST["en"], DOWN + ENTER), (LIMITS["en"], ENTER), (TOKEN["en"], ENTER), (GO["en"], DOWN + ENTER))
    wizard.expect("Nothing was changed.")
    assert wizard.end() == 0
    assert place.files() == {}
    assert not (place.var / "castor.sqlite3").exists()


def test_ctrl_c_comes_too_late_once_it_has_begun(place, google):
    google.script(method="listModels", call=2, delay=2.0)
    wizard = place.wizard("--lang", "en", "--keys", KEY, "--connect", "none", "--host", "127.0.0.1")
    wizard.answer((LIMITS["en"], ENTER), (ADMIN["en"], ENTER), (PASSWORD["en"], ENTER), (TOKEN["en"], ENTER), (GO["en"], ENTER))
    wizard.answer(("Asking Google about them", CTRL_C))
    wizard.expect(SHOWN_ONCE["en"])
    assert wizard.end() == 0
    assert place.census() == "[1, 1, 1]"


REST = ("--connect", "none", "--host", "127.0.0.1", "--admin-password", "", "--token", "no", "--timeout", "9")
"""Everything that is asked beside the engines and the admin's name."""


@pytest.mark.skipif(postgresql.missing() is not None, reason=postgresql.missing() or "")
def test_a_postgresql_is_suggested_tried_and_left_again(place):
    cluster = postgresql.Cluster()
    try:
        cluster.start()
        assert place.script("--redis", "none", "--database", cluster.url, "--keys", KEY).returncode == 0
        before = place.files()
        wizard = place.wizard("--lang", "en", *REST[:-2], kept_out=("--redis", "none"))
        wizard.answer(("Which database?", ENTER), ("Its URL:", "_" + ENTER), ("PostgreSQL says: ", "\x7f" + ENTER))
        wizard.answer((KEYS["en"], ENTER), (LIMITS["en"], ENTER))
        wizard.expect(NOTHING["en"])
        assert (wizard.end(), place.files()) == (0, before)
        wizard = place.wizard("--lang", "en", *REST, kept_out=("--redis", "none"))
        wizard.answer(("Which database?", UP + ENTER), (KEYS["en"], KEY + ENTER), (ADMIN["en"], ENTER), (GO["en"], ENTER))
        wizard.expect("CASTOR_TOKEN")
        assert wizard.end() == 0
        assert place.ask_database("settings.EMBEDDED, Credential.objects.count()") == "(True, 1)"
    finally:
        cluster.remove()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="missing program: redis-server")
def test_a_redis_is_suggested_tried_and_left_again(place, tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        assert place.script("--database", "sqlite", "--redis", redis.url, "--keys", KEY).returncode == 0
        assert f"REDIS_URL={redis.url}\n" in place.env.read_text()
        wizard = place.wizard("--lang", "en", *REST, kept_out=("--database", "sqlite"))
        wizard.answer(("Use Redis?", ENTER), (KEYS["en"], ENTER), (GO["en"], CTRL_C))
        wizard.expect(STOPPED["en"])
        assert wizard.end() == 130
        assert "REDIS_URL" not in wizard.shown
        wizard = place.wizard("--lang", "en", *REST, kept_out=("--database", "sqlite"))
        wizard.answer(("Use Redis?", UP + ENTER), (KEYS["en"], ENTER), (GO["en"], ENTER))
        wizard.expect("CASTOR_TOKEN")
        assert wizard.end() == 0
        assert place.ask_database("settings.REDIS_URL") == ""
    finally:
        redis.stop()
