"""A Redis of a test's own, as the product's settings name it."""

import shutil
from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.house.parts import Redis


@pytest.fixture
def redis(tmp_path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("missing program: redis-server")
    server = Redis(tmp_path)
    server.start()
    with override_settings(REDIS_URL=server.url):
        yield server
    server.stop()
