"""How Google's filters rate a prompt and its answer.

Read beside the answer, and only for those who ask: no chat pays for it. Source: wire reference 1.12.
"""

import msgspec
from msgspec import Struct

from openai_api.translation.events import Event, SafetyRating

CATEGORIES = tuple(f"HARM_CATEGORY_{harm}" for harm in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"))
"""Those that can be set; civic integrity is deprecated."""
RATED_ONLY = "BLOCK_NONE"
"""The threshold at which the filter looks and blocks nothing; OFF, today's default, does not look (says Google's SDK)."""


class _Rated(Struct, rename="camel"):
    safety_ratings: tuple[SafetyRating, ...] = ()


class _Answer(Struct, rename="camel"):
    candidates: tuple[_Rated, ...] = ()
    prompt_feedback: _Rated | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_ratings(payload: bytes) -> list[Event]:
    """Those of one event of a stream. Without a rating that can be read there is still the answer itself, or its block."""
    try:
        answer = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    rated = (*answer.candidates, answer.prompt_feedback) if answer.prompt_feedback else answer.candidates
    return [rating for one in rated for rating in one.safety_ratings]
