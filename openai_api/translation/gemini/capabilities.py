"""What each family of models can do, as data. Names that Google has yet to invent get what their generation has.

Source: wire reference, sections 1.6, 1.8, 1.11, 2.2, 2.4 and 8.
"""

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

LEVELS = ("minimal", "low", "medium", "high", "xhigh")
"""Gemini's words for how hard to think, from little to much."""


class Capabilities(Struct, frozen=True):
    """`levels` or `budgets` is the knob for thinking; neither: it cannot be set (which says nothing of whether it thinks)."""

    levels: tuple[str, ...] = ()
    budgets: tuple[int, int] | None = None
    """Least and most tokens of thought, beside -1 (the model decides)."""
    can_stop_thinking: bool = False
    strict_signatures: bool = False
    """A call of the current turn that is replayed without a thought signature is refused."""
    tools: bool = True
    json: bool = True
    json_with_tools: bool = True
    search_with_functions: bool = True
    media_in_results: bool = True
    """Files may stand inside a function's response."""
    instruction: Literal["sent", "as_text", "dropped"] = "sent"
    """What becomes of a system instruction; `dropped`: the model would read it aloud."""
    caches: bool = True
    outputs: tuple[str, ...] = ("TEXT",)
    output_limit: int = 65_536
    aspect_ratios: tuple[str, ...] = ()
    picture_sizes: tuple[str, ...] = ()
    """Of the pictures that it makes, small to large; neither can be set where there are none."""

    @property
    def signs_pictures(self) -> bool:
        """The pictures that it has made, and the first text of its turns, are played back with their signatures."""
        return self.strict_signatures and "IMAGE" in self.outputs


_OLD = Capabilities(json_with_tools=False, search_with_functions=False, media_in_results=False)
_FOUR_LEVELS = Capabilities(levels=LEVELS[:4], strict_signatures=True)
_THREE_LEVELS = Capabilities(levels=LEVELS[1:4], strict_signatures=True)
_GENERATION_4 = replace(_THREE_LEVELS, caches=False)
_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_STRIPS = ("1:4", "4:1", "1:8", "8:1")
_IMAGE = Capabilities(
    strict_signatures=True,
    json=False,
    outputs=("TEXT", "IMAGE"),
    output_limit=32_768,
    aspect_ratios=_RATIOS,
    picture_sizes=("1K", "2K", "4K"),
)
_FLASH_IMAGE = replace(
    _IMAGE, levels=("minimal", "high"), aspect_ratios=_RATIOS + _STRIPS, picture_sizes=("512", "1K", "2K", "4K")
)
_SPEECH = replace(_OLD, tools=False, json=False, instruction="dropped", outputs=("AUDIO",), output_limit=16_384)

# The first pattern that the name begins with decides; what is general stands below what is particular.
_FAMILIES: tuple[tuple[str, Capabilities], ...] = (
    (r"gemini-.*-tts", _SPEECH),
    (r"gemini-.*-transcribe", replace(_OLD, tools=False, json=False, output_limit=32_768)),
    (r"gemini-3\.1-flash-image", _FLASH_IMAGE),
    (r"gemini-3\.1-flash-lite-image", replace(_FLASH_IMAGE, levels=(), picture_sizes=("1K",), output_limit=4_096)),
    (
        r"gemini-2\.5-flash-image",
        replace(_OLD, json=False, outputs=("TEXT", "IMAGE"), output_limit=32_768, aspect_ratios=_RATIOS),
    ),
    (r"gemini-.*-image|gemini-nano-banana|nano-banana", _IMAGE),
    (r"gemini-2\.5-flash-lite", replace(_OLD, budgets=(512, 24_576), can_stop_thinking=True)),
    (r"gemini-2\.5-flash", replace(_OLD, budgets=(0, 24_576), can_stop_thinking=True)),
    (r"gemini-2\.5-pro", replace(_OLD, budgets=(128, 32_768))),
    (r"gemini-2\.5", _OLD),
    (r"gemini-[12](\.|-)", replace(_OLD, output_limit=8_192)),
    (r"gemini-3(\.\d+)?-flash-lite|gemini-flash-lite-latest", _FOUR_LEVELS),
    (r"gemini-3(\.[1-6])?-flash", _FOUR_LEVELS),
    (r"gemini-4-hydrogen", replace(_GENERATION_4, levels=LEVELS[1:5])),
    (r"gemini-4", _GENERATION_4),
    (r"gemini-robotics", Capabilities(strict_signatures=True)),
    (r"gemini-", _THREE_LEVELS),
    (r"gemma-[1-3]", replace(_OLD, instruction="as_text", output_limit=8_192)),
    (r"gemma-", replace(_OLD, levels=("minimal", "high"), output_limit=32_768)),
)
_UNKNOWN = _OLD
_PATTERNS = [(re.compile(pattern), capabilities) for pattern, capabilities in _FAMILIES]


