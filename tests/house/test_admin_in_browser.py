"""What an operator does, in a real browser on the real pages: nothing fails, nothing is asked of anybody else."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Response, expect, sync_playwright

from tests.google import GoogleSimulator
from tests.house.castor import Castor, free_port, running
from tests.house.waiting import eventually

# As root in a container, and without asking its maker for anything.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
KEYS, TOKENS = "/admin/credentials/apikey/", "/admin/credentials/clienttoken/"
ACCOUNTS, CLI = "/admin/credentials/googleaccount/", "/admin/credentials/geminicli/"
ALIASES, USAGE = "/admin/credentials/modelalias/", "/admin/openai_api/usagerecord/"
RUNS, LIMITS, ERRORS = "/admin/credentials/checkrun/", "/admin/credentials/quotalimit/", "/admin/credentials/unknownerror/"
ALERTS, WHO = "/admin/credentials/alert/", "/admin/credentials/apikey/who_would_serve/"
POOL = [f"AQ.a-key-in-the-browser-{number}" for number in range(3)]
REVIVE = """
from credentials import store
from credentials.models import ApiKey
ApiKey.objects.update(enabled=True)
store.return_to_service(ApiKey.objects.all())
"""
# One row at least for every page that is empty while all is well.
MISHAPS = """
from django.utils.timezone import now
from credentials.models import Alert, Credential, KeyHealth, QuotaLimit, StateChange, UnknownError
key = Credential.objects.defer("secret").get(pk=1)
lately = {"recent": "ssssdmnf?ksssssssssr", "failures": 2, "last_error": "upstream_failed", "last_error_at": now()}
Credential.objects.filter(pk=key.pk).update(**lately)
error = {"state": "rate_limited", "reason": "not_entitled", "detail": "Quota exceeded for quota metric, limit: 0"}
KeyHealth.objects.update_or_create(credential=key, model="gemini-3.8-pro", defaults=error | {"since": now()})
StateChange.objects.create(credential=key, model="gemini-3.8-pro", **error)
QuotaLimit.objects.get_or_create(project="gen-lang-client-0123456789", model="gemini-3.8-pro", rpm=200, tpm=125000, rpd=5000)
seen = {"first_at": now(), "last_at": now(), "credential": key, "model": "gemini-3.8-flash"}
UnknownError.objects.get_or_create(digest="d", defaults=seen | {"status": 418, "body": '{"error": {"status": "TEAPOT"}}'})
alert = {"message": "Google fails for gemini-3.8-pro: 3 of 4 credentials met it.", "began_at": now()}
Alert.objects.get_or_create(cause="upstream_failed", model="gemini-3.8-pro", ended_at=None, defaults=alert)
"""
ACCOUNT = """
from django.utils.timezone import now
from credentials.models import GoogleAccount, GoogleLogin
account = GoogleAccount(email="a.long.name@subsidiary.example.com", use="code_assist", secret="1//refresh-in-the-browser")
account.enabled, account.state, account.reason = False, "invalid", "validation_required"
account.detail = "Verify your account to continue. https://accounts.google.com/signin/continue?flowName=GlifWebSignIn"
account.save()
quota = [{"model": "gemini-2.5-pro", "remaining_fraction": 0.04, "remaining_amount": "12", "reset_at": "2030-01-01T00:00:00Z"}]
login = {"project": "team-project-4711", "tier_name": "Gemini Code Assist Standard", "quota": quota, "quota_at": now()}
GoogleLogin.objects.create(credential=account, access_until=now(), **login)
print(account.pk)
"""
PASSWORD = r"first admin: admin, password (\S+)"
DESK, PHONE = {"width": 1300, "height": 850}, {"width": 390, "height": 800}


class Operator:
    """A person at a browser. `pictures`: where a screenshot of each page is kept, to be looked at."""

    def __init__(self, castor: Castor, page: Page, pictures: Path) -> None:
        self.castor, self.page, self._pictures = castor, page, pictures
        self.faults: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda message: self.faults.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("requestfailed", self._note_failure)
        page.on("response", self._note_response)
        page.on("request", self._note_request)

    def open(self, path: str) -> None:
        self.page.goto(self.castor.root + path)

    def choose(self, action: str, *, row: str = "") -> None:
        """Do something with one row of the list that is open, or with all of them."""
        page = self.page
        chosen = page.locator("#result_list tbody tr", has_text=row).locator("input.action-select") if row else None
        (chosen or page.locator("#action-toggle")).check()
        page.locator("select[name=action]").select_option(label=action)
        page.get_by_role("button", name="Run", exact=True).click()

    def states(self) -> list[str]:
        """What the list of keys says of each of them."""
        self.open(KEYS)
        return [text.strip() for text in self.page.locator("#result_list .field-state_chip").all_text_contents()]

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self._pictures / f"{name}.png", full_page=True, animations="disabled")

    def sign_in(self, password: str) -> None:
        self.open("/admin/")
        self.page.get_by_label("Username").fill("admin")
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def _note_failure(self, request: Request) -> None:
        # Leaving a page gives up what it still loads.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"{request.url}: {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.url}: {response.status}")

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.castor.root, "data:", "blob:")):
            self.elsewhere.append(request.url)


class House:
    def __init__(self, castor: Castor, google: GoogleSimulator, browser: Browser, pictures: Path) -> None:
        self.castor, self.google = castor, google
        self._pictures = pictures
        self._context = browser.new_context(viewport=DESK)
        self._context.set_default_timeout(5_000)
        self.token = castor.find(r"Bearer (castor-\S+)\"")
        self.password = castor.find(PASSWORD)

    def new_operator(self) -> Operator:
        return Operator(self.castor, self._context.new_page(), self._pictures)

    def chat(self, *, token: str = "", model: str = "gemini-3.8-flash") -> int:
        """The status of an answer."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.post(f"{self.castor.root}/v1/chat/completions", json=body, headers=headers).status_code


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("missing program: chromium")
    directory = tmp_path_factory.mktemp("browser")
    with ExitStack() as stack:
        google = stack.enter_context(GoogleSimulator(keys={key: key for key in POOL}))
        settings = {"PORT": str(free_port()), "GOOGLE_GEMINI_BASE_URL": google.url, "RETRY_DELAY": "1"}
        castor = stack.enter_context(running(directory / "var", **settings))
        playwright = stack.enter_context(sync_playwright())
        browser = stack.enter_context(playwright.chromium.launch(executable_path=chromium, args=FLAGS))
        yield House(castor, google, browser, directory)


