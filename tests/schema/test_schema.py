"""Schemas: what is sent, what is refused before any call, and how answers are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, create_model, field_validator
from pydantic.networks import HttpUrl
from typing_extensions import TypedDict

from claude_parallel.errors import InputError
from claude_parallel.frames.typed_columns import typed_columns
from claude_parallel.schema.schema import Problem, Schema, Values, compile_schema


class Tone(Enum):
    """How it sounds."""

    GOOD = "Good"
    SO_SO = "so so"


class Stars(IntEnum):
    """A rating."""

    ONE = 1
    TWO = 2


class Address(BaseModel):
    """A place."""

    street: str
    floor: int | None = None


class Person(TypedDict):
    """A person."""

    name: str


@dataclass
class Point:
    """A point."""

    x: float
    y: float


class Names(RootModel[list[str]]):
    """A list with a name."""


class Review(BaseModel):
    """A review."""

    tone: Tone = Field(description="how it sounds")
    score: int = Field(ge=1, le=5)
    address: Address | None = None
    tags: list[str] = Field(default_factory=list, max_length=2)
    code: str = Field("AA", pattern="^[A-Z]+$")

    @field_validator("tags")
    @classmethod
    def _no_spam(cls, value: list[str]) -> list[str]:
        if "spam" in value:
            raise ValueError("no spam, please")
        return value


def wire_of(spec: Any) -> dict[str, Any]:
    """Return the schema that is sent for `spec`, without the wrapper of a bare type."""
    schema = compile_schema(spec, "out")
    sent: dict[str, Any] = schema.format["schema"]
    return sent["properties"]["value"] if schema.wrapped else sent


def read(spec: Any, value: Any) -> Values | Problem:
    """Read `value` as the answer's field ``value``."""
    return compile_schema(spec, "out").read(json.dumps({"value": value}))


MOMENT = "2026-11-23T12:30:00+02:00"

BARE: list[tuple[Any, dict[str, Any], Any, Any, str]] = [
    (bool, {"type": "boolean"}, True, True, "boolean"),
    (int, {"type": "integer"}, 7, 7, "Int64"),
    (int, {"type": "integer"}, 2**70, 2**70, "object"),
    (float, {"type": "number"}, 0.5, 0.5, "Float64"),
    (float, {"type": "number"}, 2, 2.0, "Float64"),
    (int | float, {"anyOf": [{"type": "integer"}, {"type": "number"}]}, 2, 2, "Float64"),
    (str, {"type": "string"}, "", "", "string"),
    (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None, "Int64"),
    (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "a", "a", "object"),
    (Literal["a", "B"], {"enum": ["a", "B"]}, "b", "B", "category"),
    (Literal["only"], {"const": "only"}, "ONLY", "only", "category"),
    (Literal["a", 1, True], {"enum": ["a", 1, True]}, 1, 1, "category"),
    (Literal["a", "b"] | None, {"enum": ["a", "b", None]}, None, None, "category"),
    (
        Tone,
        {"enum": ["Good", "so so"], "description": "How it sounds.", "title": "Tone"},
        "SO SO",
        "so so",
        "category",
    ),
    (Stars, {"enum": [1, 2], "description": "A rating.", "title": "Stars"}, 2, 2, "category"),
    (date, {"type": "string", "format": "date"}, "2026-11-23", date(2026, 11, 23), "datetime64[ns]"),
    (
        datetime,
        {"type": "string", "format": "date-time"},
        MOMENT,
        datetime(2026, 11, 23, 10, 30, tzinfo=UTC),
        "datetime64[ns, UTC]",
    ),
    (time, {"type": "string", "format": "time"}, "12:30:00", time(12, 30), "object"),
    (timedelta, {"type": "string", "format": "duration"}, "PT90S", timedelta(seconds=90), "object"),
    (UUID, {"type": "string", "format": "uuid"}, str(UUID(int=1)), str(UUID(int=1)), "string"),
    (
        HttpUrl,
        {"type": "string", "format": "uri", "description": "{maxLength: 2083, minLength: 1}"},
        "https://example.org/",
        "https://example.org/",
        "string",
    ),
    (Decimal, {"anyOf": [{"type": "number"}, {"type": "string"}]}, 0.1, Decimal("0.1"), "object"),
    (list[int], {"type": "array", "items": {"type": "integer"}}, [1, 2], [1, 2], "object"),
    (list[Literal["Good"]], {"type": "array", "items": {"const": "Good"}}, ["good"], ["Good"], "object"),
    (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [1], [1], "object"),
    (
        set[str],
        {"type": "array", "items": {"type": "string"}, "description": "{uniqueItems: true}"},
        ["b", "a"],
        ["a", "b"],
        "object",
    ),
    (
        Names,
        {
            "type": "array",
            "items": {"type": "string"},
            "description": "A list with a name.",
            "title": "Names",
        },
        ["a"],
        ["a"],
        "object",
    ),
    (Annotated[int, Field(ge=1)], {"type": "integer", "description": "{minimum: 1}"}, 1, 1, "Int64"),
    ({"enum": ["x", "y"]}, {"enum": ["x", "y"]}, "X", "x", "category"),
    ({"type": "integer", "minimum": 3}, {"type": "integer", "description": "{minimum: 3}"}, 3, 3, "Int64"),
]


