"""What several answers to one question come to: the most frequent one, or the median, and how many agree.

Knows values only; which column they become is decided by ``frames``.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Vote:
    """The winner, and the share of all draws that gave it (0.0 where no draw answered)."""

    value: Any
    agreement: float


def majority(draws: Sequence[Any]) -> Vote:
    """Return the most frequent of some values; among equals the one that was drawn first. None is a draw that failed.

    A failed draw agrees with nobody, so that one answer out of three is an agreement of a third.
    """
    keys = [_key(value) for value in draws if value is not None]
    if not keys:
        return Vote(None, 0.0)
    counts = Counter(keys)  # in the order of first sight, which max() keeps among equals
    winner = max(counts, key=lambda key: counts[key])
    first = next(value for value in draws if value is not None and _key(value) == winner)
    return Vote(first, counts[winner] / len(draws))


def median(draws: Sequence[float | int | None], *, is_whole: bool) -> Vote:
    """Return the median of some numbers, and the share of draws that equal it.

    Of an even number of whole numbers the lower middle one, so that the answer is whole and was given by some draw.
    """
    numbers = [value for value in draws if value is not None]
    if not numbers:
        return Vote(None, 0.0)
    middle = statistics.median_low(numbers) if is_whole else statistics.median(numbers)
    equal = sum(math.isclose(value, middle, rel_tol=1e-9) for value in numbers)
    return Vote(middle, equal / len(draws))


def _key(value: Any) -> Hashable:
    """Return what makes two answers the same: text without the space around it, lists and objects by content."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True, default=str)
    return (type(value).__name__, value) if isinstance(value, bool | int | float) else repr(value)
