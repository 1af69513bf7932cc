"""How well the variants did on the sample: against gold, against each other, and for how many dollars.

Which figure fits depends on the answers: classes are right or wrong, numbers are off by something, text says the same
or does not. The formulas stand in ``statistics``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ..statistics.agreement import accuracy_interval, confusion
from ..statistics.intervals import FloatArray, Interval, bootstrap_mean, bootstrap_p_value
from ..statistics.pairs import holm, mcnemar_mid_p
from .variants import Tried, Used

Kind = Literal["classes", "numbers", "text"]

MEASURES: dict[Kind, str] = {
    "classes": "accuracy",
    "numbers": "mean absolute error",
    "text": "same text",
}
_NUMBERS = frozenset({"Int64", "Float64"})
_CLASSES = frozenset({"category", "boolean"})
_MOST_CLASSES = 50
"""Plain text with more different gold values than this is text, not a class."""

ALPHA = 0.05
"""A difference is called real below this p-value, corrected for the number of pairs."""


@dataclass(frozen=True, slots=True)
class Score:
    """One variant's line.

    Attributes
    ----------
    name : str
        Its name.
    rows, answered : int
        Rows of the sample, and those with an answer.
    errors : mapping of str to int
        The others by kind.
    paid_usd, usd_per_1000 : float
        Dollars that this comparison paid, and what 1,000 rows cost when nothing is in the journal.
    input_tokens, output_tokens : float
        Mean per row.
    p50_seconds, p95_seconds : float
        Of the answers.
    quality : Interval or None
        The measure with its 95 % interval; None without gold.
    exact : float
        For text: share of answers that are the gold letter by letter; else NaN.
    macro_f1, kappa : float
        For classes; else NaN.
    """

    name: str
    rows: int
    answered: int
    errors: dict[str, int]
    paid_usd: float
    usd_per_1000: float
    input_tokens: float
    output_tokens: float
    p50_seconds: float
    p95_seconds: float
    quality: Interval | None = None
    exact: float = math.nan
    macro_f1: float = math.nan
    kappa: float = math.nan


@dataclass(frozen=True, slots=True)
class Pair:
    """Two variants on the same rows.

    Attributes
    ----------
    first, second : str
        Their names.
    agreement : float
        Share of rows, answered by both, on which they say the same.
    better : str or None
        Who has the better figure; None where both have the same, or without gold.
    p_value : float
        That the difference is chance, corrected for the number of pairs by Holm; NaN without gold.
    """

    first: str
    second: str
    agreement: float
    better: str | None
    p_value: float

    @property
    def is_beyond_chance(self) -> bool:
        """True where the difference is more than chance explains."""
        return self.p_value < ALPHA


def kind_of(tried: Sequence[Tried], gold: Sequence[Any] | None) -> Kind:
    """Return what the answers are."""
    dtypes = {one.dtype for one in tried}
    if dtypes <= _NUMBERS:
        return "numbers"
    if dtypes <= _CLASSES:
        return "classes"
    values = gold if gold is not None else [answer for one in tried for answer in one.answers]
    different = {normalized(value) for value in values if value is not None}
    return "classes" if len(different) <= min(_MOST_CLASSES, len(values) / 2) else "text"


def normalized(value: Any) -> Any:
    """Return text without letter case, punctuation and spaces that do not matter; other values as they are."""
    return " ".join(re.findall(r"\w+", value.casefold())) if isinstance(value, str) else value


def is_same(one: Any, other: Any, kind: Kind) -> bool:
    """Say whether two answers are the same."""
    if one is None or other is None:
        return False
    if kind == "numbers":
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(normalized(one) == normalized(other))


def hits_of(tried: Tried, gold: Sequence[Any], kind: Kind) -> FloatArray:
    """Return 1 for each row whose answer is the gold; a row without an answer is not right."""
    return np.array(
        [is_same(answer, true, kind) for answer, true in zip(tried.answers, gold, strict=True)], dtype=float
    )


def losses_of(tried: Tried, gold: Sequence[Any]) -> FloatArray:
    """Return how far each number is off; NaN where there is none."""
    return np.array(
        [
            math.nan if answer is None else abs(float(answer) - float(true))
            for answer, true in zip(tried.answers, gold, strict=True)
        ]
    )


def score(tried: Tried, gold: Sequence[Any] | None, kind: Kind, hits: FloatArray | None, seed: int = 0) -> Score:
    """Return a variant's line; `hits` says which rows are right, where they were judged."""
    used = [one for one in tried.used if one is not None]
    answered = sum(answer is not None for answer in tried.answers)
    quality, exact, f1, kappa = None, math.nan, math.nan, math.nan
    if gold is not None:
        quality = _quality(tried, gold, kind, hits, seed)
        if kind == "text":
            exact = float(np.mean([answer == true for answer, true in zip(tried.answers, gold, strict=True)]))
        elif kind == "classes":
            pairs = [(normalized(a), normalized(t)) for a, t in zip(tried.answers, gold, strict=True) if a is not None]
            table = confusion([pair[0] for pair in pairs], [pair[1] for pair in pairs])
            f1, kappa = table.macro_f1, table.kappa
    return Score(
        name=tried.variant.name,
        rows=len(tried.answers),
        answered=answered,
        errors=tried.errors,
        paid_usd=float(tried.paid),
        usd_per_1000=1_000 * _mean_usd(tried.used),
        input_tokens=_mean([one.input_tokens for one in used]),
        output_tokens=_mean([one.output_tokens for one in used]),
        p50_seconds=_quantile([one.seconds for one in used], 0.5),
        p95_seconds=_quantile([one.seconds for one in used], 0.95),
        quality=quality,
        exact=exact,
        macro_f1=f1,
        kappa=kappa,
    )


