"""JSON Schemas of real tools' style, and what is left of them when Gemini has to understand them.

`tests/wire/tool_schemas.json` holds tools as agents, MCP servers, OpenAPI converters, zod and pydantic describe them, one to
a line; it was written for this test on 2026-11-20, its `pydantic v2` ones with pydantic 2.14's `model_json_schema`.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Format, Notice, Text, Tool, Turn
from openai_api.translation.gemini.request import write_request
from openai_api.translation.gemini.schema import parameters_schema, response_schema
from tests.google import instances
from tests.translation import strategies
from tests.translation.google_rules import accepted

TOOLS = json.loads((Path(__file__).parent.parent / "wire" / "tool_schemas.json").read_text())
FLASH = "gemini-3.8-flash"
TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
DEEPEST = 40


def rewritten(schema: dict) -> tuple[dict | None, list[str]]:
    """(the parameters as they are sent, what was lost)."""
    notices: list[Notice] = []
    raw = parameters_schema(schema, "tools[0].function.parameters", notices)
    return (json.loads(bytes(raw)) if raw is not None else None), [notice.reason for notice in notices]


def sent(schema: dict) -> dict | None:
    written, losses = rewritten(schema)
    assert losses == []
    return written


def of(properties: dict, **more: Any) -> dict:
    return {"type": "object", "properties": properties, **more}


# --- The judge ------------------------------------------------------------------------------------------------------


def schemas_in(schema: Any) -> Iterator[dict]:
    """Every schema inside a schema, where Gemini looks for them."""
    assert isinstance(schema, dict), f"{schema!r} is no schema"
    yield schema
    for keyword in ("properties", "$defs"):
        for inner in schema.get(keyword, {}).values():
            yield from schemas_in(inner)
    for keyword in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(keyword, ()):
            yield from schemas_in(inner)
    for keyword in ("items", "additionalProperties"):
        if not isinstance(schema.get(keyword, True), bool):
            yield from schemas_in(schema[keyword])


def judge(schema: dict) -> None:
    """Fail for what Gemini would refuse or misread (wire reference 1.7 b)."""
    names = schema.get("$defs", {}).keys()
    for inner in schemas_in(schema):
        kinds = inner.get("type", [])
        assert set([kinds] if isinstance(kinds, str) else kinds) <= TYPES
        assert set(inner.get("required", ())) <= inner.get("properties", {}).keys()
        assert not {"allOf", "definitions", "nullable", "patternProperties", "$schema", "$id"} & inner.keys()
        assert not isinstance(inner.get("items"), bool | list)
        if "enum" in inner:
            assert inner["enum"]
            assert all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in inner["enum"])
        if "$ref" in inner:
            assert all(name.startswith("$") for name in inner)
            assert inner["$ref"].removeprefix("#/$defs/") in names
    ends(schema, schema.get("$defs", {}), ())
    for definition in schema.get("$defs", {}).values():
        ends(definition, schema["$defs"], ())
    assert depth(schema) <= DEEPEST


def ends(schema: dict, definitions: dict, path: tuple[str, ...]) -> None:
    """Fail for recursion that does not pass through an optional property."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        assert name not in path, f"{name} must contain itself"
        ends(definitions[name], definitions, (*path, name))
    for name in schema.get("required", ()):
        ends(schema["properties"][name], definitions, path)
    for inner in [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("prefixItems", ())]:
        ends(inner, definitions, path)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            ends(schema[keyword], definitions, path)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


# --- The corpus -----------------------------------------------------------------------------------------------------


def test_the_corpus_is_large_and_of_many_styles():
    assert len(TOOLS) >= 100
    assert len({tool["style"] for tool in TOOLS}) >= 20


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool["name"])
def test_every_tool_of_the_corpus_is_accepted(tool):
    functions = (Tool(tool["name"], tool["description"], tool["parameters"]),)
    written = write_request(Conversation(FLASH, (Turn("user", (Text("go"),)),), tools=functions))
    declaration = accepted(written.body, FLASH)["tools"][0]["functionDeclarations"][0]
    if "parametersJsonSchema" in declaration:
        assert declaration["parametersJsonSchema"]["type"] == "object"
        judge(declaration["parametersJsonSchema"])


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool["name"])
def test_every_schema_of_the_corpus_is_accepted_as_that_of_an_answer(tool):
    written = write_request(Conversation(FLASH, (Turn("user", (Text("go"),)),), format=Format(tool["parameters"])))
    config = accepted(written.body, FLASH)["generationConfig"]
    if "responseJsonSchema" in config:
        judge(config["responseJsonSchema"])


