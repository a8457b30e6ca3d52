"""The answer to a Moderations request: judgements in, OpenAI's results out."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from openai_api.translation.conversation import Text
from openai_api.translation.events import Event, Judgement

from .categories import CATEGORIES, FLAGGED_FROM
from .reader import Input, ModerationRequest

_encode = msgspec.json.Encoder().encode


class _Result(Struct):
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    block_reason: str | UnsetType = UNSET
    """Google's word, where Google has blocked the material: not OpenAI's field."""


class _Answer(Struct):
    id: str
    model: str
    results: list[_Result]


class Writer:
    def __init__(self, request: ModerationRequest, *, id: str, model: str) -> None:
        self._inputs = request.inputs
        self._id, self._model = id, model

    def answer(self, answers: Sequence[Iterable[Event]]) -> bytes:
        """Every input's judgement, in the order of the inputs."""
        results = [_result(asked, events) for asked, events in zip(self._inputs, answers, strict=True)]
        return _encode(_Answer(self._id, self._model, results))


def _result(asked: Input, events: Iterable[Event]) -> _Result:
    judgement = next(event for event in events if isinstance(event, Judgement))
    categories = {name: score >= FLAGGED_FROM for name, score in judgement.scores.items()}
    return _Result(
        flagged=any(categories.values()),
        categories=categories,
        category_scores=judgement.scores,
        category_applied_input_types=_applied(asked),
        block_reason=judgement.blocked or UNSET,
    )


def _applied(asked: Input) -> dict[str, list[str]]:
    """Which kinds of the input each category says something of, in OpenAI's understanding."""
    kinds = {"text" if isinstance(part, Text) else "image" for part in asked.parts}
    return {
        category.name: [kind for kind in ("text", "image") if kind in kinds and (kind == "text" or category.of_images)]
        for category in CATEGORIES
    }
