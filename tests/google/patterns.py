"""A text that matches a regular expression, for the expressions that schemas really hold.

Literals, classes, counts, groups and choices are understood, as Python's own parser reads them; anchors and look-arounds
add nothing. The first of every choice is taken, and what may be repeated comes once, or as often as it must.
"""

import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Node = tuple[Any, Any]
MOST = 10_000

OF_CATEGORY = {op.CATEGORY_DIGIT: "0", op.CATEGORY_SPACE: " "}
OUTSIDE = "aA0-_ .x"
"""Tried in turn where a class is negated."""


def matching(pattern: str) -> str:
    """`re.error` for a pattern that is none."""
    return _sequence(_parser.parse(pattern))


def _sequence(nodes: Any) -> str:
    return "".join(_node(*node) for node in nodes)


def _node(kind: Any, value: Any) -> str:
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, repeated = value
        if least > MOST:
            raise re.error(f"more than {MOST} repetitions")
        return _sequence(repeated) * max(least, min(1, most))
    if kind is op.SUBPATTERN:
        return _sequence(value[-1])
    if kind is op.BRANCH:
        return _sequence(value[1][0])
    if kind is op.IN:
        return _class(value)
    if kind is op.LITERAL:
        return chr(value)
    return "a" if kind in (op.ANY, op.NOT_LITERAL) else ""


def _class(members: list[Node]) -> str:
    if members[0][0] is not op.NEGATE:
        return _member(*members[0])
    refused = [_member(*member) for member in members[1:]]
    return next((sign for sign in OUTSIDE if sign not in refused), "~")


def _member(kind: Any, value: Any) -> str:
    if kind is op.CATEGORY:
        return OF_CATEGORY.get(value, "a")
    return chr(value[0] if kind is op.RANGE else value)
