"""A model that says whether two texts say the same, for answers that are not the gold word for word.

Its dollars are counted apart; which text comes first is left to chance, since models favour a place.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..engine.budget import Budget
from ..frames.frame_map import FrameMap
from ..statistics.intervals import FloatArray
from .variants import Tried

_LEAST_BUDGET = 1e-9
"""US dollars: where the variants have spent it all, the judge may spend nothing; a budget of 0 is none."""

RUBRIC = "The two say the same if a careful reader would draw the same conclusion from both; wording does not matter."


@dataclass(frozen=True, slots=True, eq=False)
class Judging:
    """Answers to be judged: the map that asks about them, and which row of which variant each one is."""

    asked: FrameMap
    places: tuple[tuple[int, int], ...]

    def settle(self, out: pd.DataFrame, hits: list[FloatArray]) -> float:
        """Write the verdicts into `hits`, and return what they cost in US dollars."""
        for (number, row), verdict in zip(self.places, out["same"], strict=True):
            hits[number][row] = float(not pd.isna(verdict) and bool(verdict))  # missing where the judge failed
        return float(out["same_cost"].sum())


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges, how, and with what chance.

    Attributes
    ----------
    asked : str or mapping
        A model, or options of ``map`` with a ``rubric``.
    seed : int
        Fixes which of two texts comes first.
    """

    asked: str | Mapping[str, Any]
    seed: int = 0


def judge_of(
    judge: Judge, tried: Sequence[Tried], gold: Sequence[Any], hits: list[FloatArray], budget: Budget
) -> Judging | None:
    """Return how a model is asked about answers that are not the gold word for word; None where there are none.

    Which of the two texts comes first is left to chance. What the variants left of the `budget` holds for the judge.
    """
    asked = {"model": judge.asked} if isinstance(judge.asked, str) else dict(judge.asked)
    rubric = str(asked.pop("rubric", RUBRIC))
    places: list[tuple[int, int]] = []
    records: list[dict[str, str]] = []
    for number, one in enumerate(tried):
        for row, (answer, true) in enumerate(zip(one.answers, gold, strict=True)):
            if answer is not None and not hits[number][row]:
                pair = [str(answer), str(true)]
                # By the pair itself, so that another comparison asks the same again, and the journal answers.
                random.Random(repr((judge.seed, pair))).shuffle(pair)
                places.append((number, row))
                records.append({"first": pair[0], "second": pair[1]})
    if not records:
        return None
    shared = {
        name: value for name, value in tried[0].variant.options.items() if name in ("journal", "progress", "client")
    }
    if budget.cap is not None:
        shared["budget"] = max(float(budget.room), _LEAST_BUDGET)
    options = {**shared, "schema": bool, "system": f"You compare two answers. {rubric}", **asked}
    prompt = "First answer:\n{first}\n\nSecond answer:\n{second}\n\nDo they say the same?"
    return Judging(FrameMap(pd.DataFrame(records), prompt, "same", options), tuple(places))
