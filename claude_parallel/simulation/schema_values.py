"""A JSON value that fits a schema: what the simulated model knows, field by field.

It knows the part of JSON Schema that structured outputs accept; whether a schema is accepted is for
:mod:`schema_checks`, and what is said about a text for :mod:`knowledge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .knowledge import Knowledge

_FORMATS: Mapping[str, str] = {
    "date-time": "2026-{month:02d}-{day:02d}T{hour:02d}:30:00Z",
    "date": "2026-{month:02d}-{day:02d}",
    "time": "{hour:02d}:30:00Z",
    "duration": "PT{hour}H",
    "email": "simulated{n}@example.com",
    "hostname": "host{n}.example.com",
    "uri": "https://example.com/{n}",
    "ipv4": "192.0.2.{n}",
    "ipv6": "2001:db8::{n}",
    "uuid": "00000000-0000-4000-8000-{n:012d}",
}

_NAMELESS = frozenset({"value", "answer", "result", "item", "items", "output"})
"""Names that say nothing: the field around them says what is asked."""


def fitting_value(schema: Mapping[str, Any], knowledge: Knowledge) -> Any:
    """Return a value that fits `schema`.

    Parameters
    ----------
    schema : mapping
        A schema that structured outputs accept.
    knowledge : Knowledge
        What there is to say, and the chance that decides the rest.
    """
    return _value(schema, schema, knowledge, "")


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], knowledge: Knowledge, name: str) -> Any:
    if "$ref" in schema:
        return _value(resolve(str(schema["$ref"]), root), root, knowledge, name)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return knowledge.label(list(schema["enum"]), name, str(schema.get("description", "")))
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return _value(knowledge.chance.choice(list(schema[keyword])), root, knowledge, name)
    if "allOf" in schema:
        return _value(_merged(schema, root), root, knowledge, name)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = knowledge.chance.choice(kind)
    return _typed(kind, schema, root, knowledge, name)


def _typed(kind: Any, schema: Mapping[str, Any], root: Mapping[str, Any], knowledge: Knowledge, name: str) -> Any:
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, root, knowledge, name)
    if kind == "array":
        return _array(schema, root, knowledge, name)
    if kind == "string":
        return _string(schema, knowledge, name)
    if kind == "integer":
        return int(knowledge.number(name))
    if kind == "number":
        return float(knowledge.number(name))
    if kind == "boolean":
        return knowledge.is_true(name)
    return None if kind == "null" else _string(schema, knowledge, name)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], knowledge: Knowledge, name: str) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    # The API writes required properties first, then optional ones.
    names = [field for field in properties if field in required]
    names += [field for field in properties if field not in required and knowledge.chance.random() < 0.8]
    return {field: _value(properties[field], root, knowledge, name if field in _NAMELESS else field) for field in names}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], knowledge: Knowledge, name: str) -> list[Any]:
    items: Mapping[str, Any] = schema.get("items") or {}
    least = int(schema.get("minItems", 0))
    if "enum" in items:
        return [_value(items, root, knowledge, name)]
    if items.get("type") == "string" and "format" not in items:
        return knowledge.strings(name)
    return [_value(items, root, knowledge, name) for _ in range(max(least, knowledge.chance.randint(1, 3)))]


def _string(schema: Mapping[str, Any], knowledge: Knowledge, name: str) -> str:
    form = _FORMATS.get(str(schema.get("format")))
    if form is None:
        return knowledge.string(name)
    chance = knowledge.chance
    month, day = chance.randint(1, 12), chance.randint(1, 28)
    return form.format(month=month, day=day, hour=chance.randint(1, 23), n=chance.randint(1, 254))


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema["allOf"]:
        part = resolve(str(part["$ref"]), root) if "$ref" in part else part
        for name, value in part.items():
            if name == "properties":
                merged["properties"] = {**merged.get("properties", {}), **value}
            elif name == "required":
                merged["required"] = [*merged.get("required", []), *value]
            else:
                merged.setdefault(name, value)
    return merged


def resolve(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a local reference such as ``#/$defs/Tone`` names.

    Raises
    ------
    KeyError
        When there is none.
    """
    if reference == "#":
        return root
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    if not isinstance(found, Mapping):
        raise KeyError(reference)
    return found