NO_VALID_SCHEMA = {
    *("old_tuple", "remote", "dangling", "bare_name", "circle_of_names", "embedded_document", "upper_case", "python_words"),
    *("null_everywhere", "strings_as_schemas", "empty_enum", "type_lists"),
}
BEYOND_GEMINI = {"not_both", "contains"}
"""These use keywords that Gemini ignores, so that its answers may be wrong."""
WITHOUT_INSTANCE = {"mutual", "null_type"}


def judged() -> list[dict]:
    return [tool for tool in TOOLS if tool["name"] not in NO_VALID_SCHEMA | BEYOND_GEMINI | WITHOUT_INSTANCE]


@pytest.mark.parametrize("tool", judged(), ids=lambda tool: tool["name"])
def test_arguments_that_fit_our_schema_fit_the_callers(tool):
    jsonschema = pytest.importorskip("jsonschema")
    written, _ = rewritten(tool["parameters"])
    arguments = instances.generate(written) if written else {}
    validator = jsonschema.validators.validator_for(tool["parameters"], default=jsonschema.Draft202012Validator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [error.message for error in validator(tool["parameters"]).iter_errors(arguments)] == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=strategies.parameters)
def test_any_schema_becomes_one_that_gemini_understands(schema):
    written, _ = rewritten(schema)
    if written is not None:
        judge(written)


# --- What changes, and what does not --------------------------------------------------------------------------------

PLAIN = of({"city": {"type": "string", "description": "Where", "minLength": 1}}, required=["city"], additionalProperties=False)