@pytest.mark.parametrize(("spec", "sent", "answer", "cell", "dtype"), BARE)
def test_every_bare_type_goes_out_comes_back_and_gets_its_dtype(
    spec: Any, sent: dict[str, Any], answer: Any, cell: Any, dtype: str
) -> None:
    """A bare type is sent, answered, validated, and becomes the `out` column."""
    schema = compile_schema(spec, "out")
    found = schema.read(json.dumps({"value": answer}))

    assert wire_of(spec) == sent
    assert isinstance(found, Values)
    assert found.columns == (cell,)
    assert [field.column for field in schema.fields] == ["out"]
    assert str(typed_columns(schema, [found, None])["out"].dtype) == dtype
    assert str(typed_columns(schema, [None])["out"].dtype) == schema.fields[0].dtype


def test_a_bare_type_travels_in_an_object_and_its_object_is_the_value_itself() -> None:
    """The API gets one field named value, whatever the column is called."""
    schema = compile_schema(bool, "sentiment")

    assert schema.format == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"value": {"type": "boolean"}},
            "required": ["value"],
            "additionalProperties": False,
        },
    }
    assert schema.read('{"value": false}') == Values((False,))


def test_a_model_goes_out_closed_inlined_and_with_its_limits_as_words() -> None:
    """Constraints leave the schema and stand in the description; descriptions survive references."""
    assert wire_of(Review) == {
        "type": "object",
        "title": "Review",
        "description": "A review.",
        "properties": {
            "tone": {"enum": ["Good", "so so"], "description": "how it sounds"},
            "score": {"type": "integer", "description": "{maximum: 5, minimum: 1}"},
            "address": {
                "anyOf": [
                    {
                        "type": "object",
                        "description": "A place.",
                        "properties": {
                            "street": {"type": "string"},
                            "floor": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                        },
                        "required": ["street", "floor"],
                        "additionalProperties": False,
                    },
                    {"type": "null"},
                ]
            },
            "tags": {"type": "array", "items": {"type": "string"}, "description": "{maxItems: 2}"},
            "code": {"type": "string", "description": '{default: "AA", pattern: "^[A-Z]+$"}'},
        },
        "required": ["tone", "score", "address"],
        "additionalProperties": False,
    }


def test_a_model_reads_into_plain_columns_and_gives_the_object_back() -> None:
    """Nested models become dicts in cells; the validated object is the user's own class."""
    schema = compile_schema(Review, "out")
    found = schema.read('{"tone": "GOOD", "score": 5, "address": {"street": "Elm", "floor": 2}}')

    assert isinstance(found, Values)
    assert found.columns == ("Good", 5, {"street": "Elm", "floor": 2}, [], "AA")
    assert schema.rebuild(found.columns) == Review.model_validate(
        {"tone": "Good", "score": 5, "address": {"street": "Elm", "floor": 2}}
    )


