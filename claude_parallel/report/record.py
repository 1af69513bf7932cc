"""A run on record: what reports and figures ask the journal, so that a run of any length is counted where it lies.

Knows how to ask; what is asked stands with whoever draws it. Only :func:`frame_of`, for the frames that a user asks
for, reads all calls of a run as Python objects.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

Ask = Callable[[str, Sequence[Any]], Iterable[Sequence[tuple[Any, ...]]]]
"""(SQL, parameters) -> rows, in chunks, so that those of a long run are never all in memory as tuples."""

Rows = list[tuple[Any, ...]]


class CallNumbers(NamedTuple):
    """The numbers of each call: 40 bytes of memory, whatever it said."""

    started: FloatArray
    """Seconds since the epoch."""
    ended: FloatArray
    """Seconds since the epoch, never before `started`."""
    is_answered: BoolArray
    """Whether a Message came back."""
    input_tokens: FloatArray
    """Those that count against the limit; cache reads do not. Source: Messages API, rate limits, read 2026-11-22."""
    output_tokens: FloatArray


class CallTotals(NamedTuple):
    """What all calls of a run come to."""

    calls: int
    """Those that were sent."""
    retries: int
    """Those that were not the first of their row."""
    failures: int
    """Those that brought no Message."""
    last_ended: float | None
    """When the last one ended, seconds since the epoch; None without any."""
    cost: float
    """US dollars, as far as prices are known."""


_TOTALS = "count(*), coalesce(sum(number > 1), 0), count(kind), max(ended), coalesce(sum(CAST(cost AS REAL)), 0.0)"
_NUMBERS = (
    "started, max(started, ended), kind IS NULL, "
    "coalesce(input_tokens, 0) + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0), "
    "coalesce(output_tokens, 0)"
)


@dataclass(frozen=True, eq=False)
class RunData:
    """Everything that reports and plots know of a run."""

    run_id: str
    """Its name in the journal."""
    started: float
    """Seconds since the epoch."""
    ended: float | None
    """Seconds since the epoch; None for a run that never came to its end."""
    settings: Mapping[str, Any]
    """What was set, without prompts and keys."""
    totals: Mapping[str, Any]
    """``rows``, ``errors`` (by kind), ``cost_usd``, ``saved_usd``, ``from_journal``, ``duplicates``, ``waited_seconds``
    (by reason), ``limits`` (per minute, by dimension), ``cache``; any may be absent."""
    ask: Ask
    """Asks the journal that holds its calls, rows and waits."""

    def calls(self, columns: str, *, where: str = "", then: str = "", more: Sequence[Any] = ()) -> Rows:
        """Return what its calls tell, one SELECT over the table ``attempts``; `more` fills the question marks."""
        return self._select("attempts", columns, where, then, more)

    def rows(self, columns: str, *, where: str = "", then: str = "", more: Sequence[Any] = ()) -> Rows:
        """Return what its rows tell, one SELECT over the view ``row_outcomes``."""
        return self._select("row_outcomes", columns, where, then, more)

    def waits(self, columns: str, *, then: str = "") -> Rows:
        """Return what its pauses tell, one SELECT over the table ``waits``."""
        return self._select("waits", columns, "", then, ())

    @cached_property
    def call_totals(self) -> CallTotals:
        """What its calls come to; asked once, since it tells what else is worth asking."""
        return CallTotals(*self.calls(_TOTALS)[0])

    @cached_property
    def call_numbers(self) -> CallNumbers:
        """The numbers of each call."""
        chunks = self.ask(f"SELECT {_NUMBERS} FROM attempts WHERE run = ?", (self.run_id,))
        values = chain.from_iterable(chain.from_iterable(chunks))
        started, ended, is_answered, *tokens = np.fromiter(values, dtype=np.float64).reshape(-1, 5).T.copy()
        return CallNumbers(started, ended, is_answered != 0, *tokens)

    @property
    def is_simulated(self) -> bool:
        """True when a simulator answered, so that its dollars are not real."""
        return bool(self.settings.get("simulated"))

    def _select(self, table: str, columns: str, where: str, then: str, more: Sequence[Any]) -> Rows:
        condition = f" AND {where}" if where else ""
        before = columns.count("?")  # placeholders among the columns come before that of the run
        parameters = (*more[:before], self.run_id, *more[before:])
        chunks = self.ask(f"SELECT {columns} FROM {table} WHERE run = ?{condition} {then}", parameters)
        return list(chain.from_iterable(chunks))


def local_times(epoch_seconds: FloatArray, unit: Literal["s", "ms"]) -> npt.NDArray[np.datetime64]:
    """Return moments as local times without a zone, so that they compare with a plain ``pd.Timestamp``.

    The offset from UTC is looked up once for each quarter of an hour: zones change at no finer times.
    """
    is_known = np.isfinite(epoch_seconds)
    quarters, which = np.unique(np.floor(epoch_seconds[is_known] / 900.0), return_inverse=True)
    offsets = np.array([time.localtime(900.0 * quarter).tm_gmtoff for quarter in quarters], dtype=np.float64)
    local = np.full(len(epoch_seconds), np.datetime64("NaT", unit))
    steps = {"s": 1.0, "ms": 1_000.0}[unit]
    local[is_known] = np.floor((epoch_seconds[is_known] + offsets[which]) * steps).astype(f"datetime64[{unit}]")
    return local


def frame_of(
    chunks: Iterable[Sequence[Sequence[Any]]], names: Sequence[str], *, integers: Sequence[str], floats: Sequence[str]
) -> pd.DataFrame:
    """Return chunks of columns as a frame.

    Parameters
    ----------
    chunks : iterable of sequences of columns
        What the journal gives at a time, turned from rows into columns.
    names : sequence of str
        Of the columns, in their order.
    integers, floats : sequence of str
        Those that are whole numbers (missing ones allowed), and numbers; all others are text.
    """
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for chunk in chunks:
        for name, values in zip(names, chunk, strict=True):
            make = _integers if name in integers else _floats if name in floats else _texts
            parts[name].append(make(values))
    columns = {name: _joined(parts[name], name in integers, name in floats) for name in names}
    return pd.DataFrame(columns, copy=False)


def in_order_of(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame in the order of a column; equal values stay in theirs."""
    order = np.argsort(frame[name].to_numpy(), kind="stable")
    is_sorted = bool((order[1:] > order[:-1]).all())
    return frame if is_sorted else frame.take(order).reset_index(drop=True)


def _integers(values: Sequence[Any]) -> Any:
    if None not in values:
        return np.array(values, dtype=np.int64), np.zeros(len(values), dtype=np.bool_)
    mask = np.array([value is None for value in values], dtype=np.bool_)
    return np.array([0 if value is None else value for value in values], dtype=np.int64), mask


def _floats(values: Sequence[Any]) -> FloatArray:
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _texts(values: Sequence[Any]) -> Any:
    return np.array(values, dtype=object)


def _joined(parts: list[Any], is_integer: bool, is_float: bool) -> Any:
    if is_integer:
        empty = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_))]
        values, masks = zip(*(parts or empty), strict=True)
        return pd.arrays.IntegerArray(np.concatenate(values), np.concatenate(masks))
    empty_part = np.empty(0, dtype=np.float64 if is_float else object)
    return np.concatenate(parts or [empty_part])
