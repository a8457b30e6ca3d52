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


_SHAPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("title", "description", "format", "pattern", "$comment"), (str,)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), (int, float)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), (int, float)),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly", "nullable"), (bool,)),
    **dict.fromkeys(("enum", "examples", "propertyOrdering"), (list,)),
}
_MAY_BE_NULL = ("default", "const", "example")


def tidy_shapes(out: Schema, losses: list[str]) -> None:
    """Leave out keywords whose value is of no use, and bring the bounds of draft 4 up to date."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(out.get(bound), bool):
            exclusive = out.pop(bound)
            if exclusive and limit in out:
                out[bound] = out[limit]
    for keyword in [keyword for keyword, value in out.items() if not _fits(keyword, value)]:
        if out.pop(keyword) is not None:
            losses.append(f"'{keyword}' has a value of the wrong type")


def _fits(keyword: str, value: Any) -> bool:
    if value is None:
        return keyword in _MAY_BE_NULL
    shapes = _SHAPES.get(keyword)
    return shapes is None or (isinstance(value, shapes) and (not isinstance(value, bool) or bool in shapes))


def tidy_required(out: Schema) -> None:
    """What is required must be described, if only as anything that the schema allows beside its properties."""
    required = out.pop("required", None)
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    if not names:
        return
    out["required"] = list(dict.fromkeys(names))
    others = out.get("additionalProperties")
    properties = out.setdefault("properties", {})
    for name in out["required"]:
        if name not in properties:
            properties[name] = dict(others) if isinstance(others, dict) else {}


def tidy_values(out: Schema, losses: list[str]) -> Schema:
    nullable = out.pop("nullable", None) is True if "$ref" not in out else False
    kinds = _kinds(out.pop("type", None), losses)
    if isinstance(out.get("const"), str | int | float) and not isinstance(out["const"], bool) and "enum" not in out:
        out["enum"] = [out.pop("const")]
    if "integer" in kinds:
        _include_bounds(out)
    values, has_null = _enum(out, kinds, losses)
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


def _include_bounds(out: Schema) -> None:
    """Gemini heeds `minimum` and not `exclusiveMinimum`; for whole numbers the one can say the other."""
    if isinstance(out.get("exclusiveMinimum"), int):
        least = out.pop("exclusiveMinimum") + 1
        out["minimum"] = max(least, out.get("minimum", least))
    if isinstance(out.get("exclusiveMaximum"), int):
        most = out.pop("exclusiveMaximum") - 1
        out["maximum"] = min(most, out.get("maximum", most))


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


def _enum(out: Schema, kinds: list[str], losses: list[str]) -> tuple[list[str | int | float], bool]:
    """The values that an enumeration may hold, taken out of the schema, and whether null was another. `kinds` learns the rest."""
    given = out.pop("enum", [])
    values = [value for value in given if isinstance(value, str | int | float) and not isinstance(value, bool)]
    flags = {value for value in given if isinstance(value, bool)}
    has_null = None in given
    if not values and not kinds:
        kinds += ["boolean"] * bool(flags) + ["null"] * has_null
    if len(flags) == 1 and not values and not has_null:
        out["const"] = flags.pop()  # Gemini ignores it, but may not have it in an enumeration.
    elif len(values) + has_null < len(given) and (values or len(flags) < 2):
        losses.append("an enumeration may hold only texts and numbers")
    return list(dict.fromkeys(values)), has_null


def _kinds_of(values: list[str | int | float]) -> list[str]:
    if all(isinstance(value, str) for value in values):
        return ["string"]
    if any(isinstance(value, str) for value in values):
        return []
    return ["integer"] if all(isinstance(value, int) for value in values) else ["number"]
