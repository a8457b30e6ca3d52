"""generateContent answers, whole or in pieces → events.

Source: wire reference, sections 1.12, 1.13 and 10.
"""

from collections.abc import Callable, Mapping

import msgspec

from openai_api.translation.events import (
    DraftDelta,
    Event,
    Finished,
    FinishReason,
    MediaDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)

from .citations import Citations
from .safety import read_ratings
from .wire import Answer, Blob, Candidate, FunctionCall, ModalityTokens, Part, UsageMetadata

_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
"""Every other reason, known (OTHER, MALFORMED_FUNCTION_CALL, NO_IMAGE, …) or not, means that the answer failed."""

_UNSPECIFIED = ("", "FINISH_REASON_UNSPECIFIED")

_one = msgspec.json.Decoder(Answer)
_many = msgspec.json.Decoder(tuple[Answer, ...])


class MalformedAnswer(Exception):
    """The upstream sent something that is not the answer it should be."""


class ErrorEvent(Exception):
    """The upstream sent an error where (more of) an answer was due: its HTTP status, and the body as it came."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"The upstream's answer is an error of status {status}.")
        self.status = status
        self.body = body


class Reader:
    """Reads one answer. `names` gives back the names of functions that the request had to change; `rated`: with SafetyRatings."""

    def __init__(
        self,
        *,
        new_call_id: Callable[[], str],
        single_call: bool = False,
        names: Mapping[str, str] | None = None,
        rated: bool = False,
        drafts: bool = False,
    ) -> None:
        self.finished = False
        """A finish reason or a block was seen. After it only usage is read."""
        self._new_call_id = new_call_id
        self._single_call = single_call
        self._names = names or {}
        self._rated = rated
        self._drafts = drafts
        self._call_ids: set[str] = set()
        self._text_signature = ""
        self._citations = Citations()
        self._usage = UsageMetadata()

    def read(self, payload: bytes) -> list[Event]:
        """Raises ErrorEvent and MalformedAnswer."""
        events: list[Event] = []
        for answer in _decode(payload):
            if answer.error is not None:
                raise ErrorEvent(_status(answer.error), payload)
            self._read_answer(answer, events)
        return read_ratings(payload) + events if self._rated else events

    def _read_answer(self, answer: Answer, events: list[Event]) -> None:
        candidate = next((candidate for candidate in answer.candidates if candidate.index == 0), None)
        if candidate and not self.finished:
            self._read_content(candidate, events)
        if answer.usage_metadata and answer.usage_metadata != self._usage:
            self._usage = answer.usage_metadata
            events.append(UsageReport(read_usage(answer.usage_metadata)))
        if not self.finished:
            ending = _block(answer) or (candidate and self._ending(candidate))
            if ending:
                self.finished = True
                events.append(ending)

    def _read_content(self, candidate: Candidate, events: list[Event]) -> None:
        if candidate.content:
            for part in candidate.content.parts:
                self._read_part(part, events)
        if candidate.grounding_metadata or candidate.citation_metadata:
            events += self._citations.read(candidate)

    def _read_part(self, part: Part, events: list[Event]) -> None:
        if part.text:
            if part.thought:
                events.append(ThoughtDelta(part.text))
            else:
                self._citations.add_text(part.text)
                events.append(TextDelta(part.text))
                if part.thought_signature:
                    self._text_signature = self._text_signature or part.thought_signature
        elif part.function_call:
            self._read_call(part.function_call, part.thought_signature, events)
        elif part.inline_data:
            self._read_media(part.inline_data, part, events)
        elif code := _fenced(part):
            self._citations.add_insertion(code)
            events.append(TextDelta(code))

    def _read_media(self, media: Blob, part: Part, events: list[Event]) -> None:
        if not part.thought:
            text_signature, self._text_signature = self._text_signature, ""
            events.append(MediaDelta(media.mime_type, media.data, part.thought_signature, text_signature))
        elif self._drafts:  # A thought's image is a draft of the one to come.
            events.append(DraftDelta(media.mime_type, media.data))

    def _read_call(self, call: FunctionCall, signature: str, events: list[Event]) -> None:
        if self._single_call and self._call_ids:
            return
        call_id = call.id if call.id and call.id not in self._call_ids else self._new_call_id()
        self._call_ids.add(call_id)
        # The numbers stay as Gemini wrote them: decoding could round them.
        arguments = bytes(msgspec.json.format(call.args, indent=-1)).decode()
        name = self._names.get(call.name, call.name)
        events.append(ToolCallDelta(call_id, name, arguments if arguments.startswith("{") else "{}", signature))

    def _ending(self, candidate: Candidate) -> Finished | None:
        native = candidate.finish_reason
        if native in _UNSPECIFIED:
            return None
        reason = _REASONS.get(native, "failed")
        if reason == "stop" and self._call_ids:
            reason = "tool_calls"
        return Finished(reason, native, candidate.finish_message)


def read_usage(metadata: UsageMetadata) -> Usage:
    """Token counts, an absent field meaning 0.

    Gemini counts thoughts beside the answer and tool results beside the prompt; OpenAI counts both inside.
    Source: https://ai.google.dev/api/generate-content#UsageMetadata
    """
    prompt = metadata.prompt_token_count + metadata.tool_use_prompt_token_count
    completion = metadata.candidates_token_count + metadata.thoughts_token_count
    prompt_details = metadata.prompt_tokens_details + metadata.tool_use_prompt_tokens_details
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=metadata.cached_content_token_count,
        reasoning=metadata.thoughts_token_count,
        total=metadata.total_token_count or prompt + completion,
        prompt_audio=_tokens(prompt_details, "AUDIO"),
        prompt_image=_tokens(prompt_details, "IMAGE"),
        completion_audio=_tokens(metadata.candidates_tokens_details, "AUDIO"),
        completion_image=_tokens(metadata.candidates_tokens_details, "IMAGE"),
    )


def _tokens(details: tuple[ModalityTokens, ...], modality: str) -> int:
    return sum(detail.token_count for detail in details if detail.modality == modality) if details else 0


def _decode(payload: bytes) -> tuple[Answer, ...]:
    """One answer, or the array of them that Google sends where it is not asked for events."""
    try:
        if payload.startswith(b"["):
            return _many.decode(payload)
        return (_one.decode(payload),)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedAnswer(f"The upstream's answer cannot be read: {error}") from error


def _status(error: object) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code <= 599 else 500


def _block(answer: Answer) -> Finished | None:
    feedback = answer.prompt_feedback
    if not feedback or not feedback.block_reason:
        return None
    return Finished("content_filter", feedback.block_reason, feedback.block_reason_message)


def _fenced(part: Part) -> str:
    """Code that the model ran, and what it printed, as a reader of the answer sees it."""
    if part.executable_code:
        return f"\n```{part.executable_code.language.lower()}\n{part.executable_code.code}\n```\n"
    if part.code_execution_result and part.code_execution_result.output:
        return f"\n```\n{part.code_execution_result.output}\n```\n"
    return ""
