"""Somebody who may do everything in the admin, a key, and who was asked to check it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from credentials.models import ApiKey
from credentials.signals import check_requested
from tests.credentials.pages import CANARY


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
