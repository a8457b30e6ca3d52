"""The pytest fixture `google`: one simulator for the whole run, forgetful between tests."""

from collections.abc import Iterator

import pytest

from tests.google.simulator import GoogleSimulator


@pytest.fixture(scope="session")
def google_server() -> Iterator[GoogleSimulator]:
    with GoogleSimulator() as simulator:
        yield simulator


@pytest.fixture
def google(google_server: GoogleSimulator) -> Iterator[GoogleSimulator]:
    """Fresh at the start of the test; closed answers of the test before cannot leak into its log."""
    google_server.reset()
    yield google_server
    google_server.reset()