@lru_cache(maxsize=1024)
def capabilities_of(model: str) -> Capabilities:
    """`model` as on the wire, with or without `models/`. A name of no known family gets only what every model has."""
    name = model.removeprefix("models/").lower()
    return next((found for pattern, found in _PATTERNS if pattern.match(name)), _UNKNOWN)


class ShippedModel(Struct, frozen=True):
    """A model as Google lists it; limits in tokens."""

    name: str
    display_name: str
    input_limit: int
    output_limit: int
    methods: tuple[str, ...] = ("generateContent", "countTokens")


_MILLION = 1_048_576
_EMBEDS = ("embedContent", "countTokens")

SHIPPED_MODELS: tuple[ShippedModel, ...] = (
    ShippedModel("gemini-4-argon", "Gemini 4 Argon", _MILLION, 65_536),
    ShippedModel("gemini-4-carbon", "Gemini 4 Carbon", _MILLION, 65_536),
    ShippedModel("gemini-4-hydrogen", "Gemini 4 Hydrogen", _MILLION, 65_536),
    ShippedModel("gemini-3.8-flash", "Gemini 3.8 Flash", _MILLION, 65_536),
    ShippedModel("gemini-3.7-flash", "Gemini 3.7 Flash", _MILLION, 65_536),
    ShippedModel("gemini-3.6-flash", "Gemini 3.6 Flash", _MILLION, 65_536),
    ShippedModel("gemini-3.5-flash", "Gemini 3.5 Flash", _MILLION, 65_536),
    ShippedModel("gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite", _MILLION, 65_536),
    ShippedModel("gemini-3.1-flash-lite", "Gemini 3.1 Flash-Lite", _MILLION, 65_536),
    ShippedModel("gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview", _MILLION, 65_536),
    ShippedModel("gemini-3.1-pro-preview-customtools", "Gemini 3.1 Pro Preview Custom Tools", _MILLION, 65_536),
    ShippedModel("gemini-3-flash-preview", "Gemini 3 Flash Preview", _MILLION, 65_536),
    ShippedModel("gemini-2.5-pro", "Gemini 2.5 Pro", _MILLION, 65_536),
    ShippedModel("gemini-2.5-flash", "Gemini 2.5 Flash", _MILLION, 65_536),
    ShippedModel("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", _MILLION, 65_536),
    ShippedModel("gemini-flash-latest", "Gemini Flash Latest", _MILLION, 65_536),
    ShippedModel("gemini-flash-lite-latest", "Gemini Flash-Lite Latest", _MILLION, 65_536),
    ShippedModel("gemini-pro-latest", "Gemini Pro Latest", _MILLION, 65_536),
    ShippedModel("gemma-4-31b-it", "Gemma 4 31B IT", 262_144, 32_768),
    ShippedModel("gemma-4-26b-a4b-it", "Gemma 4 26B A4B IT", 262_144, 32_768),
    ShippedModel("gemini-3.1-flash-image", "Gemini 3.1 Flash Image", 131_072, 32_768),
    ShippedModel("gemini-3-pro-image", "Gemini 3 Pro Image", 65_536, 32_768),
    ShippedModel("gemini-3.1-flash-lite-image", "Gemini 3.1 Flash-Lite Image", 65_536, 4_096),
    ShippedModel("gemini-nano-banana-2.1", "Gemini Nano Banana 2.1", 131_072, 32_768),
    ShippedModel("nano-banana-pro-preview", "Nano Banana Pro Preview", 131_072, 32_768),
    ShippedModel("gemini-3.8-flash-tts", "Gemini 3.8 Flash TTS", 8_192, 16_384),
    ShippedModel("gemini-3.8-flash-lite-tts", "Gemini 3.8 Flash-Lite TTS", 8_192, 16_384),
    ShippedModel("gemini-3.5-transcribe", "Gemini 3.5 Transcribe", 98_304, 32_768),
    ShippedModel("gemini-embedding-2", "Gemini Embedding 2", 8_192, 1, _EMBEDS),
    ShippedModel("gemini-embedding-001", "Gemini Embedding 001", 2_048, 1, _EMBEDS),
    ShippedModel("gemini-robotics-er-2-preview", "Gemini Robotics-ER 2 Preview", 131_072, 65_536),
)