@pytest.mark.parametrize(
    ("spec", "answer", "cells"),
    [
        (Point, {"x": 1, "y": 2.5}, (1.0, 2.5)),
        (Person, {"name": "Ada"}, ("Ada",)),
        ({"a": int, "copy": str, "model_config": bool, "_b": Address}, None, None),
        ({"a": {"b": list[int]}}, {"a": {"b": [1]}}, ({"b": [1]},)),
        ({"type": str, "properties": int}, {"type": "x", "properties": 1}, ("x", 1)),
        ({"a": {"type": "integer", "maximum": 2}}, {"a": 2}, (2,)),
        (create_model("Aliased", first=(int, Field(alias="First Name"))), {"First Name": 1}, (1,)),
    ],
)
def test_records_of_every_kind_become_one_column_a_field(spec: Any, answer: Any, cells: Any) -> None:
    """Dataclasses, TypedDicts, mappings with any field name, and aliased models are records."""
    schema = compile_schema(spec, "out")
    if answer is None:
        answer = {"a": 1, "copy": "c", "model_config": True, "_b": {"street": "s", "floor": None}}
        cells = (1, "c", True, {"street": "s", "floor": None})
    found = schema.read(json.dumps(answer))

    assert isinstance(found, Values)
    assert found.columns == cells
    assert not schema.wrapped


def test_a_field_with_an_alias_keeps_its_own_name_as_column() -> None:
    """The alias is for the wire only."""
    schema = compile_schema(create_model("Aliased", first=(int, Field(alias="First Name"))), "out")

    assert list(schema.format["schema"]["properties"]) == ["First Name"]
    assert schema.fields[0].column == "first"


FULL_JSON_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Invoice",
    "type": "object",
    "properties": {
        "total": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "multipleOf": 0.01},
        "currency": {"$ref": "#/$defs/currency", "description": "ISO code"},
        "note": {"type": ["string", "null"], "minLength": 2, "maxLength": 5, "description": "a remark"},
        "due": {"type": "string", "format": "date"},
        "lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "uniqueItems": True,
            "items": {"type": "object", "properties": {"sku": {"type": "string", "pattern": "^[0-9]+$"}}},
        },
        "paid": {"oneOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
    },
    "required": ["total", "currency"],
    "$defs": {"currency": {"type": "string", "enum": ["EUR", "USD"]}},
}


def test_a_json_schema_keeps_what_the_api_holds_and_tells_the_rest() -> None:
    """References are resolved, type lists opened, unheld keywords become words."""
    wire = wire_of(FULL_JSON_SCHEMA)

    assert wire["title"] == "Invoice"
    assert wire["properties"] == {
        "total": {"type": "number", "description": "{exclusiveMinimum: 0, maximum: 1000, multipleOf: 0.01}"},
        "currency": {"enum": ["EUR", "USD"], "description": "ISO code"},
        "note": {
            "anyOf": [{"type": "string", "description": "{maxLength: 5, minLength: 2}"}, {"type": "null"}],
            "description": "a remark",
        },
        "due": {"type": "string", "format": "date"},
        "lines": {
            "type": "array",
            "minItems": 1,
            "description": "{maxItems: 2, uniqueItems: true}",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string", "description": '{pattern: "^[0-9]+$"}'}},
                "required": [],
                "additionalProperties": False,
            },
        },
        "paid": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    }
    assert wire["required"] == ["total", "currency", "paid"]


GOOD_INVOICE = {"total": 0.03, "currency": "eur", "lines": [{"sku": "1"}], "paid": None}


