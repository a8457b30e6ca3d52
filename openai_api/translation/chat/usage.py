"""Token counts as Chat Completions writes them."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import astuple

from openai_api.translation.events import Usage


class PromptDetails(Struct):
    cached_tokens: int
    audio_tokens: int
    image_tokens: int


class CompletionDetails(Struct):
    reasoning_tokens: int
    audio_tokens: int
    image_tokens: int
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class CompletionUsage(Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


def summed(usages: Iterable[Usage]) -> Usage:
    """Add up the choices of one answer: each was a call of its own, with a prompt of its own."""
    return Usage(*map(sum, zip(*map(astuple, usages), strict=True)))


def openai_usage(usage: Usage) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        total_tokens=usage.total or usage.prompt + usage.completion,
        prompt_tokens_details=PromptDetails(usage.cached, usage.prompt_audio, usage.prompt_image),
        completion_tokens_details=CompletionDetails(usage.reasoning, usage.completion_audio, usage.completion_image),
    )
