"""The results of a batch become answers in the journal, and then outcomes of rows.

Every group of answers is on disk before anything looks at one of them, so a kill while they stream in costs nothing:
results can be read again for 29 days. When to collect is decided by the runner.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from ..engine.accounting import Billed
from ..engine.context import RunContext
from ..engine.pending import Pending
from ..records import Attempt, Failure, Reply
from ..worker_threads import finish_off_loop
from .calls import BatchCalls
from .envelope import read_custom_id
from .in_flight import InFlightBatch
from .policy import judge_result
from .responses import BatchResult

GROUP_RESULTS = 500
"""Results that share a commit: a commit costs about as much as reading 100 results."""

Fate = Failure | Literal["canceled", "expired"]
"""What became of a request that was not answered."""


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
        """Read all results of an ended batch; the first failure on the way ends it, and it can be begun again.

        Answers are delivered as they come. What is no answer is judged when the last line was read, since of two lines
        about one request an answer counts, wherever it stands.
        """
        assert batch.state is not None
        others: dict[bytes, Fate] = {}
        async with aclosing(groups(self.calls.api.results(batch.state))) as found:
            async for group in found:
                failure = next((item for item in group if isinstance(item, Failure)), None)
                await self._take(batch, [item for item in group if isinstance(item, BatchResult)], others)
                if failure is not None:
                    return failure
                if self.run.control.is_stopping:
                    return None
        for key, fate in others.items():
            item = batch.items.pop(key, None)
            if item is not None:
                self._judge(batch, item, fate)
        return None

    async def _take(self, batch: InFlightBatch, results: list[BatchResult], others: dict[bytes, Fate]) -> None:
        """Deliver a group's answers, and put the rest aside; what is damaged may be whole at the next reading."""
        fates = [(key, item.fate) for item in results for key in _keys(item, batch) if not item.is_damaged]
        damaged = [(key, item.fate) for item in results for key in _keys(item, batch) if item.is_damaged]
        batch.damaged.update((key, fate) for key, fate in damaged if isinstance(fate, Reply))
        others.update((key, fate) for key, fate in fates if not isinstance(fate, Reply))
        await self._keep(batch, {key: fate for key, fate in reversed(fates) if isinstance(fate, Reply)})

    async def _keep(self, batch: InFlightBatch, replies: dict[bytes, Reply]) -> None:
        """Keep answers on disk, then deliver them."""
        replies = {key: reply for key, reply in replies.items() if key not in batch.answered}
        for asked in filter(None, map(batch.items.get, replies)):
            asked.attempts += 1
        billed = await finish_off_loop(self._write, batch, replies)
        batch.answered.update(replies)
        for key, reply in replies.items():
            item = batch.items.pop(key, None)
            if item is not None:
                self._answered(batch, item, reply, billed.get(key))

    def _write(self, batch: InFlightBatch, replies: dict[bytes, Reply]) -> dict[bytes, Billed]:
        """Write answers together with what they cost; return those that this run is charged for.

        One that another run has collected before is charged there. One to a request that this run does not ask, of a
        batch that it has adopted, is charged to the batch itself: its own run may never come back.
        """
        run, now = self.run, self.run.wall_clock()
        known = run.journal.recall(list(replies))
        new = {key: reply for key, reply in replies.items() if not is_same_answer(known.get(key), reply)}
        billed = {}
        try:
            for place, (key, reply) in enumerate(new.items()):
                item = batch.items.get(key)
                if item is not None:
                    billed[key] = run.accounting.record(item.position, self._attempt(batch, item, reply), reply)
                elif not run.stats.is_simulated:
                    attempt = Attempt(1, batch.record.created, now, reply)
                    run.accounting.record(place, attempt, reply, run_id=batch.record.batch_id)
        finally:  # whatever is wrong with a price, the answers were paid
            if run.journal.path is not None:
                run.journal.keep_answers((key, run.host, reply, now) for key, reply in replies.items())
        return billed

    async def miss(self, batch: InFlightBatch) -> None:
        """Judge what an ended batch says nothing about, however often its results are read.

        A damaged line is an answer that cannot be read. A request without a line is sent again, unless the batch counts
        more answers than it has given: then it may have been paid, and only the user pays for it again.
        """
        await self._keep(batch, {key: reply for key, reply in batch.damaged.items() if key in batch.items})
        succeeded = batch.state.counts["succeeded"] if batch.state is not None else 0
        silence = Failure(kind="server", message="the batch's results say nothing about this row")
        for item in batch.items.values():
            if succeeded <= len(batch.answered):
                self._judge(batch, item, silence)
                continue
            message = (
                f"{batch.name} counts {succeeded:,} answers and gives {len(batch.answered):,}; this row's is missing"
            )
            self.run.accounting.release(item, perhaps_billed=True)
            self.run.accounting.give_up(
                item, "server", message, hint="it may have been paid; run the cell again to ask, and pay, it anew"
            )
        batch.items.clear()

    def _judge(self, batch: InFlightBatch, item: Pending, fate: Fate) -> None:
        item.attempts += 1
        if fate == "canceled":
            message = f"{batch.name} was cancelled before this row's turn"
            self.run.accounting.give_up(item, "cancelled", message)
        else:
            self._failed(batch, item, fate)

    def _answered(self, batch: InFlightBatch, item: Pending, reply: Reply, billed: Billed | None) -> None:
        """Deliver an answer; one that another run has collected before is charged there, and free here."""
        accounting = self.run.accounting
        if billed is None:
            accounting.release(item)
            instead = accounting.recalled(item, accounting.recollect(item, reply))
        else:
            instead = accounting.answered(item, billed)
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
            self.run.state.halt(failure.kind, failure.message, failure.hint)
        accounting.give_up(item, failure.kind, failure.message, failure.hint, failure.request_id)

    def _attempt(self, batch: InFlightBatch, item: Pending, result: Reply | Failure) -> Attempt:
        return Attempt(item.attempts, batch.record.created, self.run.wall_clock(), result)


def is_same_answer(known: Reply | None, reply: Reply) -> bool:
    """Say whether an answer in the journal is this very Message, and not an earlier one to the same question.

    Messages without an id (an odd one, a gateway's) are the same where all of them is.
    """
    if known is None:
        return False
    message_id = reply.message.get("id")
    return bool(known.message == reply.message if message_id is None else known.message.get("id") == message_id)


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
