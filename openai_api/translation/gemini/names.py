"""Names of functions: what OpenAI allows and Gemini refuses, and the way back.

Source: wire reference 1.6: a letter or `_` first, then letters, digits and `_ . : -`; 64 characters are safe everywhere.
"""

import re
from collections.abc import Iterable
from zlib import crc32

LONGEST_NAME = 64

_TAKEN_AS_IS = re.compile(rf"[A-Za-z_][\w.:-]{{0,{LONGEST_NAME - 1}}}", re.ASCII)
_REFUSED = re.compile(r"[^\w.:-]", re.ASCII)


class Names:
    """The names of one request. Different names stay different."""

    def __init__(self, declared: Iterable[str]) -> None:
        self._on_wire: dict[str, str] = {}
        self._taken = {name for name in declared if _TAKEN_AS_IS.fullmatch(name)}

    def on_wire(self, name: str) -> str:
        if _TAKEN_AS_IS.fullmatch(name):
            return name
        if name not in self._on_wire:
            self._on_wire[name] = self._new(name)
        return self._on_wire[name]

    def back(self) -> dict[str, str]:
        """Name on the wire → the caller's name, for those that differ."""
        return {wire: name for name, wire in self._on_wire.items()}

    def _new(self, name: str) -> str:
        legal = "_" + _REFUSED.sub("_", name)
        if len(legal) > LONGEST_NAME:
            legal = f"{legal[: LONGEST_NAME - 9]}_{crc32(name.encode()):08x}"
        while legal in self._taken:
            legal = f"{legal[: LONGEST_NAME - 9]}_{crc32(legal.encode()):08x}"
        self._taken.add(legal)
        return legal
