"""Asks for one token: only that tells whether a credential may use the models it lists. As cheap as such a question can be."""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from credentials.health import Outcome
from credentials.listing import ListedModel
from openai_api.translation.conversation import Conversation, Sampling, Text, Thinking, Turn
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.request import write_request
from openai_api.translation.splicing import in_memory
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import failed
from openai_api.upstream.refusals import Refusal, read_refusal
from openai_api.upstream.sessions import Session

_SECONDS = 30.0
"""For all that is asked of one credential."""
_MOST_MODELS = 3
OF_THE_MODEL = frozenset({Outcome.MODEL_ABSENT, Outcome.REQUEST_REFUSED})
"""What says nothing about the credential: another model may."""

_BY_PRICE = [re.compile(pattern) for pattern in (r"gemini-.*flash-lite", r"gemini-.*flash", r"gemma-", r"gemini-")]
_VERSION = re.compile(r"gem(?:ini|ma)-(\d+(?:\.\d+)?)")


Generate = Callable[[Session, str, bytes, float], bytes]
"""(session, model, Gemini's body, deadline) -> the body of Gemini's answer. Raises UpstreamRefused."""


class Probe(Struct, frozen=True):
    """What came of asking for one token. No refusal: it was generated."""

    model: str
    refusal: Refusal | None = None


class _Answer(Struct, rename="camel"):
    candidates: list[Any] | None = None
    prompt_feedback: dict[str, Any] | None = None
    error: Any = None


_read_answer = msgspec.json.Decoder(_Answer).decode


def by_gemini_api(session: Session, model: str, body: bytes, deadline: float) -> bytes:
    return session.fetch("POST", f"/v1beta/models/{model}:generateContent", deadline=deadline, content=body)


def probe(session: Session, listed: Iterable[ListedModel], generate: Generate = by_gemini_api) -> list[Probe]:
    """Ask the cheapest models in turn until one tells about the credential: the last of the probes. Empty: none is for text."""
    deadline = time.monotonic() + _SECONDS
    probes: list[Probe] = []
    for model in cheapest_first(listed)[:_MOST_MODELS]:
        probes.append(_ask(session, model, generate, deadline))
        refusal = probes[-1].refusal
        if refusal is None or refusal.outcome not in OF_THE_MODEL:
            break
    return probes


def cheapest_first(listed: Iterable[ListedModel]) -> list[str]:
    """The models that answer in text. Of equally cheap ones the newest first: old ones are closed to new users."""
    return sorted((model.name for model in listed if _writes_text(model)), key=_rank)


def _writes_text(model: ListedModel) -> bool:
    can = capabilities_of(model.name)
    # What takes no tools is made for speech or transcription.
    return "generateContent" in model.methods and can.outputs == ("TEXT",) and can.tools and _price(model.name) < len(_BY_PRICE)


def _rank(name: str) -> tuple[int, float, str]:
    version = _VERSION.match(name)
    return _price(name), -float(version.group(1)) if version else 0.0, name


def _price(name: str) -> int:
    return next((place for place, pattern in enumerate(_BY_PRICE) if pattern.match(name)), len(_BY_PRICE))


def _ask(session: Session, model: str, generate: Generate, deadline: float) -> Probe:
    try:
        _expect_answer(generate(session, model, _question(model), deadline))
    except UpstreamRefused as refused:
        return Probe(model, refused.refusal.concealing(session.secret))
    return Probe(model)


def _question(model: str) -> bytes:
    asked = Conversation(
        model=model,
        turns=(Turn("user", (Text("Hi"),)),),
        sampling=Sampling(max_tokens=1),
        thinking=Thinking(effort="none"),
    )
    return in_memory(write_request(asked).body)


def _expect_answer(body: bytes) -> None:
    """Raises UpstreamRefused for what is none. That one token of thought leaves nothing to say is fine."""
    try:
        answer = _read_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failed("The answer is not one of Gemini's.") from error
    if answer.error is not None:
        raise UpstreamRefused(read_refusal(200, body))
    if answer.candidates is None and answer.prompt_feedback is None:
        raise failed("The answer is empty.")
