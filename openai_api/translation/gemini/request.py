"""Conversation → the body of generateContent, and a word on everything that could not go into it.

Source: wire reference, sections 1.3 to 1.14 and 2.
"""

from typing import Any

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Notice, Sampling, Text, Turn
from openai_api.translation.splicing import Body, splice

from .capabilities import Capabilities, capabilities_of
from .history import write_history
from .names import Names
from .pictures import write_picture
from .thinking import write_thinking
from .tools import settle, write_format, write_tools

MOST_STOPS = 5
_HOTTEST = 2.0
_INT32 = 2**31


class WrittenRequest(Struct, frozen=True):
    body: Body
    notices: tuple[Notice, ...] = ()
    stops: tuple[str, ...] = ()
    """The stop sequences that Gemini does not take: whoever reads the answer must cut it there."""
    names: dict[str, str] = {}
    """Function names on the wire → the caller's, where they differ: for the Reader."""


def write_request(conversation: Conversation, *, output_limit: int | None = None) -> WrittenRequest:
    """`output_limit`: the model's, in tokens, where its listing is known. Raises InvalidRequest for what cannot be sent."""
    can = capabilities_of(conversation.model)
    notices: list[Notice] = []
    names = Names(tool.name for tool in conversation.tools)
    system, turns = _place_system(conversation, can, notices)
    offer = settle(conversation, can, notices)
    config = (
        _write_sampling(conversation.sampling, output_limit or can.output_limit, notices)
        | write_format(conversation, offer, notices)
        | _write_modalities(conversation.modalities, can, notices)
        | write_picture(conversation.picture, can, notices)
    )
    if thinking := write_thinking(conversation.thinking, can, notices):
        config["thinkingConfig"] = thinking
    body: dict[str, Any] = {"contents": write_history(turns, can, names, notices)}
    if conversation.cached_content:
        body |= _write_cache(conversation, can, bool(system), notices)
    else:
        body |= {"systemInstruction": {"parts": system}} if system else {}
        body |= write_tools(conversation, offer, names, notices)
    if config:
        body["generationConfig"] = config
    body |= _write_rest(conversation)
    stops = _stops(conversation.sampling)[MOST_STOPS:]
    encoded = splice(msgspec.json.encode(body), conversation.stored_files())
    return WrittenRequest(encoded, tuple(notices), stops, names.back())


def _place_system(
    conversation: Conversation, can: Capabilities, notices: list[Notice]
) -> tuple[list[dict[str, Any]], tuple[Turn, ...]]:
    """The parts of the system instruction, and the turns, which take it in where the model has no such thing."""
    texts = tuple(text for text in conversation.system if text.text)
    if not texts:
        return [], conversation.turns
    as_user = (Turn("user", texts), *conversation.turns)
    if not any(part != Text("") for turn in conversation.turns for part in turn.parts):
        notices.append(Notice("messages", "there are only instructions: sent as the user's text"))
        return [], as_user
    if can.instruction == "as_text" and not conversation.cached_content:
        notices.append(Notice("messages", "this model takes no system instruction: sent as the user's text"))
        return [], as_user
    if can.instruction == "dropped":
        notices.append(Notice("messages", "this model takes no system instruction"))
        return [], conversation.turns
    return [{"text": text.text} for text in texts], conversation.turns


def _write_cache(conversation: Conversation, can: Capabilities, has_system: bool, notices: list[Notice]) -> dict[str, Any]:
    if not can.caches:
        raise InvalidRequest(f"{conversation.model} does not take cached content.", param="cached_content")
    reason = "cached content brings its own"
    if has_system:
        notices.append(Notice("messages", f"system instruction dropped: {reason}"))
    if conversation.tools:
        notices.append(Notice("tools", reason))
    if conversation.web_search:
        notices.append(Notice("web_search_options", reason))
    return {"cachedContent": conversation.cached_content}


def _write_sampling(sampling: Sampling, output_limit: int, notices: list[Notice]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if sampling.temperature is not None:
        config["temperature"] = _clamp(sampling.temperature, 0.0, _HOTTEST, "temperature", notices)
    if sampling.top_p is not None:
        config["topP"] = _clamp(sampling.top_p, 0.0, 1.0, "top_p", notices)
    if sampling.top_k is not None:
        config |= _write_top_k(sampling.top_k, notices)
    if sampling.max_tokens is not None:
        if sampling.max_tokens < 1:
            raise InvalidRequest("max_completion_tokens must be at least 1.", param="max_completion_tokens")
        config["maxOutputTokens"] = _clamp(sampling.max_tokens, 1, output_limit, "max_completion_tokens", notices)
    if sampling.seed is not None:
        config["seed"] = _write_seed(sampling.seed, notices)
    if stops := _stops(sampling)[:MOST_STOPS]:
        config["stopSequences"] = stops
    return config


def _clamp(value: float, least: float, most: float, field: str, notices: list[Notice]) -> float:
    clamped = min(max(value, least), most)
    if clamped != value:
        notices.append(Notice(field, f"sent as {clamped}: Gemini takes {least} to {most}"))
    return clamped


def _write_top_k(top_k: float, notices: list[Notice]) -> dict[str, Any]:
    if top_k < 0:  # Other servers' way to say "no limit".
        notices.append(Notice("top_k", "Gemini takes no negative number"))
        return {}
    return {"topK": int(top_k)}


def _write_seed(seed: int, notices: list[Notice]) -> int:
    folded = (seed + _INT32) % (2 * _INT32) - _INT32
    if folded != seed:
        notices.append(Notice("seed", f"sent as {folded}: Gemini takes 32 bits"))
    return folded


def _stops(sampling: Sampling) -> tuple[str, ...]:
    return tuple(stop for stop in dict.fromkeys(sampling.stop) if stop)


def _write_modalities(asked: tuple[str, ...], can: Capabilities, notices: list[Notice]) -> dict[str, Any]:
    modalities = tuple(modality for modality in asked if modality in can.outputs)
    if len(modalities) < len(asked):
        notices.append(Notice("modalities", f"this model answers in {' and '.join(can.outputs)} only"))
    if "TEXT" not in can.outputs:
        return {"responseModalities": can.outputs}  # It must be said even where there is no choice.
    return {"responseModalities": modalities} if modalities else {}


def _write_rest(conversation: Conversation) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if conversation.safety:  # One setting per category: the last one counts.
        settings = {setting.category: setting.threshold for setting in conversation.safety}
        body["safetySettings"] = [{"category": category, "threshold": threshold} for category, threshold in settings.items()]
    if conversation.service_tier:
        body["serviceTier"] = conversation.service_tier
    return body
