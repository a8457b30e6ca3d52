"""Logging in with the simulated Google, as a browser does it."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client

from credentials.signals import LoginSetUp, login_saved
from tests.google import GoogleSimulator
from tests.google.log import Call

LOGIN, CALLBACK, STATUS = "/auth/login", "/auth/callback", "/auth/status"
ADA, PROJECT = "ada@example.com", "ada-project"
LOCAL, NAMED, PLAIN = "localhost:8000", "castor.example.com", "203.0.113.7:8000"
"""Hosts: Google sends a browser back to the first, by https to the second, and never to the third."""


class Visitor:
    """A browser, at one address of this Castor."""

    def __init__(self, google: GoogleSimulator, client: Client, *, host: str = LOCAL) -> None:
        self.google, self.client, self.host = google, client, host

    def get(self, path: str, **query: str):
        return self.client.get(path, query, headers={"host": self.host})

    def post(self, path: str, **form: str):
        return self.client.post(path, form, headers={"host": self.host})

    def begin(self, **query: str) -> str:
        """Google's address, to which /auth/login redirects."""
        response = self.get(LOGIN, **query)
        assert response.status_code == 302, text_of(response)
        return response["location"]

    def consent(self, address: str, email: str = ADA, *, withheld: tuple[str, ...] = ()) -> str:
        """Agree at Google; where it then sends the browser."""
        return self.google.consent(address, email, withheld=withheld)

    def arrive(self, callback: str):
        """Open the address to which Google has sent the browser, on the host at which this visitor is."""
        return self.client.get(f"{CALLBACK}?{urlsplit(callback).query}", headers={"host": self.host})

    def log_in(self, email: str = ADA, **query: str):
        query = query or {"use": "gemini_api", "project": PROJECT}
        return self.arrive(self.consent(self.begin(**query), email))


class SetUp:
    """Stands in for whoever asks Google what an account may use; `answer` is what comes of it."""

    def __init__(self) -> None:
        self.answer = LoginSetUp(ready=True, message="It may use the Gemini API.")
        self.asked: list[int] = []

    def __call__(self, credential_id: int, **_) -> LoginSetUp:
        self.asked.append(credential_id)
        return self.answer

    def replace(self) -> Callable[[], None]:
        """Listen instead of the others; what is returned brings them back."""
        others, login_saved.receivers = login_saved.receivers, []
        login_saved.connect(self)

        def restore() -> None:
            login_saved.receivers = others

        return restore


def calls_of(google: GoogleSimulator, method: str) -> list[Call]:
    return [call for call in google.log if call.method == method]


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def with_query(address: str, **changes: str) -> str:
    """The address with other parameters."""
    return f"{address.partition('?')[0]}?{urlencode(query_of(address) | changes)}"


def text_of(response) -> str:
    """What a person reads on the page."""
    body = response.content.decode().partition("<body")[2]
    return " ".join(unescape(re.sub(r"(?s)<script.*?</script>|<style.*?</style>|<[^>]*>", " ", body)).split())


def address_on(page) -> str:
    """Google's address on the page that has one pasted."""
    found = re.search(r'id="google" href="([^"]*)"', page.content.decode())
    assert found, text_of(page)
    return unescape(found[1])
