"""A model that says whether two texts say the same, for answers that are not the gold word for word.

Its dollars are counted apart; which text comes first is left to chance, since models favour a place.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..frames.frame_map import FrameMap
from ..statistics.intervals import FloatArray
from .variants import Tried

RUBRIC = "The two say the same if a careful reader would draw the same conclusion from both; wording does not matter."


def judged(
    tried: Sequence[Tried], gold: list[Any], hits: list[FloatArray], judge: str | Mapping[str, Any], seed: int
) -> tuple[list[FloatArray], float]:
    """Ask a model about answers that are not the gold word for word; which one comes first is left to chance."""
    asked = {"model": judge} if isinstance(judge, str) else dict(judge)
    rubric = str(asked.pop("rubric", RUBRIC))
    rng = random.Random(seed)
    places: list[tuple[int, int]] = []
    records: list[dict[str, str]] = []
    for number, one in enumerate(tried):
        for row, (answer, true) in enumerate(zip(one.answers, gold, strict=True)):
            if answer is not None and not hits[number][row]:
                pair = [str(answer), str(true)]
                rng.shuffle(pair)
                places.append((number, row))
                records.append({"first": pair[0], "second": pair[1]})
    if not records:
        return hits, 0.0
    shared = {
        name: value for name, value in tried[0].variant.options.items() if name in ("journal", "progress", "client")
    }
    options = {**shared, "schema": bool, "system": f"You compare two answers. {rubric}", **asked}
    prompt = "First answer:\n{first}\n\nSecond answer:\n{second}\n\nDo they say the same?"
    out = FrameMap(pd.DataFrame(records), prompt, "same", options).run()
    for (number, row), verdict in zip(places, out["same"], strict=True):
        hits[number][row] = float(verdict is True or verdict == True)  # noqa: E712  # NumPy's own, or missing
    return hits, float(out["same_cost"].sum())
