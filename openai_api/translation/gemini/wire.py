"""The fields of a generateContent answer that we read, typed; what is not named here is skipped undecoded.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse and wire reference 1.12.
"""

from typing import Any

from msgspec import Raw, Struct


class _Wire(Struct, rename="camel", frozen=True, gc=False):
    """An absent count is 0, an absent text empty."""


class FunctionCall(_Wire, frozen=True):
    name: str = ""
    id: str = ""
    args: Raw = Raw(b"{}")


class Blob(_Wire, frozen=True):
    mime_type: str = ""
    data: str = ""


class ExecutableCode(_Wire, frozen=True):
    language: str = ""
    code: str = ""


class CodeExecutionResult(_Wire, frozen=True):
    outcome: str = ""
    output: str = ""


class WordInfo(_Wire, frozen=True):
    """Offsets are durations: `0.100s`."""

    word: str = ""
    start_offset: str = ""
    end_offset: str = ""


class AudioTranscription(_Wire, frozen=True):
    text: str = ""
    words: tuple[WordInfo, ...] = ()
    start_offset: str = ""
    end_offset: str = ""
    speaker_label: str = ""
    language_code: str = ""


class Part(_Wire, frozen=True):
    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    audio_transcription: AudioTranscription | None = None


class Content(_Wire, frozen=True):
    parts: tuple[Part, ...] = ()


class Source(_Wire, frozen=True):
    uri: str = ""
    title: str = ""


class ImageSource(_Wire, frozen=True):
    source_uri: str = ""
    title: str = ""


class GroundingChunk(_Wire, frozen=True):
    web: Source | None = None
    maps: Source | None = None
    retrieved_context: Source | None = None
    image: ImageSource | None = None


class Segment(_Wire, frozen=True):
    """Offsets in bytes of UTF-8."""

    start_index: int = 0
    end_index: int = 0
    text: str = ""


class GroundingSupport(_Wire, frozen=True):
    segment: Segment = Segment()
    grounding_chunk_indices: tuple[int, ...] = ()


class GroundingMetadata(_Wire, frozen=True):
    grounding_chunks: tuple[GroundingChunk, ...] = ()
    grounding_supports: tuple[GroundingSupport, ...] = ()


class CitationSource(_Wire, frozen=True):
    start_index: int = 0
    end_index: int = 0
    uri: str = ""
    title: str = ""


class CitationMetadata(_Wire, frozen=True):
    citation_sources: tuple[CitationSource, ...] = ()
    citations: tuple[CitationSource, ...] = ()


class Candidate(_Wire, frozen=True):
    content: Content | None = None
    finish_reason: str = ""
    finish_message: str = ""
    index: int = 0
    grounding_metadata: GroundingMetadata | None = None
    citation_metadata: CitationMetadata | None = None


class PromptFeedback(_Wire, frozen=True):
    block_reason: str = ""
    block_reason_message: str = ""


class ModalityTokens(_Wire, frozen=True):
    modality: str = ""
    token_count: int = 0


class UsageMetadata(_Wire, frozen=True):
    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: tuple[ModalityTokens, ...] = ()
    tool_use_prompt_tokens_details: tuple[ModalityTokens, ...] = ()
    candidates_tokens_details: tuple[ModalityTokens, ...] = ()


class Answer(_Wire, frozen=True):
    candidates: tuple[Candidate, ...] = ()
    usage_metadata: UsageMetadata | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Any = None
