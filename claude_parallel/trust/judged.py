"""Rows on which variants are judged: the rows of a sample, their truth, and what each stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..statistics.agreement import BoolArray
from ..statistics.intervals import FloatArray
from .drawing import Drawn, Take

Weights = FloatArray | None
"""How many rows of the whole each row stands for; None where all stand for the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows on which variants are judged.

    Attributes
    ----------
    rows : DataFrame or Series
        The rows.
    gold : list or None
        Their truth.
    weights : array or None
        How many rows of the whole each one stands for; None where all had the same chance to be drawn.
    """

    rows: Any
    gold: list[Any] | None = None
    weights: Weights = None

    @classmethod
    def of(cls, take: Take, drawn: Drawn, truth: Mapping[int, Any] | None) -> Judged:
        """Return rows that were drawn, with the truth by position."""
        gold = None if truth is None else [truth[position] for position in drawn.positions]
        return cls(take(drawn.positions), gold, drawn.weights)

    def only(self, chosen: BoolArray) -> Judged:
        """Return some of the truth and the weights; `rows` stays whole, since no figure reads it."""
        gold = None if self.gold is None else [value for value, is_in in zip(self.gold, chosen, strict=True) if is_in]
        return replace(self, gold=gold, weights=None if self.weights is None else self.weights[chosen])
