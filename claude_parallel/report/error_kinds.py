"""Errors of rows by kind: how many rows, an example, and what to do."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..errors import advice_of, what_happened
from .shown_frame import ShownFrame


def kinds_of(errors: pd.Series[Any]) -> pd.Series[Any]:
    """Return the kind of each error: what stands before the first colon; missing where there is none."""
    if pd.api.types.is_numeric_dtype(errors.dtype):  # a file has no dtype for a column without any error
        errors = errors.astype(object)
    return errors.str.partition(":")[0] if errors.notna().any() else errors


def table_of_errors(errors: pd.Series[Any]) -> pd.DataFrame:
    """Return how many of these errors are of each kind, an example of it, and what to do about it."""
    kinds = kinds_of(errors)
    table = pd.DataFrame({"rows": kinds.value_counts()}).rename_axis("kind")
    table["example"] = [what_happened(str(kind), str(errors[kinds == kind].iloc[0])) for kind in table.index]
    table["advice"] = [advice_of(str(kind)) for kind in table.index]
    table = table.astype({"example": str, "advice": str})  # pandas takes a column without rows for numbers
    return ShownFrame.of(table, "No row failed.")