def test_a_json_schema_reads_into_typed_columns() -> None:
    """Missing properties are missing values, dates are dates."""
    schema = compile_schema(FULL_JSON_SCHEMA, "out")
    found = schema.read(json.dumps({**GOOD_INVOICE, "due": "2026-01-02"}))

    assert isinstance(found, Values)
    assert found.columns == (0.03, "EUR", None, date(2026, 1, 2), [{"sku": "1"}], None)
    assert [field.dtype for field in schema.fields] == [
        "Float64",
        "category",
        "string",
        "datetime64[ns]",
        "object",
        "boolean",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total": 0}, "field 'total': must be above 0 (got 0)"),
        ({"total": 1001}, "field 'total': must be at most 1000 (got 1001)"),
        ({"total": 0.005}, "field 'total': must be a multiple of 0.01 (got 0.005)"),
        ({"total": None}, "field 'total'"),
        ({"note": "x"}, "field 'note': must have at least 2 characters (got 'x')"),
        ({"note": "xxxxxx"}, "field 'note': must have at most 5 characters"),
        ({"due": "soon"}, "field 'due'"),
        ({"lines": []}, "field 'lines': must have at least 1 items (got [])"),
        ({"lines": [{}, {"sku": "1"}, {"sku": "2"}]}, "field 'lines': must have at most 2 items"),
        ({"lines": [{}, {}]}, "field 'lines': must not hold the same item twice"),
        ({"lines": [{"sku": "a"}]}, "field 'lines[0].sku': must match ^[0-9]+$ (got 'a')"),
        ({"currency": "GBP"}, "field 'currency'"),
        ({"extra": 1}, "field 'extra'|Extra inputs"),
    ],
)
def test_a_json_schemas_constraints_are_checked_on_the_answer(change: dict[str, Any], message: str) -> None:
    """What the API cannot hold is checked afterwards, and the message names the field."""
    found = compile_schema(FULL_JSON_SCHEMA, "out").read(json.dumps({**GOOD_INVOICE, **change}))

    assert isinstance(found, Problem)
    assert any(part in found.message for part in message.split("|"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("Sure! {}", "not JSON"),
        ('{"tone": "Good", "sco', "not JSON"),
        ('{"tone": "Good", "score": 3} trailing', "not JSON"),
        ('{"tone": "Good", "score": NaN}', "NaN"),
        ('{"tone": "Good", "score": 3, "score": 4}', "twice"),
        ("[" * 200_000, "JSON|deep"),
        ("[]", "the answer"),
        ("null", "the answer"),
        ('{"tone": "Good"}', "field 'score' is missing"),
        ('{"tone": "Good", "score": 9}', "field 'score': Input should be less than or equal to 5 (got 9)"),
        ('{"tone": "awful", "score": 1}', "field 'tone'"),
        ('{"tone": "Good", "score": 1, "tags": ["spam"]}', "field 'tags': no spam, please (got ['spam'])"),
        ('{"tone": "Good", "score": 1, "tags": ["a", "b", "c"]}', "field 'tags'"),
        ('{"tone": "Good", "score": 1, "code": "a1"}', "field 'code'"),
        ('{"tone": "Good", "score": 1, "address": {"floor": 1}}', "field 'address.street' is missing"),
        ('{"tone": "Good", "score": 1' + "1" * 5000 + "}", ""),
    ],
)
def test_an_answer_that_does_not_fit_is_a_problem_and_never_half_read(text: str, message: str) -> None:
    """No value comes out of a cut, wrong or invalid answer."""
    found = compile_schema(Review, "out").read(text)

    assert isinstance(found, Problem)
    assert any(part in found.message for part in message.split("|"))
    assert "\n" not in found.message


def test_a_validator_that_breaks_is_a_problem_of_the_row() -> None:
    """Whatever a user's validator raises stays in the row."""

    class Broken(BaseModel):
        a: int

        @field_validator("a")
        @classmethod
        def _fail(cls, value: int) -> int:
            return [1][value]

    found = compile_schema(Broken, "out").read('{"a": 1}')

    assert isinstance(found, Problem)
    assert "IndexError" in found.message


