"""JSON Schema as callers write it → JSON Schema as Gemini reads it, changing as little as possible.

Gemini ignores most keywords that it does not know, so those stay. Rewritten is what it would refuse or misread: references
other than to `$defs`, what stands beside them, recursion that must go on, `allOf`, `const`, `nullable`, boolean schemas.
Source: wire reference 1.7 (b).
"""

from collections import deque
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice, Schema

from .schema_merge import Merger
from .schema_recursion import loosen_recursion
from .schema_refs import Refs
from .schema_values import tidy_required, tidy_shapes, tidy_values

_DEEPEST = 12
"""Levels after which a schema goes on in `$defs`. Google's parser counts messages, six to a property, and stops at 100."""
_MOST_SCHEMAS = 10_000
_LARGEST_KEPT = 16_384

_IGNORED = (
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependentSchemas",
)
_NOTHING: tuple[Any, ...] = (False, {"not": {}})
"""Schemas that no value fits."""
_LEFT_OUT = (
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "components",
)


class UnusableSchema(Exception):
    """A schema that cannot be sent, and why."""


def parameters_schema(schema: Schema | None, field: str, notices: list[Notice]) -> Raw | None:
    """The schema of a function's arguments as JSON; None: it takes none. Raises InvalidRequest."""
    return _rewritten(schema, field, notices, True) if schema else None


def response_schema(schema: Schema, field: str, notices: list[Notice]) -> Raw | None:
    """The schema of an answer as JSON; None: any will do. Raises InvalidRequest."""
    return _rewritten(schema, field, notices, False)


def _rewritten(schema: Schema, field: str, notices: list[Notice], of_arguments: bool) -> Raw | None:
    encoded = msgspec.json.encode(schema)
    # Agents send the same tools with every request.
    rewrite = _rewrite_once if len(encoded) <= _LARGEST_KEPT else _rewrite
    try:
        written, losses = rewrite(encoded, of_arguments)
    except UnusableSchema as error:
        raise InvalidRequest(f"Invalid schema in {field}: {error}", param=field, code="invalid_json_schema") from error
    notices += [Notice(field, loss) for loss in losses]
    return Raw(written) if written else None


def _rewrite(encoded: bytes, of_arguments: bool) -> tuple[bytes, tuple[str, ...]]:
    """(JSON or nothing, what was lost)."""
    writer = _Writer(msgspec.json.decode(encoded))
    schema = writer.root()
    if of_arguments:
        schema = _as_object(schema)
    return msgspec.json.encode(schema) if schema else b"", tuple(dict.fromkeys(writer.losses))


_rewrite_once = lru_cache(maxsize=512)(_rewrite)


def _as_object(schema: Schema) -> Schema:
    """The schema, told to be of an object; empty if the object would have to be so as well."""
    kinds = schema.get("type", "object")
    if kinds == "null" or kinds == ["null"]:
        return {}
    if kinds != "object" and "object" not in kinds:
        raise UnusableSchema(f"the arguments of a function must be of type 'object', not {kinds!r}.")
    if not any(schema.get(key) for key in ("properties", "anyOf", "oneOf", "additionalProperties")):
        return {}
    schema = {"type": "object"} | {key: value for key, value in schema.items() if key != "type"}
    if not schema.get("properties", True):
        del schema["properties"]
    return schema


def _described(branch: Any, around: Any) -> Any:
    """A branch with those properties of the schema around it that it requires: Gemini may read each branch alone."""
    if not isinstance(branch, dict) or not isinstance(branch.get("required"), list) or not isinstance(around, dict):
        return branch
    own = branch.get("properties", {})
    if not isinstance(own, dict):
        return branch
    needed = {name: around[name] for name in branch["required"] if isinstance(name, str) and name in around and name not in own}
    return {**branch, "properties": {**needed, **own}} if needed else branch