@pytest.fixture
def operator(house) -> Iterator[Operator]:
    """Signed in. Whatever the pages complain of fails the test."""
    one = house.new_operator()
    one.open("/admin/")
    if one.page.get_by_label("Password").is_visible():
        one.sign_in(house.password)
    yield one
    one.page.close()
    assert one.faults == []
    assert one.elsewhere == []


@pytest.fixture
def pool(house) -> None:
    """There are keys, and every one of them serves."""
    house.google.scripts.clear()
    house.castor.manage("import_credentials", "-", typed="\n".join(POOL))
    house.castor.python(REVIVE)
    eventually(lambda: house.chat() == 200, "serving")


def test_a_wrong_password_is_told_and_a_right_one_opens_an_empty_pool_that_says_what_to_do(house, operator):
    operator.page.context.clear_cookies()
    operator.sign_in("a wrong password")
    expect(operator.page.get_by_text("Please enter the correct username and password")).to_be_visible()
    operator.picture("wrong password")
    operator.sign_in(house.password)
    expect(operator.page.get_by_role("heading", name="Paste your first Gemini API key")).to_be_visible()
    operator.picture("empty pool")
    operator.page.get_by_role("link", name="Paste keys").click()
    expect(operator.page.locator("textarea[name=keys]")).to_be_focused()


def test_keys_are_tried_dry_then_imported_and_then_checked(house, operator):
    operator.open(f"{KEYS}paste_keys/")
    keys, report = operator.page.locator("textarea[name=keys]"), operator.page.locator("#report")
    keys.fill(f"{POOL[0]}, {POOL[1]}\n{POOL[2]} # the third\n{POOL[0]}\nshort")
    operator.page.get_by_role("button", name="Dry run").click()
    expect(report).to_contain_text("3 would be added, 1 there already, 1 malformed.")
    expect(keys).to_have_value(re.compile(POOL[2]))  # It need not be pasted again.
    operator.picture("dry run")
    operator.page.get_by_role("button", name="Import").click()
    expect(report).to_contain_text("3 added, 1 there already, 1 malformed.")
    operator.picture("imported")
    assert not [key for key in POOL if key in operator.page.content()]
    operator.page.get_by_role("link", name="see what is found").click()
    expect(operator.page.get_by_text("3 of 3 checked")).to_be_visible(timeout=20_000)  # The page asks by itself.
    operator.picture("checks of what was imported")
    eventually(lambda: all(_models(house)), "checked")
    assert operator.states() == ["Available"] * 3
    operator.picture("keys")
    operator.open(f"{KEYS}1/change/")
    operator.page.get_by_role("link", name="Models it lists").click()
    expect(operator.page.get_by_text("gemini-3.8-flash", exact=True)).to_be_visible()
    operator.picture("models of a key")


def _models(house: House) -> list[int]:
    """How many models each key lists."""
    return [key["models"] for key in json.loads(house.castor.manage("pool_status", "--json").stdout)]


def test_a_token_is_shown_once_serves_and_serves_no_more_once_it_is_revoked(house, pool, operator):
    operator.open(f"{TOKENS}add/")
    operator.page.get_by_label("Label").fill("made in a browser")
    operator.page.get_by_role("button", name="Save", exact=True).click()
    token = operator.page.locator("#token").inner_text()
    operator.picture("new token")
    eventually(lambda: house.chat(token=token) == 200, "serving")
    operator.page.reload()  # Leads to the list: nothing is made twice, and the token is gone.
    expect(operator.page.locator("#result_list")).to_contain_text("made in a browser")
    assert operator.page.locator("#result_list tbody tr").count() == 2
    assert token not in operator.page.content()
    operator.choose("Revoke", row="made in a browser")
    expect(operator.page.get_by_text("1 token is revoked.")).to_be_visible()
    operator.picture("tokens")
    eventually(lambda: house.chat(token=token) == 401, "refused")


def test_keys_are_disabled_and_enabled(house, pool, operator):
    operator.open(KEYS)
    operator.choose("Disable")
    expect(operator.page.get_by_text("3 keys are disabled.")).to_be_visible()
    assert operator.states() == ["Disabled"] * 3
    eventually(lambda: house.chat() == 503, "without a key")
    operator.choose("Enable", row=POOL[1][-4:])
    expect(operator.page.get_by_text("1 key is enabled.")).to_be_visible()
    eventually(lambda: house.chat() == 200, "serving")
    assert {call.key for call in house.google.log.generation()[-1:]} == {POOL[1]}
    operator.choose("Enable")
    assert operator.states() == ["Available"] * 3


def test_a_dead_key_says_why_and_returns_to_service(house, pool, operator):
    house.google.script(key=POOL[0], error="leaked", times=None)
    eventually(lambda: house.chat() == 200 and "Invalid" in operator.states(), "shown as dead")
    house.google.scripts.clear()
    assert operator.states() == ["Invalid", "Available", "Available"]
    expect(operator.page.locator("#result_list")).to_contain_text("reported as leaked")
    operator.picture("dead keys")
    operator.open("/admin/")
    expect(operator.page.get_by_text("What does not serve now")).to_be_visible()
    operator.picture("overview")
    operator.page.get_by_role("link", name=re.compile("er-0$")).click()
    expect(operator.page.locator("#timeline")).to_contain_text("Your API key was reported as leaked.")
    operator.picture("a dead key")
    operator.page.get_by_role("button", name="Return to service").click()
    expect(operator.page.get_by_text("1 key is back in the pool.")).to_be_visible()
    assert operator.states() == ["Available"] * 3


def test_an_alias_is_edited_in_its_list_and_another_model_answers(house, pool, operator):
    operator.open(f"{ALIASES}?q=gpt-4o")
    row = operator.page.locator("#result_list tbody tr").filter(has=operator.page.get_by_text("gpt-4o", exact=True))
    row.locator("input[name$=target]").fill("gemini-2.5-flash")
    operator.picture("aliases")
    operator.page.get_by_role("button", name="Save").click()
    expect(operator.page.get_by_text("was changed successfully")).to_be_visible()
    eventually(lambda: _model_that_answers(house, "gpt-4o") == "gemini-2.5-flash", "another model")


