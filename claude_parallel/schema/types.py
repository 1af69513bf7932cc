"""The Python types behind a schema that is written as a mapping or as a JSON schema.

Both become a ``TypedDict``, which takes any key as a field's name, so that one way of validation serves all;
what the API makes of the types is decided in ``wire``.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Union, cast

from .json_schema import Json, below, fault, inline
from .wire import STRUCTURE, refuse_logic

_SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_FORMATS: dict[str, Any] = {"date": date, "date-time": datetime}

Check = Callable[[Any, Any], bool]


def _multiple(value: Any, step: Any) -> bool:
    # Decimal, because 0.3 is no multiple of 0.1 in binary floats.
    return Decimal(str(value)) % Decimal(str(step)) == 0


def _unique(value: list[Any], wanted: bool) -> bool:
    return not wanted or len({json.dumps(item, sort_keys=True, default=str) for item in value}) == len(value)


_CHECKS: dict[str, dict[str, tuple[Check, str]]] = {
    "number": {
        "minimum": (operator.ge, "must be at least {}"),
        "maximum": (operator.le, "must be at most {}"),
        "exclusiveMinimum": (operator.gt, "must be above {}"),
        "exclusiveMaximum": (operator.lt, "must be below {}"),
        "multipleOf": (_multiple, "must be a multiple of {}"),
    },
    "string": {
        "minLength": (lambda value, limit: len(value) >= limit, "must have at least {} characters"),
        "maxLength": (lambda value, limit: len(value) <= limit, "must have at most {} characters"),
        "pattern": (lambda value, pattern: re.search(pattern, value) is not None, "must match {}"),
    },
    "array": {
        "minItems": (lambda value, limit: len(value) >= limit, "must have at least {} items"),
        "maxItems": (lambda value, limit: len(value) <= limit, "must have at most {} items"),
        "uniqueItems": (_unique, "must not hold the same item twice"),
    },
}
"""JSON Schema's constraints by JSON type; the API holds hardly any, so they are checked on the answer."""


def is_json_schema(spec: Mapping[str, Any]) -> bool:
    """Tell a JSON schema from a mapping of field to type: its keywords hold JSON values, not types."""
    return (
        isinstance(spec.get("type"), str | list)
        or isinstance(spec.get("$ref"), str)
        or isinstance(spec.get("properties"), Mapping)
        or any(isinstance(spec.get(key), list | tuple) for key in ("enum", "anyOf", "oneOf", "allOf"))
    )


def type_of_mapping(spec: Mapping[str, Any], path: str = "") -> Any:
    """Return the type for a mapping of field to type; a field may be a mapping or a JSON schema itself.

    Raises
    ------
    InputError
        Where a field has no usable name or no type.
    """
    if not spec:
        raise fault(path, "the mapping has no fields", "give it at least one")
    fields: Json = {}
    for name, kind in spec.items():
        if not isinstance(name, str) or not name:
            raise fault(path, f"{name!r} is no field name", "use text")
        inner = below(path, name)
        if isinstance(kind, Mapping):
            fields[name] = type_of_json(kind, inner) if is_json_schema(kind) else type_of_mapping(kind, inner)
        elif isinstance(kind, list | tuple | set):
            raise fault(inner, f"{kind!r} is no type", "for labels write Literal['a', 'b'], for lists list[str]")
        elif isinstance(kind, str | bytes | int | float):
            raise fault(inner, f"{kind!r} is no type", "use str, int, float, bool, Literal[...], list[...] or a model")
        else:
            fields[name] = kind
    return typed_dict(path.rpartition(".")[2] or "Answer", fields)


def typed_dict(name: str, fields: Mapping[str, Any]) -> Any:
    """Return a ``TypedDict`` that refuses keys beyond `fields`."""
    from typing_extensions import TypedDict

    kind = cast(Any, TypedDict)(name, dict(fields))
    kind.__pydantic_config__ = {"extra": "forbid"}
    return kind


def type_of_json(schema: Mapping[str, Any], path: str = "") -> Any:
    """Return the type that validates what a JSON schema describes.

    Raises
    ------
    InputError
        For recursion and for constraints that make no sense; what the API cannot hold is left to ``to_wire``.
    """
    return _type(inline(schema, path), path)


