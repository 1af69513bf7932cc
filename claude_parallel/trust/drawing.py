"""Which rows are tried or reviewed: a random, repeatable sample of a frame, in equal parts of a column if wanted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..frames.rows import column_names, python_values
from ..given_numbers import whole_number
from ..statistics.intervals import FloatArray
from ..statistics.samples import simple_sample, stratified_sample, stratum_weights
from .subjects import Gold, answer_column, labelled_column

Take = Callable[[list[int]], Any]
"""Positions -> these rows, in this order: of a frame that is here, or that lies elsewhere."""


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

    def in_order(self) -> Drawn:
        """Return the rows in the order of the frame."""
        order = np.argsort(self.positions)
        return Drawn(sorted(self.positions), None if self.weights is None else self.weights[order])


def draw_rows(frame: Any, rows: int, by: str | None, seed: int, gold: Gold | None = None) -> Drawn:
    """Return a random, repeatable sample in random order; with `by` in equal parts, with `gold` among its rows.

    A row's weight is the size of its group over the rows drawn from it, times what it stood for among the gold rows.

    Raises
    ------
    InputError
        For a number of rows or a seed that makes no sense, or `by` on a series.
    """
    rows, seed = whole_number("rows", rows), whole_number("seed", seed, 0)
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


# -- what is reviewed ----------------------------------------------------------------------------------------------


def answer_groups(
    frame: pd.DataFrame, by: str | None, label: Hashable, answers: list[Any], answered: list[int]
) -> tuple[list[Hashable], list[Hashable]]:
    """Return the group of each answered row, and the order in which groups are shown; no order = mixed."""
    if by is None:
        return ["all"] * len(answered), ["all"]
    if by == "answer":
        return [str(answers[position]) for position in answered], []
    if by == "agreement":
        name = f"{label}_agreement"
        if name not in column_names(frame):
            raise InputError("by='agreement' needs a frame that was mapped with sample=3, vote=True")
        shares = python_values(frame[labelled_column(frame, name)])
        # An agreement of 2 of 3 is not exactly 0.66; only full agreement is told apart.
        is_agreed = [shares[position] is not None and math.isclose(shares[position], 1.0) for position in answered]
        return ["agree" if one else "disagree" for one in is_agreed], ["disagree", "agree"]
    cells = python_values(frame[answer_column(frame, by)])
    return [str(cells[position]) for position in answered], []


def draw_groups(
    groups: list[Hashable], order: list[Hashable], answered: list[int], rows: int, seed: int
) -> tuple[list[tuple[int, Hashable]], dict[Hashable, int]]:
    """Return positions with their groups, and the groups' sizes; each group's part is random, in random order."""
    sizes = dict(Counter(groups))
    if len(sizes) == 1:
        group = groups[0]
        return [(answered[place], group) for place in simple_sample(len(answered), rows, seed)], sizes
    drawn = stratified_sample(groups, rows, seed)
    if order:
        return [(answered[place], group) for group in order for place in drawn.get(group, ())], sizes
    every = [(answered[place], group) for group, places in drawn.items() for place in places]
    return [every[place] for place in simple_sample(len(every), len(every), seed)], sizes
