"""Any conversation that a dialect could read: turns in every order, calls answered late, twice or never."""

import base64

import msgspec
from hypothesis import strategies as st

from openai_api.translation.conversation import (
    Conversation,
    Format,
    Media,
    PictureFormat,
    SafetySetting,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

MIME_TYPES = (
    "image/png",
    "image/jpg",
    "IMAGE/JPEG",
    "application/pdf",
    "audio/mp3",
    "audio/x-wav",
    "text/csv",
    "application/json",
)

words = st.text(min_size=0, max_size=12)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
few_names = st.sampled_from(("search", "read_file", "2nd", "-x", "_y", "get.time"))
call_ids = st.sampled_from(("call_1", "call_2", "call_3", "call_4", "", "ü"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
texts = words.map(Text)
media = st.builds(
    Media,
    mime_type=st.sampled_from(MIME_TYPES),
    data=st.binary(min_size=1, max_size=12).map(lambda raw: base64.b64encode(raw).decode()),
    name=words,
)
# Good everywhere (Google's second dummy), lost, or damaged so that it can be seen.
signatures = st.sampled_from(("", "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv", "not base64!", "a"))
signed = st.builds(msgspec.structs.replace, media, signature=signatures)
calls = st.builds(
    ToolCall, id=call_ids, name=few_names, arguments=st.dictionaries(words, values, max_size=3), signature=signatures
)
outputs = (
    words
    | st.dictionaries(words, values, max_size=3).map(str)
    | st.sampled_from(('{"ok": true}', "[1]", '{"id": 12345678901234567890}', "{"))
)
results = st.builds(
    ToolResult, call_id=call_ids, name=few_names | st.just(""), output=outputs, media=st.lists(media, max_size=1).map(tuple)
)


def _turn(role: str, part: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(Turn, role=st.just(role), parts=st.lists(part, max_size=3).map(tuple))


turns = st.one_of(
    _turn("system", texts),
    _turn("user", texts | media),
    _turn("model", texts | calls),
    _turn("model", calls),
    _turn("model", texts | signed | calls),
    _turn("tool", results),
)

schemas = st.recursive(
    st.sampled_from(
        (
            {"type": "string"},
            {"type": ["integer", "null"]},
            {"const": "x"},
            {"enum": ["a", 1, None, True]},
            {"$ref": "#/$defs/Node"},
            {"$ref": "#/definitions/a~1b", "description": "d"},
            {"$ref": "#"},
            {"$ref": "https://example.com/schema.json"},
            {"allOf": [{"$ref": "#/$defs/Node"}, {"required": ["extra"], "properties": {"extra": {}}}]},
            {"type": "integer", "nullable": True},
            True,
            {},
        )
    ),
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            lambda properties, required: {"type": "object", "properties": properties, "required": sorted(required)},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.sets(st.sampled_from("abcd")),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"allOf": branches}),
        inner.map(lambda values: {"type": "object", "additionalProperties": values}),
    ),
    max_leaves=8,
)


def _with_definitions(properties: dict, node: object, other: object) -> dict:
    definitions = {"$defs": {"Node": node}, "definitions": {"a/b": other}}
    return {"type": "object", "properties": properties, "required": list(properties), **definitions}


parameters = st.builds(_with_definitions, st.dictionaries(st.sampled_from("xyz"), schemas, max_size=3), schemas, schemas)
tools = st.lists(
    st.builds(Tool, name=names | few_names, description=words, parameters=st.none() | st.just({}) | parameters),
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)


@st.composite
def tool_choices(draw: st.DrawFn, offered: tuple[Tool, ...]) -> ToolChoice:
    allowed = draw(st.sets(st.sampled_from([tool.name for tool in offered]))) if offered else ()
    return ToolChoice(draw(st.sampled_from(("auto", "none", "required"))), tuple(allowed))


samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(-1, 5),
    top_p=st.none() | st.floats(-1, 2),
    top_k=st.none() | st.integers(-1, 100),
    max_tokens=st.none() | st.integers(1, 10**9),
    stop=st.lists(words, max_size=8).map(tuple),
    seed=st.none() | st.integers(-(2**63), 2**64),
)
thinkings = st.one_of(
    st.builds(Thinking, effort=st.sampled_from((None, "none", "minimal", "low", "medium", "high", "xhigh", "max"))),
    st.builds(Thinking, level=st.sampled_from(("minimal", "LOW", "medium", "high", "xhigh")), include=st.booleans()),
    st.builds(Thinking, budget=st.integers(-1, 100_000), include=st.none() | st.booleans()),
)
formats = st.none() | st.just(Format()) | st.builds(Format, schema=parameters)
safeties = st.lists(
    st.builds(
        SafetySetting,
        category=st.sampled_from(("HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH")),
        threshold=st.sampled_from(("OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH")),
    ),
    max_size=3,
).map(tuple)

pictures = st.none() | st.builds(
    PictureFormat,
    aspect_ratio=st.sampled_from(("", "1:1", "16:9", "1:8", "2:1", "1.91:1")),
    size=st.sampled_from(("", "512", "1k", "2K", "4K")),
)


@st.composite
def conversations(draw: st.DrawFn, models: tuple[str, ...]) -> Conversation:
    offered = draw(tools)
    return Conversation(
        model=draw(st.sampled_from(models)),
        turns=tuple(draw(st.lists(turns, max_size=8))),
        system=draw(st.lists(texts, max_size=2).map(tuple)),
        tools=offered,
        tool_choice=draw(tool_choices(offered)),
        sampling=draw(samplings),
        thinking=draw(thinkings),
        format=draw(formats),
        safety=draw(safeties),
        web_search=draw(st.booleans()),
        modalities=draw(st.sampled_from(((), ("TEXT",), ("TEXT", "AUDIO"), ("TEXT", "IMAGE")))),
        picture=draw(pictures),
        service_tier=draw(st.sampled_from(("", "flex", "priority"))),
    )
