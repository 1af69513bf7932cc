"""Which prompt and model to pay for: variants on one sample, side by side.

Draws the sample, has the variants run, and shows what came of it. The run is the business of ``variants``, the figures
of ``scores``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ..errors import InputError
from ..forecast.assumptions import PUBLIC_HOST
from ..statistics.intervals import FloatArray
from .comparison import Comparison
from .costs import comparison_costs
from .drawing import Drawn, Take, draw_rows
from .judge import JUDGED, Judge, Judging
from .judged import Judged
from .scores import MEASURES, Kind, Pair, Score, hits_of, kind_of, pairs_of, score
from .subjects import find_gold, fit_labels, fit_numbers
from .variants import Prepared, Trial, Tried, make_variants, prepare

MANY_VARIANTS = 4
"""From so many variants on, the best of them owes something to luck: with five equal ones, about one standard error."""


class Comparing:
    """A comparison on its way: the sample and the variants, checked; then what they answered, judged and counted.

    Parameters
    ----------
    frame, prompt, variants, rows, by, labels, gold, column, judge, holdout, seed, out, **options
        As in ``ClaudeFrame.compare``.
    take : callable, optional
        Gives the rows that were drawn, where `frame` has no more than the columns to draw by.
    whole : object, optional
        What the comparison's ``run(name)`` maps, where it is not `frame`.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """

    def __init__(
        self,
        frame: Any,
        prompt: Any,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        rows: int = 100,
        by: str | None = None,
        labels: Sequence[str] | None = None,
        gold: Any = None,
        column: str | None = None,
        judge: str | Mapping[str, Any] | None = None,
        holdout: float = 0.0,
        seed: int = 0,
        out: str = "response",
        take: Take | None = None,
        whole: Any = None,
        **options: Any,
    ) -> None:
        take = take or (lambda positions: frame.iloc[positions])
        self._frame = frame if whole is None else whole
        self._column, self._seed, self._out = column, seed, out
        every = make_variants(prompt, variants, options, labels)
        self._by = by
        drawn, truth, doubts = _sample(frame, rows, by, gold, seed)
        kept = _rows_to_hold(holdout, gold, len(drawn.positions))
        self._held = Judged.of(take, drawn.part(0, kept), truth)
        self._asked = Judged.of(take, drawn.part(kept), truth)
        self._prepared = prepare(every, self._asked.rows, out, column)
        self._judge = None if judge is None else Judge(judge, every[0].options, seed)
        if self._judge is not None:
            _check_judge(self._judge, self._prepared, self._asked.gold)
        self._doubts = [*doubts, *self._fit_gold(is_judged=judge is not None)]
        self._tries = 0

    def _fit_gold(self, *, is_judged: bool) -> list[str]:
        """Read gold as what the answers are, and return a word on what does not fit."""
        asked, held = self._asked.gold, self._held.gold
        if asked is None or held is None:
            return []
        kind = kind_of((one.dtype for one in self._prepared), asked, is_judged=is_judged)
        words: list[str] = []
        if kind == "numbers":
            every: list[Any] = [*fit_numbers([*asked, *held])]
        elif kind == "labels":
            every, words = fit_labels(
                [*asked, *held], [*dict.fromkeys(x for one in self._prepared for x in one.labels)]
            )
        else:
            return []
        self._asked = replace(self._asked, gold=every[: len(asked)])
        self._held = replace(self._held, gold=every[len(asked) :])
        return words

    def estimates(self) -> pd.DataFrame:
        """Return what each variant and the judge would cost on the sample."""
        return comparison_costs(self._prepared, self._asked.gold, self._judge)

    def run(self) -> Comparison:
        """Ask and judge, blocking."""
        trial = Trial(self._prepared)
        tried = trial.run()
        hits, judging = self._judging(trial, tried)
        if judging is not None:
            judging.run()
        return self._conclude(tried, hits, judging)

    async def arun(self) -> Comparison:
        """Ask and judge on the caller's own event loop."""
        trial = Trial(self._prepared)
        tried = await trial.arun()
        hits, judging = self._judging(trial, tried)
        if judging is not None:
            await judging.arun()
        return self._conclude(tried, hits, judging)

    def _judging(self, trial: Trial, tried: Sequence[Tried]) -> tuple[list[FloatArray] | None, Judging | None]:
        """Return which rows are right as far as words tell, and how a model is asked about the others."""
        gold = self._asked.gold
        if gold is None:
            return None, None
        self._tries = trial.note_gold(gold)
        kind = self._kind(tried)
        if kind == "numbers":
            return None, None
        hits = [hits_of(one, gold, kind) for one in tried]
        judge = self._judge
        return hits, None if judge is None else Judging(judge, tried, gold, hits, trial.control, trial.budget)

    def _kind(self, tried: Sequence[Tried]) -> Kind:
        answers = (answer for one in tried for answer in one.answers)
        return kind_of((one.dtype for one in tried), self._asked.gold, answers, is_judged=self._judge is not None)

    def _conclude(self, tried: Sequence[Tried], hits: list[FloatArray] | None, judging: Judging | None) -> Comparison:
        asked = self._asked
        kind = self._kind(tried)
        measure = MEASURES[kind] if judging is None else JUDGED
        scores = [
            score(one, asked, kind, None if hits is None else hits[place], self._seed, measure)
            for place, one in enumerate(tried)
        ]
        if judging is not None:
            scores = [replace(one, judge_usd=usd) for one, usd in zip(scores, judging.usd, strict=True)]
        pairs = pairs_of(tried, asked, kind, hits, self._seed)
        warnings = [*self._doubts, *(() if judging is None else judging.warnings)]
        warnings += _warnings(scores, pairs, kind, tries=self._tries, has_holdout=len(self._held.rows) > 0)
        return Comparison(
            sample=asked.rows,
            tried=tuple(tried),
            scores=tuple(scores),
            pairs=tuple(pairs),
            gold=asked.gold,
            kind=kind,
            measure=measure,
            warnings=tuple(warnings),
            _frame=self._frame,
            by=self._by,
            _judge=self._judge,
            _held=self._held,
            _out=self._out,
            _column=self._column,
        )