@pytest.mark.parametrize(
    "schema",
    [
        PLAIN,
        of({"n": {"type": ["integer", "null"], "minimum": 0}}),
        of({"n": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}}),
        of({"n": {"oneOf": [{"type": "string", "format": "uri"}, {"type": "number", "exclusiveMinimum": 0}]}}),
        of({"n": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}}}),
        of({"n": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": {"type": "integer", "x-note": "kept"}}}),
        of({"n": {"type": "object", "additionalProperties": {"type": "number"}, "propertyNames": {"maxLength": 3}}}),
        of({"n": {"type": "string", "enum": ["a", "b"]}, "m": {"type": "boolean", "const": True}}),
        of({"n": {}, "m": {"description": "anything"}}),
        of(
            {
                "$ref": {"type": "string"},
                "allOf": {"type": "string"},
                "nullable": {"type": "boolean"},
                "required": {"type": "string"},
            }
        ),
        {"type": "object", "additionalProperties": True},
        {"type": "object", "anyOf": [of({"a": {"type": "string"}}), of({"b": {"type": "string"}})]},
    ],
    ids=lambda schema: str(schema)[:70],
)
def test_what_gemini_understands_stays_as_it_is(schema):
    assert sent(schema) == schema


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        pytest.param({"const": "x"}, {"type": "string", "enum": ["x"]}, id="const of a text"),
        pytest.param({"type": "number", "const": 3}, {"type": "number", "enum": [3]}, id="const of a number"),
        pytest.param({"const": None}, {"const": None}, id="const of null"),
        pytest.param({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}, id="enum without type"),
        pytest.param({"enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}, id="enum of whole numbers"),
        pytest.param({"enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}, id="enum of numbers"),
        pytest.param({"enum": ["a", 1]}, {"enum": ["a", 1]}, id="enum of both"),
        pytest.param({"enum": [True, False]}, {"type": "boolean"}, id="enum of both booleans"),
        pytest.param({"enum": [True]}, {"type": "boolean", "const": True}, id="enum of one boolean"),
        pytest.param({"enum": [None]}, {"type": "null"}, id="enum of null"),
        pytest.param({"type": "string", "enum": []}, {"type": "string"}, id="empty enum"),
        pytest.param(
            {"type": ["string", "null"], "enum": ["a", None], "description": "d"},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}], "description": "d"},
            id="enum with null",
        ),
        pytest.param({"type": "string", "nullable": True}, {"type": ["string", "null"]}, id="nullable"),
        pytest.param({"type": "string", "nullable": False}, {"type": "string"}, id="not nullable"),
        pytest.param(
            {"anyOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            id="nullable choice",
        ),
        pytest.param({"type": "STRING"}, {"type": "string"}, id="type in capitals"),
        pytest.param({"type": "int"}, {"type": "integer"}, id="type in Python's words"),
        pytest.param({"type": ["string", "string"]}, {"type": "string"}, id="type said twice"),
        pytest.param({"type": "any"}, {}, id="any type"),
        pytest.param(True, {}, id="true"),
        pytest.param(
            {"type": "array", "items": [{"type": "string"}]},
            {"type": "array", "prefixItems": [{"type": "string"}]},
            id="old tuple",
        ),
        pytest.param(
            {"type": "array", "items": [{}], "additionalItems": {"type": "string"}},
            {"type": "array", "prefixItems": [{}], "items": {"type": "string"}},
            id="old tuple that goes on",
        ),
        pytest.param(
            {"type": "array", "items": [{}], "additionalItems": False},
            {"type": "array", "prefixItems": [{}], "maxItems": 1},
            id="old tuple that does not",
        ),
        pytest.param(
            {"type": "array", "items": False, "prefixItems": [{}]},
            {"type": "array", "prefixItems": [{}], "maxItems": 1},
            id="closed tuple",
        ),
        pytest.param(
            {"type": "object", "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": False},
            {"type": "object", "additionalProperties": {"type": "string"}},
            id="patterns of names",
        ),
        pytest.param(
            {"type": "object", "patternProperties": {"^x": {"type": "string"}, "^y": True}},
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {}]}},
            id="several patterns of names",
        ),
        pytest.param(
            {"allOf": [of({"a": {"type": "string"}}, required=["a"]), of({"b": {"type": "number"}}, required=["b"])]},
            of({"a": {"type": "string"}, "b": {"type": "number"}}, required=["a", "b"]),
            id="allOf",
        ),
        pytest.param(
            {"allOf": [of({"a": {"type": "string"}}), of({"a": {"maxLength": 3}})]},
            of({"a": {"type": "string", "maxLength": 3}}),
            id="allOf of one property",
        ),
        pytest.param(
            {"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}, {"type": "string", "enum": ["b"]}, id="allOf of enumerations"
        ),
        pytest.param({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, id="exclusive bound"),
        pytest.param(
            {"type": "integer", "maximum": 5, "exclusiveMaximum": True},
            {"type": "integer", "maximum": 4},
            id="exclusive bound of draft 4",
        ),
        pytest.param(
            {"type": "number", "minimum": 5, "exclusiveMinimum": False}, {"type": "number", "minimum": 5}, id="and none"
        ),
        pytest.param({"type": "string", "description": None, "default": None}, {"type": "string", "default": None}, id="nulls"),
        pytest.param({"type": "string", "$schema": "s", "$id": "i"}, {"type": "string"}, id="identity"),
        pytest.param({"type": "string", "required": True}, {"type": "string"}, id="required as a flag"),
        pytest.param(of({}, required=["x"]), of({"x": {}}, required=["x"]), id="required and not described"),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "number"}, "required": ["x"]},
            of({"x": {"type": "number"}}, additionalProperties={"type": "number"}, required=["x"]),
            id="required of a map",
        ),
        pytest.param(
            of({"a": {"type": "string"}, "b": {"type": "integer"}}, anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
            of(
                {"a": {"type": "string"}, "b": {"type": "integer"}},
                anyOf=[
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
                ],
            ),
            id="one of two",
        ),
        pytest.param(of({"a": False, "b": {"not": {}}, "c": True}), of({"c": {}}), id="properties that may not be"),
    ],
)
def test_what_is_written_otherwise(given, taken):
    assert sent(of({"it": given})) == of({"it": taken})


DEFINED = {"$defs": {"It": {"type": "string"}}}
REFERS = {"$ref": "#/$defs/It"}


@pytest.mark.parametrize(
    ("reference", "around"),
    [
        pytest.param("#/definitions/It", {"definitions": {"It": {"type": "string"}}}, id="definitions"),
        pytest.param("#/components/schemas/It", {"components": {"schemas": {"It": {"type": "string"}}}}, id="OpenAPI"),
        pytest.param("#It", {"$defs": {"It": {"$anchor": "It", "type": "string"}}}, id="anchor"),
        pytest.param("https://x/y.json#/$defs/It", {"$id": "https://x/y.json", **DEFINED}, id="its own address"),
        pytest.param("It", DEFINED, id="the bare name"),
    ],
)
def test_references_lead_to_defs_however_they_are_written(reference, around):
    assert sent(of({"x": {"$ref": reference}}, **around)) == of({"x": REFERS}, **DEFINED)