def test_many_errors_are_told_briefly() -> None:
    """Three errors are told, the others counted, and long values cut."""
    found = compile_schema(dict.fromkeys("abcde", int), "out").read(json.dumps({"a": "x" * 500}))

    assert isinstance(found, Problem)
    assert found.message.endswith("and 2 more")
    assert len(found.message) < 300


class Cat(BaseModel):
    """A cat."""

    kind: Literal["Cat"]
    mood: Literal["Happy", "Sad"]


class Dog(BaseModel):
    """A dog."""

    kind: Literal["Dog"]
    tricks: list[Literal["Sit", "Roll Over"]]


@pytest.mark.parametrize(
    ("spec", "answer", "cell"),
    [
        (Literal["Conversation topic 3", "b"], "Conversation Topic 3", "Conversation topic 3"),
        (list[Literal["A"]], ["a", "A"], ["A", "A"]),
        (Literal["A"] | int, "a", "A"),
        (
            Annotated[Cat | Dog, Field(discriminator="kind")],
            {"kind": "cat", "mood": "SAD"},
            {"kind": "Cat", "mood": "Sad"},
        ),
        (Cat | Dog, {"kind": "DOG", "tricks": ["roll over"]}, {"kind": "Dog", "tricks": ["Roll Over"]}),
        (Cat | None, {"kind": "cat", "mood": "happy"}, {"kind": "Cat", "mood": "Happy"}),
        (str, "MiXed", "MiXed"),
    ],
)
def test_labels_get_back_the_letter_case_of_the_schema(spec: Any, answer: Any, cell: Any) -> None:
    """The API does not keep the case of labels; nothing but labels is touched."""
    found = read(spec, answer)

    assert isinstance(found, Values)
    assert found.columns == (cell,)


class Node(BaseModel):
    """A tree."""

    children: list[Node]


class Opaque:
    """A class that pydantic knows nothing of."""


class Empty(BaseModel):
    """Nothing."""


class Holder(BaseModel):
    """A model with a free dict inside."""

    inner: dict[str, int]


class Deep(BaseModel):
    """A model with trouble below."""

    rows: list[Holder]


def model_of(fields: Mapping[str, Any]) -> Any:
    """Return a pydantic model with these fields."""
    return cast(Any, create_model)("Generated", **fields)


def many(count: int, kind: Any, default: Any = ...) -> Any:
    """Return a model with `count` fields of one type."""
    return model_of({f"f{place}": (kind, default) for place in range(count)})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Node, r"'children\[\]': it contains itself.*unroll"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "'a': it contains itself"),
        ({"type": "object", "properties": {"a": {"$ref": "http://x/y"}}}, "'a': .*not in the schema's own"),
        (dict, "free keys.*named fields"),
        (dict[str, int], "free keys"),
        (Holder, "'inner': .*free keys"),
        (Deep, r"'rows\[\].inner': .*free keys"),
        ({"type": "object"}, "free keys"),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}},
            },
            "'a'",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            },
            "free keys|keys beyond",
        ),
        ({"type": "object", "properties": {"a": True}}, "'a': True is no schema"),
        ({"a": {"type": "array", "items": True}}, "'a': .*what the list holds|'a'"),
        ({"a": {"type": "string", "pattern": "("}}, "'a': .*no regular expression"),
        (Any, "no type"),
        ({"a": Any}, "'a': it has no type.*use str"),
        ({"a": object}, "'a'"),
        (list, "what the list holds.*list"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "'a': .*what the list holds"),
        ({"type": "object", "properties": {"a": {}}}, "'a': it has no type"),
        (tuple[int, str], "no tuples.*nested model"),
        ({"type": "object", "properties": {"a": {"type": "array", "prefixItems": []}}}, "'a': .*no tuples"),
        (Empty, "no fields"),
        ({}, "no fields"),
        (bytes, "no bytes.*str"),
        ({"a": Callable[[], int]}, "'a': it has no JSON form"),
        ({"a": Opaque}, "'a': it has no JSON form"),
        ({"a": ["x", "y"]}, "'a': .*Literal"),
        (["good", "bad"], "for labels write Literal"),
        ({"a": "int"}, "'a': 'int' is no type"),
        ({"a": {"b": 5}}, "'a.b': 5 is no type"),
        ({"": int}, "no field name"),
        ({1: int}, "no field name"),
        ("int", "no type"),
        (None, "no type"),
        (["a"], "no type"),
        (Address(street="x"), "instance of Address.*class"),
        (Literal["A", "a"], "differ only in case"),
        ({"enum": []}, "list of labels is empty|no type"),
        ({"enum": [{"a": 1}]}, "cannot be a label"),
        ({"type": "string", "not": {"const": "x"}}, "no 'not'"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "minProperties": 1},
            "no 'minProperties'",
        ),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, "merges no 'allOf'"),
        ({"type": "text"}, "no JSON type"),
        ({"type": "string", "pattern": "("}, "no regular expression"),
        ({"type": "number", "exclusiveMinimum": True}, "exclusiveMinimum cannot be True"),
        (many(25, int, 1), "25 fields may be left out.*at most 24 and 16"),
        (many(17, int | str), "17 have a union type.*at most 24 and 16"),
        (many(25, int | None, None), "25 fields may be left out"),
    ],
)
def test_what_the_api_refuses_or_empties_is_an_input_error_that_names_the_field(spec: Any, message: str) -> None:
    """Found before any call, with the field's path and what to do instead."""
    with pytest.raises(InputError, match=message):
        compile_schema(spec, "out")


