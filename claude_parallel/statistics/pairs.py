"""Which of two variants is better on the same rows, and how sure one may be.

Paired, since both answered the same rows: rows on which they agree say nothing about which is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .intervals import FloatArray

SIGN_DRAWS = 20_000
"""Random signs: a p-value of 0.05 is then known to 0.003, twice its standard error."""


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


def sign_flip_mid_p(gaps: FloatArray, seed: int = 0) -> float:
    """Return the mid-p value of "both are equally good", where rows do not count the same.

    Parameters
    ----------
    gaps : array
        For each row its weight where only the first is right, minus its weight where only the second is, else 0.
    seed : int
        Fixes the random signs.

    Notes
    -----
    Where both are equally good, each gap could as well have had the other sign, so the sum of the gaps is held against
    sums under random signs (Fisher's randomisation test; Edgington and Onghena, Randomization Tests, 4th ed., 2007,
    5.3). With equal weights this is McNemar's test, and equal sums count half, as there.
    """
    given = gaps[gaps != 0]
    if not len(given):
        return 1.0
    rng = np.random.default_rng(seed)
    seen, more, same = abs(float(given.sum())), 0, 0
    step = max(1, 2_000_000 // len(given))  # so many drawn signs are 16 MB
    for done in range(0, SIGN_DRAWS, step):
        signs = rng.choice((-1.0, 1.0), (min(step, SIGN_DRAWS - done), len(given)))
        sums = np.abs(signs @ given)
        equal = np.isclose(sums, seen, rtol=1e-9, atol=1e-12)
        more += int(np.sum((sums > seen) & ~equal))
        same += int(np.sum(equal))
    return (more + 0.5 * same + 0.5) / (SIGN_DRAWS + 1)


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