@pytest.mark.parametrize(
    ("name", "reference", "taken"),
    [
        ("List[str]", "#/$defs/List%5Bstr%5D", "List_str_"),
        ("List[str]", "#/$defs/List[str]", "List_str_"),
        ("a/b~c", "#/$defs/a~1b~0c", "a_b_c"),
        ("50%25", "#/$defs/50%2525", "50_25"),
        ("50%25", "#/$defs/50%25", "50_25"),
        ("größe", "#/$defs/gr%C3%B6%C3%9Fe", "gr__e"),
    ],
)
def test_names_of_definitions_are_plain(name, reference, taken):
    written = sent(of({"x": {"$ref": reference}}, **{"$defs": {name: {"type": "string"}}}))
    assert written == of({"x": {"$ref": f"#/$defs/{taken}"}}, **{"$defs": {taken: {"type": "string"}}})


def test_definitions_whose_names_become_alike_stay_apart():
    written = sent(
        of({"a": {"$ref": "#/$defs/X[1]"}, "b": {"$ref": "#/$defs/X(1)"}}, **{"$defs": {"X[1]": {}, "X(1)": {"type": "string"}}})
    )
    assert written["$defs"] == {"X_1_": {}, "X_1__2": {"type": "string"}}


def test_a_reference_into_the_schema_becomes_a_definition():
    billing = of({"street": {"type": "string"}})
    written = sent(of({"billing": billing, "shipping": {"$ref": "#/properties/billing"}}))
    assert written == of({"billing": billing, "shipping": {"$ref": "#/$defs/billing"}}, **{"$defs": {"billing": billing}})


@pytest.mark.parametrize(
    ("beside", "taken"),
    [
        ({"description": "d", "default": None}, {"anyOf": [REFERS], "description": "d", "default": None}),
        ({"$comment": "c", "title": "t"}, {"anyOf": [REFERS], "$comment": "c", "title": "t"}),
        ({"nullable": True}, {"anyOf": [REFERS, {"type": "null"}]}),
        ({"maxLength": 3}, {"type": "string", "maxLength": 3}),
    ],
)
def test_what_stands_beside_a_reference(beside, taken):
    written = sent(of({"x": REFERS | beside, "y": REFERS}, **DEFINED))
    assert written == of({"x": taken, "y": REFERS}, **DEFINED)


def test_a_lone_reference_in_allof_stays_a_reference():
    assert sent(of({"x": {"allOf": [REFERS], "description": "d"}}, **DEFINED))["properties"] == {
        "x": {"anyOf": [REFERS], "description": "d"}
    }


@pytest.mark.parametrize("reference", ["https://example.com/x.json", "#/$defs/Nowhere", "#nowhere", "other.json#/$defs/It", 5])
def test_references_that_lead_nowhere_allow_anything_and_are_told(reference):
    written, losses = rewritten(of({"x": {"$ref": reference, "description": "d"}}, **DEFINED))
    assert written == of({"x": {"description": "d"}})
    assert len(losses) == 1
    assert str(reference) in losses[0]


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"type": "object"},
        of({}),
        of({}, required=[], additionalProperties=False),
        {"type": "null"},
        {"$schema": "s"},
        {"$ref": "#"},
    ],
)
def test_functions_without_parameters_are_declared_without(schema):
    assert parameters_schema(schema, "x", []) is None


@pytest.mark.parametrize(
    "schema", [{"type": "string"}, {"type": "array", "items": {}}, {"enum": ["a"]}, {"type": ["string", "null"]}]
)
def test_arguments_that_are_no_object_are_refused(schema):
    with pytest.raises(InvalidRequest, match="must be of type 'object'") as refusal:
        parameters_schema(schema, "tools[3].function.parameters", [])
    assert refusal.value.param == "tools[3].function.parameters"


@pytest.mark.parametrize("schema", [{"type": "string", "enum": ["a"]}, {"type": "array", "items": {"type": "string"}}])
def test_an_answer_need_not_be_an_object(schema):
    assert json.loads(bytes(response_schema(schema, "response_format", []))) == schema


