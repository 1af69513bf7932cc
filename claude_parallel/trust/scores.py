"""How well the variants did on the sample: against gold, against each other, and for how many dollars.

Which figure fits depends on the answers: classes are right or wrong, numbers are off by something, text says the same
or does not. The formulas stand in ``statistics``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ..statistics.agreement import accuracy_interval, confusion
from ..statistics.intervals import FloatArray, Interval, bootstrap_mean, bootstrap_p_value, linearised
from ..statistics.pairs import holm, mcnemar_mid_p, sign_flip_mid_p
from .judged import Judged, Weights
from .page import interval_text
from .subjects import plain_text
from .used import rows_usd
from .variants import Tried

Kind = Literal["labels", "classes", "numbers", "text"]
"""Labels of a schema, text that stands for few classes, numbers, or any text."""

MEASURES: dict[Kind, str] = {
    "labels": "accuracy",
    "classes": "accuracy",
    "numbers": "mean absolute error",
    "text": "same text",
}
_NUMBERS = frozenset({"Int64", "Float64"})
_LABELS = frozenset({"category", "boolean"})
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
    rows, reached, answered : int
        Rows of the sample, those that the run came to before it was stopped, and those with an answer.
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
    measure : str
        What `quality` measures.
    judge_usd : float
        Dollars that the judge cost; NaN where there was none.
    """

    name: str
    rows: int
    reached: int
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
    measure: str = ""
    judge_usd: float = math.nan

    def __repr__(self) -> str:
        price = "unknown" if math.isnan(self.usd_per_1000) else f"${self.usd_per_1000:,.3f}"
        quality = "" if self.quality is None else f"{self.measure} {quality_text(self.quality, self.measure)}, "
        judge = "" if math.isnan(self.judge_usd) else f"; the judge cost ${self.judge_usd:,.4f}"
        return f"{self.name} on {self.rows:,} rows: {quality}{price} for 1,000 rows, {self.answered:,} answered{judge}"


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


def quality_text(found: Interval, measure: str) -> str:
    """Return a figure with its interval: a share as per cent, an error of numbers as a number."""
    if measure == MEASURES["numbers"] and not math.isnan(found.estimate):
        return f"{found.estimate:.3g} ({found.low:.3g} to {found.high:.3g})"
    return interval_text(found)


def kind_of(
    dtypes: Iterable[str], gold: Sequence[Any] | None, answers: Iterable[Any] = (), *, is_judged: bool = False
) -> Kind:
    """Return what the answers are.

    Parameters
    ----------
    dtypes : iterable of str
        Of the variants' answers.
    gold : sequence or None
        The truth; it says whether plain text stands for classes.
    answers : iterable
        Says so where there is no gold.
    is_judged : bool
        Plain text is text, since whether it says the same is for a judge to say.
    """
    known = {*dtypes}
    if known <= _NUMBERS:
        return "numbers"
    if known <= _LABELS:
        return "labels"
    if is_judged and not known & (_NUMBERS | _LABELS):
        return "text"
    values = [*answers] if gold is None else gold
    different = {normalized(value) for value in values if value is not None}
    return "classes" if len(different) <= min(_MOST_CLASSES, len(values) / 2) else "text"


_WORDS = re.compile(r"(?<!\S)[+-](?=\d)|\w+[+#]*")
"""Words and numbers; a sign in front of a number matters, and so does what tells C++ and C# from C."""


def normalized(value: Any) -> str:
    """Return what makes two answers the same: text without letter case, punctuation and spaces that do not matter.

    Gold is often a number where the answer is text: 4 and 4.0 are ``"4"``. Lists and mappings are compared as JSON.
    """
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True, default=str)
    folded = plain_text(value).casefold()
    return " ".join(_WORDS.findall(folded)) or folded.strip()


def is_same(one: Any, other: Any, kind: Kind) -> bool:
    """Say whether two answers are the same."""
    if one is None or other is None:
        return False
    if kind == "numbers":
        return math.isclose(one, other, rel_tol=1e-9)
    if kind == "labels":
        return bool(one == other)
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


