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


def trace(query: str) -> list[dict[str, Any]]:
    """The search as parts of the answer, which includeServerSideToolInvocations asks for (section 1.6)."""
    same = {"id": "search-1", "toolType": "GOOGLE_SEARCH_WEB"}
    return [
        {"toolCall": {**same, "args": {"queries": [query[:100]]}}},
        {"toolResponse": {**same, "response": {"results": [dict(source) for source in SOURCES]}}},
    ]


def _segment(text: str, start: int, end: int) -> dict[str, Any]:
    """A start of zero is left out, as proto3 leaves out every zero."""
    first = len(text[:start].encode())
    segment: dict[str, Any] = {"startIndex": first} if first else {}
    return {**segment, "endIndex": first + len(text[start:end].encode()), "text": text[start:end]}
