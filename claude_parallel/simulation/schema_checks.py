"""Whether structured outputs accept a JSON schema, and if not, why.

It knows the rules of the API's grammar compiler; values that fit are for :mod:`schema_values`. Source: Claude
docs, structured outputs, read 2026-11-22.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .digest import pack
from .schema_values import resolve

MAX_OPTIONAL = 24
"""Optional parameters that one request may have."""

MAX_UNIONS = 16
"""Parameters with a union type that one request may have."""

FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})

_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "enum", "const", "anyOf", "allOf", "$ref",
        "$defs", "definitions", "items", "minItems", "format", "pattern", "title", "description", "default",
        "examples", "$schema", "$id", "$comment",
    }
)  # fmt: skip

_TYPED_BY = ("type", "enum", "const", "anyOf", "allOf", "$ref")


class _SchemaError(Exception):
    """The schema breaks a rule; its text says which."""


def schema_problem(schema: Any) -> str | None:
    """Return why a schema is refused, or None."""
    if not isinstance(schema, Mapping):
        return "Input should be a valid dictionary"
    return _cached_problem(pack(schema))


@lru_cache(maxsize=256)
def _cached_problem(packed: bytes) -> str | None:
    try:
        schema = marshal.loads(packed)
        stats = {"optional": 0, "unions": 0}
        _check(schema, schema, (), stats)
    except _SchemaError as refused:
        return str(refused)
    if stats["optional"] > MAX_OPTIONAL:
        return f"Schemas contain too many optional parameters ({stats['optional']}; limit {MAX_OPTIONAL})"
    if stats["unions"] > MAX_UNIONS:
        return f"Schemas contain too many parameters with union types ({stats['unions']}; limit {MAX_UNIONS})"
    return None


def _check(schema: Any, root: Any, references: tuple[str, ...], stats: dict[str, int]) -> None:
    if not isinstance(schema, dict):
        raise _SchemaError(f"Invalid schema: {schema!r} is not an object")
    for name in schema:
        if name not in _KEYWORDS:
            raise _SchemaError(f"For '{schema.get('type', 'any')}' type, property '{name}' is not supported")
    if not any(name in schema for name in _TYPED_BY):
        raise _SchemaError("Schema is missing a 'type'")
    if "$ref" in schema:
        _check_reference(str(schema["$ref"]), root, references, stats)
    for name in ("anyOf", "allOf"):
        for part in schema.get(name, ()):
            _check(part, root, references, stats)
    if "anyOf" in schema or isinstance(schema.get("type"), list):
        stats["unions"] += 1
    _check_leaf(schema)
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds:
        _check_object(schema, root, references, stats)
    if "array" in kinds:
        _check(schema.get("items"), root, references, stats)


def _check_reference(reference: str, root: Any, references: tuple[str, ...], stats: dict[str, int]) -> None:
    if not reference.startswith("#"):
        raise _SchemaError(f"External $ref '{reference}' is not supported")
    if reference == "#" or reference in references:
        raise _SchemaError(f"Circular $ref '{reference}' is not supported: recursive schemas cannot be compiled")
    try:
        target = resolve(reference, root)
    except (KeyError, TypeError, IndexError):
        raise _SchemaError(f"$ref '{reference}' cannot be resolved") from None
    _check(target, root, (*references, reference), stats)


def _check_leaf(schema: dict[str, Any]) -> None:
    form = schema.get("format")
    if form is not None and form not in FORMATS:
        raise _SchemaError(f"For 'string' type, format '{form}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise _SchemaError("For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    values = schema.get("enum", [schema.get("const")])
    if not values or any(isinstance(value, dict | list) for value in values):
        raise _SchemaError("'enum' and 'const' take strings, numbers, booleans or null")


def _check_object(schema: dict[str, Any], root: Any, references: tuple[str, ...], stats: dict[str, int]) -> None:
    if schema.get("additionalProperties") is not False:
        raise _SchemaError("For 'object' type, 'additionalProperties' must be explicitly set to false")
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    for name in required:
        if name not in properties:
            raise _SchemaError(f"Required property '{name}' is not in 'properties'")
    stats["optional"] += len(properties) - len(set(required))
    for inner in properties.values():
        _check(inner, root, references, stats)
