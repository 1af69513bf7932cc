"""Arrow values as text: for the cells of CSV and the values of JSON lines, with every digit that they have."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from .json_lines import JsonFloat

Texts = list[str | None]


def texts(column: Any) -> Texts:
    """Return an Arrow column as text, missing values as None.

    Times are ISO 8601 with a blank for the T, binary values Base64, nested values JSON.
    """
    column = _decoded(column)
    kind = column.type
    if _is_binary(kind):
        return [None if value is None else _base64(value) for value in column.to_pylist()]
    if pa.types.is_nested(kind):
        return [None if value is None else to_json(value) for value in column.to_pylist()]
    try:
        found: Texts = column.cast(pa.string()).to_pylist()
    except pa.ArrowException:
        found = [None if value is None else str(value) for value in column.to_pylist()]
    return found


def json_texts(column: Any) -> list[str]:
    """Return an Arrow column as JSON texts; a number that JSON does not know (NaN, infinity) is null."""
    column = _decoded(column)
    kind = column.type
    if pa.types.is_decimal(kind):
        return ["null" if value is None else value for value in texts(column)]
    is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if is_plain or pa.types.is_nested(kind) or pa.types.is_null(kind):
        return [to_json(value) for value in column.to_pylist()]
    return [json.dumps(value, ensure_ascii=False) for value in texts(column)]


def to_json(value: Any) -> str:
    """Return a Python value as JSON: dates and times as ISO 8601, bytes as Base64."""
    return json.dumps(_plain(value), ensure_ascii=False)


def to_text(value: Any) -> str:
    """Return a Python value as text: text and numbers of JSON lines stay so, times are ISO 8601, the rest is JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, JsonFloat):
        return value.digits
    return str(_plain(value)) if isinstance(value, date | time) else to_json(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return _base64(value)
    return str(value) if isinstance(value, Decimal | timedelta) else value


def _decoded(column: Any) -> Any:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_binary(kind: Any) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
