"""What is wrong with a body, said as OpenAI says it: the field by its path, and a machine-readable code."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import DecodeError, ValidationError

from openai_api.errors import InvalidRequest

from .wire import PART_TYPES, ROLES

MAX_DEPTH = 100
"""Levels of nesting taken in a schema or in a call's arguments; all later code may recurse over them."""

_CONTAINERS = (dict, list)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_MISTYPED = re.compile(r"Expected `(.+)`, got `(.+)`")
_UNSUPPORTED = re.compile(r"Invalid value (.+)", re.DOTALL)
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def undecodable(
    error: DecodeError | UnicodeDecodeError | RecursionError, *, part_types: Iterable[str] = PART_TYPES
) -> InvalidRequest:
    """`part_types`: those that a message's, or an input's, parts may have."""
    if isinstance(error, ValidationError):
        return mismatch(error, part_types=part_types)
    if isinstance(error, RecursionError):
        return InvalidRequest("The request body is nested too deeply.")
    reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return InvalidRequest(f"The request body could not be parsed as JSON: {reason}.")


def mismatch(error: ValidationError, prefix: str = "", *, part_types: Iterable[str] = PART_TYPES) -> InvalidRequest:
    """Turn msgspec's ``Expected `str`, got `int` - at `$.a[0].b` `` into OpenAI's words; `prefix` is where `$` stood."""
    what, _, at = str(error).partition(" - at `$")
    path = (prefix + at.rstrip("`")).removeprefix(".")
    if match := _MISSING.fullmatch(what):
        return missing(f"{path}.{match[1]}".removeprefix("."))
    if match := _MISTYPED.fullmatch(what):
        return mistyped(path, *match.groups())
    if match := _UNSUPPORTED.fullmatch(what):
        return unsupported(match[1].strip("'"), ROLES if path.endswith("role") else part_types, path)
    return InvalidRequest(f"Invalid value for '{path}': {what}.", param=path, code="invalid_value")


def mistyped(path: str, expected: str, got: str) -> InvalidRequest:
    kinds = [_WORDS.get(kind, kind) for kind in expected.split(" | ") if kind != "null"] or ["null"]
    where = f"for '{path}'" if path else "of the request body"
    message = f"Invalid type {where}: expected {' or '.join(kinds)}, but got {_WORDS.get(got, got)} instead."
    return InvalidRequest(message, param=path or None, code="invalid_type")


def missing(param: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def unsupported(value: str, supported: Iterable[str], param: str) -> InvalidRequest:
    choices = ", ".join(f"'{one}'" for one in supported)
    message = f"Invalid value: '{value}'. Supported values are: {choices}."
    return InvalidRequest(message, param=param, code="invalid_value")


def check_range(value: float | None, low: float, high: float, param: str) -> None:
    """Refuse a number outside of low … high (both allowed)."""
    if value is None or low <= value <= high:
        return
    side, bound, sign = ("below minimum", low, ">=") if value < low else ("above maximum", high, "<=")
    kind = "integer" if isinstance(value, int) else "decimal"
    message = f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
    raise InvalidRequest(message, param=param, code=f"{kind}_{side.replace(' ', '_')}_value")


def check_depth(value: dict[str, Any] | None, param: str) -> None:
    """Refuse JSON of more than MAX_DEPTH levels; looked at level by level, so that the check itself needs no depth."""
    level: list[Any] = [value] if value else []
    for _ in range(MAX_DEPTH):
        children = [one for holder in level for one in (holder.values() if type(holder) is dict else holder)]
        level = [child for child in children if type(child) in _CONTAINERS]
        if not level:
            return
    raise InvalidRequest(f"'{param}' is nested more than {MAX_DEPTH} levels deep.", param=param)
