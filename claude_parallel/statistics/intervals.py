"""Intervals for a share, for a mean, and for a difference of means.

Every interval says what it covers and where its formula is from. ``shares`` puts several of them together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .quantiles import beta_quantile, normal_quantile, t_quantile

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
"""Confidence of every interval that is shown; the field's custom."""
RESAMPLES = 4_000
"""Bootstrap resamples: the ends of a 95 % interval then wander by about 2 % of its width from seed to seed."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval around it."""

    estimate: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """From end to end."""
        return self.high - self.low


UNKNOWN = Interval(math.nan, 0.0, 1.0)
"""A share about which nothing is known."""


def effective_size(size: float, population: float | None) -> float:
    """Return the size of a sample with replacement that would tell as much as `size` rows of a finite population.

    Sampling without replacement has 1 - (size - 1) / (population - 1) of the variance.
    Source: Cochran, Sampling Techniques, 3rd ed., 2.6 and 3.2 (finite population correction).
    """
    if population is None or size <= 0:
        return size
    if size >= population:
        return math.inf
    return size * (population - 1.0) / (population - size)


def wilson(share: float, size: float, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval for a share.

    Parameters
    ----------
    share : float
        The share seen, 0 to 1.
    size : float
        Rows it was seen in; an effective size may be fractional, or infinite where everything was seen.
    level : float
        Confidence.

    Notes
    -----
    Source: Wilson, J. Amer. Statist. Assoc. 22 (1927), 209; recommended for small samples by Brown, Cai and DasGupta,
    Statist. Sci. 16 (2001), 101.
    """
    if size <= 0:
        return UNKNOWN
    if math.isinf(size):
        return Interval(share, share, share)
    z = normal_quantile(0.5 + level / 2)
    shrink = 1.0 + z * z / size
    middle = (share + z * z / (2 * size)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def jeffreys(hits: float, size: float, level: float = LEVEL) -> Interval:
    """Return the interval for a share under Jeffreys' prior, Beta(1/2, 1/2).

    Its lower end is 0 where nothing was hit and its upper end 1 where everything was.
    Source: Brown, Cai and DasGupta, Statist. Sci. 16 (2001), 101, section 4.1.2.
    """
    if size <= 0:
        return UNKNOWN
    if math.isinf(size):
        raise ValueError("with everything seen there is no interval to compute")
    tail, misses = (1 - level) / 2, max(size - hits, 0.0)
    low = 0.0 if hits <= 0 else beta_quantile(tail, hits + 0.5, misses + 0.5)
    high = 1.0 if misses <= 0 else beta_quantile(1 - tail, hits + 0.5, misses + 0.5)
    share = hits / size
    return Interval(share, min(low, share), max(high, share))


def mean_interval(values: FloatArray, population: int | None = None, level: float = LEVEL) -> Interval:
    """Return the mean of a simple random sample with Student's interval.

    Source: Cochran, Sampling Techniques, 3rd ed., 2.8, with the finite population correction 1 - n / N.
    """
    size = len(values)
    if not size:
        return Interval(math.nan, -math.inf, math.inf)
    mean = float(values.mean())
    if population is not None and size >= population:
        return Interval(mean, mean, mean)
    if size == 1:
        return Interval(mean, -math.inf, math.inf)
    left = 1.0 if population is None else 1.0 - size / population
    error = float(values.std(ddof=1)) * math.sqrt(left / size)
    half = t_quantile(0.5 + level / 2, size - 1) * error
    return Interval(mean, mean - half, mean + half)


def bootstrap_mean(values: FloatArray, seed: int = 0, level: float = LEVEL) -> Interval:
    """Return the mean of paired differences with a percentile bootstrap interval over the rows.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if not len(values):
        return Interval(math.nan, -math.inf, math.inf)
    means = _resampled_means(values, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def bootstrap_p_value(values: FloatArray, seed: int = 0) -> float:
    """Return the two-sided p-value of "the mean difference is 0", from the bootstrap of the centred differences.

    Source: Efron and Tibshirani, 1993, section 16.4; (count + 1) / (resamples + 1), so that it is never 0.
    """
    if not len(values) or not np.any(values):
        return 1.0
    means = _resampled_means(values - values.mean(), seed)
    return float((1 + np.sum(np.abs(means) >= abs(values.mean()) - 1e-12)) / (1 + len(means)))


def _resampled_means(values: FloatArray, seed: int) -> FloatArray:
    """Return the means of the resamples, a block at a time: memory stays small for long columns."""
    rng, size = np.random.default_rng(seed), len(values)
    step = max(1, 2_000_000 // size)  # so many drawn rows are 16 MB
    blocks = [
        values[rng.integers(0, size, (min(step, RESAMPLES - done), size))].mean(axis=1)
        for done in range(0, RESAMPLES, step)
    ]
    return np.concatenate(blocks)