def test_a_check_leads_to_its_run_whose_page_goes_on_by_itself_and_can_be_filtered(house, pool, operator):
    house.google.script(key=POOL[0], error="leaked", times=None)
    operator.open(KEYS)
    operator.choose("Check with one token")
    expect(operator.page.get_by_text("3 of 3 checked")).to_be_visible(timeout=20_000)
    operator.picture("a run")
    operator.page.get_by_role("link", name="Lists models, but may not use them").click()
    expect(operator.page.locator("table.rows tbody tr")).to_have_count(1)
    operator.open(RUNS)
    expect(operator.page.locator("#result_list")).to_contain_text("3 of 3")


def test_the_weight_of_all_keys_is_set_on_a_page_that_says_how_many(house, pool, operator):
    operator.open(KEYS)
    operator.choose("Set weight …")
    expect(operator.page.get_by_text("3 keys will be changed")).to_be_visible()
    operator.page.get_by_label("Weight").fill("4")
    operator.picture("set weight")
    operator.page.get_by_role("button", name="Set weight").click()
    expect(operator.page.get_by_text("3 keys are of weight 4 now.")).to_be_visible()


def test_the_list_is_filtered_by_a_project_that_is_typed(house, pool, operator):
    operator.open(KEYS)
    operator.choose("Set Google project …", row=POOL[0][-4:])
    operator.page.get_by_label("Google project").fill("gen-lang-client-0123456789")
    operator.page.get_by_role("button", name="Set project").click()
    operator.page.locator("a", has_text="Filters").click()
    operator.page.get_by_label("By Google project").fill("client-012")
    operator.picture("filters")
    operator.page.get_by_label("By Google project").press("Enter")
    expect(operator.page.locator("#result_list tbody tr")).to_have_count(1)


def test_one_asks_who_would_serve_and_who_would_not(house, pool, operator):
    operator.open(KEYS)
    operator.choose("Disable", row=POOL[0][-4:])
    expect(operator.page.get_by_text("1 key is disabled.")).to_be_visible()
    operator.open(WHO)
    operator.page.get_by_label("If a request came now for").fill("gemini-3.8-flash")
    operator.page.get_by_role("button", name="Show").click()
    operator.page.wait_for_url("**model=**")
    eventually(lambda: operator.page.reload() and operator.page.get_by_text("2 would be asked").is_visible(), "told")
    expect(operator.page.get_by_text("1 more is disabled.")).to_be_visible()
    operator.picture("who would serve")


def _model_that_answers(house: House, asked: str) -> str:
    assert house.chat(model=asked) == 200
    return house.google.log.generation()[-1].model


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_fits_the_screen_in_either_light(house, pool, operator, screen, scheme):
    operator.page.set_viewport_size(screen)
    operator.page.emulate_media(color_scheme=scheme)
    eventually(lambda: house.chat() == 200, "serving")
    house.castor.python(MISHAPS)
    pages = ("/admin/", KEYS, f"{KEYS}1/change/", f"{KEYS}paste_keys/", TOKENS, f"{TOKENS}add/", ALIASES, USAGE)
    pages += (RUNS, f"{RUNS}1/change/", f"{WHO}?model=gemini-3.8-flash", ERRORS, f"{ERRORS}1/change/", ALERTS)
    look_at(operator, *pages, LIMITS, f"{LIMITS}add/")


@pytest.fixture
def account(house) -> Iterator[int]:
    """The id of an account with something wrong; nobody has really logged in with it."""
    yield int(house.castor.python(ACCOUNT).split()[-1])
    house.castor.python("from credentials.models import GoogleAccount; GoogleAccount.objects.all().delete()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pages_of_accounts_fit_the_screen_in_either_light(house, account, operator, screen, scheme):
    operator.page.set_viewport_size(screen)
    operator.page.emulate_media(color_scheme=scheme)
    look_at(operator, ACCOUNTS, f"{ACCOUNTS}{account}/change/", f"{ACCOUNTS}{account}/delete/", f"{ACCOUNTS}connect/")
    look_at(operator, CLI, f"{CLI}add/", f"{CLI}connect/", "/admin/")


def look_at(operator: Operator, *paths: str) -> None:
    for path in paths:
        operator.open(path)
        dark = operator.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        size = operator.page.viewport_size
        operator.picture(f"{re.sub('[/?=]+', '-', path.strip('/'))}, {'dark' if dark else 'light'}, {size and size['width']}")
        wider = operator.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