def _quality(tried: Tried, gold: Sequence[Any], kind: Kind, hits: FloatArray | None, seed: int) -> Interval:
    if kind == "numbers":
        losses = losses_of(tried, gold)
        return bootstrap_mean(losses[~np.isnan(losses)], seed)
    return accuracy_interval(hits_of(tried, gold, kind) if hits is None else hits)


def pairs_of(
    tried: Sequence[Tried], gold: Sequence[Any] | None, kind: Kind, hits: Sequence[FloatArray] | None, seed: int = 0
) -> list[Pair]:
    """Return all pairs of variants: how often they agree, and whose lead is more than chance."""
    found: list[Pair] = []
    p_values: list[float] = []
    for one, other in combinations(range(len(tried)), 2):
        first, second = tried[one], tried[other]
        both = [(a, b) for a, b in zip(first.answers, second.answers, strict=True) if a is not None and b is not None]
        agreement = float(np.mean([is_same(a, b, kind) for a, b in both])) if both else math.nan
        lead, p_value = 0.0, math.nan
        if gold is not None and kind == "numbers":
            gaps = losses_of(second, gold) - losses_of(first, gold)
            gaps = gaps[~np.isnan(gaps)]
            lead, p_value = float(gaps.mean()) if len(gaps) else 0.0, bootstrap_p_value(gaps, seed)
        elif gold is not None and hits is not None:
            only_first = int(np.sum((hits[one] == 1) & (hits[other] == 0)))
            only_second = int(np.sum((hits[one] == 0) & (hits[other] == 1)))
            lead, p_value = only_first - only_second, mcnemar_mid_p(only_first, only_second)
        better = None if lead == 0 else first.variant.name if lead > 0 else second.variant.name
        p_values.append(p_value)
        found.append(Pair(first.variant.name, second.variant.name, agreement, better, p_value))
    if gold is None:
        return found
    return [
        Pair(pair.first, pair.second, pair.agreement, pair.better, p_value)
        for pair, p_value in zip(found, holm(p_values), strict=True)
    ]


def _mean_usd(used: Sequence[Used | None]) -> float:
    """Return dollars per row: rows that were never sent cost nothing; NaN without a known price."""
    usd = [0.0 if one is None else math.nan if one.usd is None else one.usd for one in used]
    return _mean(usd)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _quantile(values: Sequence[float], at: float) -> float:
    return float(np.quantile(values, at)) if values else math.nan