def _type(node: Mapping[str, Any], path: str) -> Any:
    from pydantic import Field, WithJsonSchema

    refuse_logic(node, path)
    told = {key: node[key] for key in ("title", "description") if node.get(key)}
    if isinstance(node.get("type"), list):
        branches = [_branch(node, name) for name in node["type"]]
    else:
        branches = node.get("anyOf") or node.get("oneOf") or []
    if branches:
        union: Any = Union[tuple(_type(branch, path) for branch in branches)]  # noqa: UP007
        words = {key: node[key] for key in ("default", "examples") if key in node}
        return _annotate(union, Field(**told, json_schema_extra=words)) if told or words else union
    kind, json_type = _bare(node, path)
    if json_type is None:
        # Nothing here can be checked; to_wire says why it cannot be sent.
        return _annotate(Any, WithJsonSchema(dict(node)))
    constraints = {key: node[key] for key in _CHECKS.get(json_type, ()) if key in node}
    if constraints:
        kind = _annotate(kind, _validator(json_type, constraints, path))
    words = {key: value for key, value in node.items() if key not in STRUCTURE}
    return _annotate(kind, Field(**told, json_schema_extra=words)) if told or words else kind


def _branch(node: Mapping[str, Any], json_type: str) -> Json:
    """Return one type of a list of types, with the keywords that mean something for it."""
    own = _CHECKS.get("number" if json_type == "integer" else json_type, {})
    others = {key for checks in _CHECKS.values() for key in checks} - set(own)
    apart = {"title", "description", "default", *others}
    return {**{key: value for key, value in node.items() if key not in apart}, "type": json_type}


def _annotate(kind: Any, metadata: Any) -> Any:
    return Annotated[kind, metadata]


def _bare(node: Mapping[str, Any], path: str) -> tuple[Any, str | None]:
    """Return the type without its constraints, and the JSON type whose constraints apply."""
    listed = [node["const"]] if "const" in node else node.get("enum")
    if listed and all(label is None or isinstance(label, str | int | float | bool) for label in listed):
        return Literal[tuple(listed)], "label"
    kind = node.get("type") or ("object" if "properties" in node else "array" if "items" in node else None)
    if kind == "object" and node.get("properties") and not isinstance(node.get("additionalProperties"), Mapping):
        return _object(node, path), "object"
    if kind == "array" and isinstance(node.get("items"), Mapping) and "prefixItems" not in node:
        return list[_type(node["items"], f"{path}[]")], "array"  # type: ignore[misc]
    if kind == "string" and node.get("format") in _FORMATS:
        return _FORMATS[node["format"]], "date"
    if kind in _SCALARS:
        return _SCALARS[kind], "number" if kind == "integer" else kind
    return Any, None


def _object(node: Mapping[str, Any], path: str) -> Any:
    required = node.get("required", ())
    fields: Json = {}
    for name, child in node["properties"].items():
        kind = _type(child, below(path, name))
        fields[name] = kind if name in required else NotRequired[kind]
    return typed_dict(node.get("title") or path.rpartition(".")[2] or "Answer", fields)


def _validator(json_type: str, constraints: Mapping[str, Any], path: str) -> Any:
    from pydantic import AfterValidator

    for key, limit in constraints.items():
        wanted: Any = {"pattern": str, "uniqueItems": bool}.get(key, (int, float))
        if not isinstance(limit, wanted) or (isinstance(limit, bool) and key != "uniqueItems"):
            raise fault(path, f"{key} cannot be {limit!r}", "see JSON Schema 2020-12")
        if key == "pattern" and (error := _pattern_error(limit)):
            raise fault(path, f"the pattern {limit!r} is no regular expression ({error})", "mend it")

    def check(value: Any) -> Any:
        for key, limit in constraints.items():
            passes, message = _CHECKS[json_type][key]
            if not passes(value, limit):
                raise ValueError(message.format(limit))
        return value

    return AfterValidator(check)


def _pattern_error(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return None
