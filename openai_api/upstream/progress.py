"""How long an upstream may go on without saying anything, however lively its connection is."""

import time

from credentials.health import Outcome
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal


class Progress:
    """Runs out `patience` seconds after something was said last.

    Comments, white space and empty events keep a connection from timing out, but are none: a dead call would live as long as
    its time limit. The wait for a connection that is silent altogether has the same length, so that together they may take
    nearly twice as long.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.made()

    def made(self) -> None:
        """Something was said. To be called after whatever that made us wait for, such as a client who reads slowly."""
        self._made_at = time.monotonic()

    def wait_for_another(self, seconds: float) -> None:
        """So long somebody else kept us waiting, who is not to run out for it."""
        self._made_at += seconds

    @property
    def runs_out_at(self) -> float:
        """In monotonic seconds."""
        return self._made_at + self._patience

    def check(self) -> None:
        """Raises UpstreamRefused, once it has run out."""
        if time.monotonic() > self.runs_out_at:
            raise nothing_said()


def nothing_said() -> UpstreamRefused:
    message = "The upstream sent nothing but signs of life for too long."
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=504, message=message))
