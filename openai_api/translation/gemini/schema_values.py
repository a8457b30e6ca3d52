"""The keywords that say which values fit, written so that Gemini heeds them: `type`, `enum`, `const`, `nullable`, `required`."""

from typing import Any

from openai_api.translation.conversation import Schema

from .schema_merge import ANNOTATIONS

_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_MISSPELT = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "dict": "object",
    "map": "object",
    "none": "null",
}


def tidy_required(out: Schema, losses: list[str]) -> None:
    """Only what is described can be required."""
    required = out.pop("required", None)
    if not isinstance(required, list):
        return
    properties = out.get("properties", {})
    known = [name for name in dict.fromkeys(map(str, required)) if name in properties]
    if known:
        out["required"] = known
    if unknown := [str(name) for name in required if str(name) not in properties]:
        losses.append(f"'{unknown[0]}' is required but not described: left optional")


def tidy_values(out: Schema, losses: list[str]) -> Schema:
    nullable = out.pop("nullable", None) is True if "$ref" not in out else False
    kinds = _kinds(out.pop("type", None), losses)
    if "const" in out and "enum" not in out:
        out["enum"] = [out.pop("const")]
    values, has_null = _enum(out.pop("enum", None), kinds, losses)
    if values:
        out["enum"] = values
        kinds = kinds or _kinds_of(values)
    nullable = nullable or has_null
    if values and (nullable or "null" in kinds):
        kinds = [kind for kind in kinds if kind != "null"]
        return _or_null(_with_type(out, kinds))
    if nullable and kinds and "null" not in kinds:
        kinds = [*kinds, "null"]
    elif nullable and not kinds:
        for key in ("anyOf", "oneOf"):
            if key in out and {"type": "null"} not in out[key]:
                out[key] = [*out[key], {"type": "null"}]
    return _with_type(out, kinds)


def _with_type(out: Schema, kinds: list[str]) -> Schema:
    return {"type": kinds[0] if len(kinds) == 1 else kinds, **out} if kinds else out


def _or_null(out: Schema) -> Schema:
    """An enumeration holds no null: it becomes one branch, and null another."""
    branch = {key: value for key, value in out.items() if key not in ANNOTATIONS}
    return {"anyOf": [branch, {"type": "null"}], **{key: value for key, value in out.items() if key in ANNOTATIONS}}


def _kinds(given: Any, losses: list[str]) -> list[str]:
    """The types as a list, empty where any will do."""
    kinds: list[str] = []
    for word in given if isinstance(given, list) else [given]:
        if word is None or word == "any":
            return []
        kind = word.lower() if isinstance(word, str) else ""
        kind = _MISSPELT.get(kind, kind)
        if kind in _TYPES:
            kinds.append(kind)
        else:
            losses.append(f"there is no type {word!r}")
    return list(dict.fromkeys(kinds))


def _enum(given: Any, kinds: list[str], losses: list[str]) -> tuple[list[str | int | float], bool]:
    """The values that an enumeration may hold, and whether null was another. `kinds` learns what the rest of them were."""
    if not isinstance(given, list):
        return [], False
    values = [value for value in given if isinstance(value, str | int | float) and not isinstance(value, bool)]
    flags = {value for value in given if isinstance(value, bool)}
    nulls = [value for value in given if value is None]
    if flags and not values and not kinds:
        kinds.append("boolean")
    if nulls and not values and not flags and not kinds:
        kinds.append("null")
    if len(values) + len(nulls) < len(given) and not (flags == {True, False} and not values):
        losses.append("an enumeration may hold only texts and numbers")
    return list(dict.fromkeys(values)), bool(nulls)


def _kinds_of(values: list[str | int | float]) -> list[str]:
    if all(isinstance(value, str) for value in values):
        return ["string"]
    if any(isinstance(value, str) for value in values):
        return []
    return ["integer"] if all(isinstance(value, int) for value in values) else ["number"]
