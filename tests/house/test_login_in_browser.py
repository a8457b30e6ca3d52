"""Logging in with Google in a real browser: from the admin's button to a chat that the account serves, and the ways around."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.google import GoogleSimulator
from tests.house.castor import Castor, free_port, running
from tests.house.test_admin_in_browser import DESK, FLAGS, PHONE, House, Operator
from tests.house.waiting import eventually

ADA, BOB, CY, DEE, EVE = (f"{name}@example.com" for name in ("ada", "bob", "cy", "dee", "eve"))
ACCOUNTS = "/admin/credentials/googleaccount/"
GOOGLE = "accounts.google.test"
"""The name by which the browser knows the simulator: another site than Castor's, as in life, where not all cookies go along."""
ELSEWHERE = "castor.test"
"""A name of this machine that is none of the loopback names: so a server on the internet looks to the browser, and to Castor."""


class Home(House):
    """Castor on its own machine, and Google, where five people have accounts."""

    def __init__(self, castor: Castor, google: GoogleSimulator, browser: Browser, pictures: Path) -> None:
        super().__init__(castor, google, browser, pictures)
        self._browser = browser
        for email in (ADA, BOB, CY, DEE, EVE):
            google.add_user(email, project=f"{email.partition('@')[0]}-project")

    def guest(self, *, scripts: bool = True) -> BrowserContext:
        """A browser that has never been here."""
        context = self._browser.new_context(viewport=DESK, java_script_enabled=scripts)
        context.set_default_timeout(10_000)
        return context

    def asked_as(self) -> str:
        """The account by which the last chat was answered."""
        return self.google.log.generation()[-1].account


class Admin(Operator):
    """An operator whose pages lead to Google, and nowhere else."""

    def connect(self, use: str, project: str, *, acknowledge: bool = False) -> None:
        """Up to Google's page."""
        self.open(ACCOUNTS)
        self.page.get_by_role("link", name="Connect Google account").first.click()
        self.page.get_by_label(use, exact=True).check()
        self.page.get_by_label("Google Cloud project").fill(project)
        if acknowledge:
            self.page.get_by_label("I have read this").check()
        self.picture(f"connect {use}")
        self.page.get_by_role("button", name="Go on to Google").click()

    def row(self, email: str):
        self.open(ACCOUNTS)
        return self.page.locator("#result_list tbody tr", has_text=email)


