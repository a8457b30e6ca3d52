"""Recursion that must go on, loosened: Gemini allows a schema to come again only within an optional property.

Source: https://ai.google.dev/api/caching#FunctionDeclaration and wire reference 1.7 (b).
"""

from collections.abc import Iterator

from openai_api.translation.conversation import Schema

_PREFIX = "#/$defs/"
Place = tuple[Schema, str]
"""A schema, and the name of one of its required properties."""


def loosen_recursion(definitions: dict[str, Schema]) -> list[str]:
    """Change `definitions` until every circle in them passes through an optional property, and tell what was loosened."""
    losses: list[str] = []
    while True:
        known = len(losses)
        finished: set[str] = set()
        for name in definitions:
            _visit(name, definitions, finished, losses)
        # A circle opened on the way to a definition leaves other ways to it: look again until there is none.
        if len(losses) == known:
            return losses


def _visit(start: str, definitions: dict[str, Schema], finished: set[str], losses: list[str]) -> None:
    """Walk depth first, without recursion of our own, and loosen each reference that leads back onto the path."""
    if start in finished:
        return
    path: list[str] = [start]
    entered: list[Place | None] = [None]
    walks = [_demanded(definitions[start])]
    while walks:
        step = next(walks[-1], None)
        if step is None:
            walks.pop()
            entered.pop()
            finished.add(path.pop())
            continue
        reference, place = step
        target = reference["$ref"].removeprefix(_PREFIX)
        if target in path:
            circle = [place, *reversed(entered[path.index(target) + 1 :])]
            losses.append(_loosen(reference, next(filter(None, circle), None)))
        elif target not in finished:
            path.append(target)
            entered.append(place)
            walks.append(_demanded(definitions[target]))


def _loosen(reference: Schema, place: Place | None) -> str:
    if place is None:
        name = reference.pop("$ref").removeprefix(_PREFIX)
        return f"'{name}' contains itself with no property between: anything is allowed inside"
    schema, name = place
    required = [other for other in schema.pop("required", ()) if other != name]
    if required:
        schema["required"] = required
    return f"'{name}' is recursive: made optional"


def _demanded(schema: Schema) -> Iterator[tuple[Schema, Place | None]]:
    """Every reference that a value of this schema may have to follow, with the innermost required property around it."""
    waiting: list[tuple[object, Place | None]] = [(schema, None)]
    while waiting:
        inner, place = waiting.pop()
        if isinstance(inner, list):
            waiting += [(item, place) for item in inner]
        elif isinstance(inner, dict):
            if "$ref" in inner:
                yield inner, place
            required = inner.get("required", ())
            for name, value in inner.get("properties", {}).items():
                if name in required:
                    waiting.append((value, (inner, name)))
            waiting += [
                (inner[key], place) for key in ("items", "prefixItems", "anyOf", "oneOf", "additionalProperties") if key in inner
            ]
