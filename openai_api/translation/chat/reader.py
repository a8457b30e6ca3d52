"""A Chat Completions request, read."""

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Notice

from . import parameters, tools, wire
from .history import History
from .invalid import check_range, missing, undecodable

MAX_CHOICES = 8

_KNOWN = msgspec.json.Decoder(wire.KnownBody)
_ANY = msgspec.json.Decoder(wire.Body)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN_FIELDS = frozenset(wire.Body.__struct_fields__)


class ChatRequest(Struct, frozen=True):
    conversation: Conversation
    """`model` is still the name as the caller wrote it."""
    stream: bool = False
    include_usage: bool = False
    choices: int = 1
    legacy_functions: bool = False
    """The caller used `functions`: calls are answered as `message.function_call`, one at most."""
    custom_tools: frozenset[str] = frozenset()
    notices: tuple[Notice, ...] = ()


def read_request(body: bytes) -> ChatRequest:
    """Read the body of POST /v1/chat/completions; anything wrong with it raises InvalidRequest."""
    notices: list[Notice] = []
    asked = _decode(body, notices)
    if not asked.model:
        raise missing("model")
    if not asked.messages:
        raise InvalidRequest("Invalid 'messages': it must hold at least one message.", param="messages", code="empty_array")
    check_range(asked.n, 1, MAX_CHOICES, "n")
    return ChatRequest(
        conversation=_read_conversation(asked, notices),
        stream=bool(asked.stream),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
        choices=asked.n or 1,
        legacy_functions=bool(asked.functions) or (asked.function_call is not None and not asked.tools),
        custom_tools=tools.custom_names(asked.tools) if asked.tools else frozenset(),
        notices=tuple(notices),
    )


def _decode(body: bytes, notices: list[Notice]) -> wire.Body:
    """Decode strictly first: only a body with unknown (or wrong) fields is gone over again to name them."""
    try:
        try:
            return _KNOWN.decode(body)
        except msgspec.ValidationError:
            asked = _ANY.decode(body)
        fields = _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise undecodable(error) from error
    unknown = (field for field, value in fields.items() if field not in _KNOWN_FIELDS and bytes(value) != b"null")
    notices += [Notice(field, "unknown") for field in unknown]
    return asked


def _read_conversation(asked: wire.Body, notices: list[Notice]) -> Conversation:
    history = History(notices)
    history.read(asked.messages)
    google = parameters.read_google(asked, notices)
    declared = tools.read_tools(asked, notices)
    parameters.note_left_out(asked, notices)
    return Conversation(
        model=asked.model,
        turns=tuple(history.turns),
        system=tuple(history.system),
        tools=declared,
        tool_choice=tools.read_tool_choice(asked, declared),
        # The old way of calling had room for one call per answer.
        parallel_tool_calls=asked.parallel_tool_calls is not False and not asked.functions,
        sampling=parameters.read_sampling(asked),
        thinking=parameters.read_thinking(asked, google),
        format=parameters.read_format(asked.response_format),
        safety=tuple(google.safety_settings or ()),
        cached_content=google.cached_content or "",
        web_search=parameters.read_web_search(asked.web_search_options, notices),
        modalities=parameters.read_modalities(asked.modalities, notices),
        picture=parameters.read_picture(google, notices),
        service_tier=parameters.read_service_tier(asked.service_tier, notices),
    )
