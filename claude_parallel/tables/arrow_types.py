"""The Arrow types of new columns: declared before the first answer, so that every chunk and part has the same ones.

Knows what a schema's field becomes in Arrow; the answers themselves are read by ``schema``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import pyarrow as pa

from ..schema.json_schema import alternatives, is_null
from ..schema.schema import Field
from ..text import encodable
from .rendering import to_text

INSTANT = pa.timestamp("us", tz="UTC")
_BY_DTYPE: dict[str, Any] = {
    "boolean": pa.bool_(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "string": pa.string(),
    "datetime64[ns, UTC]": INSTANT,
    "datetime64[ns]": pa.date32(),
}
_BY_JSON: dict[str, Any] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "string": pa.string(),
}


def type_of_field(field: Field, node: Mapping[str, Any]) -> Any:
    """Return the Arrow type of a schema's field.

    Labels become a dictionary of text, lists and models ``list`` and ``struct``; what has no type of its own (unions,
    free mappings, durations) becomes its JSON text.

    Parameters
    ----------
    field : Field
        The column.
    node : mapping
        Its JSON schema.
    """
    if field.dtype == "category":
        if all(isinstance(label, str) for label in field.categories):
            return pa.dictionary(pa.int32(), pa.string())
        return pa.int64() if all(type(label) is int for label in field.categories) else pa.string()
    if field.dtype in _BY_DTYPE:
        return _BY_DTYPE[field.dtype]
    return _type_of_node(node)


def _type_of_node(node: Mapping[str, Any]) -> Any:
    parts = [part for part in alternatives(node) if not is_null(part)]
    if len(parts) != 1:
        return pa.string()
    part = parts[0]
    kind = part.get("type")
    if kind == "array":
        items = part.get("items")
        return pa.list_(_type_of_node(items)) if isinstance(items, Mapping) else pa.string()
    if kind == "object" and part.get("properties"):
        return pa.struct([(name, _type_of_node(inner)) for name, inner in part["properties"].items()])
    if "enum" in part or "const" in part:
        labels = part.get("enum", [part.get("const")])
        return pa.string() if not all(type(label) is int for label in labels) else pa.int64()
    return _BY_JSON.get(str(kind), pa.string())


def is_text(kind: Any) -> bool:
    """Say whether a column of this type holds texts: also as labels, such as a Categorical or an Enum of Polars."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def shape(value: Any, kind: Any) -> Any:
    """Return a value as its Arrow type takes it; anything without a type of its own as JSON text."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [shape(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return _members(value, {kind.field(place).name: kind.field(place).type for place in range(kind.num_fields)})
    if pa.types.is_string(kind) or pa.types.is_dictionary(kind):
        return to_text(value)
    if pa.types.is_timestamp(kind):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value


def _members(value: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in value if name not in kinds]
    if unknown:
        raise ValueError(f"the field {unknown[0]!r} has no place in the column's type")
    return {name: shape(value.get(name), kind) for name, kind in kinds.items()}


def column(values: list[Any], kind: Any, refuse: Callable[[int, str], None]) -> Any:
    """Return an Arrow array of `kind`; a value that does not fit is missing, and `refuse` hears its place and why."""
    shaped = []
    for place, value in enumerate(values):
        try:
            shaped.append(shape(value, kind))
        except (TypeError, ValueError, AttributeError) as error:
            refuse(place, str(error))
            shaped.append(None)
    try:
        return _array(shaped, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeEncodeError):
        return _array(list(_fitting(shaped, kind, refuse)), kind)


def _fitting(values: list[Any], kind: Any, refuse: Callable[[int, str], None]) -> Any:
    for place, value in enumerate(values):
        try:
            _array([value], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeEncodeError):
            if isinstance(value, str):  # half a character (a lone surrogate): the answer stays readable
                yield encodable(value)
                continue
            refuse(place, f"{value!r} does not fit a column of {kind}")
            yield None
        else:
            yield value


def _array(values: list[Any], kind: Any) -> Any:
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)