# --- Recursion ------------------------------------------------------------------------------------------------------


def node(**properties: dict) -> dict:
    return of({"v": {"type": "string"}, **properties}, required=["v", *properties])


NODE = {"$ref": "#/$defs/Node"}


@pytest.mark.parametrize(
    ("definition", "taken", "told"),
    [
        (of({"next": NODE}), of({"next": NODE}), 0),
        (
            node(kids={"type": "array", "items": NODE}),
            of({"v": {"type": "string"}, "kids": {"type": "array", "items": NODE}}, required=["v"]),
            1,
        ),
        (of({"next": NODE}, required=["next"]), of({"next": NODE}), 1),
        (
            {"anyOf": [{"type": "string"}, {"type": "array", "items": NODE}]},
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]},
            1,
        ),
        (NODE, {}, 1),
    ],
    ids=lambda value: str(value)[:60],
)
def test_recursion_passes_through_optional_properties(definition, taken, told):
    written, losses = rewritten(of({"root": NODE}, required=["root"], **{"$defs": {"Node": definition}}))
    assert written == of({"root": NODE}, required=["root"], **{"$defs": {"Node": taken}})
    assert len(losses) == told


def test_a_circle_is_opened_at_one_place_only():
    ends_open = {"$defs": {"A": of({"b": {"$ref": "#/$defs/B"}}, required=["b"]), "B": of({"a": {"$ref": "#/$defs/A"}})}}
    assert sent(of({"a": {"$ref": "#/$defs/A"}}, required=["a"], **ends_open))["$defs"] == ends_open["$defs"]


def test_a_circle_without_property_of_its_own_is_opened_on_the_way():
    kids = {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    definitions = {"$defs": {"Node": of({"kids": {"$ref": "#/$defs/Kids"}}, required=["kids"]), "Kids": kids}}
    written, losses = rewritten(of({"root": NODE}, **definitions))
    assert written["$defs"] == {"Node": of({"kids": {"$ref": "#/$defs/Kids"}}), "Kids": kids}
    assert losses == ["'kids' is recursive: made optional"]


def test_every_way_into_a_circle_is_opened():
    definitions = {
        "$defs": {"Node": of({"a": {"$ref": "#/$defs/Same"}, "b": {"$ref": "#/$defs/Same"}}, required=["a", "b"]), "Same": NODE}
    }
    written, losses = rewritten(of({"root": NODE}, **definitions))
    judge(written)
    assert losses == ["'b' is recursive: made optional", "'a' is recursive: made optional"]


def test_a_schema_that_refers_to_its_root_gets_a_definition_of_it():
    written = sent(of({"v": {"type": "string"}, "next": {"$ref": "#"}}, required=["v"]))
    body = of({"v": {"type": "string"}, "next": {"$ref": "#/$defs/root"}}, required=["v"])
    assert written == {**body, "$defs": {"root": body}}


def test_what_is_nested_too_deeply_for_google_goes_on_in_a_definition():
    schema: dict = {"type": "string"}
    for _ in range(60):
        schema = of({"x": schema}, required=["x"])
    written = sent(schema)
    judge(written)
    found, levels = written, 0
    while found != {"type": "string"}:
        found = written["$defs"][found["$ref"].removeprefix("#/$defs/")] if "$ref" in found else found["properties"]["x"]
        levels += "$ref" not in found
    assert levels == 60


@pytest.mark.parametrize(
    "definitions",
    [
        {f"A{n}": {"allOf": [{"$ref": f"#/$defs/A{n + 1}"}, {"$ref": f"#/$defs/A{n + 1}"}]} for n in range(60)} | {"A60": {}},
        {f"A{n}": of({"p": {"allOf": [{"$ref": f"#/$defs/A{n + 1}"}] * 9}}) for n in range(60)} | {"A60": {}},
        {"A0": {"allOf": [of({"p": {"$ref": "#/$defs/A0"}}), of({"p": of({"q": {"$ref": "#/$defs/A0"}})})]}},
    ],
    ids=["wide", "repeated", "growing"],
)
def test_schemas_made_to_explode_do_not(definitions):
    written, _ = rewritten(of({"x": {"$ref": "#/$defs/A0"}}, **{"$defs": definitions}))
    assert len(json.dumps(written)) < 2_000_000
