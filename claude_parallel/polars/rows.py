"""Some rows of a Polars frame, series or query, as pandas: for the verbs that look at a sample.

First what to draw by, then the rows drawn; of a query no other row is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import polars as pl

from ..errors import InputError
from .frames import empty, to_pandas

_PLACE = "__claude_parallel_place"
"""Column that numbers the rows of a query on their way; no column of an analyst has this name."""


class FrameRows:
    """The rows of a frame or series.

    Parameters
    ----------
    given : DataFrame or Series
        The rows.
    """

    def __init__(self, given: pl.DataFrame | pl.Series) -> None:
        self._given = given

    def __len__(self) -> int:
        return len(self._given)

    @property
    def empty(self) -> Any:
        """The pandas frame or series without rows, which knows its maps."""
        return to_pandas(self._given.clear(), self._given)

    def columns(self, labels: Sequence[Any]) -> Any:
        """Return a few columns of all rows; of a series, its index."""
        if isinstance(self._given, pl.Series):
            return pd.Series(index=range(len(self)), dtype=object)
        return _with_index(to_pandas(self._given.select(labels), self._given), range(len(self)))

    def whole(self, positions: list[int]) -> pl.DataFrame | pl.Series:
        """Return some rows, as Polars has them."""
        return self._given[positions]

    def take(self, positions: list[int]) -> Any:
        """Return some rows whole, in the order of `positions`."""
        return _with_index(to_pandas(self.whole(positions), self._given), positions)

    def truth(self, given: Any) -> Any:
        """Return gold or weights as pandas has them; see :func:`truth`."""
        return truth(given, len(self))


class QueryRows:
    """The rows of a query, which runs once for what to draw by and once for the rows drawn.

    Parameters
    ----------
    frame : LazyFrame
        The query.
    """

    def __init__(self, frame: pl.LazyFrame) -> None:
        self._frame = frame
        self._known: pl.DataFrame | None = None
        self._height: int | None = None

    def __len__(self) -> int:
        if self._height is None:
            self._height = int(self._frame.select(pl.len()).collect(engine="streaming").item())
        return self._height

    @property
    def empty(self) -> Any:
        """The pandas frame without rows, which knows its maps."""
        return to_pandas(empty(self._frame), self._frame)

    def columns(self, labels: Sequence[Any]) -> Any:
        """Return a few columns of all rows."""
        if labels:
            self._known = self._frame.select(labels).collect(engine="streaming")
            self._height = self._known.height
        known = pl.DataFrame() if self._known is None else self._known
        return _with_index(to_pandas(known, self._frame), range(len(self)))

    def whole(self, positions: list[int]) -> pl.DataFrame:
        """Return some rows, as Polars has them, in the order of `positions`.

        Raises
        ------
        InputError
            When the query gives other rows than a moment ago, or the same in another order.
        """
        place = pl.col(_PLACE)
        drawn = self._frame.with_row_index(_PLACE).filter(place.is_in(positions)).collect(engine="streaming")
        order = pl.DataFrame({_PLACE: pl.Series(positions, dtype=drawn.schema[_PLACE])})
        found = order.join(drawn, on=_PLACE, how="inner", maintain_order="left").drop(_PLACE)
        known = None if self._known is None else self._known[positions]
        if found.height < len(positions) or not (known is None or found.select(known.columns).equals(known)):
            raise InputError(
                "the query gives other rows, or another order, than a moment ago, so no sample can be drawn: sort it, "
                "or take what collect() returns"
            )
        return found

    def take(self, positions: list[int]) -> Any:
        """Return some rows whole, in the order of `positions`."""
        return _with_index(to_pandas(self.whole(positions), self._frame), positions)

    def truth(self, given: Any) -> Any:
        """Return gold or weights as pandas has them; see :func:`truth`."""
        return truth(given, len(self)) if isinstance(given, pl.Series) else given


def truth(given: Any, height: int) -> Any:
    """Return gold (or weights) as the verbs of pandas take them; what is no Polars series stays as it is.

    Raises
    ------
    InputError
        For a series of another length, which would be laid beside the wrong rows.
    """
    if not isinstance(given, pl.Series):
        return given
    if len(given) != height:
        raise InputError(
            f"gold or weights have {len(given):,} values, the frame has {height:,} rows: a Polars series has no index, "
            "so give one value per row, missing where none is known"
        )
    return to_pandas(given)


def _with_index(rows: Any, places: Sequence[int]) -> Any:
    """Let each row be called by its place."""
    if rows.ndim == 2 and not len(rows.columns):
        rows = rows.reindex(places)
    rows.index = pd.Index(places)
    return rows
