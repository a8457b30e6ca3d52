"""A Completions request, read."""

from typing import Any

from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.bodies import BodyDecoder
from openai_api.translation.chat.invalid import check_range, missing, unsupported
from openai_api.translation.chat.parameters import EFFORTS, read_stop
from openai_api.translation.chat.wire import StreamOptions
from openai_api.translation.conversation import Conversation, Notice, Sampling, Thinking
from openai_api.translation.texts import Texts, read_texts

from .prompt import conversation_about

MOST_CHOICES = 128
"""Of all prompts together: each is a call of its own."""

# Zero and empty are the defaults of all these, and so change nothing.
_LEFT_OUT = {
    "frequency_penalty": "Gemini's models refuse penalties",
    "logit_bias": "Gemini has no logit bias",
    "presence_penalty": "Gemini's models refuse penalties",
}


class _Body(Struct):
    model: str
    prompt: Texts | None = None
    suffix: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    best_of: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    echo: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: int | bool | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None
    user: Any = None
    reasoning_effort: str | None = None


class _KnownBody(_Body, forbid_unknown_fields=True):
    pass


_decode = BodyDecoder(_KnownBody, _Body).decode


class CompletionsRequest(Struct, frozen=True):
    conversations: tuple[Conversation, ...]
    """One for each prompt; `model` is still the name as the caller wrote it."""
    prompts: tuple[str, ...]
    choices: int = 1
    """Of each prompt."""
    echo: bool = False
    stream: bool = False
    include_usage: bool = False
    notices: tuple[Notice, ...] = ()


def read_request(body: bytes) -> CompletionsRequest:
    """Read the body of POST /v1/completions; anything wrong with it raises InvalidRequest."""
    notices: list[Notice] = []
    asked = _decode(body, notices)
    if not asked.model:
        raise missing("model")
    given = read_texts("" if asked.prompt is None else asked.prompt, "prompt", most=MOST_CHOICES)
    prompts = tuple(text for _, text in given)
    choices = _read_choices(asked, len(prompts), notices)
    _note_left_out(asked, notices)
    sampling, thinking = _read_sampling(asked), _read_thinking(asked)
    return CompletionsRequest(
        conversations=tuple(
            conversation_about(prompt, model=asked.model, sampling=sampling, thinking=thinking) for prompt in prompts
        ),
        prompts=prompts,
        choices=choices,
        echo=bool(asked.echo),
        stream=bool(asked.stream),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
        notices=tuple(notices),
    )


def _read_choices(asked: _Body, prompts: int, notices: list[Notice]) -> int:
    check_range(asked.n, 1, MOST_CHOICES, "n")
    choices = 1 if asked.n is None else asked.n
    if prompts * choices > MOST_CHOICES:
        message = f"Invalid 'n': {prompts} prompts with {choices} choices each are more than {MOST_CHOICES} in all."
        raise InvalidRequest(message, param="n", code="integer_above_max_value")
    if asked.best_of is not None:
        check_range(asked.best_of, choices, float("inf"), "best_of")
        if asked.best_of > choices:
            notices.append(Notice("best_of", "Gemini does not tell which of its answers is the best: only n are made"))
    return choices


def _note_left_out(asked: _Body, notices: list[Notice]) -> None:
    if asked.suffix:
        message = "Gemini's models write no text between two others: 'suffix' is not supported."
        raise InvalidRequest(message, param="suffix", code="unsupported_parameter")
    if asked.logprobs is not None and asked.logprobs is not False:
        notices.append(Notice("logprobs", "Gemini's models refuse log probabilities"))
    notices += [Notice(field, reason) for field, reason in _LEFT_OUT.items() if getattr(asked, field)]


def _read_sampling(asked: _Body) -> Sampling:
    check_range(asked.temperature, 0, 2, "temperature")
    check_range(asked.top_p, 0, 1, "top_p")
    check_range(asked.max_tokens, 1, float("inf"), "max_tokens")
    return Sampling(
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=asked.max_tokens,
        stop=read_stop(asked.stop) if asked.stop else (),
        seed=asked.seed,
    )


def _read_thinking(asked: _Body) -> Thinking:
    if asked.reasoning_effort is not None and asked.reasoning_effort not in EFFORTS:
        raise unsupported(asked.reasoning_effort, EFFORTS, "reasoning_effort")
    return Thinking(effort=asked.reasoning_effort)
