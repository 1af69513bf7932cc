"""What a map would send: counted and weighed row by row, by the run's own code, without sending anything.

Knows requests, duplicates, what the journal answers, and the engine's own guess of each request's input tokens. What
the tokens really are, ``token_counts`` asks; what they cost, ``strategies`` computes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bridge import Control, run_blocking
from ..engine.accounting import Accounting
from ..engine.budget import Budget
from ..engine.claims import Claims
from ..engine.intake import Intake
from ..engine.pending import Pending
from ..engine.plan import Plan
from ..engine.results import Results
from ..engine.tariff import FreeTariff
from ..progress.stats import RunStats
from ..prompt.cache_marks import minimum_tokens
from ..records import Body, Usage
from ..store.journal import Journal

FloatArray = npt.NDArray[np.float64]

SAMPLE_REQUESTS = 19
"""Requests to count with the API, spread over the frame; the shared prefix makes it twenty."""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """What a map would send.

    Attributes
    ----------
    rows : int
        Rows of the frame, times the samples of each.
    unique : int
        Distinct requests.
    in_journal : int
        Those of them that the journal answers for nothing.
    skipped : int
        Rows that are not sent, since a cell is missing or empty.
    invalid : int
        Rows that cannot be sent as they are.
    loads : array
        Guessed input tokens of each request to be sent, in order.
    prefix_load : float
        Guessed tokens of the prefix that all rows share.
    fields : mapping
        The wire body that all requests share, without messages.
    sample : tuple of (float, mapping)
        Guessed tokens and body of some requests, spread evenly.
    prefix_body : mapping or None
        A request of the shared prefix alone, where it may be long enough to be cached.
    known : tuple of Usage
        What answers of this very frame in the journal used.
    """

    rows: int
    unique: int
    in_journal: int
    skipped: int
    invalid: int
    loads: FloatArray
    prefix_load: float
    fields: Body
    sample: tuple[tuple[float, Body], ...] = ()
    prefix_body: Body | None = None
    known: tuple[Usage, ...] = ()

    @property
    def calls(self) -> int:
        """Requests that would be sent."""
        return len(self.loads)


def survey(plan: Plan, journal: Journal) -> Workload:
    """Walk through all rows of a plan as its run would, and return what it would send.

    Parameters
    ----------
    plan : Plan
        The map.
    journal : Journal
        Asked for answers; nothing is written to it, and nothing is sent.
    """
    stats = RunStats(total=plan.size)
    results = Results.empty(plan.size, stats)
    tariff = FreeTariff()
    accounting = Accounting(
        run_id="estimate",
        model=plan.settings.model,
        source="api",
        tariff=tariff,
        budget=Budget(),
        journal=journal,
        stats=stats,
        read=plan.read,
        repair=plan.repair,
        deliver=results.deliver,
        control=Control(),
    )
    picked = _Sample(plan.size, SAMPLE_REQUESTS)
    loads: list[float] = []

    async def walk() -> None:
        async for chunk in Intake(plan, results, journal, accounting, Claims(None, time.time)).chunks():
            for pending in chunk:
                picked.offer(pending)
                loads.append(pending.asked.load.input_tokens)

    run_blocking(walk, accounting.control, lambda: None)
    return Workload(
        rows=plan.size,
        unique=len({key for key in results.fingerprints if key is not None}),
        in_journal=sum(outcome is not None and outcome.source == "journal" for outcome in results.outcomes),
        skipped=stats.kinds["skipped"],
        invalid=stats.kinds["invalid"],
        loads=np.asarray(loads, dtype=np.float64),
        prefix_load=plan.shared.prefix_tokens,
        fields=plan.shared.fields,
        sample=tuple((item.asked.load.input_tokens, item.asked.body) for item in picked.items),
        prefix_body=_prefix_body(plan),
        known=tuple(tariff.usages),
    )


def plain_workload(rows: int, input_tokens: float, cached_tokens: float, fields: Body) -> Workload:
    """Return the workload of `rows` different requests of the same size."""
    loads = np.full(rows, float(input_tokens))
    return Workload(rows, rows, 0, 0, 0, loads, cached_tokens, fields)


def _prefix_body(plan: Plan) -> Body | None:
    shared = plan.shared
    if not plan.size or shared.prefix_tokens < minimum_tokens(plan.settings.model) / 2:
        return None
    question = {"role": "user", "content": shared.static_text if shared.static_text.strip() else "."}
    return {**shared.fields, "messages": [*shared.examples, question]}


class _Sample:
    """Requests spread evenly over the positions of a frame, without keeping the others."""

    def __init__(self, size: int, wanted: int) -> None:
        self.items: list[Pending] = []
        self._step = max(1.0, size / wanted)
        self._next = 0.0

    def offer(self, pending: Pending) -> None:
        """Keep the request if its turn has come."""
        if pending.position >= self._next:
            self.items.append(pending)
            self._next = (int(pending.position / self._step) + 1) * self._step
