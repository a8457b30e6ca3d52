"""The pictures of the README, taken of a running Castor: `make screenshots`, with Chromium installed.

Some keys of a made-up team serve, and the simulator refuses the others as Google would.
"""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.google import GoogleSimulator
from tests.house.castor import HOME, Castor, free_port, running
from tests.house.test_admin_in_browser import FLAGS, PASSWORD

PICTURES = HOME / "docs" / "pictures"
TEAMS = {
    "Search": "search-prod-2291",
    "Support desk": "support-1180",
    "Research": "research-7742",
    "Playground": "playground-0415",
}
KEYS = {
    f"AQ.shown-{team.lower().replace(' ', '-')}-{n}-key": (f"{team} {n}", project)
    for team, project in TEAMS.items()
    for n in (1, 2)
}
REFUSALS = {"Search 2": "leaked", "Research 1": "day_quota", "Playground 2": "minute_quota"}
NAME_THEM = """
from credentials.models import ApiKey, PoolVersion
for key in ApiKey.objects.all():
    key.label, key.project = KEYS[key.secret]
    key.project_source = "typed"
    key.save()
PoolVersion.bump()
"""
CALLS = 60


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is missing. On Debian: apt install chromium")
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        google = stack.enter_context(GoogleSimulator(keys={key: project for key, (_, project) in KEYS.items()}))
        var = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "var"
        settings = {
            "PORT": str(free_port()),
            "GOOGLE_GEMINI_BASE_URL": google.url,
            "GEMINI_API_KEYS": ",".join(KEYS),
            "SELECTION": "least_in_flight",
        }
        castor = stack.enter_context(running(var, **settings))
        castor.python(f"KEYS = {KEYS!r}\n{NAME_THEM}")
        have_a_day(castor, google)
        playwright = stack.enter_context(sync_playwright())
        browser = stack.enter_context(playwright.chromium.launch(executable_path=chromium, args=FLAGS))
        take(castor, browser.new_page(viewport={"width": 1300, "height": 800}, device_scale_factor=1.5))


def have_a_day(castor: Castor, google: GoogleSimulator) -> None:
    for key, (label, _) in KEYS.items():
        if label in REFUSALS:
            google.script(key=key, error=REFUSALS[label], seconds=50)
    headers = {"Authorization": castor.find(r"(Bearer castor-[^\"\s]+)")}
    body = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "How does a beaver build?"}]}

    def ask(_: int) -> None:
        httpx.post(f"{castor.root}/v1/chat/completions", json=body, headers=headers).raise_for_status()

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(ask, range(CALLS)))


def take(castor: Castor, page: Page) -> None:
    page.goto(f"{castor.root}/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(castor.find(PASSWORD))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_timeout(7_000)  # Until the web process has written its tallies down.
    for name, path in {"overview": "/admin/", "keys": "/admin/credentials/apikey/"}.items():
        page.goto(castor.root + path)
        page.wait_for_timeout(500)
        picture = Image.open(BytesIO(page.screenshot(animations="disabled")))
        picture.quantize(128).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
