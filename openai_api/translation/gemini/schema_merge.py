"""`allOf`, which Gemini ignores, merged into the schema that it stands in."""

from typing import Any

from openai_api.translation.conversation import Schema

from .schema_refs import Refs

ANNOTATIONS = frozenset(
    ("title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "nullable")
)
"""Keywords that say nothing of which values fit, and `nullable`, which we turn into a branch of its own."""

_MOST_MERGES = 2_000
_DEEPEST = 64


class Merger:
    """One per schema: it remembers what it has merged, and how much work that was."""

    def __init__(self, refs: Refs, losses: list[str]) -> None:
        self._refs = refs
        self._losses = losses
        self._flat: dict[str, Schema] = {}
        self._merges = 0

    def merged(self, schema: Schema) -> Schema:
        """The schema without `allOf`, and with nothing but annotations beside a reference."""
        branches = schema.get("allOf")
        if isinstance(branches, list):
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            if len(branches) == 1 and isinstance(branches[0], dict) and _annotates(rest):
                return self.merged({**branches[0], **rest}) if "allOf" not in branches[0] else self.flat(schema)
            return self.flat(schema)
        return schema if "$ref" not in schema or _annotates(schema) else self.flat(schema)

    def flat(self, schema: Any, depth: int = 0) -> Schema:
        """The schema with neither `allOf` nor `$ref` at its top."""
        if not isinstance(schema, dict):
            return {}
        self._merges += 1
        if self._merges > _MOST_MERGES or depth > _DEEPEST:
            self._losses.append("allOf is too entangled: anything is allowed there")
            return {}
        flat = {key: value for key, value in schema.items() if key not in ("allOf", "$ref")}
        if "$ref" in schema:
            flat = _combined(flat, self._followed(schema["$ref"], depth))
        branches = schema.get("allOf")
        for branch in branches if isinstance(branches, list) else ():
            flat = _combined(flat, self.flat(branch, depth + 1))
        return flat

    def _followed(self, reference: object, depth: int) -> Schema:
        target = self._refs.find(reference)
        if target is None:
            self._losses.append(f"the reference {reference} leads out of the schema: anything is allowed there")
            return {}
        if target.name not in self._flat:
            self._flat[target.name] = {}  # A schema that is all of itself adds nothing.
            self._flat[target.name] = self.flat(target.schema, depth + 1)
        return self._flat[target.name]


def _annotates(schema: Schema) -> bool:
    return all(key in ANNOTATIONS or key.startswith("$") for key in schema)


def _combined(one: Schema, other: Schema) -> Schema:
    """What fits both, as far as that can be said in one schema; where they contradict each other, `one` counts."""
    combined = {**other, **one}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        combined["properties"] = _combined_properties(one["properties"], other["properties"])
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        combined["required"] = [*one["required"], *(name for name in other["required"] if name not in one["required"])]
    if isinstance(one.get("enum"), list) and isinstance(other.get("enum"), list):
        combined["enum"] = [value for value in one["enum"] if value in other["enum"]] or one["enum"]
    return combined


def _combined_properties(one: Schema, other: Schema) -> Schema:
    combined = {**one, **other}
    for name in one.keys() & other.keys():
        combined[name] = one[name] if one[name] == other[name] else {"allOf": [one[name], other[name]]}
    return combined
