"""Sessions of checks and set-ups: what they show of themselves in a trace."""

import pytest

from credentials.keys import Candidate
from openai_api.upstream.sessions import KeySession, LoginSession


@pytest.mark.parametrize(
    "holder",
    [
        KeySession(None, "AQ.a-secret-of-some-length"),
        LoginSession(None, 7, secret="AQ.a-secret-of-some-length"),
        Candidate("AQ.a-secret-of-some-length", "line 1"),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_a_secret_does_not_show_it(holder):
    assert "a-secret-of-some" not in repr(holder)