def score(
    tried: Tried, asked: Judged, kind: Kind, hits: FloatArray | None, seed: int = 0, measure: str | None = None
) -> Score:
    """Return a variant's line; `hits` says which rows are right, where they were judged.

    Rows that the run did not come to say nothing about the variant: no figure counts them.
    """
    rows, errors = len(tried.answers), tried.errors
    if not tried.reached.all():
        hits = None if hits is None else hits[tried.reached]
        tried, asked = tried.only(tried.reached), asked.only(tried.reached)
    gold, weights = asked.gold, asked.weights
    places = [place for place, one in enumerate(tried.used) if one is not None]
    used = [one for one in tried.used if one is not None]
    used_weights = None if weights is None else weights[places]
    seconds = [(one.seconds, at) for one, at in zip(used, places, strict=True) if one.seconds is not None]
    times = np.array([took for took, _at in seconds])
    time_weights = None if weights is None else weights[[at for _took, at in seconds]]
    answered = sum(answer is not None for answer in tried.answers)
    quality, exact, f1, kappa = None, math.nan, math.nan, math.nan
    if gold is not None:
        quality = _quality(tried, asked, kind, hits, seed)
        if kind == "text":
            exact = _mean([answer == true for answer, true in zip(tried.answers, gold, strict=True)], weights)
        elif kind in ("labels", "classes"):
            known = [place for place, answer in enumerate(tried.answers) if answer is not None]
            as_class = normalized if kind == "classes" else _as_it_is
            answers, truth = [as_class(tried.answers[at]) for at in known], [as_class(gold[at]) for at in known]
            table = confusion(answers, truth, weights=None if weights is None else weights[known])
            f1, kappa = table.macro_f1, table.kappa
    return Score(
        name=tried.variant.name,
        rows=rows,
        reached=len(tried.answers),
        answered=answered,
        errors=errors,
        paid_usd=float(tried.paid),
        usd_per_1000=1_000 * _mean(rows_usd(tried.used), weights),
        input_tokens=_mean([one.input_tokens for one in used], used_weights),
        output_tokens=_mean([one.output_tokens for one in used], used_weights),
        p50_seconds=_quantile(times, 0.5, time_weights),
        p95_seconds=_quantile(times, 0.95, time_weights),
        quality=quality,
        exact=exact,
        macro_f1=f1,
        kappa=kappa,
        measure=measure or MEASURES[kind],
    )


def _quality(tried: Tried, asked: Judged, kind: Kind, hits: FloatArray | None, seed: int) -> Interval:
    assert asked.gold is not None
    if kind == "numbers":
        found = bootstrap_mean(_known(losses_of(tried, asked.gold), asked.weights), seed)
        return replace(found, low=max(0.0, found.low))  # an error is never negative
    return accuracy_interval(hits_of(tried, asked.gold, kind) if hits is None else hits, asked.weights)


def _as_it_is(value: Any) -> Any:
    return value


def _known(values: FloatArray, weights: Weights) -> FloatArray:
    """Return the values that there are, weighed."""
    is_there = ~np.isnan(values)
    return linearised(values[is_there], None if weights is None else weights[is_there])


def pairs_of(
    tried: Sequence[Tried], asked: Judged, kind: Kind, hits: Sequence[FloatArray] | None, seed: int = 0
) -> list[Pair]:
    """Return all pairs of variants: how often they agree, and whose lead is more than chance, on rows asked of both."""
    found: list[Pair] = []
    p_values: list[float] = []
    for one, other in combinations(range(len(tried)), 2):
        is_asked = tried[one].reached & tried[other].reached
        first, second = tried[one].only(is_asked), tried[other].only(is_asked)
        part = asked.only(is_asked)
        gold, weights = part.gold, part.weights
        both = list(zip(first.answers, second.answers, strict=True))
        known = [place for place, (a, b) in enumerate(both) if a is not None and b is not None]
        same = [is_same(*both[place], kind) for place in known]
        agreement = _mean(same, None if weights is None else weights[known])
        lead, p_value = 0.0, math.nan
        if gold is not None and kind == "numbers":
            gaps = _known(losses_of(second, gold) - losses_of(first, gold), weights)
            lead, p_value = float(gaps.mean()) if len(gaps) else 0.0, bootstrap_p_value(gaps, seed)
        elif gold is not None and hits is not None:
            lead, p_value = _lead(hits[one][is_asked], hits[other][is_asked], weights, seed)
        better = None if lead == 0 else first.variant.name if lead > 0 else second.variant.name
        p_values.append(p_value)
        found.append(Pair(first.variant.name, second.variant.name, agreement, better, p_value))
    if asked.gold is None:
        return found
    return [
        Pair(pair.first, pair.second, pair.agreement, pair.better, p_value)
        for pair, p_value in zip(found, holm(p_values), strict=True)
    ]


def _lead(first: FloatArray, second: FloatArray, weights: Weights, seed: int) -> tuple[float, float]:
    """Return by how many rows the first is ahead, and how likely chance alone gives such a lead."""
    gaps = first - second
    if weights is None:
        ahead, behind = int(np.sum(gaps > 0)), int(np.sum(gaps < 0))
        return ahead - behind, mcnemar_mid_p(ahead, behind)
    return float(weights @ gaps), sign_flip_mid_p(weights * gaps, seed)


def _mean(values: Sequence[float] | FloatArray, weights: Weights = None) -> float:
    return float(np.average(values, weights=weights)) if len(values) else math.nan


def _quantile(values: FloatArray, at: float, weights: Weights) -> float:
    """Return a quantile, between the values as their weights are; source: Hazen's plotting positions for those."""
    if not len(values):
        return math.nan
    if weights is None:
        return float(np.quantile(values, at))
    order = np.argsort(values)
    reached = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return float(np.interp(at, reached, values[order]))
