"""Texts as the older endpoints take them: one or several, each in letters or in OpenAI's tokens."""

from typing import Any

from openai_api.errors import InvalidRequest

from .chat.invalid import mistyped
from .cl100k import UnknownToken, decode

MOST_TOKENS = 1_048_576
"""Of one request, where texts come as numbers: as many as the largest of Gemini's models reads."""
Texts = str | list[str | int | list[int]]
"""As it stands in a body. A list of numbers is one text in tokens."""

_WORDS = {str: "str", int: "int", list: "array", dict: "object"}
"""Types as msgspec calls them."""


def read_texts(given: Texts, param: str, *, most: int, advice: str = "Send text instead.") -> list[tuple[str, str]]:
    """(where it stands, the text) of each, which may be empty. Raises InvalidRequest; `advice` is for unknown tokens."""
    if isinstance(given, str):
        return [(param, given)]
    if not given:
        raise InvalidRequest(f"Invalid '{param}': it must hold at least one text.", param=param, code="empty_array")
    kind = type(given[0])
    for position, one in enumerate(given):
        if type(one) is not kind:
            raise mistyped_value(f"{param}[{position}]", _WORDS[kind], one)
    _check_tokens(len(given) if kind is int else sum(len(one) for one in given if isinstance(one, list)), param)
    if kind is int:
        return [(param, _read_one(given, param, advice))]
    if len(given) > most:
        message = f"Invalid '{param}': at most {most} texts are taken in one request, but there are {len(given)}."
        raise InvalidRequest(message, param=param, code="array_above_max_length")
    places = [f"{param}[{position}]" for position in range(len(given))]
    return [(place, _read_one(one, place, advice)) for place, one in zip(places, given, strict=True)]


def _check_tokens(number: int, param: str) -> None:
    if number > MOST_TOKENS:
        message = f"Invalid '{param}': at most {MOST_TOKENS:,} tokens are taken in one request, but there are {number:,}."
        raise InvalidRequest(message, param=param, code="array_above_max_length")


def _read_one(one: Any, param: str, advice: str) -> str:
    """One text, or one list of tokens."""
    if isinstance(one, str):
        return one
    try:
        return decode(one)
    except UnknownToken as error:
        message = f"Invalid '{param}': {error}, the only vocabulary that is known here. {advice}"
        raise InvalidRequest(message, param=param, code="invalid_value") from error


def mistyped_value(param: str, expected: str, value: Any) -> InvalidRequest:
    """As for `mistyped`, told from the value itself."""
    return mistyped(param, expected, _WORDS.get(type(value), type(value).__name__))
