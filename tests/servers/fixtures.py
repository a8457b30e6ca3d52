import pytest

from tests.servers.server import OpenAiServer


@pytest.fixture(scope="module")
def _elsewhere():
    with OpenAiServer().running() as server:
        server.keys = {"sk-one", "sk-two"}
        yield server


@pytest.fixture
def elsewhere(_elsewhere):
    """A server of OpenAI's dialect with the keys sk-one and sk-two; one for all tests of a file."""
    _elsewhere.reset()
    return _elsewhere
