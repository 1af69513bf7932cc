"""The JSON schemas that the API takes: what it holds, what it refuses, and what it would silently empty.

Which Python types a schema comes from, and which columns it becomes, is decided in ``schema``.

The SDK's ``transform_schema`` does a part of this and is not used: it lets free-form objects through as
objects without properties (the model can then only answer ``{}``), drops the description beside a ``$ref``,
and keeps recursion. Source of the limits: the API's structured outputs page (September 2026), "JSON Schema
limitations", "Invalid outputs" and "Schema complexity limits".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .json_schema import Json, alternatives, below, fault, is_null, labels

MAX_OPTIONAL = 24
"""Properties not listed in ``required``, over the whole schema."""

MAX_UNIONS = 16
"""Uses of ``anyOf``, over the whole schema."""

STRING_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
"""The values of ``format`` that the API holds."""

_LOGIC = frozenset(
    ("not", "if", "then", "else", "patternProperties", "propertyNames", "unevaluatedProperties")
    + ("unevaluatedItems", "contains", "minContains", "maxContains", "minProperties", "maxProperties")
    + ("dependentRequired", "dependentSchemas")
)
STRUCTURE = frozenset(
    ("type", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties")
    + ("items", "prefixItems", "description", "title", "discriminator", "$schema", "$id", "$comment", "$defs")
    + ("definitions", "readOnly", "writeOnly", "deprecated")
)
"""Keywords that make up a schema or say nothing to a model; all others are words for the description."""


def to_wire(full: Mapping[str, Any]) -> Json:
    """Return the schema to send for an inlined JSON schema.

    What the API cannot hold (ranges, lengths, patterns) moves into the description, where the model sees it.
    A field that may be null and is null by default is sent as required, so that the model has to decide;
    where that makes too many unions, such fields are sent as optional without null. Both read back the same.

    Raises
    ------
    InputError
        For what the API refuses or silently empties; the message names the field and says what to do.
    """
    for omit_null in (False, True):
        wire = _wire(full, "", omit_null)
        optional, unions = _weigh(wire)
        if len(optional) <= MAX_OPTIONAL and len(unions) <= MAX_UNIONS:
            return wire
    crowded = ", ".join(map(repr, (optional if len(optional) > MAX_OPTIONAL else unions)[:5]))
    what = f"{len(optional)} fields may be left out and {len(unions)} have a union type (such as {crowded})"
    limits = f"the API takes at most {MAX_OPTIONAL} and {MAX_UNIONS}"
    raise fault("", f"{what}, {limits}", "make fields required and of one type, or ask in two calls")


def _weigh(wire: Json) -> tuple[list[str], list[str]]:
    optional, unions = [], []
    for path, node in _walk(wire, ""):
        if "anyOf" in node:
            unions.append(path)
        required = node.get("required", ())
        optional += [below(path, name) for name in node.get("properties", ()) if name not in required]
    return optional, unions


def _walk(node: Json, path: str) -> Iterator[tuple[str, Json]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _walk(child, below(path, name))
    if "items" in node:
        yield from _walk(node["items"], f"{path}[]")
    for branch in node.get("anyOf", ()):
        yield from _walk(branch, path)


def _wire(node: Mapping[str, Any], path: str, omit_null: bool) -> Json:
    refuse_logic(node, path)
    branches = alternatives(node)
    listed = labels(node)
    if listed is not None:
        _check_labels(listed, path)
        wire: Json = {"const": listed[0]} if "const" in node else {"enum": listed}
    elif len(branches) > 1:
        wire = _union(branches, path, omit_null)
    else:
        wire = _plain(branches[0], path, omit_null)
    return {**wire, **_words(node, path, STRUCTURE | set(wire))}


def refuse_logic(node: Mapping[str, Any], path: str) -> None:
    """Refuse the keywords that neither the API holds nor an answer is checked for."""
    if clash := sorted(_LOGIC & set(node)):
        raise fault(path, f"the API has no {clash[0]!r}", "leave it out, and check the column afterwards")
    if "allOf" in node:
        raise fault(path, "the API merges no 'allOf'", "write the properties as one object")
    if "prefixItems" in node:
        raise fault(path, "the API has no tuples", "use a nested model with a name for each position, or list[...]")


def _check_labels(listed: list[Any], path: str) -> None:
    if not listed:
        raise fault(path, "the list of labels is empty", "name at least one")
    for label in listed:
        if not (label is None or isinstance(label, str | int | float | bool)):
            raise fault(path, f"{label!r} cannot be a label", "use texts, numbers or booleans")
    seen: dict[str, str] = {}
    for label in (label for label in listed if isinstance(label, str)):
        if (other := seen.setdefault(label.casefold(), label)) != label:
            raise fault(
                path,
                f"{other!r} and {label!r} differ only in case, which the API does not keep",
                "rename one",
            )


def _union(branches: list[Json], path: str, omit_null: bool) -> Json:
    parts = [_wire(branch, path, omit_null) for branch in branches]
    solid = [part for part in parts if not is_null(part)]
    if len(solid) == 1 and len(solid) < len(parts) and (listed := labels(solid[0])) is not None:
        # Labels with null as one of them are no union, so they do not count as one.
        extra: Json = {key: solid[0][key] for key in ("description", "title") if key in solid[0]}
        return {"enum": [*(label for label in listed if label is not None), None], **extra}
    return {"anyOf": parts}


def _plain(node: Json, path: str, omit_null: bool) -> Json:
    kind = node.get("type") or ("object" if "properties" in node else "array" if "items" in node else None)
    match kind:
        case "object":
            return _object(node, path, omit_null)
        case "array":
            if not isinstance(node.get("items"), Mapping) or not node["items"]:
                raise fault(path, "it does not say what the list holds", "write list[str] or the like")
            short = node.get("minItems") in (0, 1)
            return {
                "type": "array",
                "items": _wire(node["items"], f"{path}[]", omit_null),
                **({"minItems": node["minItems"]} if short else {}),
            }
        case "string":
            if node.get("format") in ("binary", "base64url"):
                raise fault(path, "an answer holds no bytes", "use str")
            held = {"format": node["format"]} if node.get("format") in STRING_FORMATS else {}
            return {"type": "string", **held}
        case "integer" | "number" | "boolean" | "null":
            return {"type": kind}
        case None:
            raise fault(path, "it has no type (such as Any), and the API needs one", "use str, or a model with fields")
        case _:
            raise fault(path, f"{kind!r} is no JSON type", "use string, number, integer, boolean, array or object")


def _object(node: Json, path: str, omit_null: bool) -> Json:
    properties = node.get("properties")
    if not properties:
        if properties is not None and not isinstance(node.get("additionalProperties"), Mapping):
            raise fault(path, "the model has no fields", "give it at least one")
        raise fault(
            path,
            "a dict with free keys would always come back empty",
            "use a model with named fields, or a list of models with a key and a value",
        )
    if isinstance(node.get("additionalProperties"), Mapping):
        raise fault(path, "keys beyond the named ones never come back", "name every field")
    required = []
    wire: Json = {}
    for name, child in properties.items():
        inner = below(path, name)
        if name in node.get("required", ()):
            required.append(name)
        elif "default" in child and child["default"] is None and any(map(is_null, alternatives(child))):
            if omit_null:
                wire[name] = _wire(_without_null(child), inner, omit_null)
                continue
            required.append(name)
        wire[name] = _wire(child, inner, omit_null)
    return {"type": "object", "properties": wire, "required": required, "additionalProperties": False}


def _without_null(node: Json) -> Json:
    told: Json = {key: node[key] for key in ("title", "description") if key in node}
    parts = [part for part in alternatives(node) if not is_null(part)]
    if not parts:
        return node
    return {**parts[0], **told} if len(parts) == 1 else {"anyOf": parts, **told}


def _words(node: Mapping[str, Any], path: str, kept: frozenset[str]) -> Json:
    """Return title and description, the latter with what the API cannot hold."""
    rest = {key: value for key, value in node.items() if key not in kept and not (key == "default" and value is None)}
    told = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False, default=str)}" for key, value in rest.items())
    parts = [node.get("description"), f"{{{told}}}" if told else None]
    words: Json = {}
    if text := "\n\n".join(part for part in parts if part):
        words["description"] = text
    # Generated titles repeat the field's name: they would be paid on every call and say nothing.
    title = node.get("title")
    if title and _letters(title) != _letters(path.rpartition(".")[2]):
        words["title"] = title
    return words


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
