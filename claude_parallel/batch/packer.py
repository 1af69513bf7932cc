"""What goes into the next envelope: rows first, then what earlier batches did not answer.

Requests that stand in an open envelope, of this run or another, of this process or another, are handed to that batch
instead of being packed a second time. Bodies live from the row to the envelope; afterwards a ticket is enough.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from ..engine.context import Pending
from ..errors import Kind
from .collector import BatchRun, Collector
from .envelope import Envelope, encode
from .in_flight import LEASE_SECONDS, ZERO, Parcel, Ticket
from .records import EnvelopeRecord


@dataclass(slots=True)
class Sealed:
    """A packed envelope on record, ready to be sent.

    Attributes
    ----------
    envelope : Envelope
        The encoded requests.
    parcel : Parcel
        Its tickets and its record.
    failures : list of str
        Kinds of the refusals so far.
    """

    envelope: Envelope
    parcel: Parcel
    failures: list[Kind] = field(default_factory=list)


@dataclass(slots=True)
class Feed:
    """Packs envelopes.

    Attributes
    ----------
    run : BatchRun
        The environment and rules.
    intake : iterator of list of Pending
        Requests that the journal could not answer.
    collector : Collector
        Has what goes again, and why nothing more may be sent.
    parcels : dict of str to Parcel
        Envelopes under way, by id; open ones of other runs are added.
    fresh : deque of Pending
        Requests made from rows and not packed yet.
    leftovers : list of Pending
        What is left to live calls.
    is_exhausted : bool
        True when all rows have become requests.
    is_closed : bool
        True when the user wants nothing more to be sent.
    is_broke : bool
        True when the budget has no room for the next request until the batches under way have told their real cost.
    """

    run: BatchRun
    intake: Iterator[list[Pending]]
    collector: Collector
    parcels: dict[str, Parcel]
    fresh: deque[Pending] = field(default_factory=deque)
    leftovers: list[Pending] = field(default_factory=list)
    is_exhausted: bool = False
    is_closed: bool = False
    is_broke: bool = False

    async def pack(self) -> Sealed | None:
        """Fill an envelope from the rows, and from what goes again; record it; None where nothing can be sent."""
        run = self.run
        if self.is_broke and self.parcels:
            return None
        self.is_broke = False
        envelope = Envelope(f"cp{run.rng.getrandbits(64):016x}", run.max_requests, run.max_bytes)
        tickets: dict[bytes, Ticket] = {}
        run.stats.waiting_for = "packing the next batch"
        async with aclosing(self._waiting()) as waiting:
            async for pending in waiting:
                if not self._put(envelope, tickets, pending):
                    self.fresh.appendleft(pending)
                    break
        if not tickets:
            return None
        sealed = Sealed(envelope, Parcel(self._record(envelope), tickets))
        if run.control.is_stopping:
            self.put_back(sealed)
            return None
        run.book.prepare(sealed.parcel.record, tickets)
        if run.book.is_first(envelope.id):
            return sealed
        self.put_back(sealed)  # another process was faster with some of these rows: they are looked up again
        return await self.pack()

    async def _waiting(self) -> AsyncGenerator[Pending, None]:
        """Yield requests to be packed: rows first, then those that go again."""
        run = self.run
        while not run.control.is_stopping:
            while self.fresh and self.may_send():
                yield self.fresh.popleft()
            if self.is_exhausted or run.control.is_stopping:
                break
            self.fresh.extend(self._pull())
            await asyncio.sleep(0)  # let interrupts and painters through between chunks
        if not self.may_send():
            return
        again, self.collector.again = self.collector.again, []
        revived = [pending for ticket in again for pending in self._revive(ticket)]
        # Another process may have answered them, or may be about to.
        self.fresh.extend(self._adopted(run.unanswered(revived)))
        while self.fresh and self.may_send():
            yield self.fresh.popleft()

    def may_send(self) -> bool:
        """Say whether anything new may be sent."""
        return self.collector.stop is None and not self.is_closed and not self.run.control.is_stopping

    def _pull(self) -> list[Pending]:
        """Return the next rows to be sent; after a stop, rows in the journal and in open batches still come."""
        chunk = next(self.intake, None)
        if chunk is None:
            self.is_exhausted = True
            return []
        rest = self._adopted(chunk)
        return rest if self.may_send() else []

    def _put(self, envelope: Envelope, tickets: dict[bytes, Ticket], pending: Pending) -> bool:
        """Put a request into the envelope, or tell its row why it fits into none; False: not into this one."""
        run = self.run
        ticket = Ticket.of(pending, run.rules.worst_cost(pending.request))
        if not run.budget.reserve(ticket.worst):
            self._note_budget(is_idle=not tickets and not self.parcels)
            return False
        try:
            params = encode(run.rules.with_breakpoint(pending.request))
        except ValueError as error:
            self.collector.give_up(ticket, "invalid", f"the request cannot be encoded: {error}")
            return True
        if envelope.add(ticket.fingerprint, params):
            tickets[ticket.fingerprint] = ticket
        elif len(envelope):
            run.budget.release(ticket.worst, perhaps_billed=False)
            return False
        else:
            self.collector.give_up(ticket, "too_large", f"the request has {len(params):,} bytes, too many for a batch")
        return True

    def _record(self, envelope: Envelope) -> EnvelopeRecord:
        run, now = self.run, self.run.wall_clock()
        return EnvelopeRecord(
            envelope.id, run.run_id, run.host, run.door.owner, now, len(envelope), now + LEASE_SECONDS
        )

    def put_back(self, sealed: Sealed) -> None:
        """Take an envelope apart that was never sent; its requests are made again when they are needed."""
        self.run.book.close(sealed.parcel.record.id, "failed")
        self.send_again(sealed.parcel)

    def send_again(self, parcel: Parcel) -> None:
        """Let the requests of a parcel go into the next envelope."""
        for ticket in parcel.tickets.values():
            self.run.budget.release(ticket.worst, perhaps_billed=False)
            ticket.worst = ZERO
            self.collector.again.append(ticket)
        parcel.tickets.clear()

    def _revive(self, ticket: Ticket) -> Iterator[Pending]:
        """Yield the request of a ticket once more; a row that asks nothing any more has failed."""
        request = ticket.request or self.run.request_of(ticket.position)
        if request is None:
            self.collector.give_up(ticket, "invalid", "the row could not be asked again: its prompt has changed")
            return
        pending = ticket.pending(request)
        if self.run.goes_live and ticket.attempts:
            self.leftovers.append(pending)
            return
        yield pending

    def _note_budget(self, *, is_idle: bool) -> None:
        """Wait for all that is under way, since it will cost less than its worst case; else the budget is used up."""
        self.is_broke = True
        if is_idle and self.collector.stop is None:
            self.collector.stop = ("budget", "the next request could pass the budget")

    def _adopted(self, chunk: list[Pending]) -> list[Pending]:
        """Hand requests that stand in an open envelope over to its batch, and return the others."""
        run = self.run
        held = run.book.holding([item.request.fingerprint for item in chunk], run.host)
        rest: list[Pending] = []
        for item in chunk:
            envelope_id = held.get(item.request.fingerprint, "")
            parcel = self.parcels.get(envelope_id) or self._open(envelope_id)
            if parcel is None:
                rest.append(item)
            else:
                parcel.tickets[item.request.fingerprint] = Ticket.of(item)
        return rest

    def _open(self, envelope_id: str) -> Parcel | None:
        """Return an envelope of another run as a parcel under way; None when it is not open any more."""
        record = self.run.book.get(envelope_id) if envelope_id else None
        if record is None:
            return None
        parcel = Parcel(record)
        self.parcels[envelope_id] = parcel
        return parcel
