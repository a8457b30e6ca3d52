"""The Gemini CLI's stream of JSON lines → events.

Source: wire reference, section 7.5, and gemini-cli 0.61.0 run against a server of ours.
"""

import msgspec
from msgspec import Struct, field

from credentials.health import Outcome
from openai_api.translation.events import Event, Finished, FinishReason, TextDelta, Usage, UsageReport
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.cli_errors import read_failure
from openai_api.upstream.refusals import Refusal

_LONGEST_LINE = 4 * 1024 * 1024
"""Characters of an answer in one line. The echo of the prompt may be longer; it is not looked at."""
_HEAD = 200
_ECHO = b'"role":"user"'

_ENDS: dict[str, FinishReason] = {
    "The model response was blocked due to safety settings.": "content_filter",
    "The model response was blocked due to recitation/copyright filters.": "content_filter",
    "The model response was blocked due to other policy settings.": "content_filter",
    "Model response was truncated because it exceeded the token limit.": "length",
    # Without a word, which whoever reads the events will see.
    "The model returned an empty response with no text or thoughts.": "stop",
    "The model returned reasoning thoughts but no final response text.": "stop",
}
"""What the CLI makes of Gemini's finish reasons where no text has come: how its sentence begins → why it ended."""
_NO_END = "Model stream ended without a finish reason."


class _OfModel(Struct):
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0


class _Stats(_OfModel):
    models: dict[str, _OfModel] = {}


class _Failure(Struct):
    message: str = ""


class _Line(Struct):
    type: str = ""
    role: str = ""
    content: str = ""
    message: str = ""
    severity: str = ""
    status: str = ""
    error: _Failure | None = None
    stats: _Stats = field(default_factory=_Stats)


_read_line = msgspec.json.Decoder(_Line).decode


class Reader:
    """`models`: the names under which the model may be asked; `limit`: the most tokens that the answer may have, 0 if unknown."""

    def __init__(self, *, models: frozenset[str], limit: int, of_code_assist: bool = False) -> None:
        self.finished = False
        self._of_code_assist = of_code_assist
        self._models = models
        self._limit = limit
        self._rest = b""
        self._said = False
        self._complaint = ""
        self._failure: str | None = None

    def read(self, chunk: bytes) -> list[Event]:
        """The events of the lines that are complete. Raises UpstreamRefused."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events = [event for line in lines for event in self._read(line)]
        if len(self._rest) > _LONGEST_LINE:
            if _ECHO not in self._rest[:_HEAD]:
                raise broken("The Gemini CLI's answer could not be read.")
            self._rest = self._rest[:_HEAD]
        return events

    def failed(self, code: int, errors: bytes) -> UpstreamRefused:
        """Why it has ended without an answer; `errors` is what it wrote to its standard error."""
        if self._failure is None and code == 0:
            return broken("The Gemini CLI's answer broke off.")
        return UpstreamRefused(read_failure(self._failure, code, errors, of_code_assist=self._of_code_assist))

    def _read(self, raw: bytes) -> list[Event]:
        if not raw.startswith(b"{") or _ECHO in raw[:_HEAD]:
            return []
        try:
            line = _read_line(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise broken("The Gemini CLI's answer could not be read.") from error
        match line.type:
            case "message" if line.role == "assistant" and line.content:
                self._said = True
                return [TextDelta(line.content)]
            case "error" if line.severity == "error":
                self._complaint = line.message
            case "result":
                return self._read_result(line)
        return []

    def _read_result(self, line: _Line) -> list[Event]:
        usage = UsageReport(_usage(line.stats))
        if line.error is not None:
            self._failure = line.error.message
            return [usage] if usage.usage.total else []
        self._check_model(line.stats)
        self.finished = True
        return [usage, self._end(line, usage.usage)]

    def _check_model(self, stats: _Stats) -> None:
        if others := sorted(set(stats.models) - self._models):
            raise UpstreamRefused(other_model(" and ".join(others)))

    def _end(self, line: _Line, usage: Usage) -> Finished:
        is_cut = 0 < self._limit <= usage.completion  # The CLI does not say so.
        if line.status == "success":
            return Finished("length" if is_cut else "stop")
        reason = next((reason for sentence, reason in _ENDS.items() if self._complaint.startswith(sentence)), None)
        if reason is not None:
            return Finished("length" if is_cut else reason, message=self._complaint)
        if self._complaint == _NO_END and (self._said or not usage.prompt):
            raise broken("The upstream's answer broke off.")
        # Of a blocked prompt, too, it says no more than that there was no finish reason.
        return Finished("failed", "the Gemini CLI gave no reason", self._complaint)


def _usage(stats: _Stats) -> Usage:
    """The CLI counts thoughts in the total alone: with its tools off there is nothing else that they could be."""
    thoughts = max(0, stats.total_tokens - stats.input_tokens - stats.output_tokens)
    return Usage(
        prompt=stats.input_tokens,
        completion=stats.output_tokens + thoughts,
        cached=stats.cached,
        reasoning=thoughts,
        total=stats.total_tokens,
    )


def broken(message: str, *, status: int = 502) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=status, message=message))


def other_model(name: str) -> Refusal:
    message = f"The Gemini CLI asks {name} in place of this model."
    return Refusal(outcome=Outcome.MODEL_ABSENT, status=404, message=message, code="model_not_found")
