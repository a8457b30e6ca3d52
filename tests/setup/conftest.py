import pytest

from tests.setup.terminal import Place


@pytest.fixture
def place(tmp_path, google) -> Place:
    """An empty directory, with a Google that is simulated."""
    return Place(tmp_path, **google.settings())
