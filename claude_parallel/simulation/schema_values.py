"""A JSON value that fits a schema, chosen by chance that is handed in.

It knows the part of JSON Schema that structured outputs accept; whether a schema is accepted is for
:mod:`schema_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

_WORDS = ("simulated", "sample", "example", "neutral", "short", "plain", "quiet", "early", "blue", "round")

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


def fitting_value(schema: Mapping[str, Any], chance: Random) -> Any:
    """Return a value that fits `schema`.

    Parameters
    ----------
    schema : mapping
        A schema that structured outputs accept.
    chance : random.Random
        Decides between what is allowed.
    """
    return _value(schema, schema, chance)


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], chance: Random) -> Any:
    if "$ref" in schema:
        return _value(resolve(str(schema["$ref"]), root), root, chance)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(list(schema["enum"]))
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return _value(chance.choice(list(schema[name])), root, chance)
    if "allOf" in schema:
        return _value(_merged(schema, root), root, chance)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = chance.choice(kind)
    return _typed(kind, schema, root, chance)


def _typed(kind: Any, schema: Mapping[str, Any], root: Mapping[str, Any], chance: Random) -> Any:
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, root, chance)
    if kind == "array":
        count = max(int(schema.get("minItems", 0)), chance.randint(1, 3))
        return [_value(schema.get("items") or {}, root, chance) for _ in range(count)]
    if kind == "string":
        return _string(schema, chance)
    if kind == "integer":
        return chance.randint(0, 100)
    if kind == "number":
        return round(chance.uniform(0, 100), 2)
    if kind == "boolean":
        return chance.random() < 0.5
    return None if kind == "null" else _string(schema, chance)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], chance: Random) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    # The API writes required properties first, then optional ones.
    names = [name for name in properties if name in required]
    names += [name for name in properties if name not in required and chance.random() < 0.8]
    return {name: _value(properties[name], root, chance) for name in names}


def _string(schema: Mapping[str, Any], chance: Random) -> str:
    form = _FORMATS.get(str(schema.get("format")))
    if form is not None:
        month, day = chance.randint(1, 12), chance.randint(1, 28)
        return form.format(month=month, day=day, hour=chance.randint(1, 23), n=chance.randint(1, 254))
    return " ".join(chance.choice(_WORDS) for _ in range(3))


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
