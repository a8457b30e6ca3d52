"""What is counted of a request that has ended, by labels of which there are only so many."""

from msgspec import Struct

from credentials.roster import Roster
from openai_api.metrics.catalogue import FIRST_TOKEN, REQUESTS, SECONDS, TOKENS
from openai_api.metrics.families import Series, Timings
from openai_api.models import CLIENT_GONE
from openai_api.upstream.base import FILES
from openai_api.usage import Entry

OTHER = "other"
MOST_MODELS = 100
"""Told apart by name, as they are met: servers may list hundreds."""


class _OfModel(Struct, frozen=True):
    """What is counted of one model."""

    seconds: Timings
    first_token: Timings
    tokens: tuple[Series, Series, Series, Series]


_of_models: dict[str, _OfModel] = {}


def count_request(entry: Entry, roster: Roster) -> None:
    """Count a request that has ended."""
    model = _label(entry.model_served, roster)
    numbers = _of_models[model]
    REQUESTS.of(entry.dialect, model, _class_of(entry.status)).add()
    if entry.status == 200:
        numbers.seconds.observe(entry.total_ms / 1000)
    if entry.first_token_ms is not None:
        numbers.first_token.observe(entry.first_token_ms / 1000)
    if entry.prompt_tokens or entry.completion_tokens:
        _count_tokens(numbers.tokens, entry)


def _count_tokens(series: tuple[Series, ...], entry: Entry) -> None:
    prompt, completion, cached, reasoning = series
    prompt.add(entry.prompt_tokens)
    completion.add(entry.completion_tokens)
    if entry.cached_tokens:
        cached.add(entry.cached_tokens)
    if entry.reasoning_tokens:
        reasoning.add(entry.reasoning_tokens)


def _label(model: str, roster: Roster) -> str:
    """The model as a label, of which everything is ready to be counted."""
    if model in _of_models:
        return model
    label = model if len(_of_models) < MOST_MODELS and _is_known(model, roster) else OTHER
    if label not in _of_models:
        kinds = ("in", "out", "cached", "reasoning")
        in_, out, cached, reasoning = (TOKENS.of(label, kind) for kind in kinds)
        _of_models[label] = _OfModel(SECONDS.of(label), FIRST_TOKEN.of(label), (in_, out, cached, reasoning))
    return label


def _is_known(model: str, roster: Roster) -> bool:
    """Whether Google or a server lists it, or an admin has written its name down."""
    if model == FILES or model in roster.models or model in roster.elsewhere or model in roster.aliases.values():
        return True
    return any(model == route.pattern or model in route.fallback for route in roster.routes)


def _class_of(status: int) -> str:
    return "gone" if status == CLIENT_GONE else f"{status // 100}xx"
