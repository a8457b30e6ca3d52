"""The generator of instances: whatever pydantic and zod write is satisfied."""

import enum
from typing import Annotated, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field

from tests.google.errors import Refusal
from tests.google.instances import generate


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Tree(BaseModel):
    name: str = Field(min_length=8, max_length=9)
    children: list["Tree"] = []
    parent: "Tree | None" = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(gt=8, le=9)]


class Dog(BaseModel):
    kind: Literal["dog"]


class Order(BaseModel):
    id: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{4}$")]
    colour: Colour
    weights: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=2, max_length=3)]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    tree: Tree
    note: str | None
    extra: dict[str, int]
    pair: tuple[int, str]
    tags: set[str] = Field(min_length=3)


@pytest.mark.parametrize("model", [Order, Tree, Cat])
def test_an_instance_of_a_pydantic_schema_is_valid(model):
    schema = model.model_json_schema()
    made = generate(schema)
    jsonschema.validate(made, schema)
    model.model_validate(made)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": ["null", "string"]}}, "required": ["a"], "additionalProperties": False},
        {
            "$ref": "#/$defs/L",
            "$defs": {
                "L": {
                    "anyOf": [
                        {"type": "object", "properties": {"next": {"$ref": "#/$defs/L"}}, "required": ["next"]},
                        {"type": "null"},
                    ]
                }
            },
        },
        {"type": "array", "prefixItems": [{"type": "integer"}, {"const": "b"}], "items": False},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
        {"type": "integer", "multipleOf": 7, "minimum": 8},
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
        {"type": "number", "maximum": -2},
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^(?:yes|no)[a-z]+\\d*$"},
        {"enum": [3, "x"]},
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
        {},
    ],
)
def test_an_instance_is_valid(schema):
    jsonschema.validate(generate(schema), schema)


def test_googles_own_upper_case_schema_is_understood():
    assert generate({"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "BOOLEAN"}}}}) == {"a": [True]}


def test_a_schema_that_never_ends_is_refused():
    endless = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
    with pytest.raises(Refusal, match="recursive"):
        generate(endless)