@pytest.mark.parametrize("spec", [many(24, int, 1), many(16, int | None), many(24, int | None, None), many(200, int)])
def test_schemas_at_the_limits_pass(spec: Any) -> None:
    """24 optional fields, 16 unions, and any number of required ones."""
    assert compile_schema(spec, "out").fields


def test_fields_that_may_be_null_are_asked_for_while_there_is_room() -> None:
    """Up to 16 such fields are required and may be null; more are optional; both read as missing."""
    few = compile_schema(many(2, int | None, None), "out")
    lots = compile_schema(many(20, int | None, None), "out")

    assert few.format["schema"]["required"] == ["f0", "f1"]
    assert lots.format["schema"]["required"] == []
    assert lots.format["schema"]["properties"]["f0"] == {"type": "integer"}
    assert few.read('{"f0": null, "f1": 1}') == few.read('{"f1": 1}')
    found = lots.read('{"f1": 1}')
    assert isinstance(found, Values)
    assert found.columns[:3] == (None, 1, None)


def test_a_field_that_a_json_schema_requires_stays_required() -> None:
    """What the answer is checked for is always asked for."""
    optional = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    names = [f"f{place}" for place in range(20)]
    spec = {
        "type": "object",
        "properties": {"must": optional, **dict.fromkeys(names, optional)},
        "required": ["must"],
    }
    schema = compile_schema(spec, "out")

    assert schema.format["schema"]["required"] == ["must"]
    assert isinstance(schema.read('{"must": null}'), Values)
    assert isinstance(schema.read("{}"), Problem)


def test_a_shared_model_is_written_out_wherever_it_is_used() -> None:
    """No reference is left, so a description beside one is not lost."""

    class Two(BaseModel):
        home: Address = Field(description="where they live")
        work: Address

    wire = wire_of(Two)

    assert "$ref" not in json.dumps(wire)
    assert wire["properties"]["home"]["description"] == "where they live"
    assert wire["properties"]["work"]["description"] == "A place."


