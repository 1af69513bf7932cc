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
from .drawing import draw_rows
from .judge import judged
from .scores import MEASURES, Kind, Pair, Score, hits_of, kind_of, pairs_of, score
from .subjects import find_gold
from .variants import Tried, Variant, make_variants, try_together

MANY_VARIANTS = 4
"""From so many variants on, the best of them owes something to luck: with five equal ones, about one standard error."""


def compare_frame(
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
    estimate: bool = False,
    out: str = "response",
    options: Mapping[str, Any],
) -> Comparison | pd.DataFrame:
    """Return the comparison of some variants; see ``ClaudeFrame.compare``."""
    made = make_variants(prompt, variants, options, labels)
    positions, truth = _sample(frame, rows, by, gold, seed)
    kept = round(len(positions) * _checked_share(holdout, gold))
    held, positions = positions[:kept], positions[kept:]
    sample = frame.iloc[positions]
    if estimate:
        return _estimates(sample, made, out)
    tried = try_together(sample, made, out=out, column=column)
    true = None if truth is None else [truth[position] for position in positions]
    kind = kind_of(tried, true)
    hits, judge_usd = _hits(tried, true, kind, judge, seed)
    scores = [score(one, true, kind, None if hits is None else hits[place], seed) for place, one in enumerate(tried)]
    pairs = pairs_of(tried, true, kind, hits, seed)
    return Comparison(
        sample=sample,
        tried=tuple(tried),
        scores=tuple(scores),
        pairs=tuple(pairs),
        gold=true,
        kind=kind,
        measure="judged right" if judge is not None and kind == "text" else MEASURES[kind],
        warnings=tuple(_warnings(scores, pairs, kind, has_holdout=kept > 0)),
        judge_usd=judge_usd,
        _frame=frame,
        _held=frame.iloc[held],
        _held_gold=[] if truth is None else [truth[position] for position in held],
        _out=out,
        _column=column,
    )


def _sample(frame: Any, rows: int, by: str | None, gold: Any, seed: int) -> tuple[list[int], dict[int, Any] | None]:
    """Return the positions to ask and the truth by position; with gold, only rows whose truth is known."""
    if gold is None:
        return draw_rows(frame, rows, by, seed), None
    holder = frame if isinstance(frame, pd.DataFrame) else frame.to_frame("value")
    found = find_gold(holder, gold)
    truth = {int(position): value for position, value in zip(found.positions, found.values, strict=True)}
    return draw_rows(frame, rows, by, seed, sorted(truth)), truth


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


def _hits(
    tried: Sequence[Tried], gold: list[Any] | None, kind: Kind, judge: str | Mapping[str, Any] | None, seed: int
) -> tuple[list[FloatArray] | None, float]:
    """Return for each variant which rows are right, and what a judge cost."""
    if judge is not None and (gold is None or kind != "text"):
        raise InputError("judge= compares texts with gold: it needs gold= and answers that are text")
    if gold is None or kind == "numbers":
        return None, 0.0
    hits = [hits_of(one, gold, kind) for one in tried]
    return judged(tried, gold, hits, judge, seed) if judge is not None else (hits, 0.0)


def _warnings(scores: Sequence[Score], pairs: Sequence[Pair], kind: Kind, *, has_holdout: bool) -> list[str]:
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
    if len(known) > MANY_VARIANTS and not has_holdout:
        found.append(
            f"{len(known)} variants were tried on the same gold rows, so the best one's figure is flattered by luck: "
            "hold rows back with holdout=0.5, and report .confirm(name)."
        )
    return found


def _rank(one: Score, kind: Kind) -> float:
    assert one.quality is not None
    return one.quality.estimate if kind == "numbers" else -one.quality.estimate
