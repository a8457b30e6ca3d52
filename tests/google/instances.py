"""A valid instance of a JSON Schema (or of Google's Schema): what the model "writes" when it is asked for JSON.

Deterministic and small: the first of every choice, the shortest that the bounds allow. Recursion ends because a reference
that is already open is avoided where it is optional: left out of an object, out of an array, or passed over in anyOf.
"""

import math
import re
from typing import Any

from tests.google import patterns
from tests.google.errors import invalid

FORMATS = {
    "date-time": "2026-11-20T12:00:00Z",
    "date": "2026-11-20",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "3f2c1a9e-7d4b-4c8a-9f10-2b6d5e8a7c31",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}
MOST = 10_000
TOO_MANY_STATES = "The specified schema produces a constraint that has too many states for serving."


class Unending(Exception):
    """The schema allows no finite instance on this way."""


def generate(schema: Any, text: str = "text") -> Any:
    """An instance of the schema; `text` is what plain strings say. A schema that allows none, or a vast one, is refused."""
    try:
        return _Generator(schema, text).instance(schema, frozenset())
    except Unending as error:
        raise invalid("The specified schema is recursive without an end.") from error
    except re.error as error:
        raise invalid(f"The specified schema holds an invalid pattern: {error}") from error


class _Generator:
    def __init__(self, root: Any, text: str) -> None:
        self.root = root
        self.text = text

    def instance(self, schema: Any, open_refs: frozenset[str]) -> Any:
        if not isinstance(schema, dict):
            return self.text
        if "$ref" in schema:
            return self._referenced(schema["$ref"], open_refs)
        for constant in ("const", "enum"):
            if constant in schema:
                return schema[constant] if constant == "const" else schema[constant][0]
        for choice in ("anyOf", "oneOf"):
            if schema.get(choice):
                rest = _rest(schema, choice)
                choices = [{**rest, **one} if isinstance(one, dict) else rest for one in schema[choice]]
                return self._first_that_ends(choices, open_refs)
        if schema.get("allOf"):
            return self.instance(self._merged(schema), open_refs)
        return self._typed(schema, open_refs)

    def _referenced(self, ref: str, open_refs: frozenset[str]) -> Any:
        if ref in open_refs:
            raise Unending(ref)
        return self.instance(self._resolve(ref), open_refs | {ref})

    def _resolve(self, ref: str) -> Any:
        target = self.root
        for step in ref.removeprefix("#").strip("/").split("/"):
            if step:
                target = target[step.replace("~1", "/").replace("~0", "~")]
        return target

    def _first_that_ends(self, choices: list[Any], open_refs: frozenset[str]) -> Any:
        for choice in choices:
            try:
                return self.instance(choice, open_refs)
            except Unending:
                continue
        raise Unending("anyOf")

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        merged = _rest(schema, "allOf")
        for part in schema["allOf"]:
            part = self._resolve(part["$ref"]) if "$ref" in part else part
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged = {**merged, **part}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _typed(self, schema: dict[str, Any], open_refs: frozenset[str]) -> Any:
        kind = _type(schema)
        if kind == "object":
            return self._object(schema, open_refs)
        if kind == "array":
            return self._array(schema, open_refs)
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return _number(schema, whole=kind == "integer")
        return {"boolean": True, "null": None}.get(kind)

    def _object(self, schema: dict[str, Any], open_refs: frozenset[str]) -> dict[str, Any]:
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        made = {}
        for name in [*properties, *(name for name in required if name not in properties)]:
            try:
                made[name] = self.instance(properties.get(name, {}), open_refs)
            except Unending:
                if name in required:
                    raise
        for number in range(_least(schema, "minProperties") - len(made)):
            extra = schema.get("additionalProperties")
            made[f"key{number + 1}"] = self.instance(extra if isinstance(extra, dict) else {}, open_refs)
        return made

    def _array(self, schema: dict[str, Any], open_refs: frozenset[str]) -> list[Any]:
        first = [self.instance(item, open_refs) for item in schema.get("prefixItems", [])]
        least = _least(schema, "minItems")
        wanted = max(least, min(1, int(schema.get("maxItems", 1))))
        items = schema.get("items")
        if items is False or (items is None and first):
            return first
        made = list(first)
        while len(made) < wanted:
            try:
                made.append(self._item(items, open_refs, len(made) if schema.get("uniqueItems") else 0))
            except Unending:
                if len(made) < least:
                    raise
                break
        return made

    def _item(self, items: Any, open_refs: frozenset[str], distinct: int) -> Any:
        """One item; where items must differ, the n-th differs from those before it as far as its type lets it."""
        if distinct and isinstance(items, dict) and len(items.get("enum", ())) > distinct:
            return items["enum"][distinct]
        made = self.instance(items, open_refs)
        if distinct and isinstance(made, str):
            return f"{made}{distinct}"
        return made + distinct if distinct and isinstance(made, int | float) and not isinstance(made, bool) else made

    def _string(self, schema: dict[str, Any]) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        if "pattern" in schema:
            return patterns.matching(schema["pattern"]) or self.text
        text = self.text
        least = _least(schema, "minLength")
        text += "x" * (least - len(text))
        return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _least(schema: dict[str, Any], keyword: str) -> int:
    least = int(schema.get(keyword, 0))
    if least > MOST:
        raise invalid(TOO_MANY_STATES)
    return least


def _rest(schema: dict[str, Any], without: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != without}


def _type(schema: dict[str, Any]) -> str:
    named = schema.get("type")
    if isinstance(named, list):
        named = next((one for one in named if one != "null"), "null")
    if named:
        return str(named).lower()
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _number(schema: dict[str, Any], *, whole: bool) -> int | float:
    step = schema.get("multipleOf") or (1 if whole else 0)
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    nudge = step or ((most - least) / 2 if least is not None and most is not None else 0.5)
    if least is None:
        value = 1 if most is None or most > 1 else most - (nudge if "exclusiveMaximum" in schema else 0)
    else:
        value = least + (nudge if "exclusiveMinimum" in schema and "minimum" not in schema else 0)
    if step:
        value = math.ceil(value / step) * step
    return int(value) if whole else value
