"""What all tests share."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from hypothesis import settings

from credentials.accounts import tokens
from credentials.accounts.outage import outage
from tests import postgresql

ALIASES = ("0002_default_aliases", "0007_embedding_aliases", "0008_media_aliases")

settings.register_profile("castor", settings.default, deadline=None)  # How fast things are is told by bench/.
settings.load_profile("castor")

pytest_plugins = ["tests.google.fixtures", "tests.servers.fixtures", "tests.clients.node_sdk", "tests.api.server"]


def pytest_collection_modifyitems(items):
    if postgresql.wanted() and (reason := postgresql.missing()):
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@receiver(post_migrate)
def bring_back_what_migrations_had_made(app_config, **given):
    """A test with transactions of its own ends in an emptied database; the tests after it expect the one that was migrated."""
    is_emptied = "plan" not in given  # A migration says what it has done.
    if app_config.label == "credentials" and is_emptied:
        for migration in ALIASES:
            import_module(f"credentials.migrations.{migration}").add_aliases(apps, None)


@pytest.fixture(autouse=True)
def no_outage_is_remembered():
    """Of Google's sign-in, as the test before left it."""
    outage.is_over()
    tokens._noted.clear()


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("ada")
