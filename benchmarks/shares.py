"""Which estimator of class shares to trust: simulated worlds whose truth is known.

A world is a frame of rows with a true class and an answer each, and some gold rows drawn from it. Counted is how often
the 95 % interval of a class covers its true share among all rows of that frame, and how wide it is against the interval
of the gold rows alone. ``docs/decisions/0013`` draws the conclusion; ``tests/statistics`` plays a sample of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from claude_parallel.statistics.intervals import effective_size
from claude_parallel.statistics.samples import allocate
from claude_parallel.statistics.shares import FEWEST_GOLD_ROWS, corrected_shares

WORLDS = 1_000
Z = 1.959964
TARGET = 0.94

CLASSES: Mapping[str, tuple[float, ...]] = {
    "two": (0.6, 0.4),
    "two, one rare": (0.99, 0.01),
    "six, one rare": (0.35, 0.25, 0.2, 0.12, 0.07, 0.01),
}

Ends = tuple[Any, Any]
Estimator = Callable[[Any, Any, np.random.Generator], Ends]
"""(counts of gold rows by answer and truth, rows by answer, chance) -> lower and upper ends, one per class."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of world."""

    rows: int
    gold: int
    accuracy: float
    classes: str
    leans: bool

    def shares(self) -> Any:
        """Return the probability of each pair of answer (row) and truth (column)."""
        shares = np.array(CLASSES[self.classes])
        count, wrong = len(shares), 1 - self.accuracy
        if self.leans:  # all errors are answered as the second class
            rate = wrong / (1 - shares[1]) if wrong < 1 - shares[1] else 1.0
            table = np.diag(shares * (1 - rate))
            table[1] += shares * rate
            table[1, 1] = shares[1]
            return table
        table = np.outer(np.ones(count), shares) * wrong / (count - 1)
        np.fill_diagonal(table, shares * self.accuracy)
        return table

    def worlds(self, number: int, seed: int = 0) -> Iterator[tuple[Any, Any, Any]]:
        """Yield true shares, gold rows by answer and truth, and rows by answer."""
        rng = np.random.default_rng([seed, self.rows, self.gold, round(100 * self.accuracy), self.leans])
        table = self.shares()
        for _ in range(number):
            frame = rng.multinomial(self.rows, table.ravel())
            gold = rng.multivariate_hypergeometric(frame, self.gold).reshape(table.shape)
            frame = frame.reshape(table.shape)
            yield frame.sum(axis=0) / self.rows, gold, frame.sum(axis=1)


CASES = tuple(
    Case(*values)
    for values in itertools.product((3_000, 100_000), (30, 100, 300), (0.7, 0.9, 0.99), CLASSES, (True, False))
)


def ours(gold: Any, population: Any, _rng: np.random.Generator) -> Ends:
    """What an audit says: post-stratified, two near-exact parts put together by MOVER, or the gold rows alone."""
    answers, truth = (np.repeat(index.ravel(), gold.ravel()) for index in np.indices(gold.shape))
    found = [share.corrected for share in corrected_shares(answers, truth, population)]
    return np.array([one.low for one in found]), np.array([one.high for one in found])


def wilson(shares: Any, size: float) -> Ends:
    """Return Wilson's score interval for shares seen in so many rows; infinitely many leave none.

    Source: Wilson, J. Amer. Statist. Assoc. 22 (1927), 209; Brown, Cai and DasGupta, Statist. Sci. 16 (2001), 101.
    """
    if math.isinf(size):
        return shares, shares
    shrink = 1.0 + Z * Z / size
    middle = (shares + Z * Z / (2 * size)) / shrink
    half = Z / shrink * np.sqrt(shares * (1 - shares) / size + Z * Z / (4 * size * size))
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)


def gold_alone(gold: Any, population: Any, _rng: np.random.Generator) -> Ends:
    """Wilson's interval from the gold rows, as if there were no model."""
    return wilson(gold.sum(axis=0) / gold.sum(), effective_size(gold.sum(), population.sum()))


def plain(gold: Any, population: Any, _rng: np.random.Generator) -> Ends:
    """Count the model's answers, and believe them."""
    total = population.sum()
    return wilson(population / total, total)


def linear(gold: Any, population: Any, *, is_tuned: bool) -> tuple[Any, Any]:
    """Return estimate and standard error of mean(truth) + weight * (mean of all answers - mean of gold answers)."""
    size, total = gold.sum(), population.sum()
    truth, answer, both = gold.sum(axis=0) / size, gold.sum(axis=1) / size, np.diag(gold) / size
    covariance, variance = both - truth * answer, answer * (1 - answer)
    weight = np.divide(covariance, variance, out=np.zeros(len(truth)), where=variance > 0) if is_tuned else 1.0
    residual = truth * (1 - truth) - 2 * weight * covariance + weight**2 * variance
    error = np.sqrt(np.maximum(residual, 0) / (size - 1) * (1 - size / total))
    return truth + weight * (population / total - answer), error


def difference(gold: Any, population: Any, _rng: np.random.Generator) -> Ends:
    """The difference estimator (Cochran, Sampling Techniques, 7.2), which is prediction-powered inference."""
    estimate, error = linear(gold, population, is_tuned=False)
    return estimate - Z * error, estimate + Z * error


def ppi_plus_plus(gold: Any, population: Any, _rng: np.random.Generator) -> Ends:
    """PPI++ tuned per class (Angelopoulos, Duchi and Zrnic, arXiv:2311.01453), gold rows a part of all rows."""
    estimate, error = linear(gold, population, is_tuned=True)
    return estimate - Z * error, estimate + Z * error


