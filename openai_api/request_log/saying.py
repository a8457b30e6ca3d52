"""What a stream of events says, put together for people: of chats, old completions, Responses and transcriptions. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from credentials.crypto import redact


def saying(stream: str) -> str:
    """The text of all events, one choice after the other; empty where they say nothing that can be read."""
    choices: dict[int, list[str]] = {}
    for event in _events(stream):
        for index, text in _texts(event):
            choices.setdefault(index, []).append(text)
    text = "\n\n".join("".join(choices[index]) for index in sorted(choices))
    # A secret that came in pieces is whole only here; half a pair of surrogates is no text.
    return redact(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _events(stream: str) -> Iterator[dict[str, Any]]:
    for line in stream.split("\n"):  # Not `splitlines`: what people write has other ends of lines, as letters.
        if line.startswith("data:"):
            try:
                event = json.loads(line.removeprefix("data:"))
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event


def _texts(event: dict[str, Any]) -> Iterator[tuple[int, str]]:
    if isinstance(delta := event.get("delta"), str) and str(event.get("type", "")).endswith("text.delta"):
        yield 0, delta
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        delta, index = choice.get("delta"), choice.get("index")
        said = delta.get("content") if isinstance(delta, dict) else choice.get("text")
        if isinstance(said, str):
            yield index if isinstance(index, int) else 0, said
