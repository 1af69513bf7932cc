"""Which of two variants is better on the same rows, and how sure one may be.

Paired, since both answered the same rows: rows on which they agree say nothing about which is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def mcnemar_mid_p(only_first: int, only_second: int) -> float:
    """Return the mid-p value of McNemar's test: whether the rows that only one of two got right are split by chance.

    Parameters
    ----------
    only_first, only_second : int
        Rows that only the first, and only the second, got right.

    Notes
    -----
    Twice the binomial tail at 1/2, the point itself counted half; 1 less half the point where both are equal.
    Source: Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13:91 (2013): the exact test is needlessly timid, the
    asymptotic one too bold for small numbers.
    """
    total, least = only_first + only_second, min(only_first, only_second)
    if total == 0:
        return 1.0
    if only_first == only_second:
        return 1.0 - 0.5 * _binomial(least, total)
    below = math.fsum(_binomial(count, total) for count in range(least))
    return min(1.0, 2.0 * (below + 0.5 * _binomial(least, total)))


def _binomial(count: int, total: int) -> float:
    """Return the probability of `count` heads in `total` throws of a fair coin."""
    log = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1) - total * math.log(2)
    return math.exp(log)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method, in the order given.

    Source: Holm, Scand. J. Statist. 6 (1979), 65. Needs no assumption about how the tests depend on each other.
    """
    order = np.argsort(p_values, kind="stable")
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