def _sample(
    frame: Any, rows: int, by: str | None, gold: Any, seed: int
) -> tuple[Drawn, dict[int, Any] | None, Sequence[str]]:
    """Return the rows to ask, the truth by position, and doubts about gold; with gold, rows whose truth is known."""
    if not len(frame):
        raise InputError("there is no row to compare on")
    if gold is None:
        return draw_rows(frame, rows, by, seed), None, ()
    holder = frame if isinstance(frame, pd.DataFrame) else frame.to_frame("value")
    found = find_gold(holder, gold)
    truth = {int(position): value for position, value in zip(found.positions, found.values, strict=True)}
    return draw_rows(frame, rows, by, seed, found), truth, found.doubts


def _rows_to_hold(holdout: float, gold: Any, rows: int) -> int:
    """Return how many of the drawn rows are kept back."""
    if isinstance(holdout, bool) or not isinstance(holdout, int | float) or not 0 <= holdout < 1:
        raise InputError(f"holdout must be a share from 0 to below 1, not {holdout!r}")
    if not holdout:
        return 0
    if gold is None:
        raise InputError("holdout= keeps gold rows back, so it needs gold=")
    if rows < 2:
        raise InputError("holdout= needs two gold rows at least: one to compare on, one to keep back")
    return min(rows - 1, max(1, round(rows * holdout)))


def _check_judge(judge: Judge, prepared: Sequence[Prepared], gold: Sequence[Any] | None) -> None:
    """Refuse a judge that cannot work, before the variants are paid."""
    is_text = gold is not None and kind_of((one.dtype for one in prepared), gold, is_judged=True) == "text"
    if not is_text:
        raise InputError("judge= compares texts with gold: it needs gold= and answers that are text")
    budget = prepared[0].map.settings.budget
    judge.map([("an answer", "the gold")], None if budget is None else float(budget)).plan(PUBLIC_HOST)


def _warnings(
    scores: Sequence[Score], pairs: Sequence[Pair], kind: Kind, *, tries: int, has_holdout: bool
) -> list[str]:
    found = [
        f"{one.name!r} answered none of {one.rows:,} rows ({', '.join(f'{k} {n:,}' for k, n in one.errors.items())})."
        for one in scores
        if not one.answered
    ]
    found += [
        f"{one.name!r} was asked about {one.reached:,} of {one.rows:,} rows only (stopped, or out of budget): its "
        "figures, and pairs with it, are of these alone. Compare again to ask about the others."
        for one in scores
        if 0 < one.reached < one.rows
    ]
    known = [one for one in scores if one.answered and one.quality is not None]
    if len(known) > 1:
        ranked = sorted(known, key=lambda one: _rank(one, kind))
        names = {ranked[0].name, ranked[1].name}
        lead = next(pair for pair in pairs if {pair.first, pair.second} == names)
        if not lead.is_beyond_chance:
            found.append(_within_chance(ranked[:2], lead.p_value))
    if tries > MANY_VARIANTS and not has_holdout:
        found.append(
            f"{tries} ways of asking have been tried on these gold rows so far, so the best one's figure is flattered "
            "by luck: hold rows back with holdout=0.5, and report .confirm(name)."
        )
    return found


def _within_chance(best: Sequence[Score], p_value: float) -> str:
    first, second = best
    cheap = min(best, key=lambda one: one.usd_per_1000)
    price = "" if first.usd_per_1000 == second.usd_per_1000 else f" ({cheap.name!r} is cheaper)"
    return (
        f"{first.name!r} and {second.name!r} differ by no more than chance explains (p = {p_value:.2f}): choose by "
        f"price{price}, or compare on more rows."
    )


def _rank(one: Score, kind: Kind) -> float:
    assert one.quality is not None
    return one.quality.estimate if kind == "numbers" else -one.quality.estimate