class _Writer:
    def __init__(self, root: Schema) -> None:
        self.losses: list[str] = []
        self._root = root
        self._refs = Refs(root)
        self._merger = Merger(self._refs, self.losses)
        self._waiting: deque[tuple[str, Any]] = deque()
        self._definitions: dict[str, Schema] = {}
        self._written = 0
        # By id: schemas that are being merged around us, and the names of those that went to `$defs`, with the schema itself
        # so that its id stays its own.
        self._unfolding: set[int] = set()
        self._apart: dict[int, tuple[str, Schema]] = {}

    def root(self) -> Schema:
        schema = self._write(self._merger.flat(self._root) if "$ref" in self._root else self._root, 0)
        while self._waiting:
            name, definition = self._waiting.popleft()
            self._definitions[name] = self._write(definition, 1)
        self.losses += loosen_recursion(self._definitions)
        return schema | {"$defs": self._definitions} if self._definitions else schema

    def _write(self, schema: Any, depth: int) -> Schema:
        if not isinstance(schema, dict):
            return {}  # `true`: anything. What is no schema at all says as little.
        if depth > _DEEPEST or id(schema) in self._unfolding:
            return self._put_apart(schema)
        merged = self._merger.merged(schema)
        if merged is schema:
            return self._write_keywords(schema, depth)
        # What is merged in may hold this very schema again.
        self._unfolding.add(id(schema))
        written = self._write_keywords(merged, depth)
        self._unfolding.discard(id(schema))
        return written

    def _put_apart(self, schema: Schema) -> Schema:
        name, _ = self._apart.setdefault(id(schema), (self._refs.name("part"), schema))
        return self._defined(name, schema)

    def _write_keywords(self, schema: Schema, depth: int) -> Schema:
        self._written += 1
        if self._written > _MOST_SCHEMAS:
            raise UnusableSchema("it is too large.")
        out = {key: value for key, value in schema.items() if key not in _LEFT_OUT}
        tidy_shapes(out, self.losses)
        self._write_properties(out, depth + 1)
        self._write_items(out, depth + 1)
        self._write_branches(out, schema.get("properties"), depth + 1)
        tidy_required(out)
        out = tidy_values(out, self.losses)
        return self._write_reference(out)

    def _write_properties(self, out: Schema, depth: int) -> None:
        properties = out.pop("properties", None)
        if isinstance(properties, dict):
            out["properties"] = {name: self._write(inner, depth) for name, inner in properties.items() if inner not in _NOTHING}
        patterns = out.pop("patternProperties", None)
        others = out.pop("additionalProperties", None)
        if isinstance(patterns, dict) and patterns and not isinstance(others, dict):
            # Gemini does not know patterns: without this it would allow no properties where it should allow many.
            schemas = list(patterns.values())
            others = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        if isinstance(others, dict | bool):
            out["additionalProperties"] = self._write(others, depth) if isinstance(others, dict) else others

    def _write_items(self, out: Schema, depth: int) -> None:
        items = out.pop("items", None)
        tuple_items = out.pop("prefixItems", None)
        if isinstance(items, list):  # How tuples were written before draft 2020-12.
            tuple_items, items = items, out.get("additionalItems")
        out.pop("additionalItems", None)
        if isinstance(tuple_items, list):
            out["prefixItems"] = [self._write(item, depth) for item in tuple_items]
            if items is False:
                out["maxItems"] = min(len(tuple_items), out.get("maxItems", len(tuple_items)))
        if isinstance(items, dict) or items is True:
            out["items"] = self._write(items, depth)

    def _write_branches(self, out: Schema, around: Any, depth: int) -> None:
        for key in ("anyOf", "oneOf"):
            branches = out.pop(key, None)
            if isinstance(branches, list):
                written = [self._write(_described(branch, around), depth) for branch in branches if branch not in _NOTHING]
                if any(written):
                    out[key] = written
        for key in _IGNORED:
            if key in out and b'"$ref"' in msgspec.json.encode(out[key]):
                del out[key]  # Its references would lead nowhere in what we send.

    def _write_reference(self, out: Schema) -> Schema:
        """A reference alone, or, with what stood beside it, as the only branch of an `anyOf`."""
        reference = out.pop("$ref", None)
        if reference is None:
            return out
        found = self._refs.find(reference)
        if found is None:
            self.losses.append(f"the reference {reference} leads out of the schema: anything is allowed there")
            return out
        written = self._defined(found.name, found.schema)
        if out.pop("nullable", False):
            return {"anyOf": [written, {"type": "null"}], **out}
        return {"anyOf": [written], **out} if out else written

    def _defined(self, name: str, schema: Any) -> Schema:
        if name not in self._definitions:
            self._definitions[name] = {}
            self._waiting.append((name, schema))
        return {"$ref": f"#/$defs/{name}"}
