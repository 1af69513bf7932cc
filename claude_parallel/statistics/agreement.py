"""How well answers agree with the truth, or with each other: confusion, accuracy, kappa, F1, precision and recall.

Knows counts only. Which rows are compared, and with which weights, is for others to decide.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .intervals import FloatArray, Interval, effective_size, wilson_corrected

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often each true class was answered as which class.

    Attributes
    ----------
    classes : tuple
        The classes, in the order of rows and columns.
    counts : array
        Rows: the answer; columns: the truth. Weights of the gold rows, scaled so that they add up to their number.
    rows : array
        The same without weights: how many gold rows.
    """

    classes: tuple[Hashable, ...]
    counts: FloatArray
    rows: FloatArray

    @property
    def size(self) -> float:
        """Rows compared."""
        return float(self.rows.sum())

    @property
    def accuracy(self) -> float:
        """Share of rows whose answer is the truth; NaN without rows."""
        return float(np.trace(self.counts) / self.counts.sum()) if self.size else math.nan

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond what the class shares give by chance; 1 is perfect, 0 is chance.

        NaN where there is nothing to agree about, since only one class occurs.
        Source: Cohen, Educ. Psychol. Meas. 20 (1960), 37.
        """
        if not self.size:
            return math.nan
        shares = self.counts / self.counts.sum()
        by_chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
        return math.nan if by_chance >= 1.0 else (self.accuracy - by_chance) / (1.0 - by_chance)

    @property
    def precision(self) -> FloatArray:
        """Share of the answers of a class that are right; NaN where it was never the answer."""
        return _ratio(np.diag(self.counts), self.counts.sum(axis=1))

    @property
    def recall(self) -> FloatArray:
        """Share of a true class that was found; NaN where it does not occur."""
        return _ratio(np.diag(self.counts), self.counts.sum(axis=0))

    @property
    def f1(self) -> FloatArray:
        """Harmonic mean of precision and recall per class; NaN for a class that occurs on neither side."""
        return _ratio(2 * np.diag(self.counts), self.counts.sum(axis=0) + self.counts.sum(axis=1))

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' F1, each class counting the same.

        Classes that occur on neither side are left out. Source: Opitz and Burst, "Macro F1 and Macro F1",
        arXiv:1911.03347 (2019): the mean of the F1 values, as scikit-learn computes it.
        """
        known = self.f1[~np.isnan(self.f1)]
        return float(known.mean()) if len(known) else math.nan


def confusion(
    answers: Sequence[Any], truth: Sequence[Any], classes: Sequence[Hashable] = (), weights: FloatArray | None = None
) -> Confusion:
    """Count answers against the truth.

    Parameters
    ----------
    answers, truth : sequence
        One value per row, none missing.
    classes : sequence, optional
        Classes to list first, whether or not they occur.
    weights : array, optional
        How many rows of the whole each row stands for.
    """
    order = {label: place for place, label in enumerate(dict.fromkeys([*classes, *sorted_classes(answers, truth)]))}
    rows = np.zeros((len(order), len(order)))
    counts = np.zeros_like(rows)
    scaled = np.ones(len(answers)) if weights is None or not len(weights) else weights * (len(weights) / weights.sum())
    for answer, true, weight in zip(answers, truth, scaled, strict=True):
        rows[order[answer], order[true]] += 1
        counts[order[answer], order[true]] += weight
    return Confusion(tuple(order), counts, rows)


def sorted_classes(*columns: Sequence[Any]) -> list[Any]:
    """Return the different values of some columns in a stable order."""
    found = {value for column in columns for value in column}
    try:
        return sorted(found)
    except TypeError:  # values of several types
        return sorted(found, key=lambda value: (type(value).__name__, str(value)))


def accuracy_interval(hits: FloatArray, weights: FloatArray | None = None, population: float | None = None) -> Interval:
    """Return the accuracy of a sample with Wilson's interval, corrected for continuity.

    Parameters
    ----------
    hits : array
        1 where the answer was right, else 0.
    weights : array, optional
        How many rows of the whole each row stands for; the size then is the effective one, :func:`design_size`.
    population : float, optional
        Rows of the whole.
    """
    size = len(hits)
    if not size:
        return Interval(math.nan, 0.0, 1.0)
    if weights is None:
        return wilson_corrected(float(hits.mean()), effective_size(size, population))
    share = float(np.average(hits, weights=weights))
    return wilson_corrected(share, effective_size(design_size(hits, weights), population))


def kish_size(weights: FloatArray) -> float:
    """Return how many equally weighted rows tell as much as these.

    Source: Kish, Survey Sampling, 1965, section 11.7: the square of the sum over the sum of squares.
    """
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def design_size(hits: FloatArray | BoolArray, weights: FloatArray) -> float:
    """Return how many rows of a simple random sample tell as much about a share as these weighed rows.

    Kish's size takes the rows of all weights to be hit alike. Where those that stand for many are the ones that differ,
    as after a sample in equal parts whose errors lie in the largest part, they tell less: then the share's own variance
    says how many, by Taylor linearisation of the ratio (Särndal, Swensson and Wretman, Model Assisted Survey Sampling,
    1992, 5.6). Never more than Kish's, since few rows of great weight that happen to agree prove little.
    """
    kish = kish_size(weights)
    if not len(hits) or np.ptp(weights) == 0:
        return kish
    share = float(np.average(hits, weights=weights))
    variance = float((weights**2 @ (hits - share) ** 2) / weights.sum() ** 2)
    return min(kish, share * (1 - share) / variance) if variance > 0 else kish


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratios: FloatArray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratios
