"""Quantiles of the normal, the beta and Student's t distribution, without SciPy.

The core depends on NumPy alone; three quantiles do not justify 35 MB. ``intervals`` uses them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_FRACTION_ACCURACY = 1e-15
"""Lentz's method: what stands for a zero divisor, and when a factor no longer changes a float (2**-53 is 1.1e-16)."""
_LEAST_TERMS = 400
"""Terms that the continued fraction may always take: it needs about sqrt(max(a, b)), and may take four times that."""
_MOST_HALVINGS = 200
"""A float has 53 bits and an exponent down to 2**-1074: the search ends long before, by finding no number between."""


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(probability)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    Source: the continued fraction of NIST DLMF 8.17.22, evaluated by Lentz's method (Numerical Recipes, 3rd ed., 6.4).
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):  # the fraction converges quickly on this side only
        return math.exp(log_front) * _fraction(x, a, b) / a
    return 1.0 - math.exp(log_front) * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, max(_LEAST_TERMS, int(4 * math.sqrt(max(a, b))))):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / _off_zero(1.0 + even * d)
        c = _off_zero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / _off_zero(1.0 + odd * d)
        c = _off_zero(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < _FRACTION_ACCURACY:
            break
    return value


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


@lru_cache(maxsize=4_096)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the quantile of the beta distribution with parameters `a` and `b`, both above 0.

    Newton's steps on the distribution function, kept inside a bracket that is halved where a step leaves it.
    """
    low, high = 0.0, 1.0
    x = a / (a + b)
    log_constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(_MOST_HALVINGS):
        error = beta_cdf(x, a, b) - probability
        if error > 0:
            high = x
        else:
            low = x
        density = math.exp(log_constant + (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x)) if 0 < x < 1 else 0.0
        step = x - error / density if density > 0.0 else -1.0
        following = step if low < step < high else 0.5 * (low + high)
        if abs(following - x) <= 1e-14 * following or following in (0.0, 1.0):
            return following
        x = following
    return x


def t_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution with `freedom` degrees of freedom.

    Source: t^2 = freedom * (1 - x) / x, where x follows Beta(freedom / 2, 1 / 2); Abramowitz and Stegun, 26.7.1.
    """
    tail = min(probability, 1.0 - probability)
    if tail == 0.5:
        return 0.0
    if tail > 0.25:  # near the middle x is near 1, so its complement is computed instead
        rest = beta_quantile(1.0 - 2.0 * tail, 0.5, freedom / 2.0)
        odds = rest / (1.0 - rest)
    else:
        x = beta_quantile(2.0 * tail, freedom / 2.0, 0.5)
        odds = (1.0 - x) / x
    size = math.sqrt(freedom * odds)
    return size if probability > 0.5 else -size


def normal_tail(value: float) -> float:
    """Return the probability that a standard normal variable is above `value`."""
    return 0.5 * math.erfc(value / math.sqrt(2.0))
