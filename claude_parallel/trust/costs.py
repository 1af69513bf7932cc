"""What a comparison would cost before anything is sent: each variant, the judge, and all together.

``forecast`` knows what a map costs; here is what the maps of one comparison have to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ..forecast.assumptions import host_of, look
from ..forecast.estimate import Estimate, estimate_frame
from ..forecast.walk import recall
from ..frames.frame_map import FrameMap
from ..prompt.request import BYTES_PER_TOKEN
from .judge import Judge
from .scores import is_same
from .variants import Prepared

_COUNTS = ("unique", "in_journal")
_DOLLARS = ("usd_low", "usd_likely", "usd_high")
_UNKNOWN_ANSWER = "An answer that nobody has given yet. "

Line = dict[str, Any]


def comparison_costs(prepared: Sequence[Prepared], gold: Sequence[Any] | None, judge: Judge | None) -> pd.DataFrame:
    """Return one line per variant, one for the judge where there is one, and their total.

    Parameters
    ----------
    prepared : sequence of Prepared
        The variants over the sample.
    gold : sequence, optional
        The truth by row.
    judge : Judge, optional
        Who says whether an answer says the same as gold.

    Returns
    -------
    DataFrame
        Distinct requests, how many of them the journal answers, dollars low, likely and high, and seconds. The judge is
        asked about answers that are not the gold word for word: of those that are not known yet none at the low end,
        else all of them. Variants that share the limits of one model take their seconds one after the other, those of
        other models and batches side by side, and the judge comes after them.
    """
    estimates = [estimate_frame(one.map) for one in prepared]
    lines = [
        _line(found, one.map) if one.same_as == place else _nothing()
        for place, (found, one) in enumerate(zip(estimates, prepared, strict=True))
    ]
    seconds = _side_by_side(prepared, lines)
    names = [one.variant.name for one in prepared]
    if judge is not None and gold is not None:
        lines.append(_judge_line(prepared, estimates, gold, judge))
        names.append("judge")
        seconds += lines[-1]["seconds"]
    table = pd.DataFrame(lines, index=names)
    total = pd.DataFrame([{**table.sum(skipna=False), "seconds": seconds}], index=["total"])
    return pd.concat([table, total]).astype(dict.fromkeys(_COUNTS, "int64")).rename_axis("variant")


def _line(found: Estimate, asked: FrameMap) -> Line:
    way = found.strategy_of(asked.settings)
    work = found.workload
    dollars = [float(usd) for usd in way.usd] if way.usd is not None else [float("nan")] * 3
    return {
        **dict(zip(_COUNTS, (work.unique, work.in_journal), strict=True)),
        **dict(zip(_DOLLARS, dollars, strict=True)),
        "seconds": way.seconds,
    }


def _nothing() -> Line:
    """Return the line of who asks nothing, or only what another one asks as well."""
    return {**dict.fromkeys(_COUNTS, 0), **dict.fromkeys(_DOLLARS, 0.0), "seconds": 0.0}


def _side_by_side(prepared: Sequence[Prepared], lines: Sequence[Line]) -> float:
    live: dict[str, float] = {}
    batches = [0.0]
    for one, line in zip(prepared, lines, strict=True):
        settings = one.map.settings
        if settings.batch:
            batches.append(line["seconds"])
        else:
            live[settings.model] = live.get(settings.model, 0.0) + line["seconds"]
    return max(*batches, *live.values())


def _judge_line(prepared: Sequence[Prepared], estimates: Sequence[Estimate], gold: Sequence[Any], judge: Judge) -> Line:
    known: list[tuple[str, str]] = []
    open_: list[tuple[str, str]] = []
    for place, (one, found) in enumerate(zip(prepared, estimates, strict=True)):
        if one.same_as != place:
            continue
        answers = [*_known_answers(one)]
        length = _expected_length(answers, found)
        for row, (is_known, answer) in enumerate(answers):
            if not is_known:
                open_.append((_unknown_answer(f"{place}.{row}", length), str(gold[row])))
            elif answer is not None and not is_same(answer, gold[row], "text"):
                known.append((str(answer), str(gold[row])))
    low = _asking(judge, known)
    return {**_asking(judge, [*known, *open_]), "usd_low": low["usd_low"]}


def _asking(judge: Judge, pairs: Sequence[tuple[str, str]]) -> Line:
    if not pairs:
        return _nothing()
    asked = judge.map(pairs)
    return _line(estimate_frame(asked), asked)


def _known_answers(one: Prepared) -> Iterator[tuple[bool, Any]]:
    """Yield for each row whether the journal knows what it will say, and the answer."""
    samples = one.map.columns.samples
    draws = recall(one.map.plan(host_of(one.map.live_environment or look(one.map.settings))), one.map.settings)
    for start in range(0, len(draws), samples):
        row = [draw for draw in draws[start : start + samples] if draw is not None]
        yield (True, one.answer(one.elected(row)[0])) if len(row) == samples else (False, None)


def _expected_length(answers: Sequence[tuple[bool, Any]], found: Estimate) -> float:
    """Return how many letters an answer will have: as those that are known, else as its estimate expects."""
    lengths = [len(str(answer)) for _is_known, answer in answers if answer is not None]
    return sum(lengths) / len(lengths) if lengths else found.tokens.output.likely * BYTES_PER_TOKEN


def _unknown_answer(name: str, length: float) -> str:
    """Return words of this length, different for each row, since rows that ask the same are paid once."""
    text = f"{name} {_UNKNOWN_ANSWER * (1 + round(length) // len(_UNKNOWN_ANSWER))}"
    return text[: max(len(name) + 1, round(length))]
