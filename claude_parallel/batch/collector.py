"""The results of a batch become answers in the journal, and then outcomes of rows.

Every group of answers is on disk before anything looks at one of them, so a kill while they stream in costs nothing:
results can be read again for 29 days. When to collect is decided by the runner.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from ..engine.context import RunContext
from ..engine.pending import Pending
from ..records import Attempt, Failure, Reply
from .calls import BatchCalls
from .envelope import read_custom_id
from .in_flight import InFlightBatch
from .policy import judge_result
from .responses import BatchResult

GROUP_RESULTS = 500
"""Results that share a commit: a commit costs about as much as reading 100 results."""

Fate = Reply | Failure | Literal["canceled", "expired"]


@dataclass(frozen=True, slots=True)
class Collector:
    """Reads the results of ended batches.

    Attributes
    ----------
    run : RunContext
        What the run works with.
    calls : BatchCalls
        The API.
    """

    run: RunContext
    calls: BatchCalls

    async def collect(self, batch: InFlightBatch) -> Failure | None:
        """Read all results of an ended batch; the first failure on the way ends it, and it can be begun again."""
        assert batch.state is not None
        async with aclosing(groups(self.calls.api.results(batch.state))) as found:
            async for group in found:
                failure = next((item for item in group if isinstance(item, Failure)), None)
                self._take(batch, [item for item in group if isinstance(item, BatchResult)])
                if failure is not None:
                    return failure
                if self.run.control.is_stopping:
                    return None
        self._miss(batch)
        return None

    def _take(self, batch: InFlightBatch, results: list[BatchResult]) -> None:
        """Keep a group's answers on disk, then judge its results one by one."""
        run, now = self.run, self.run.wall_clock()
        fresh = {key: item.fate for item in results for key in _keys(item, batch) if key not in batch.results_read}
        answers = [(key, run.host, fate, now) for key, fate in fresh.items() if isinstance(fate, Reply)]
        if run.journal.path is not None:
            run.journal.keep_answers(answers)
        batch.answers += len(answers)
        batch.results_read.update(fresh)
        for key, fate in fresh.items():
            item = batch.items.pop(key, None)
            if item is not None:
                self._judge(batch, item, fate)

    def _miss(self, batch: InFlightBatch) -> None:
        """Send again what an ended batch says nothing about."""
        silence = Failure(kind="server", message="the batch's results say nothing about this row")
        for item in batch.items.values():
            self._judge(batch, item, silence)
        batch.items.clear()

    def _judge(self, batch: InFlightBatch, item: Pending, fate: Fate) -> None:
        item.attempts += 1
        if isinstance(fate, Reply):
            self._answered(batch, item, fate)
        elif fate == "canceled":
            message = f"{batch.name} was cancelled before this row's turn"
            self.run.accounting.give_up(item, "cancelled", message)
        else:
            self._failed(batch, item, fate)

    def _answered(self, batch: InFlightBatch, item: Pending, reply: Reply) -> None:
        instead = self.run.accounting.answered(item, self._attempt(batch, item, reply), reply)
        if instead is not None:
            item.ask_instead(instead)
            batch.again.append(item)

    def _failed(self, batch: InFlightBatch, item: Pending, fate: Failure | Literal["expired"]) -> None:
        accounting = self.run.accounting
        verdict = judge_result(fate, item.attempts, self.run.policy)
        failure = fate if isinstance(fate, Failure) else Failure("expired", f"{batch.name} came to its end")
        if isinstance(fate, Failure):
            accounting.failed(item, self._attempt(batch, item, fate), fate)
        if verdict == "again":
            accounting.release(item)
            batch.again.append(item)
            return
        if verdict == "stop":
            self.run.state.halt(failure.kind, failure.message)
        accounting.give_up(item, failure.kind, failure.message, failure.request_id)

    def _attempt(self, batch: InFlightBatch, item: Pending, result: Reply | Failure) -> Attempt:
        return Attempt(item.attempts, batch.record.created, self.run.wall_clock(), result)


async def groups(
    results: AsyncGenerator[BatchResult | Failure, None],
) -> AsyncGenerator[list[BatchResult | Failure], None]:
    """Yield results in groups that share a commit."""
    group: list[BatchResult | Failure] = []
    async with aclosing(results) as items:
        async for item in items:
            group.append(item)
            if len(group) >= GROUP_RESULTS:
                yield group
                group = []
    if group:
        yield group


def _keys(result: BatchResult, batch: InFlightBatch) -> tuple[bytes, ...]:
    """Return the fingerprint of a result's request; nothing for a line that is not of this envelope."""
    found = read_custom_id(result.custom_id)
    return (found[1],) if found is not None and found[0] == batch.record.id else ()
