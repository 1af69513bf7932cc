"""How the values of typed answers become pandas columns: each built once, with the dtype its field asks for.

Which dtype that is comes from ``schema``; where the columns go is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from ..schema.schema import Field, Schema, Values
from ..text import encodable

_NANOSECOND_YEARS = range(1678, 2262)
"""Whole years that ``datetime64[ns]`` holds (pandas: 1677-09-21 to 2262-04-11)."""


def typed_columns(schema: Schema, values: Sequence[Values | None]) -> dict[str, ExtensionArray]:
    """Return one array for each column of `schema`, in the order of `values`.

    Parameters
    ----------
    schema : Schema
        The compiled schema.
    values : sequence of Values or None
        The answers in row order; None where a row has none.

    Returns
    -------
    dict of str to ExtensionArray
        Arrays of ``len(values)``, to be assigned by position. A missing value is ``NA``, ``NaT`` or, in
        object columns, None; a column without any value keeps its dtype. Values that are too large for it
        change it: times outside the years 1678 to 2261 make the column ``datetime64[us]``, integers beyond 64
        bits make it ``object``, as does whatever else a validator may return.
    """
    return {
        field.column: _column(field, [None if answer is None else answer.columns[place] for answer in values])
        for place, field in enumerate(schema.fields)
    }


def _column(field: Field, cells: list[Any]) -> ExtensionArray:
    try:
        return _BUILDERS.get(field.dtype, _objects)(field, cells)
    except (TypeError, ValueError, OverflowError):
        return _objects(field, cells)


def _objects(field: Field, cells: list[Any]) -> ExtensionArray:
    return cast(ExtensionArray, pd.array([encodable(cell) for cell in cells], dtype=object))


def _nullable(field: Field, cells: list[Any]) -> ExtensionArray:
    return cast(ExtensionArray, pd.array(cells, dtype=cast(Any, field.dtype)))


def _texts(field: Field, cells: list[Any]) -> ExtensionArray:
    return _nullable(field, [encodable(cell) for cell in cells])


def _labels(field: Field, cells: list[Any]) -> ExtensionArray:
    # pandas turns an unknown label into a missing one without a word.
    if not {cell for cell in cells if cell is not None} <= set(field.categories):
        raise ValueError("a value is none of the labels")
    return pd.Categorical(cells, categories=list(field.categories))


def _instants(field: Field, cells: list[Any]) -> ExtensionArray:
    naive = [None if cell is None else _utc(cell) for cell in cells]
    stamps = np.array(naive, dtype="datetime64[us]")
    return cast(ExtensionArray, pd.DatetimeIndex(_narrowed(stamps, naive)).tz_localize("UTC").array)


def _dates(field: Field, cells: list[Any]) -> ExtensionArray:
    if any(cell is not None and type(cell) is not date for cell in cells):
        raise TypeError("a value is no date")
    return cast(ExtensionArray, pd.DatetimeIndex(_narrowed(np.array(cells, dtype="datetime64[D]"), cells)).array)


def _narrowed(stamps: np.ndarray[Any, Any], cells: Sequence[Any]) -> np.ndarray[Any, Any]:
    fits = all(cell is None or cell.year in _NANOSECOND_YEARS for cell in cells)
    return stamps.astype("datetime64[ns]" if fits else "datetime64[us]")


def _utc(cell: Any) -> datetime:
    if not isinstance(cell, datetime):
        raise TypeError("a value is no date-time")
    return cell if cell.tzinfo is None else cell.astimezone(UTC).replace(tzinfo=None)


_BUILDERS: dict[str, Callable[[Field, list[Any]], ExtensionArray]] = {
    "category": _labels,
    "boolean": _nullable,
    "Int64": _nullable,
    "Float64": _nullable,
    "string": _texts,
    "datetime64[ns, UTC]": _instants,
    "datetime64[ns]": _dates,
}