def dirichlet(gold: Any, population: Any, rng: np.random.Generator) -> Ends:
    """Post-stratified with Jeffreys' Dirichlet prior in each predicted class; quantiles of what the rest may be."""
    total = np.zeros((1_000, len(population)))
    for seen, size in zip(gold, population, strict=True):
        draws = rng.standard_gamma(seen + 0.5, total.shape)
        total += seen + rng.multinomial(size - seen.sum(), draws / draws.sum(axis=1, keepdims=True))
    low, high = np.quantile(total / population.sum(), [0.025, 0.975], axis=0)
    return low, high


ESTIMATORS: Mapping[str, Estimator] = {
    "model's answers, counted": plain,
    "gold rows alone (Wilson)": gold_alone,
    "difference": difference,
    "PPI++ per class": ppi_plus_plus,
    "post-stratified, Dirichlet(1/2)": dirichlet,
    "post-stratified, MOVER": ours,
}


@dataclass(frozen=True, slots=True)
class Score:
    """How an estimator did in one kind of world: over all intervals shown, and in the worst class."""

    coverage: float
    right_claims: float
    width: float


def score(case: Case, estimator: Estimator, worlds: int, seed: int = 0) -> Score:
    """Play some worlds of a case.

    Intervals of classes with too few gold rows are not shown and not counted. `right_claims` is the share of worlds in
    which nothing wrong was said about the worst class, shown or not; `width` the sum of widths, in the gold rows' own.
    """
    rng = np.random.default_rng(seed)
    shown, missed, width, gold_width = (np.zeros(len(CLASSES[case.classes])) for _ in range(4))
    for truth, gold, population in case.worlds(worlds, seed):
        is_shown = gold.sum(axis=0) >= FEWEST_GOLD_ROWS
        low, high = estimator(gold, population, rng)
        gold_low, gold_high = gold_alone(gold, population, rng)
        shown += is_shown
        missed += is_shown & ~((low - 1e-12 <= truth) & (truth <= high + 1e-12))
        width += np.where(is_shown, high - low, 0)
        gold_width += np.where(is_shown, gold_high - gold_low, 0)
    return Score(1 - missed.sum() / shown.sum(), 1 - missed.max() / worlds, width.sum() / gold_width.sum())


def coverage_in_parts(case: Case, worlds: int, seed: int = 0) -> float:
    """Return the coverage of intervals where as many gold rows were drawn of each answer, and count with weights."""
    rng = np.random.default_rng(seed)
    shown = missed = 0
    for _ in range(worlds):
        table = rng.multinomial(case.rows, case.shares().ravel()).reshape(case.shares().shape)
        population = table.sum(axis=1)
        parts = allocate([int(size) for size in population], case.gold)
        gold = np.array([rng.multivariate_hypergeometric(row, part) for row, part in zip(table, parts, strict=True)])
        answers, truth = (np.repeat(index.ravel(), gold.ravel()) for index in np.indices(gold.shape))
        weights = (population / np.maximum(1, gold.sum(axis=1)))[answers]
        for share, true in zip(corrected_shares(answers, truth, population, weights), table.sum(axis=0), strict=True):
            if share.gold_rows >= FEWEST_GOLD_ROWS:
                shown += 1
                missed += not share.corrected.low - 1e-12 <= true / case.rows <= share.corrected.high + 1e-12
    return 1 - missed / shown


IN_PARTS = Case(3_000, 300, 0.7, "six, one rare", True)
"""Where weights matter most: the largest answers, which stand for most rows, hold the errors."""


def run(worlds: int = WORLDS) -> None:
    """Print one line per estimator, and one per kind of world for ours."""
    scores = {name: [score(case, estimator, worlds) for case in CASES] for name, estimator in ESTIMATORS.items()}
    print(f"{len(CASES)} kinds of worlds, {worlds:,} of each; width in that of the gold rows alone\n")
    print("| estimator | coverage: lowest | mean | worlds with >= 94 % | right claims >= 94 % | width: mean | widest |")
    print("|---|---|---|---|---|---|---|")
    for name, found in scores.items():
        coverage = [one.coverage for one in found]
        widths = [one.width for one in found]
        held = sum(value >= TARGET for value in coverage)
        right = sum(one.right_claims >= TARGET for one in found)
        print(
            f"| {name} | {min(coverage):.1%} | {np.mean(coverage):.1%} | {held} of {len(CASES)} | {right} of "
            f"{len(CASES)} | {np.mean(widths):.2f} | {max(widths):.2f} |"
        )
    print("\n| ours | accuracy 0.7 | 0.9 | 0.99 |\n|---|---|---|---|")
    by_case = dict(zip(CASES, scores["post-stratified, MOVER"], strict=True))
    for classes, gold in itertools.product(CLASSES, (30, 100, 300)):
        cells = []
        for accuracy in (0.7, 0.9, 0.99):
            here = [by_case[c] for c in CASES if (c.classes, c.gold, c.accuracy) == (classes, gold, accuracy)]
            lowest = min(one.coverage for one in here)
            cells.append(f"{lowest:.1%}, {math.fsum(one.width for one in here) / len(here):.2f}")
        print(f"| {classes}, {gold} gold rows | {' | '.join(cells)} |")
    print(f"\nGold rows in equal parts of the answers, {IN_PARTS}: {coverage_in_parts(IN_PARTS, worlds):.1%}")


if __name__ == "__main__":
    run()
