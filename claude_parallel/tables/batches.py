"""A stream through Message Batches: rows are submitted as far as the account lets them, and few lie in memory.

Rows cannot wait in a window for a day. So they are read twice: once to fill envelopes across chunks, with what becomes
of each on record in the journal; and once more, when all batches have ended, to write them in order.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..batch.carrier import BatchCarrier, BatchEnvironment
from ..engine.claims import Claims
from ..engine.context import RunContext
from ..engine.intake import Intake
from ..engine.pending import Pending
from ..progress.stats import RunStats
from ..records import Outcome
from ..store.journal import Journal, RunRow
from .key_set import KeySet
from .stream import StreamRows

_GROUP = 1_000
"""Rows that share a commit, and a query."""
_REPEATED = Outcome(source="duplicate")
"""What counts for a row that asks what an earlier one has asked, until its answer is read."""


class SpooledBatches(BatchCarrier):
    """Carries the rows of a stream in batches, then reads them back in order.

    Parameters
    ----------
    environment : BatchEnvironment
        The account, its batches and the clocks.
    rows : StreamRows
        The rows, which are read twice.
    """

    def __init__(self, environment: BatchEnvironment, rows: StreamRows) -> None:
        super().__init__(environment)
        self._rows = rows

    async def carry(self, context: RunContext, intake: Intake) -> None:
        """Send everything, wait for it, and deliver what came of it."""
        spool = Spool(context.run_id, context.journal, context.stats, intake.plan.bypass_cache)
        spooling = replace(context, accounting=replace(context.accounting, deliver=spool.deliver))
        plan = replace(intake.plan, rows=self._rows.again())
        await super().carry(spooling, Intake(plan, spool, context.journal, spooling.accounting, intake.claims))
        spool.flush()
        if not context.control.is_stopping:
            await _read_back(context, intake, spool)


class Spool:
    """Puts outcomes on record instead of keeping them.

    Parameters
    ----------
    run_id : str
        The run's name in the journal.
    journal : Journal
        Gets the outcomes; the answers' texts are in it already.
    stats : RunStats
        Counts to keep in step.
    bypassed : frozenset of bytes
        Fingerprints that are asked although the journal has an answer.
    """

    def __init__(
        self, run_id: str, journal: Journal, stats: RunStats, bypassed: frozenset[bytes] = frozenset()
    ) -> None:
        self._run_id = run_id
        self._journal = journal
        self.stats = stats
        self._asked = KeySet()
        self._bypassed = bypassed
        self._asked_anew: dict[int, bytes] = {}
        self.answered_anew: set[bytes] = set()
        self._waiting: list[RunRow] = []
        self._block = -1
        self._read: dict[int, tuple[Any, ...]] = {}

    def reach(self, stop: int) -> None:
        """Count the rows; nothing is kept, so nothing needs room."""
        if self.stats.is_open:
            self.stats.total = stop // self.stats.samples

    def is_first_to_ask(self, position: int, fingerprint: bytes) -> bool:
        """Take note of what a position asks."""
        if self._asked.add(fingerprint):
            if fingerprint in self._bypassed:
                self._asked_anew[position] = fingerprint
            return True
        self.stats.duplicates += 1
        self.stats.add_draw(position, _REPEATED)
        return False

    def deliver(self, position: int, outcome: Outcome) -> None:
        """Put an outcome on record."""
        self.stats.add_draw(position, outcome)
        if position in self._asked_anew and outcome.source != "none":
            self.answered_anew.add(self._asked_anew[position])
        self._waiting.append((position, None, outcome))
        if len(self._waiting) >= _GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._journal.keep_rows(self._run_id, self._waiting)
        self._waiting = []

    def restored(self, position: int, text: Outcome | None) -> Outcome | None:
        """Return an outcome as it was delivered: its text from the journal's answer, the rest from the record.

        Parameters
        ----------
        position : int
            The row's.
        text : Outcome or None
            What the journal's answer says; None where it has none.
        """
        row = self._row(position)
        if row is None:
            return text and text._replace(source="duplicate")
        source, kind, error, cost, attempts = row
        paid = None if cost is None else Decimal(cost)
        if text is not None:
            return text._replace(source=source, cost=paid, attempts=attempts)
        return (
            Outcome(kind=kind, error=error, cost=paid, source=source, attempts=attempts) if kind is not None else None
        )

    def _row(self, position: int) -> tuple[Any, ...] | None:
        block = position // _GROUP
        if block != self._block:
            found = self._journal.query(
                "SELECT position, source, kind, error, cost, attempts FROM run_rows "
                "WHERE run = ? AND position >= ? AND position < ?",
                (self._run_id, block * _GROUP, (block + 1) * _GROUP),
            )
            self._block, self._read = block, {row[0]: row[1:] for row in found}
        return self._read.get(position)


async def _read_back(context: RunContext, intake: Intake, spool: Spool) -> None:
    """Walk through all rows once more, and deliver what became of each."""
    results, total = intake.results, context.stats
    counts = RunStats(total=total.total, samples=total.samples, has_vote=total.has_vote)
    failed: dict[bytes, Outcome] = {}

    def deliver(position: int, outcome: Outcome) -> None:
        results.deliver(position, spool.restored(position, outcome) or outcome)

    def give_up(item: Pending) -> None:
        outcome = spool.restored(item.position, None) or failed.get(item.fingerprint)
        if outcome is None:
            outcome = Outcome.not_asked(*context.state.reason_for_the_rest)
        failed[item.fingerprint] = outcome
        results.deliver(item.position, outcome)

    accounting = replace(context.accounting, deliver=deliver, stats=counts)
    # The journal has this run's answers by now. Of a key that it could not ask, the old one is still not wanted.
    plan = replace(intake.plan, bypass_cache=intake.plan.bypass_cache - spool.answered_anew)
    claims = Claims(None, context.wall_clock)  # nothing is sent
    again = replace(intake, plan=plan, accounting=accounting, claims=claims)
    results.stats = counts
    async for chunk in again.chunks():
        for item in chunk:
            give_up(item)
    total.done, total.kinds, total.duplicates = counts.done, counts.kinds, counts.duplicates
    total.draws = counts.draws
    results.stats = total
