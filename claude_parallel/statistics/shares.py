"""How large each class really is: the answers for all rows, corrected by a few gold rows.

A model that confuses two classes biases every percentage counted from its answers, however many rows there are. Which
estimator is used, and why, is decided by simulation in ``docs/decisions/0013``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .agreement import BoolArray, design_size
from .intervals import FloatArray, Interval, effective_size, near_exact

FEWEST_GOLD_ROWS = 5
"""Below, no number is given for a class: its interval would be wider than anything one could act on."""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one class among all rows.

    Attributes
    ----------
    corrected : Interval
        The share corrected for the model's errors, with its 95 % interval.
    plain : float
        The share counted from the model's answers.
    gold_rows : int
        Gold rows whose true class it is.
    """

    corrected: Interval
    plain: float
    gold_rows: int

    @property
    def is_known(self) -> bool:
        """False where there are too few gold rows to tell; where every row is one, nothing is left to tell."""
        return self.gold_rows >= FEWEST_GOLD_ROWS or self.corrected.width == 0.0


def corrected_shares(
    answers: IntArray, truth: IntArray, population: IntArray, weights: FloatArray | None = None
) -> list[Share]:
    """Return the share of each class among all rows, corrected for the model's errors.

    Parameters
    ----------
    answers, truth : array of int
        The class that the model answered, and the true one, for each gold row: places in `population`.
    population : array of int
        How many of all rows the model put into each class.
    weights : array, optional
        How many rows each gold row stands for, where they were not drawn with equal probability.

    Returns
    -------
    list of Share
        In the order of `population`. The corrected shares add up to 1.

    Notes
    -----
    The estimate is post-stratified by the model's answer: within each predicted class the gold rows say how large a
    part really belongs where, and the predicted classes' sizes are known exactly (Cochran, Sampling Techniques, 3rd
    ed., 5A.9). Its interval takes two independent parts, the rows predicted as this class and all others, each with an
    interval of its own, and puts them together by MOVER, the method of variance estimates recovery (Zou and Donner,
    Statist. Med. 27 (2008), 1693): it keeps the skew of rare errors, where a symmetric interval fails, and it has a
    width even where no gold row shows an error. A model that tells nothing about a class makes that wider than the gold
    rows alone are: then the interval of the gold rows alone is taken.
    """
    classes = len(population)
    given = np.ones(len(answers)) if weights is None else weights
    estimates = _post_stratified(answers, truth, population, given)
    found = []
    for one in range(classes):
        is_class, is_inside = truth == one, answers == one
        by_model = _mover(is_class, is_inside, given, int(population[one]), int(population.sum()), estimates[one])
        by_gold = _part(is_class, given, int(population.sum()), estimates[one])
        chosen = min(by_model, by_gold, key=lambda interval: interval.width)
        share = estimates[one]
        interval = Interval(share, min(share, chosen.low), max(share, chosen.high))
        found.append(Share(interval, float(population[one] / population.sum()), int(is_class.sum())))
    return found


def _mover(
    is_class: BoolArray, is_inside: BoolArray, weights: FloatArray, inside: int, total: int, share: float
) -> Interval:
    """Return a class's interval from its two parts: the rows predicted as this class, `inside` of them, and others."""
    below, above = 0.0, 0.0
    of_all = float(np.average(is_class, weights=weights))
    for chosen, size in ((is_inside, inside), (~is_inside, total - inside)):
        part = _part(is_class[chosen], weights[chosen], size, of_all)
        below += (size / total * (part.estimate - part.low)) ** 2
        above += (size / total * (part.high - part.estimate)) ** 2
    return Interval(share, max(0.0, share - math.sqrt(below)), min(1.0, share + math.sqrt(above)))


def _post_stratified(answers: IntArray, truth: IntArray, population: IntArray, weights: FloatArray) -> list[float]:
    """Return the point estimates; a predicted class without gold rows is taken to be as the gold rows in all are."""
    classes = len(population)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (answers, truth), weights)
    of_all = counts.sum(axis=0) / counts.sum()
    sizes = counts.sum(axis=1, keepdims=True)
    shares = np.where(sizes > 0, counts / np.where(sizes > 0, sizes, 1.0), of_all)
    return [float(share) for share in population / population.sum() @ shares]


def _part(hits: BoolArray, weights: FloatArray, size: int, otherwise: float) -> Interval:
    """Return how large a part of so many rows is of the class; anything from 0 to 1 where no gold row tells."""
    if len(hits) >= size:  # every row of this part is a gold row
        seen = float(hits.mean()) if len(hits) else 0.0
        return Interval(seen, seen, seen)
    if not len(hits):
        return Interval(otherwise, 0.0, 1.0)
    effective = effective_size(design_size(hits, weights), size)
    return near_exact(float(np.average(hits, weights=weights)) * effective, effective)


def rows_to_halve(gold_rows: int, population: int) -> int:
    """Return how many more gold rows would halve the intervals, as far as the population has them.

    The width falls with the square root of 1 / n - 1 / N (Cochran, 2.6), so the new n solves a quarter of it.
    """
    quarter = (1.0 / gold_rows - 1.0 / population) / 4.0
    return max(0, min(population, math.ceil(1.0 / (quarter + 1.0 / population) - 1e-9)) - gold_rows)
