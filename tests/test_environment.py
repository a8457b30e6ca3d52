"""The tests' own world: nothing here may reach the developer's data, keys or Google."""

from pathlib import Path

from django.conf import settings
from django.db import connection

from tests import postgresql


def test_the_repository_s_data_directory_is_not_used():
    assert not Path(settings.VAR_DIR).is_relative_to(settings.BASE_DIR)


def test_no_request_can_reach_google():
    assert settings.GOOGLE_GEMINI_BASE_URL == "http://127.0.0.1:9"


def test_the_engine_is_the_one_that_was_asked_for():
    assert connection.vendor == ("postgresql" if postgresql.wanted() else "sqlite")
