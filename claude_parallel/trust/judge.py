"""A model that says whether two texts say the same, for answers that are not the gold word for word.

Its dollars are counted apart; which text comes first is left to chance, since models favour a place. Its calls travel
as those of the variants do, and an interrupt or the end of the budget stops them all alike.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..bridge import Control
from ..engine.budget import Budget
from ..engine.group import SessionGroup
from ..engine.session import Session
from ..frames.frame_map import FrameMap
from ..statistics.intervals import FloatArray
from .variants import Tried

JUDGED = "judged right"
"""What is measured where a model judges."""
RUBRIC = "The two say the same if a careful reader would draw the same conclusion from both; wording does not matter."
_PROMPT = "First answer:\n{first}\n\nSecond answer:\n{second}\n\nDo they say the same?"

_TRAVEL = (
    "batch", "bridge", "client", "journal", "limits", "max_concurrency", "prompt_cache", "progress", "retries",
    "timeout", "wire",
)  # fmt: skip
"""Options that say how requests travel and not what they ask: the judge's go the way of the first variant's."""
_OWN = {"schema": bool, "sample": 1, "vote": False, "quotes": False, "on_error": "column"}
"""What a judge has to be asked for, whatever ``configure`` says."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges, how, and with what chance.

    Attributes
    ----------
    asked : str or mapping
        A model, or options of ``map`` with a ``rubric``.
    shared : mapping
        Options of the variants, for how the calls travel.
    seed : int
        Fixes which of two texts comes first.
    """

    asked: str | Mapping[str, Any]
    shared: Mapping[str, Any]
    seed: int = 0

    @property
    def has_own_budget(self) -> bool:
        """True where its options say what it may spend of what the variants left."""
        return isinstance(self.asked, Mapping) and self.asked.get("budget") is not None

    def map(self, pairs: Sequence[tuple[str, str]], budget: float | None = None) -> FrameMap:
        """Return the map that asks about pairs of an answer and the gold; which comes first is left to chance.

        Parameters
        ----------
        pairs : sequence of (str, str)
            At least one.
        budget : float, optional
            US dollars for variants and judge together, so that the worst case of each call is known.

        Raises
        ------
        InputError
            For options that cannot work.
        """
        asked = {"model": self.asked} if isinstance(self.asked, str) else dict(self.asked)
        rubric = str(asked.pop("rubric", RUBRIC))
        travel = {name: self.shared[name] for name in _TRAVEL if name in self.shared}
        money = {} if budget is None else {"budget": budget}
        options = {**travel, **money, "system": f"You compare two answers. {rubric}", **asked, **_OWN}
        return FrameMap(pd.DataFrame([self._in_order(pair) for pair in pairs]), _PROMPT, "same", options)

    def _in_order(self, pair: tuple[str, str]) -> dict[str, str]:
        texts = [*pair]
        # By the pair itself, so that another comparison asks the same again, and the journal answers.
        random.Random(repr((self.seed, texts))).shuffle(texts)
        return {"first": texts[0], "second": texts[1]}


class Judging:
    """The answers of a trial that are not the gold word for word, to be judged.

    Parameters
    ----------
    judge : Judge
        Who judges.
    tried : sequence of Tried
        What the variants answered.
    gold : sequence
        The truth by row.
    hits : list of array
        For each variant 1 where its answer is the gold word for word, else 0; :meth:`run` adds what is judged right.
    control : Control
        The variants' stop flags.
    budget : Budget
        The variants' money.

    Attributes
    ----------
    usd : list of float
        Dollars that the judge cost, by variant; a pair that two of them gave counts for the first.
    unjudged : dict of str to int
        Answers without a verdict, by kind of error; they count as not the same.
    """

    def __init__(
        self,
        judge: Judge,
        tried: Sequence[Tried],
        gold: Sequence[Any],
        hits: list[FloatArray],
        control: Control,
        budget: Budget,
    ) -> None:
        self.usd = [0.0] * len(tried)
        self.unjudged: dict[str, int] = {}
        self._judge, self._control, self._budget = judge, control, budget
        self._hits = hits
        self._pairs: list[tuple[str, str]] = []
        self._places: list[tuple[int, int]] = []
        for number, one in enumerate(tried):
            for row, (answer, true) in enumerate(zip(one.answers, gold, strict=True)):
                if answer is not None and not hits[number][row]:
                    self._pairs.append((str(answer), str(true)))
                    self._places.append((number, row))

    @property
    def warnings(self) -> list[str]:
        """What speaks against believing the verdicts."""
        if not self.unjudged:
            return []
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.unjudged.items()))
        return [
            f"The judge gave no verdict on {sum(self.unjudged.values()):,} of {len(self._pairs):,} answers ({kinds}): "
            "they count as not the same. Compare again to ask about these only."
        ]

    def run(self) -> None:
        """Ask, blocking."""
        if self._pairs:
            session = self._session()
            SessionGroup([session]).run()
            self._settle(session)

    async def arun(self) -> None:
        """Ask on the caller's own event loop."""
        if self._pairs:
            session = self._session()
            await SessionGroup([session]).arun()
            self._settle(session)

    def _session(self) -> Session:
        cap = self._budget.cap
        asked = self._judge.map(self._pairs, None if cap is None else float(cap))
        return asked.session(control=self._control, budget=self._purse(asked))

    def _purse(self, asked: FrameMap) -> Budget:
        """Return the variants' money, or what the judge's own options leave of it."""
        own = asked.settings.budget if self._judge.has_own_budget else None
        return self._budget.beside() if own is None else Budget(cap=min(own, self._budget.room))

    def _settle(self, session: Session) -> None:
        for (number, row), outcome in zip(self._places, session.results.outcomes, strict=True):
            assert outcome is not None
            self.usd[number] += float(outcome.cost if outcome.cost is not None else "nan")
            if outcome.kind is None:
                self._hits[number][row] = float(bool(outcome.values.columns[0]))
            else:
                self.unjudged[outcome.kind] = self.unjudged.get(outcome.kind, 0) + 1
