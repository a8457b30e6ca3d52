"""Rules of schemas (section 1.7). Unknown keywords have been refused before, by the protobuf."""

from collections.abc import Iterator
from typing import Any

from tests.google.errors import invalid

Schema = dict[str, Any]
JSON_SCHEMA_SHAPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("properties", "$defs", "definitions", "patternProperties"), (dict,)),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems", "required", "enum"), (list,)),
    **dict.fromkeys(("items", "additionalProperties"), (dict, bool)),
    **dict.fromkeys(("title", "description", "format", "pattern", "$ref", "$id", "$anchor"), (str,)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), (int, float)),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), (int, float)),
    "type": (str, list),
}
FORMATS = {"STRING": ("enum", "date-time"), "INTEGER": ("int32", "int64"), "NUMBER": ("float", "double")}


def check(schema: Schema, path: str) -> None:
    """Refuse a `Schema` proto (`parameters`, `responseSchema`) with all its faults, one to a line."""
    faults = list(_faults(schema, path))
    if faults:
        raise invalid("\n".join(f"* {fault}" for fault in faults))


def _faults(schema: Schema, path: str) -> Iterator[str]:
    kind = schema.get("type", "TYPE_UNSPECIFIED")
    if "enum" in schema:
        yield from _enum_faults(schema, kind, path)
    elif kind == "TYPE_UNSPECIFIED" and not schema.get("anyOf"):
        yield f"{path}.type: must be specified when not using one_of, any_of or all_of fields"
    yield from _format_faults(schema, kind, path)
    if kind == "OBJECT":
        yield from _object_faults(schema, path)
    if kind == "ARRAY" and "items" not in schema:
        yield f"{path}.items: missing field."
    for inner, inner_path in _children(schema, path):
        yield from _faults(inner, inner_path)


def _enum_faults(schema: Schema, kind: str, path: str) -> Iterator[str]:
    if kind != "STRING":
        yield f"{path}.enum: only allowed for STRING type"
    for number, word in enumerate(schema["enum"]):
        if not word:
            yield f"{path}.enum[{number}]: cannot be empty"
    if not schema["enum"]:
        yield f"{path}.enum: should be non-empty for STRING type with enum format"


def _format_faults(schema: Schema, kind: str, path: str) -> Iterator[str]:
    named = schema.get("format")
    if not named or kind not in FORMATS:
        return
    if named not in FORMATS[kind]:
        allowed = " and ".join(f"'{name}'" for name in FORMATS[kind])
        yield f"{path}.format: only {allowed} are supported for {kind} type"
    if named == "enum" and "enum" not in schema:
        yield f"{path}.enum: should be non-empty for STRING type with enum format"


def _object_faults(schema: Schema, path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not properties:
        yield f"{path}.properties: should be non-empty for OBJECT type"
    for number, name in enumerate(schema.get("required", ())):
        if name not in properties:
            yield f"{path}.required[{number}]: property is not defined"


def _children(schema: Schema, path: str) -> Iterator[tuple[Schema, str]]:
    for name, inner in schema.get("properties", {}).items():
        yield inner, f"{path}.properties[{name}]"
    if "items" in schema:
        yield schema["items"], f"{path}.items"
    for number, inner in enumerate(schema.get("anyOf", ())):
        yield inner, f"{path}.any_of[{number}]"


def check_json_schema(schema: Any, path: str) -> None:
    """Refuse a plain JSON Schema that is none, or whose `$ref` leads nowhere or has company (section 1.7b).

    Unknown keywords are ignored here. The texts of these refusals were not seen.
    """
    if not isinstance(schema, dict):
        raise invalid(f"* {path}: must be a JSON object.")
    for inner in _walk(schema):
        _check_shapes(inner, path)
        if "$ref" not in inner:
            continue
        if any(not name.startswith("$") for name in inner):
            raise invalid(f"* {path}: a schema with $ref may only have properties that start with $.")
        if not _resolves(schema, inner["$ref"]):
            raise invalid(f"* {path}: $ref {inner['$ref']} cannot be resolved.")


def _check_shapes(schema: Schema, path: str) -> None:
    for keyword, shapes in JSON_SCHEMA_SHAPES.items():
        value = schema.get(keyword)
        is_odd = isinstance(value, bool) and bool not in shapes
        if keyword in schema and (is_odd or not isinstance(value, shapes)):
            raise invalid(f"* {path}: {keyword} has a value of the wrong type.")
    for keyword in ("required", "type"):
        if isinstance(schema.get(keyword), list) and not all(isinstance(word, str) for word in schema[keyword]):
            raise invalid(f"* {path}: {keyword} must hold strings.")
    if schema.get("enum") == []:
        raise invalid(f"* {path}: enum must not be empty.")


def _walk(schema: Any) -> Iterator[Schema]:
    """Every schema inside a schema; names of properties are not keywords."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword in ("properties", "$defs", "definitions", "patternProperties"):
        for inner in (schema.get(keyword) or {}).values():
            yield from _walk(inner)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for inner in schema.get(keyword) or ():
            yield from _walk(inner)
    for keyword in ("items", "additionalProperties"):
        yield from _walk(schema.get(keyword))


def _resolves(root: Schema, ref: Any) -> bool:
    if not isinstance(ref, str) or not ref.startswith("#"):
        return False
    target: Any = root
    for step in filter(None, ref.removeprefix("#").split("/")):
        if not isinstance(target, dict):
            return False
        target = target.get(step.replace("~1", "/").replace("~0", "~"))
    return isinstance(target, dict)
