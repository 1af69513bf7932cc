"""What goes into the next envelope: rows first, then what earlier batches did not answer.

Requests that stand in an open envelope, of this run or another, of this process or another, are handed to that batch
instead of being packed a second time. Bodies live from the row to the envelope; afterwards a row makes them again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal

from ..api.json_text import encode_body
from ..engine.context import RunContext
from ..engine.intake import Intake
from ..engine.pending import Pending
from ..engine.seeding import LEAST_CACHED
from ..records import ZERO
from ..warning import warn
from ..worker_threads import finish_off_loop, off_loop
from .allowance import Waiting, allowed, is_used_up, what_fits, worth_no_batch
from .calls import BatchCalls
from .envelope import Envelope
from .in_flight import InFlight, InFlightBatch, PackedBatch
from .open_rows import standing
from .policy import LEASE_SECONDS
from .records import EnvelopeRecord

_MOST_HELD_TOKENS = 50_000_000
"""Bound of the tokens, about as many bytes, of requests that wait in memory while a budget is planned."""


@dataclass(slots=True)
class Packer:
    """Packs envelopes.

    Attributes
    ----------
    run : RunContext
        What the run works with.
    calls : BatchCalls
        The record of envelopes, and the limits of one batch.
    intake : Intake
        Makes requests from rows.
    in_flight : InFlight
        Gets open envelopes of other runs, and has what goes again.
    fresh : deque of Pending
        Requests made from rows and not packed yet.
    leftovers : list of Pending
        What is left to live calls.
    is_exhausted : bool
        True when all rows have become requests.
    is_closed : bool
        True when the user wants nothing more to be sent.
    is_out_of_budget : bool
        True when the budget has no room for the next request until the batches under way have told their real cost.
    is_planned : bool
        True once it is decided in which order the rows go, where a budget may not cover all of them.
    is_cached : bool
        True where the envelope being packed has enough requests to mark the prefix that they share.
    share : Decimal
        What the budget reserves of a request's worst case, in the envelope being packed.
    """

    run: RunContext
    calls: BatchCalls
    intake: Intake
    in_flight: InFlight
    fresh: deque[Pending] = field(default_factory=deque)
    leftovers: list[Pending] = field(default_factory=list)
    is_exhausted: bool = False
    is_closed: bool = False
    is_out_of_budget: bool = False
    is_planned: bool = False
    share: Decimal = Decimal(1)
    is_cached: bool = True

    async def pack(self) -> PackedBatch | None:
        """Fill an envelope from the rows, and from what goes again; record it; None where nothing can be sent."""
        run, calls = self.run, self.calls
        if self.is_out_of_budget and not self._is_idle:
            return None
        self.is_out_of_budget = False
        if run.accounting.budget.cap is not None and self.intake.window is None and not self.is_planned:
            await self._plan()
        most = min(calls.max_requests, self._afford())
        envelope = Envelope(f"cp{run.rng.getrandbits(64):016x}", most, calls.max_bytes)
        items: dict[bytes, Pending] = {}
        run.stats.waiting_for = "packing the next batch"
        async with aclosing(self._waiting()) as waiting:
            head = [item async for item in _first(waiting, LEAST_CACHED)]
            self.is_cached = len(head) == LEAST_CACHED
            if self.is_cached:
                head = await self._seeded(head, waiting)
            while head and self._put(envelope, items, head[0]):
                del head[0]
            is_full = bool(head)
            self.fresh.extendleft(reversed(head))
            while not is_full and (pending := await anext(waiting, None)) is not None:
                is_full = not self._put(envelope, items, pending)
                if is_full:
                    self.fresh.appendleft(pending)
        if not items:
            return None
        packed = PackedBatch(envelope, InFlightBatch(self._record(envelope), items))
        if run.control.is_stopping:
            await self.unpack(packed)
            return None
        if await self._is_ours(packed):
            self._leave_to_envelope(items)
            return packed
        await self.unpack(packed)  # another process was faster with some of these rows: they are looked up again
        return await self.pack()

    async def _is_ours(self, packed: PackedBatch) -> bool:
        """Put an envelope on record, and say whether no other process was faster with any of its requests."""
        book, batch = self.calls.book, packed.batch
        try:
            await finish_off_loop(book.prepare, batch.record, tuple(batch.items))
            is_first = await off_loop(book.is_first, batch.record.id)
            return is_first and await self.intake.claims.are_kept(batch.items.values())
        except asyncio.CancelledError:
            await self.unpack(packed)  # nobody is to look for a batch that was never sent
            raise

    async def _seeded(self, head: list[Pending], waiting: AsyncGenerator[Pending, None]) -> list[Pending]:
        """Let one of many requests fill the prompt cache as a live call, where that pays; return the others."""
        seeder = self.calls.seeder
        least = seeder.least(head)
        if least is None:
            return head
        head += [item async for item in _first(waiting, least - len(head))]
        if len(head) < least or not self.may_send() or not self.intake.revive(head[0]):
            return head
        return head[1:] if await seeder.send(head[0], self._takes_back) else head

    @property
    def _is_idle(self) -> bool:
        """True when nothing is under way, in this run or another on the same money, that could make room for more."""
        is_under_way = len(self.in_flight) > 0 or self.calls.seeder.call is not None
        return not is_under_way and not self.run.accounting.budget.has_calls_under_way

    @property
    def waits_for_money(self) -> bool:
        """True when rows wait until calls or batches under way, perhaps another run's, have told their real cost."""
        return self.is_out_of_budget and self.may_send() and not self._is_idle

    def may_send(self) -> bool:
        """Say whether anything new may be sent."""
        return self.run.state.stop is None and not self.is_closed and not self.run.control.is_stopping

    async def unpack(self, packed: PackedBatch) -> None:
        """Take an envelope apart that was never sent; its requests are made again when they are needed."""
        self.send_again(packed.batch)
        await finish_off_loop(self.calls.book.close, packed.batch.record.id, "failed")

    def send_again(self, batch: InFlightBatch) -> None:
        """Let the requests of a batch that never was go into the next envelope."""
        for item in batch.items.values():
            self.run.accounting.release(item)
        self.in_flight.send_again(list(batch.items.values()))
        batch.items.clear()

    # -- what a budget covers ----------------------------------------------------------------------------------------

    async def _plan(self) -> None:
        """Look at all rows before the first is sent; where the worst case of all is too much, let chance decide.

        Then what the first of them cost says something about the rest (see ``Budget.afford``), whatever the order of
        the frame. Rows beyond some megabytes of text are made again when they are packed.
        """
        run, held_tokens = self.run, 0
        run.stats.waiting_for = "looking at all rows, for the budget"
        while self.intake.has_rows and not (self.intake.is_held_up or run.control.is_stopping) and self.may_send():
            for item in await self._pull():
                run.accounting.weigh(item)
                held_tokens += item.asked.max_input_tokens
                if held_tokens > _MOST_HELD_TOKENS:
                    item.let_go()
                self.fresh.append(item)
            await asyncio.sleep(0)
        self.is_planned = not self.intake.has_rows
        worst, room = sum((item.worst for item in self.fresh), ZERO), run.accounting.budget.room
        if worst > room and self.is_planned:
            run.rng.shuffle(self.fresh)
            self._say_what_fits(worst)

    def _say_what_fits(self, worst: Decimal) -> None:
        accounting, rows = self.run.accounting, len(self.fresh)
        fields = self.intake.plan.shared.fields
        output_price = accounting.tariff.output_price(fields)
        words = what_fits(accounting.budget, Waiting(rows, worst / rows), fields["max_tokens"], output_price)
        warn(words)

    def _afford(self) -> int:
        """Return how many requests the budget covers at once, and set what is reserved of each."""
        budget, rows = self.run.accounting.budget, len(self.fresh)
        self.share = Decimal(1)
        if budget.cap is None or not self.is_planned or not rows:
            return self.calls.max_requests
        mean_worst = sum((item.worst for item in self.fresh), ZERO) / rows
        waiting = Waiting(rows, mean_worst, self._ceiling(mean_worst))
        most, self.share = allowed(budget, waiting)
        self.is_out_of_budget = most < rows
        if self._is_idle and is_used_up(budget, waiting, most):
            self.run.state.halt("budget", worth_no_batch(budget, waiting))
        return most

    def _ceiling(self, mean_worst: Decimal) -> Decimal:
        """Return what of its worst case a row can cost, since the tokens of the shared prefix have been counted."""
        first = self.fresh[0]
        first.request = first.request or self.intake.plan.request_of(first)
        if not mean_worst or first.request is None:
            return Decimal(1)
        return max(ZERO, 1 - self.run.accounting.overrated(first) / mean_worst)

    # -- what waits to be packed -------------------------------------------------------------------------------------

    async def _waiting(self) -> AsyncGenerator[Pending, None]:
        """Yield requests to be packed: rows first, then those that go again."""
        while not self.run.control.is_stopping:
            while self.fresh and self.may_send():
                yield self.fresh.popleft()
            if self.is_exhausted or self.run.control.is_stopping:
                break
            self.fresh.extend(await self._pull())
            if not self.fresh and (self.intake.is_held_up or not self.intake.has_rows):
                break  # other runs have the rest on their way: what is packed need not wait, as they may wait for it
            await asyncio.sleep(0)  # let interrupts and painters through between chunks
        if not self.may_send():
            return
        # Their claims ended when an envelope held them: another run may have answered them since, or be about to.
        again = await self.intake.claim(self.in_flight.take_again())
        self.is_exhausted = self.is_exhausted and not self.intake.waits_for_others
        self.fresh.extend(await self._adopted([item for item in again if not self._is_left(item)]))
        while self.fresh and self.may_send():
            yield self.fresh.popleft()

    async def _pull(self) -> list[Pending]:
        """Return the next rows to be sent; after a stop, rows in the journal and in open batches still come."""
        chunk = await self.intake.next_chunk()
        if chunk is None:
            self.is_exhausted = True
            return []
        rest = await self._adopted(chunk)
        return rest if self.may_send() else []

    def _is_left(self, item: Pending) -> bool:
        """Leave a request that a batch did not answer to live calls, where that is wanted; say whether it was."""
        is_left = self.calls.goes_live and item.attempts > 0
        if is_left:
            self.leftovers.append(item)
        return is_left

    # -- packing -----------------------------------------------------------------------------------------------------

    def _put(self, envelope: Envelope, items: dict[bytes, Pending], item: Pending) -> bool:
        """Put a request into the envelope, or tell its row why it fits into none; False: not into this one."""
        accounting = self.run.accounting
        if self._takes_back(item):
            return True
        if item.request is None and not self.intake.revive(item):
            return True
        if not accounting.reserve(item, self.share):
            self._note_budget(item, is_idle=not items and self._is_idle)
            return False
        try:
            params = encode_body(self.run.with_breakpoint(item.asked) if self.is_cached else item.asked.body)
            item.is_marked = self.is_cached
        except ValueError as error:
            accounting.give_up(item, "invalid", f"the request cannot be encoded: {error}")
            return True
        if envelope.add(item.fingerprint, params):
            items[item.fingerprint] = item
            item.let_go()
        elif len(envelope):
            accounting.release(item)
            return False
        else:
            message = f"the request has {len(params):,} bytes, too many for a batch"
            accounting.give_up(item, "too_large", message)
        return True

    def _takes_back(self, item: Pending) -> bool:
        """Give a request back to the intake, if another run has claimed it by now."""
        is_taken = self.intake.takes_back(item)
        self.is_exhausted = self.is_exhausted and not is_taken
        return is_taken

    def _record(self, envelope: Envelope) -> EnvelopeRecord:
        run, now = self.run, self.run.wall_clock()
        return EnvelopeRecord(
            envelope.id, run.run_id, run.host, self.calls.api.owner, now, len(envelope), now + LEASE_SECONDS
        )

    def _note_budget(self, item: Pending, *, is_idle: bool) -> None:
        """Wait for all that is under way, since it will cost less than its worst case; else the budget is used up."""
        self.is_out_of_budget = True
        if is_idle:
            self.run.state.halt("budget", self.run.accounting.too_dear(item))

    # -- open envelopes ----------------------------------------------------------------------------------------------

    async def _adopted(self, chunk: list[Pending]) -> list[Pending]:
        """Hand requests that stand in an open envelope over to its batch, and return the others."""
        held, unanswered = await standing(self.calls.book, self.intake, chunk)
        rest: list[Pending] = []
        for item in unanswered:
            envelope_id = held.get(item.fingerprint)
            batch = None
            if envelope_id is not None:
                batch = self.in_flight.get(envelope_id) or await self._open(envelope_id)
            if batch is None:
                rest.append(item)
            else:
                batch.items[item.fingerprint] = item
                self._leave_to_envelope([item.fingerprint])
                item.let_go()
        return rest

    def _leave_to_envelope(self, fingerprints: Iterable[bytes]) -> None:
        """Give up the claims on requests that stand in an envelope: from now on the envelope says whose they are."""
        for fingerprint in fingerprints:
            self.intake.claims.release(fingerprint)

    async def _open(self, envelope_id: str) -> InFlightBatch | None:
        """Return an envelope of another run as a batch under way; None when it is not open any more."""
        record = await off_loop(self.calls.book.get, envelope_id)
        if record is None:
            return None
        batch = InFlightBatch(record)
        self.in_flight.add(batch)
        return batch


async def _first(waiting: AsyncGenerator[Pending, None], most: int) -> AsyncGenerator[Pending, None]:
    """Yield the first requests of those that wait."""
    for _ in range(most):
        pending = await anext(waiting, None)
        if pending is None:
            return
        yield pending
