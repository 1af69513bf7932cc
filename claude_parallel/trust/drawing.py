"""Which rows are tried: a random, repeatable sample of a frame, in equal parts of a column if wanted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..frames.rows import python_values
from ..statistics.intervals import FloatArray
from ..statistics.samples import simple_sample, stratified_sample, stratum_weights
from .subjects import Gold, answer_column, checked_rows, checked_seed


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Rows that were drawn.

    Attributes
    ----------
    positions : list of int
        Their places in the frame, in random order.
    weights : array or None
        How many rows each one stands for; None where all had the same chance.
    """

    positions: list[int]
    weights: FloatArray | None = None

    def part(self, start: int, stop: int | None = None) -> Drawn:
        """Return some of the rows, which are a random sample as well."""
        return Drawn(self.positions[start:stop], None if self.weights is None else self.weights[start:stop])


def draw_rows(frame: Any, rows: int, by: str | None, seed: int, gold: Gold | None = None) -> Drawn:
    """Return a random, repeatable sample in random order; with `by` in equal parts, with `gold` among its rows.

    A row's weight is the size of its group over the rows drawn from it, times what it stood for among the gold rows.

    Raises
    ------
    InputError
        For a number of rows or a seed that makes no sense, or `by` on a series.
    """
    rows, seed = checked_rows(rows), checked_seed(seed)
    places = list(range(len(frame))) if gold is None else sorted(map(int, gold.positions))
    weight_of = {} if gold is None or gold.weights is None else dict(zip(gold.positions, gold.weights, strict=True))
    if by is None:
        drawn = [places[place] for place in simple_sample(len(places), rows, seed)]
        return Drawn(drawn, np.array([weight_of[place] for place in drawn]) if weight_of else None)
    if not isinstance(frame, pd.DataFrame):
        raise InputError("by= names a column, so it needs a frame: use series.to_frame()")
    cells = python_values(frame[answer_column(frame, by)])
    groups = [str(cells[place]) for place in places]
    parts = stratified_sample(groups, rows, seed)
    every = [int(place) for part in parts.values() for place in part]
    mixed = [every[place] for place in simple_sample(len(every), len(every), seed)]
    weights = stratum_weights([groups[place] for place in mixed], Counter(groups))
    drawn = [places[place] for place in mixed]
    return Drawn(drawn, weights * np.array([weight_of.get(place, 1.0) for place in drawn]))
