"""Code Assist's envelope around Gemini's bodies, and its own names of models. Bytes in, bytes out: the body is never re-encoded.

Source: wire reference, sections 4.3 and 4.5.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from openai_api.translation.splicing import Body, enclosed

_NAMES = {"gemini-3.5-flash": "gemini-3-flash"}
"""The Gemini API's name -> Code Assist's, where they differ."""
_MODELS = {name: model for model, name in _NAMES.items()}


class _Event(Struct):
    """One event of an answer; `traceId` and what is said of credits are left alone."""

    response: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_read_event = msgspec.json.Decoder(_Event).decode


def code_assist_name(model: str) -> str:
    """What Code Assist calls a model of the Gemini API."""
    return _NAMES.get(model, model)


def model_of_code_assist(name: str) -> str:
    """What the Gemini API calls a model of Code Assist's, which is its name everywhere in Castor."""
    return _MODELS.get(name, name)


def wrap(body: Body, *, model: str, project: str, prompt_id: str) -> Body:
    """The body of a generateContent call as Code Assist takes it; `model` is the Gemini API's name of it, without models/."""
    outer = {"model": code_assist_name(model), "project": project, "user_prompt_id": prompt_id}
    head = msgspec.json.encode({name: value for name, value in outer.items() if value})
    return enclosed(head[:-1] + b',"request":', body, b"}")


class _Contents(Struct, rename="camel"):
    contents: list[Raw]
    system_instruction: Raw | UnsetType = UNSET


_read_contents = msgspec.json.Decoder(_Contents).decode


def wrap_count(body: bytes, *, model: str) -> bytes:
    """The same body for countTokens, which takes contents only: instructions are counted as one of them, tools not at all."""
    said = _read_contents(body)
    contents = [bytes(content) for content in said.contents]
    if not isinstance(said.system_instruction, UnsetType):
        contents.insert(0, b'{"role":"user",' + bytes(said.system_instruction).lstrip()[1:])
    named = msgspec.json.encode(f"models/{code_assist_name(model)}")
    return b'{"request":{"model":' + named + b',"contents":[' + b",".join(contents) + b"]}}"


def unwrap(payload: bytes) -> bytes:
    """The chunk of Gemini's inside one event; an error, and whatever cannot be read, as it is."""
    try:
        event = _read_event(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return payload
    if isinstance(event.response, UnsetType) or not isinstance(event.error, UnsetType):
        return payload
    return bytes(event.response)
