"""Somebody who may do everything in the admin, a key, and who was asked to check it; logins with the simulated Google."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from credentials.models import ApiKey
from credentials.signals import check_requested
from tests.credentials.logins import ADA, PROJECT, SetUp, Visitor
from tests.credentials.pages import CANARY
from tests.google import GoogleSimulator


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def checked():
    """The ids of the keys that somebody wanted checked."""
    seen: list[int] = []

    def remember(ids: list[int], **kwargs):
        seen.extend(ids)

    others, check_requested.receivers = check_requested.receivers, []
    check_requested.connect(remember)
    yield seen
    check_requested.receivers = others


@pytest.fixture
def key(db, checked) -> ApiKey:
    return ApiKey.objects.create(secret=CANARY, label="build server", project="p-1")


@pytest.fixture
def set_up() -> Iterator[SetUp]:
    """Whoever was asked what an account may use, and what the answer was."""
    stand_in = SetUp()
    restore = stand_in.replace()
    yield stand_in
    restore()


@pytest.fixture
def google_login(google: GoogleSimulator, db, settings, set_up) -> GoogleSimulator:
    """Google, where Ada has an account and Castor a client."""
    for name, value in google.settings().items():
        setattr(settings, name, value)
    settings.PORT = 8000
    google.add_user(ADA, project=PROJECT)
    return google


@pytest.fixture
def visitor(google_login: GoogleSimulator, admin: Client) -> Visitor:
    """An admin at a browser on the machine of this Castor."""
    return Visitor(google_login, admin)
