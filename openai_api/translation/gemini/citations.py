"""Where in the answer's text its sources are cited: Gemini counts bytes of UTF-8, events count characters.

Source: https://ai.google.dev/api/generate-content#GroundingMetadata and wire reference 1.12.
"""

from openai_api.translation.events import Citation

from .wire import Candidate, GroundingChunk, GroundingMetadata


class Citations:
    """Keeps the text of one answer as it grows, and tells which sources of it are new."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._insertions: list[tuple[int, int]] = []
        self._chunks: tuple[GroundingChunk, ...] = ()
        self._known: set[Citation] = set()

    def add_text(self, text: str) -> None:
        self._text.append(text)

    def add_insertion(self, text: str) -> None:
        """Text that the client gets but that Gemini does not count: the rendering of a part that is no text."""
        self._insertions.append((sum(map(len, self._text)), len(text)))

    def read(self, candidate: Candidate) -> list[Citation]:
        """The sources in this piece of the answer that were in none before it."""
        encoded = "".join(self._text).encode()
        found: list[Citation] = []
        if candidate.grounding_metadata:
            found += self._grounding(candidate.grounding_metadata, encoded)
        if candidate.citation_metadata:
            metadata = candidate.citation_metadata
            for source in metadata.citation_sources or metadata.citations:
                if source.uri:
                    start, end = self._characters(source.start_index, source.end_index, encoded)
                    found.append(Citation(start, end, source.title, source.uri))
        new = [citation for citation in dict.fromkeys(found) if citation not in self._known]
        self._known.update(new)
        return new

    def _grounding(self, metadata: GroundingMetadata, encoded: bytes) -> list[Citation]:
        self._learn(metadata.grounding_chunks)
        found = []
        for support in metadata.grounding_supports:
            segment = support.segment
            offsets = _locate(segment.text.encode(), segment.start_index, segment.end_index, encoded)
            start, end = self._characters(*offsets, encoded)
            for index in support.grounding_chunk_indices:
                title, url = _source(self._chunks[index]) if 0 <= index < len(self._chunks) else ("", "")
                if url:
                    found.append(Citation(start, end, title, url))
        return found

    def _learn(self, chunks: tuple[GroundingChunk, ...]) -> None:
        """A stream tells each source once, a server that repeats itself tells all of them again: indices count from the first."""
        shared = min(len(chunks), len(self._chunks))
        if chunks[:shared] == self._chunks[:shared]:
            self._chunks = max(chunks, self._chunks, key=len)
        else:
            self._chunks += chunks

    def _characters(self, start: int, end: int, encoded: bytes) -> tuple[int, int]:
        start, end = (len(encoded[: max(offset, 0)].decode(errors="ignore")) for offset in (start, end))
        # What was put in at an offset stands before the citation that starts there, and after the one that ends there.
        shift_start = sum(length for at, length in self._insertions if at <= start)
        shift_end = sum(length for at, length in self._insertions if at < end)
        return start + shift_start, end + shift_end


def _locate(cited: bytes, start: int, end: int, encoded: bytes) -> tuple[int, int]:
    """The offsets as given if the cited text stands there, else where it does: they may count from the start of a later part."""
    if not cited or encoded[start:end] == cited:
        return start, end
    found = encoded.find(cited)
    return (found, found + len(cited)) if found >= 0 else (start, end)


def _source(chunk: GroundingChunk) -> tuple[str, str]:
    """(title, URL), empty where the source is not on the web."""
    place = chunk.web or chunk.maps or chunk.retrieved_context
    if place:
        return place.title, place.uri
    return (chunk.image.title, chunk.image.source_uri) if chunk.image else ("", "")
