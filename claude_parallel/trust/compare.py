"""Which prompt and model to pay for: variants on one sample, side by side.

Draws the sample, has the variants run, and shows what came of it. The run is the business of ``variants``, the figures
of ``scores``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..errors import InputError
from ..forecast.estimate import estimate_frame
from ..statistics.intervals import FloatArray
from .comparison import Comparison
from .drawing import Drawn, draw_rows
from .judge import Judge, Judging, judge_of
from .scores import MEASURES, Judged, Kind, Pair, Score, hits_of, kind_of, pairs_of, score
from .subjects import find_gold
from .variants import Trial, Tried, Variant, make_variants

MANY_VARIANTS = 4
"""From so many variants on, the best of them owes something to luck: with five equal ones, about one standard error."""


class Comparing:
    """A comparison on its way: the sample and the variants, checked; then what they answered, judged and counted.

    Parameters
    ----------
    frame, prompt, variants, rows, by, labels, gold, column, judge, holdout, seed, out, **options
        As in ``ClaudeFrame.compare``.

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
        **options: Any,
    ) -> None:
        self._frame, self._column, self._seed, self._out = frame, column, seed, out
        self._judge = None if judge is None else Judge(judge, seed)
        self._variants = make_variants(prompt, variants, options, labels)
        self._by = by
        drawn, truth = _sample(frame, rows, by, gold, seed)
        kept = round(len(drawn.positions) * _checked_share(holdout, gold))
        self._held = Judged.of(frame, drawn.part(0, kept), truth)
        self._asked = Judged.of(frame, drawn.part(kept), truth)
        self._tries = 0

    def estimates(self) -> pd.DataFrame:
        """Return what each variant would cost on the sample."""
        return _estimates(self._asked.rows, self._variants, self._out)

    def run(self) -> Comparison:
        """Ask and judge, blocking."""
        trial = self._trial()
        tried = trial.run()
        hits, judging = self._judging(trial, tried)
        usd = judging.settle(judging.asked.run(), hits) if judging is not None and hits is not None else 0.0
        return self._conclude(tried, hits, usd)

    async def arun(self) -> Comparison:
        """Ask and judge on the caller's own event loop."""
        trial = self._trial()
        tried = await trial.arun()
        hits, judging = self._judging(trial, tried)
        usd = judging.settle(await judging.asked.arun(), hits) if judging is not None and hits is not None else 0.0
        return self._conclude(tried, hits, usd)

    def _trial(self) -> Trial:
        return Trial(self._asked.rows, self._variants, out=self._out, column=self._column)

    def _judging(self, trial: Trial, tried: Sequence[Tried]) -> tuple[list[FloatArray] | None, Judging | None]:
        """Return which rows are right as far as words tell, and how a model is asked about the others."""
        gold = self._asked.gold
        kind = kind_of(tried, gold)
        if self._judge is not None and (gold is None or kind != "text"):
            raise InputError("judge= compares texts with gold: it needs gold= and answers that are text")
        if gold is None:
            return None, None
        self._tries = trial.note_gold(gold)
        if kind == "numbers":
            return None, None
        hits = [hits_of(one, gold, kind) for one in tried]
        judging = None if self._judge is None else judge_of(self._judge, tried, gold, hits, trial.budget)
        return hits, judging

    def _conclude(self, tried: Sequence[Tried], hits: list[FloatArray] | None, judge_usd: float) -> Comparison:
        asked = self._asked
        kind = kind_of(tried, asked.gold)
        measure = "judged right" if self._judge is not None and kind == "text" else MEASURES[kind]
        scores = [
            score(one, asked, kind, None if hits is None else hits[place], self._seed, measure)
            for place, one in enumerate(tried)
        ]
        pairs = pairs_of(tried, asked, kind, hits, self._seed)
        warnings = _warnings(scores, pairs, kind, tries=self._tries, has_holdout=len(self._held.rows) > 0)
        return Comparison(
            sample=asked.rows,
            tried=tuple(tried),
            scores=tuple(scores),
            pairs=tuple(pairs),
            gold=asked.gold,
            kind=kind,
            measure=measure,
            warnings=tuple(warnings),
            judge_usd=judge_usd,
            _frame=self._frame,
            by=self._by,
            _judge=self._judge,
            _held=self._held,
            _out=self._out,
            _column=self._column,
        )


def _sample(frame: Any, rows: int, by: str | None, gold: Any, seed: int) -> tuple[Drawn, dict[int, Any] | None]:
    """Return the rows to ask and the truth by position; with gold, only rows whose truth is known."""
    if gold is None:
        return draw_rows(frame, rows, by, seed), None
    holder = frame if isinstance(frame, pd.DataFrame) else frame.to_frame("value")
    found = find_gold(holder, gold)
    truth = {int(position): value for position, value in zip(found.positions, found.values, strict=True)}
    return draw_rows(frame, rows, by, seed, found), truth


def _checked_share(holdout: float, gold: Any) -> float:
    if isinstance(holdout, bool) or not isinstance(holdout, int | float) or not 0 <= holdout < 1:
        raise InputError(f"holdout must be a share from 0 to below 1, not {holdout!r}")
    if holdout and gold is None:
        raise InputError("holdout= keeps gold rows back, so it needs gold=")
    return float(holdout)


def _estimates(sample: Any, variants: Sequence[Variant], out: str) -> pd.DataFrame:
    """Return what each variant would cost on the sample: dollars low, likely, high, and seconds."""
    records = []
    for variant in variants:
        found = estimate_frame(variant.prepare(sample, out)).to_frame()
        line = found.loc["batch" if variant.options.get("batch") else "live"]
        records.append(
            {"variant": variant.name, **line[["unique", "in_journal", "usd_low", "usd_likely", "usd_high", "seconds"]]}
        )
    table_ = pd.DataFrame(records).set_index("variant")
    table_.loc["total"] = table_.sum()
    return table_


def _warnings(
    scores: Sequence[Score], pairs: Sequence[Pair], kind: Kind, *, tries: int, has_holdout: bool
) -> list[str]:
    found: list[str] = []
    known = [one for one in scores if one.quality is not None and not math.isnan(one.quality.estimate)]
    if len(known) > 1:
        ranked = sorted(known, key=lambda one: _rank(one, kind))
        names = {ranked[0].name, ranked[1].name}
        lead = next(pair for pair in pairs if {pair.first, pair.second} == names)
        if not lead.is_beyond_chance:
            cheap = min(ranked[:2], key=lambda one: one.usd_per_1000).name
            found.append(
                f"{ranked[0].name!r} and {ranked[1].name!r} differ by no more than chance explains (p = "
                f"{lead.p_value:.2f}): choose by price ({cheap!r} is cheaper), or compare on more rows."
            )
    if tries > MANY_VARIANTS and not has_holdout:
        found.append(
            f"{tries} ways of asking have been tried on these gold rows so far, so the best one's figure is flattered "
            "by luck: hold rows back with holdout=0.5, and report .confirm(name)."
        )
    return found


def _rank(one: Score, kind: Kind) -> float:
    assert one.quality is not None
    return one.quality.estimate if kind == "numbers" else -one.quality.estimate
