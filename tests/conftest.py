"""What all tests share."""

import pytest
from django.contrib.auth.models import User

from tests import postgresql

pytest_plugins = ["tests.google.fixtures", "tests.api.server"]


def pytest_collection_modifyitems(items):
    if postgresql.wanted() and (reason := postgresql.missing()):
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("ada")
