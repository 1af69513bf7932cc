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
_NEARNESS = 0.2
"""From 0, the exact interval for a share, to 1/2, Jeffreys'; see :func:`near_exact`."""
RESAMPLES = 4_000
"""Bootstrap resamples: the ends of a 95 % interval then wander by about 2 % of its width from seed to seed."""
_SAME = 1e-9
"""Differences that are nearer to each other, as a share of the largest, differ by the rounding of floats alone."""


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


def wilson_corrected(share: float, size: float, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval for a share with its continuity correction.

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
    Counts come in steps of one row, so Wilson's plain interval covers 95 % on average over all shares, and for some
    shares and sizes as little as 90 %. This one covers at least what it says, or nearly so, for each of them.
    Source: Newcombe, Statist. Med. 17 (1998), 857, method 4 (after Fleiss).
    """
    if size <= 0:
        return UNKNOWN
    if math.isinf(size):
        return Interval(share, share, share)
    z = normal_quantile(0.5 + level / 2)
    square, hits, misses = z * z, size * share, size * (1 - share)
    below = z * math.sqrt(max(0.0, square - 2 - 1 / size + 4 * share * (misses + 1)))
    above = z * math.sqrt(max(0.0, square + 2 - 1 / size + 4 * share * (misses - 1)))
    low = 0.0 if hits <= 0 else max(0.0, (2 * hits + square - 1 - below) / (2 * (size + square)))
    high = 1.0 if misses <= 0 else min(1.0, (2 * hits + square + 1 + above) / (2 * (size + square)))
    return Interval(share, min(share, low), max(share, high))


def near_exact(hits: float, size: float, level: float = LEVEL) -> Interval:
    """Return an interval for a share that covers nearly as surely as the exact one, and is narrower.

    Parameters
    ----------
    hits, size : float
        Rows that were hit, and all rows; effective numbers may be fractional.
    level : float
        Confidence.

    Notes
    -----
    Its ends are quantiles of Beta(hits + c, misses + 1 - c) and Beta(hits + 1 - c, misses + c), with c = 0.2. With
    c = 0 this is the exact interval (Clopper and Pearson, Biometrika 26 (1934), 404), which covers what it says for
    every share and mostly more; with c = 1/2 Jeffreys', which does so on average over all shares only (Brown, Cai and
    DasGupta, Statist. Sci. 16 (2001), 101, sections 4.1.2 and 4.2.1). The lower end is 0 where nothing was hit, the
    upper end 1 where everything was. Why 0.2: ``docs/decisions/0013``.
    """
    if size <= 0:
        return UNKNOWN
    if math.isinf(size):
        raise ValueError("with everything seen there is no interval to compute")
    tail, misses = (1 - level) / 2, max(size - hits, 0.0)
    low = 0.0 if hits <= 0 else beta_quantile(tail, hits + _NEARNESS, misses + 1 - _NEARNESS)
    high = 1.0 if misses <= 0 else beta_quantile(1 - tail, hits + 1 - _NEARNESS, misses + _NEARNESS)
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


def linearised(values: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Return values whose plain mean is the weighted mean of `values`, and whose spread is that of its error.

    Rows that were drawn with unequal chances stand for unequal numbers of rows. The mean of what this returns is
    ``sum(w * x) / sum(w)``, and its spread is that of this ratio's error, as if all rows had had the same chance. For a
    sample in equal parts that is a little too wide, since it counts the spread between the parts as well.
    Source: Taylor linearisation of a ratio; Särndal, Swensson and Wretman, Model Assisted Survey Sampling, 1992, 5.6.
    """
    if weights is None or not len(values):
        return values
    mean = float(np.average(values, weights=weights))
    spread: FloatArray = mean + weights / weights.mean() * (values - mean)
    return spread


def bootstrap_mean(values: FloatArray, seed: int = 0, level: float = LEVEL, resamples: int = RESAMPLES) -> Interval:
    """Return the mean of some values with an interval that fits skewed ones: from the bootstrap-t, and Student's.

    Errors of numbers are skewed: many small ones, few large ones. Student's interval then ends too low; the bootstrap-t
    follows the skew, but is lost where resamples have no spread. The wider end of the two is taken on each side: 94 %
    of the intervals from 100 rows cover the mean of exponential, half-normal, log-normal and mostly zero errors.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5.
    """
    plain = mean_interval(values, level=level)
    if len(values) < 2 or not np.any(values != values[0]):
        return plain
    means, errors = _resampled(values, seed, resamples)
    has_spread = errors > 0
    shifts = (means[has_spread] - plain.estimate) / errors[has_spread]
    least, most = np.quantile(shifts, [(1 - level) / 2, (1 + level) / 2])
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    low, high = plain.estimate - float(most) * error, plain.estimate - float(least) * error
    return Interval(plain.estimate, min(plain.low, low), max(plain.high, high))


def bootstrap_p_value(values: FloatArray, seed: int = 0) -> float:
    """Return the two-sided p-value of "the mean difference is 0", from the bootstrap-t of the centred differences.

    Means are compared in units of their own standard errors: where few large differences carry the mean, plain means
    would call chance a difference in up to a fifth of all samples of 30 rows. A resample without spread counts as one
    that is further off. Where all differences are the same, only their common sign tells anything: then it is the
    p-value of the sign-flip test.
    Source: Efron and Tibshirani, 1993, section 16.4; (count + 1) / (resamples + 1), so that it is never 0.
    """
    size = len(values)
    if not np.any(values):
        return 1.0
    if np.ptp(values) <= _SAME * np.abs(values).max():
        return max(0.5 ** (size - 1), 1 / (1 + RESAMPLES))
    means, errors = _resampled(values - values.mean(), seed, RESAMPLES)
    shifts = np.divide(np.abs(means), errors, out=np.full(len(means), np.inf), where=errors > 0)
    seen = abs(float(values.mean())) / (float(values.std(ddof=1)) / math.sqrt(size))
    return float((1 + np.sum(shifts >= seen * (1 - 1e-12))) / (1 + len(means)))


def _resampled(values: FloatArray, seed: int, resamples: int) -> tuple[FloatArray, FloatArray]:
    """Return means and standard errors of the resamples, a block at a time: memory stays small for long columns."""
    rng, size = np.random.default_rng(seed), len(values)
    step = max(1, 2_000_000 // size)  # so many drawn rows are 16 MB
    means, errors = [], []
    for done in range(0, resamples, step):
        drawn = values[rng.integers(0, size, (min(step, resamples - done), size))]
        means.append(drawn.mean(axis=1))
        errors.append(drawn.std(axis=1, ddof=min(1, size - 1)) / math.sqrt(size))
    return np.concatenate(means), np.concatenate(errors)
