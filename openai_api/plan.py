"""Who is to be asked for one request, one after the other, and what its caller is told when nobody of them can answer."""

import math
from collections import deque

from credentials.roster import Roster, TokenEntry
from credentials.routing import Step, steps
from openai_api.errors import (
    GatewayError,
    ModelNotAllowed,
    ModelNotFound,
    NoCredential,
    QuotaExhausted,
    UpstreamUnavailable,
)
from openai_api.upstream.base import FILES

NOBODY_CAN = (QuotaExhausted, NoCredential, UpstreamUnavailable, ModelNotFound)
"""What lets the next one be asked: nobody here can answer, and the request is not at fault."""
LONGEST_MODEL = 100
"""Characters, as many as the database's columns hold; Google's names have less than half of it."""


class Plan:
    """`asked` is the model as the caller wrote it; empty for what is about files. Raises ModelNotFound and ModelNotAllowed."""

    def __init__(self, asked: str, roster: Roster, token: TokenEntry, *, instead: str = "") -> None:
        self._errors: list[GatewayError] = []
        self._steps = deque(_steps(asked, roster, token, instead))

    @property
    def begins_elsewhere(self) -> bool:
        """Whether it is the turn of another server than Google's."""
        return self._steps[0].server != 0

    def next(self) -> Step:
        return self._steps.popleft()

    def failed(self, step: Step, error: GatewayError) -> None:
        """Go on to the next; raises what is worth the most to the caller where there is none."""
        self._errors.append(error)
        # That one server does not have the model says nothing about the next server, but is no reason to take another model.
        goes_on = self._steps and (not isinstance(error, ModelNotFound) or self._steps[0].model == step.model)
        if not goes_on:
            raise min(self._errors, key=_returns_after) from None


def _steps(asked: str, roster: Roster, token: TokenEntry, instead: str) -> list[Step]:
    if not asked:
        return [Step(FILES)]
    if len(asked) > LONGEST_MODEL:
        raise ModelNotFound(f"No model has a name of more than {LONGEST_MODEL} characters.", param="model")
    model = instead or roster.resolve(asked)
    if not token.may_use(asked, model):
        raise ModelNotAllowed(f"This token may not use the model '{asked}'. GET /v1/models lists those that it may.")
    if instead:
        return [Step(model)]
    # Where nobody serves it, whoever is asked for an upstream says so.
    return [step for step in steps(roster, model) if not step.instead or token.may_use(step.instead, step.model)] or [Step(model)]


def _returns_after(error: GatewayError) -> float:
    return math.inf if error.retry_after is None else error.retry_after
