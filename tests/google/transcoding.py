"""JSON → protobuf, as Google's front door does it, before it looks at the key (sections 1.1, 1.3, 1.14).

`read` takes a body through its message's descriptor and says in Google's words what does not fit: unknown names, wrong
types, a second member of a oneof. What passes comes back with camelCase names and without nulls, and has been parsed by
the protobuf library itself, so that a slip of this walk can never let a bad body through.
"""

import json
import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseError

from tests.google import wire
from tests.google.errors import bad_payload

BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
INTEGER_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
}
TYPE_NAMES = {getattr(FieldDescriptor, name): name for name in dir(FieldDescriptor) if name.startswith("TYPE_")}
# "Any letter case" is written of these two only (sections 1.7a and 2.1).
ANY_LETTER_CASE = ("Type", "ThinkingLevel")

Violations = list[tuple[str, str]]


def read_json(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; anything else is refused."""
    try:
        body = json.loads(raw or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        start = raw[:40].decode(errors="replace")
        raise bad_payload([("", f"Invalid JSON payload received. Unexpected token.\n{start}\n^")]) from error
    if not isinstance(body, dict):
        raise bad_payload([("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')])
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def read(body: dict[str, Any], message: str) -> dict[str, Any]:
    """A body as that message, or a 400 that names every fault of it."""
    violations: Violations = []
    known = _message(body, wire.descriptor(message), "", violations)
    if violations:
        raise bad_payload(violations)
    try:
        wire.judge(known, message)
    except ParseError as error:
        raise bad_payload([("", f"Invalid JSON payload received. {error}")]) from error
    return known


def _message(value: Any, kind: Descriptor, path: str, violations: Violations) -> Any:
    if not isinstance(value, dict):
        violations.append((path, _invalid_value(path, f"type.googleapis.com/{kind.full_name}", value)))
        return {}
    fields = {name: field for field in kind.fields for name in (field.name, field.json_name)}
    taken: dict[str, str] = {}
    known: dict[str, Any] = {}
    for name, content in value.items():
        field = fields.get(name)
        if field is None:
            violations.append((path, _unknown(name, path, "Cannot find field.")))
        elif field.json_name in known:
            # One field in both spellings; Google's own text for it was not seen.
            violations.append((path, _unknown(name, path, "Proto field is not repeating, cannot be set twice.")))
        elif content is not None or _is(field, "Value"):
            if field.containing_oneof and _second(field, taken, path, violations):
                continue
            known[field.json_name] = _field(content, field, name, path, violations)
    return known


def _second(field: FieldDescriptor, taken: dict[str, str], path: str, violations: Violations) -> bool:
    """Whether another member of the field's oneof has been set."""
    oneof = field.containing_oneof.name
    if taken.setdefault(oneof, field.json_name) == field.json_name:
        return False
    text = f"Invalid value at '{path}' (oneof), oneof field '{oneof}' is already set. Cannot set '{field.json_name}'"
    violations.append((path, text))
    return True


def _field(value: Any, field: FieldDescriptor, name: str, parent: str, violations: Violations) -> Any:
    path = f"{parent}.{field.name}" if parent else field.name
    if _is_map(field):
        return _map(value, field, path, violations)
    if field.is_repeated:
        if not isinstance(value, list):
            violations.append((path, _invalid_value(path, _type_name(field), value)))
            return []
        return [_single(item, field, f"{path}[{number}]", violations) for number, item in enumerate(value)]
    if isinstance(value, list) and not _is(field, "Value"):
        violations.append((parent, _unknown(name, parent, "Proto field is not repeating, cannot start list.")))
        return None
    return _single(value, field, path, violations)


def _map(value: Any, field: FieldDescriptor, path: str, violations: Violations) -> Any:
    if not isinstance(value, dict):
        violations.append((path, _invalid_value(path, "map", value)))
        return {}
    kind = field.message_type.fields_by_name["value"]
    entries = enumerate(value.items())
    return {key: _single(item, kind, f"{path}[{number}].value", violations) for number, (key, item) in entries}


def _single(value: Any, field: FieldDescriptor, path: str, violations: Violations) -> Any:
    if field.message_type:
        return _message_or_free_form(value, field, path, violations)
    if field.enum_type:
        value = _enum_spelling(value, field)
    if not _fits(value, field):
        text = _invalid_value(path, _type_name(field), value)
        if field.type == FieldDescriptor.TYPE_BYTES and isinstance(value, str):
            text = f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {json.dumps(value[:100])}"
        violations.append((path, text))
    return value


def _message_or_free_form(value: Any, field: FieldDescriptor, path: str, violations: Violations) -> Any:
    kind = field.message_type
    if kind.name == "Value":
        return value
    if kind.name == "Struct" and isinstance(value, dict):
        return value
    if kind.full_name in (wire.DURATION, "google.protobuf.Timestamp"):
        if not isinstance(value, str):
            violations.append((path, _invalid_value(path, f"type.googleapis.com/{kind.full_name}", value)))
        return value
    return _message(value, kind, path, violations)


def _enum_spelling(value: Any, field: FieldDescriptor) -> Any:
    """An enum's value by its name; numbers are taken too, as everywhere in proto3's JSON."""
    if isinstance(value, str):
        return value.upper() if field.enum_type.name in ANY_LETTER_CASE else value
    known = field.enum_type.values_by_number
    return known[int(value)].name if _is_integer(value) and int(value) in known else value


def _fits(value: Any, field: FieldDescriptor) -> bool:
    """Whether a JSON value is one of this scalar type, by the rules of proto3's JSON mapping."""
    if field.enum_type:
        return isinstance(value, str) and value in field.enum_type.values_by_name
    if field.type == FieldDescriptor.TYPE_BOOL:
        return isinstance(value, bool)
    if field.type == FieldDescriptor.TYPE_STRING:
        return isinstance(value, str)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return isinstance(value, str) and bool(BASE64.fullmatch(value)) and len(value.rstrip("=")) % 4 != 1
    if field.type in INTEGER_RANGES:
        least, most = INTEGER_RANGES[field.type]
        return _is_integer(value) and least <= int(float(value)) <= most
    return _is_number(value)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return abs(float(value)) != float("inf")
    except ValueError:
        return False


def _is(field: FieldDescriptor, well_known: str) -> bool:
    return bool(field.message_type) and field.message_type.full_name == f"google.protobuf.{well_known}"


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type) and field.message_type.GetOptions().map_entry


def _type_name(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    return f"type.googleapis.com/{named.full_name}" if named else TYPE_NAMES[field.type]


def _invalid_value(path: str, kind: str, value: Any) -> str:
    return f"Invalid value at '{path}' ({kind}), {json.dumps(value)[:200]}"


def _unknown(name: str, path: str, why: str) -> str:
    at = f" at '{path}'" if path else ""
    return f'Invalid JSON payload received. Unknown name "{name}"{at}: {why}'
