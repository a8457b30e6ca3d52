"""Scenes for scenarios: real programs that the tests of one file share, on a Google of their own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests import postgresql
from tests.google import GoogleSimulator
from tests.house.production import production
from tests.scenarios import clock
from tests.scenarios.scene import APPLICATION, Scene


@pytest.fixture(scope="module")
def set_scene(tmp_path_factory) -> Iterator[Callable[..., Scene]]:
    """`set_scene(workers=4, moved=True, …)`: everything started but beat; `moved`: on a clock that tests move."""
    if missing := postgresql.missing():
        pytest.skip(missing)
    if shutil.which("redis-server") is None:
        pytest.skip("missing program: redis-server")
    with ExitStack() as stack:

        def set_scene(*, moved: bool = False, **options) -> Scene:
            if moved and (missing := clock.missing()):
                pytest.skip(missing)
            directory = tmp_path_factory.mktemp("scene")
            google = stack.enter_context(GoogleSimulator())
            moving = clock.MovedClock(directory, google) if moved else None
            options |= moving.environment if moving else {}
            castor = stack.enter_context(production(directory, google, application=APPLICATION, **options))
            return Scene(castor, google, moving)

        yield set_scene
