"""groundingMetadata as googleSearch brings it: sources, and which stretches of the answer stand on them (section 1.12)."""

import re
from typing import Any

SOURCES = (
    {"uri": "https://vertexaisearch.cloud.google.com/grounding-api-redirect/one", "title": "example.com"},
    {"uri": "https://vertexaisearch.cloud.google.com/grounding-api-redirect/two", "title": "exämple.org"},
)


def of(text: str, query: str) -> dict[str, Any]:
    """Each sentence is supported by one source in turn. Segment indices are BYTE offsets in the UTF-8 text."""
    sentences = [match for match in re.finditer(r"[^.!?\n]+[.!?]?", text) if match[0].strip()]
    return {
        "webSearchQueries": [query[:100]],
        "searchEntryPoint": {"renderedContent": '<div class="container">search</div>'},
        "groundingChunks": [{"web": dict(source)} for source in SOURCES],
        "groundingSupports": [
            {"segment": _segment(text, *match.span()), "groundingChunkIndices": [number % len(SOURCES)]}
            for number, match in enumerate(sentences)
        ],
    }


def _segment(text: str, start: int, end: int) -> dict[str, Any]:
    """A start of zero is left out, as proto3 leaves out every zero."""
    first = len(text[:start].encode())
    segment: dict[str, Any] = {"startIndex": first} if first else {}
    return {**segment, "endIndex": first + len(text[start:end].encode()), "text": text[start:end]}
