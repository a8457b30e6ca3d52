"""Where the references of a JSON Schema lead, however they are written.

Source: https://json-schema.org/draft/2020-12/json-schema-core#section-8.2 and RFC 6901 (JSON Pointer).
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from openai_api.translation.conversation import Schema

_HOMES = ("$defs", "definitions")
_ODD = re.compile(r"[^A-Za-z0-9_.-]")

Tokens = tuple[str, ...]


class Target(Struct, frozen=True):
    """What a reference means, and the name of it in the `$defs` that we write."""

    name: str
    schema: Any


class Refs:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._names: dict[tuple[int, Tokens], str] = {}
        self._taken: set[str] = set()
        self._bundled: list[Schema] | None = None

    def find(self, reference: object) -> Target | None:
        """None: it leads out of this schema, or nowhere."""
        if not isinstance(reference, str):
            return None
        base, _, fragment = reference.partition("#")
        if base and base != self._root.get("$id"):
            # Some write the bare name of a definition.
            return self._first(*((home, reference) for home in _HOMES))
        pointer = unquote(fragment)
        if pointer and not pointer.startswith("/"):
            return self._anchored(pointer)
        tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
        # A pointer may hold a percent sign of its own, written without escaping it.
        return self._first(tokens, tuple(fragment.split("/")[1:]))

    def name(self, wanted: str) -> str:
        """A name for `$defs` that no other definition has."""
        name = wanted = _ODD.sub("_", wanted) or "root"
        count = 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def _first(self, *pointers: Tokens) -> Target | None:
        """What the first pointer that leads somewhere leads to: from the root, or within a schema that was embedded whole."""
        for tokens in pointers:
            for document in (self._root, *self._embedded()) if tokens else (self._root,):
                schema = _follow(document, tokens)
                if isinstance(schema, dict | bool):
                    return self._target(document, tokens, schema)
        return None

    def _anchored(self, anchor: str) -> Target | None:
        for schema in _objects(self._root):
            if anchor in (schema.get("$anchor"), schema.get("$dynamicAnchor")):
                return self._target(schema, (), schema, anchor)
        return None

    def _target(self, document: Schema, tokens: Tokens, schema: Any, wanted: str = "") -> Target:
        key = (id(document), tokens)
        if key not in self._names:
            self._names[key] = self.name(wanted or (tokens[-1] if tokens else "root"))
        return Target(self._names[key], schema)

    def _embedded(self) -> list[Schema]:
        """Schemas inside that brought their own definitions along, whose references count from themselves."""
        if self._bundled is None:
            inner = (schema for schema in _objects(self._root) if schema is not self._root)
            self._bundled = [schema for schema in inner if any(isinstance(schema.get(home), dict) for home in _HOMES)]
        return self._bundled


def _follow(value: Any, tokens: Tokens) -> Any:
    for token in tokens:
        if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
            value = value[int(token)]
        elif isinstance(value, dict) and token in value:
            value = value[token]
        else:
            return None
    return value


def _objects(value: Any) -> Iterator[Schema]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