@pytest.mark.parametrize(
    ("taken", "columns"),
    [
        ((), ["tone", "score", "out_out"]),
        (("tone",), ["out_tone", "score", "out_out"]),
        (("tone", "score", "x"), ["out_tone", "out_score", "out_out"]),
    ],
)
def test_fields_that_collide_get_the_prefix_of_the_response_column(taken: tuple[str, ...], columns: list[str]) -> None:
    """Input columns and the three response columns are never overwritten."""
    schema = compile_schema({"tone": str, "score": int, "out": bool}, "out", taken)

    assert [field.column for field in schema.fields] == columns


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"tone": str}, ("tone", "out_tone")),
        ({"tone": str, "out_tone": str}, ("tone",)),
        ({"error": str}, ("error", "out_error")),
    ],
)
def test_a_collision_that_the_prefix_does_not_solve_is_an_input_error(spec: Any, taken: tuple[str, ...]) -> None:
    """The user is told to rename the field or to choose another name."""
    with pytest.raises(InputError, match="rename the field, or choose another out="):
        compile_schema(spec, "out", taken)


def test_a_schema_nested_without_end_is_refused() -> None:
    """Three thousand arrays in each other are one clear line, not a RecursionError."""
    node: dict[str, Any] = {"type": "string"}
    for _ in range(3_000):
        node = {"type": "array", "items": node}
    spec = {"type": "object", "properties": {"a": node}, "required": ["a"], "additionalProperties": False}
    with pytest.raises(InputError, match="nested more deeply"):
        compile_schema(spec, "out")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="pydantic takes the typing module's own from 3.12 on")
def test_the_typing_modules_own_typed_dict_works() -> None:
    """On Python 3.12 and later both kinds of TypedDict are records."""
    from typing import TypedDict as Own

    assert compile_schema(Own("T", {"a": int}), "out").fields[0].column == "a"  # type: ignore[operator]


SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (bool, st.booleans()),
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text(st.characters(exclude_categories=["Cs"]))),
    (Literal["Yes", "No", "n/a"], st.sampled_from(["Yes", "No", "n/a"])),
    (date, st.dates()),
    (datetime, st.datetimes(timezones=st.just(UTC))),
]


def kinds(depth: int = 2) -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    """Return types together with the strategy for their values."""
    leaves = st.sampled_from(SCALARS)
    if depth == 0:
        return leaves
    inner = kinds(depth - 1)
    return st.one_of(
        leaves,
        inner.map(lambda pair: (list.__class_getitem__(pair[0]), st.lists(pair[1], max_size=3))),
        st.dictionaries(names(), inner, min_size=1, max_size=3).map(
            lambda fields: (
                model_of({name: (kind, ...) for name, (kind, _) in fields.items()}),
                st.fixed_dictionaries({name: values for name, (_, values) in fields.items()}),
            )
        ),
        leaves.map(lambda pair: (pair[0] | None, st.none() | pair[1])),
    )


def names() -> st.SearchStrategy[str]:
    """Return field names that pydantic takes."""
    return st.from_regex(r"[a-z]{1,5}[0-9]", fullmatch=True)


def jsonable(value: Any) -> Any:
    """Return `value` as JSON holds it."""
    if isinstance(value, dict):
        return {key: jsonable(child) for key, child in value.items()}
    if isinstance(value, list):
        return [jsonable(child) for child in value]
    return value.isoformat() if isinstance(value, date) else value


@given(st.dictionaries(names(), kinds(), min_size=1, max_size=5), st.booleans(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_valid_answer_reads_back_equal(fields: dict[str, Any], as_model: bool, data: st.DataObject) -> None:
    """For every schema of supported types, the cells are what the answer said."""
    types = {name: kind for name, (kind, _) in fields.items()}
    spec = model_of({name: (kind, ...) for name, kind in types.items()}) if as_model else types
    wanted = data.draw(st.fixed_dictionaries({name: values for name, (_, values) in fields.items()}))
    schema: Schema = compile_schema(spec, "out", ["taken"])
    found = schema.read(json.dumps(jsonable(wanted)))

    assert isinstance(found, Values)
    assert dict(zip(types, found.columns, strict=True)) == wanted
    assert set(typed_columns(schema, [None, found])) == {field.column for field in schema.fields}


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps))
@settings(max_examples=100, deadline=None)
def test_no_answer_makes_reading_raise(text: str) -> None:
    """Whatever the model says, a row gets values or a problem."""
    assert isinstance(compile_schema(Review, "out").read(text), Values | Problem)