def consent(page: Page, email: str) -> None:
    page.locator("#account").select_option(email)
    page.locator("#allow").click()


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[Home]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("missing program: chromium")
    directory = tmp_path_factory.mktemp("login")
    with ExitStack() as stack:
        google = stack.enter_context(GoogleSimulator())
        settings = {"PORT": str(free_port()), "RETRY_DELAY": "1", "LOG_LEVEL": "debug", **google.settings()}
        settings["GOOGLE_OAUTH_AUTH_URL"] = settings["GOOGLE_OAUTH_AUTH_URL"].replace("127.0.0.1", GOOGLE)
        castor = stack.enter_context(running(directory / "var", **settings))
        playwright = stack.enter_context(sync_playwright())
        flags = [*FLAGS, f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1, MAP {GOOGLE} 127.0.0.1"]
        browser = stack.enter_context(playwright.chromium.launch(executable_path=chromium, args=flags))
        yield Home(castor, google, browser, directory)


@pytest.fixture
def admin(house) -> Iterator[Admin]:
    """Signed in. Whatever the pages complain of fails the test."""
    one = Admin(house.castor, house._context.new_page(), house._pictures)
    one.open("/admin/")
    if one.page.get_by_label("Password").is_visible():
        one.sign_in(house.password)
    yield one
    one.page.close()
    assert one.faults == []
    assert [url for url in one.elsewhere if not url.startswith(f"http://{GOOGLE}:")] == []


@pytest.mark.parametrize(
    ("use", "email", "acknowledge", "surface"),
    [("Gemini API", ADA, False, "gemini"), ("Code Assist", BOB, True, "code_assist")],
)
def test_an_account_is_connected_listed_as_available_and_serves_a_chat(house, admin, use, email, acknowledge, surface):
    house.castor.python("from credentials.models import Credential; Credential.objects.update(enabled=False)")
    admin.connect(use, f"{email.partition('@')[0]}-project", acknowledge=acknowledge)
    consent(admin.page, email)
    expect(admin.page.get_by_role("heading", name="Authentication successful")).to_be_visible()
    expect(admin.page.locator("#email")).to_have_text(email)
    expect(admin.page.get_by_text("The account serves now.")).to_be_visible()
    admin.picture(f"logged in, {use}")
    admin.page.get_by_role("link", name="To the Google accounts").click()
    expect(admin.page.locator("#result_list tbody tr", has_text=email).locator(".field-state_chip")).to_have_text("Available")
    admin.picture(f"listed, {use}")
    eventually(lambda: house.chat() == 200 and house.asked_as() == email, "served by the account")
    assert house.google.log.generation()[-1].surface == surface


def test_an_account_is_connected_by_an_oauth_client_of_its_own(house, admin):
    house.castor.python("from credentials.models import Credential; Credential.objects.update(enabled=False)")
    house.google.add_client("eves-client", secret="eves-secret", loopback=True)
    admin.open(ACCOUNTS)
    admin.page.get_by_role("link", name="Connect Google account").first.click()
    admin.page.get_by_label("Gemini API", exact=True).check()
    admin.page.get_by_label("Google Cloud project").fill("eve-project")
    expect(admin.page.get_by_label("Client ID")).to_be_hidden()
    admin.page.get_by_text("Use an OAuth client of its own").click()
    admin.page.get_by_label("Client ID").fill("eves-client")
    admin.page.get_by_label("Client secret").fill("eves-secret")
    admin.picture("connect by its own client")
    admin.page.get_by_role("button", name="Go on to Google").click()
    consent(admin.page, EVE)
    expect(admin.page.get_by_text("The account serves now.")).to_be_visible()
    eventually(lambda: house.chat() == 200 and house.asked_as() == EVE, "served by the account")
    admin.row(EVE).get_by_role("link").first.click()
    expect(admin.page.locator("#id_client_id")).to_have_value("eves-client")
    assert "eves-secret" not in admin.page.content()


def test_an_account_logs_in_again_from_its_page(house, admin):
    house.google.revoke(ADA)
    expect(admin.row(ADA)).to_be_visible()
    admin.row(ADA).get_by_role("link").first.click()
    admin.page.get_by_role("link", name=re.compile("Log in again")).first.click()
    expect(admin.page.locator("#account")).to_have_value(ADA)  # Google has been told whom to suggest.
    consent(admin.page, ADA)
    expect(admin.page.get_by_text("again: its history and settings are kept")).to_be_visible()
    assert admin.row(ADA).count() == 1


def test_a_consent_that_is_denied_leads_back_to_a_page_that_says_so(house, admin):
    admin.connect("Gemini API", "cy-project")
    admin.page.locator("#deny").click()
    expect(admin.page.get_by_text("The consent was denied.")).to_be_visible()
    admin.picture("denied")
    assert admin.row(CY).count() == 0
    assert {re.search(r"\b400\b", fault) is not None for fault in admin.faults} == {True}  # The page is a refusal.
    admin.faults.clear()


def test_somebody_without_a_user_and_without_scripts_logs_in_by_a_link(house):
    link = house.castor.manage("login_google", "--project", "cy-project", "--label", "by link").stdout.strip()
    page = house.guest(scripts=False).new_page()
    page.goto(link)
    consent(page, CY)
    expect(page.get_by_role("heading", name="Authentication successful")).to_be_visible()
    expect(page.locator("#email")).to_have_text(CY)
    page.screenshot(path=house._pictures / "by link, without scripts.png")
    page.goto(link)
    expect(page.get_by_text("Somebody has logged in with this link already.")).to_be_visible()
    page.goto(house.castor.root + "/admin/")
    expect(page).to_have_url(re.compile("/admin/login/"))
    page.context.close()


def test_on_a_server_elsewhere_the_address_at_which_the_browser_ends_is_pasted(house):
    """Google sends it to an address of its own machine. Castor happens to run there as well, but does not know the browser."""
    plain = house.castor.manage("login_google", "--project", "dee-project").stdout.strip()
    context = house.guest()
    page = context.new_page()
    page.goto(plain.replace("127.0.0.1", ELSEWHERE))
    with context.expect_page() as opened:
        page.get_by_role("link", name="Open Google's login in a new tab").click()
    tab = opened.value
    consent(tab, DEE)
    expect(tab.get_by_text("This browser has not begun this login here")).to_be_visible()
    assert tab.url.startswith(f"{house.castor.root}/auth/callback?")
    page.get_by_label("Address").fill(tab.url)
    page.screenshot(path=house._pictures / "paste.png")
    page.get_by_role("button", name="Finish the login").click()
    expect(page.get_by_role("heading", name="Authentication successful")).to_be_visible()
    expect(page.locator("#email")).to_have_text(DEE)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_of_a_login_fits_the_screen_in_either_light(house, admin, screen, scheme):
    admin.page.set_viewport_size(screen)
    admin.page.emulate_media(color_scheme=scheme)
    for query in ("use=code_assist", "use=gemini_api", "use=gemini_api&project=ada-project&paste=1"):
        admin.open(f"/auth/login?{query}")
        admin.picture(f"{query}, {scheme}, {screen['width']}")
        wider = admin.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, query


def test_no_code_no_state_and_no_token_was_logged(house):
    """Last: it stops Castor, so that all that it has said is known."""
    oauth = house.google.oauth
    secrets = [*oauth.codes, *oauth.refresh, *oauth.access, "eves-secret"]
    secrets += [call.query["state"] for call in house.google.log if call.method == "authorize"]
    house.castor.stop()
    assert len(oauth.codes) >= 5
    assert "/auth/callback" in house.castor.output  # A refused one is logged, without its query.
    assert [secret for secret in secrets if secret in house.castor.output] == []
