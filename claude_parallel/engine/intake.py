"""Rows become requests, a chunk at a time: skipped, asked before, in the journal already, or to be sent.

Pulled as there is room, so that a frame of any length never lies in memory as requests. What takes time (prompt
functions, files, the journal) runs beside the event loop, which goes on reading answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from ..progress.stats import RunStats
from ..progress.waits import WaitReason
from ..prompt.template import Content, RowProblem, Skipped
from ..records import Outcome
from ..store.journal import Journal
from ..worker_threads import off_loop
from .accounting import Accounting, Recollection
from .claims import POLL_SECONDS, Claims
from .pending import Pending
from .plan import Plan, without_bound


class Window(Protocol):
    """How many rows of a stream may be under way at once."""

    def is_full(self, start: int) -> bool:
        """Say whether there is no room for the rows from `start` on."""
        ...

    async def has_room(self, start: int) -> bool:
        """Wait until there is room for the rows from `start` on; False when no more are wanted."""
        ...


class Outlet(Window, Protocol):
    """Where the rows of a stream go when they are done, so that others have room."""

    @property
    def loaded(self) -> int:
        """How many rows were read, in all."""
        ...

    def unread(self) -> int:
        """Return how many rows there are beyond these that come back all the same once the run was stopped."""
        ...

    def drain(self) -> None:
        """Take out the rows at the head that have their outcomes; they are written beside the event loop."""
        ...

    async def written(self) -> None:
        """Wait until what was taken out is written; what is taken out from now on, :meth:`settle` writes."""
        ...

    def settle(self) -> None:
        """Write what was taken out and is not written yet, blocking."""
        ...


class Outcomes(Protocol):
    """Where the outcomes of rows are kept."""

    stats: RunStats
    """The counts that are kept in step."""

    def reach(self, stop: int) -> None:
        """Make room for the positions before `stop`."""
        ...

    def is_first_to_ask(self, position: int, fingerprint: bytes) -> bool:
        """Take note of what a position asks; False when an earlier one asks the very same and answers for both."""
        ...

    def deliver(self, position: int, outcome: Outcome) -> None:
        """Keep the outcome of a position."""
        ...


_MANY_ELSEWHERE = 5_000
"""So many rows may wait for another run before no more are taken: it is ahead of us, and may be asked for answers."""

_NOT_ASKED = (Skipped, RowProblem)
"""A tuple, since a union in ``isinstance`` is made anew for every row."""


@dataclass(slots=True)
class Intake:
    """Turns the rows of a plan into requests that still have to be sent.

    Attributes
    ----------
    plan : Plan
        The rows, and how their requests are made.
    results : Outcomes
        Gets the outcomes that need no call.
    journal : Journal
        Asked for answers first.
    accounting : Accounting
        Delivers what the journal answers.
    claims : Claims
        Asked before anything is sent, so that no other run sends the same.
    start : int
        The first row that was not taken yet.
    window : Window or None
        Bounds the rows of a stream that are under way; None where all rows are there.
    """

    plan: Plan
    results: Outcomes
    journal: Journal
    accounting: Accounting
    claims: Claims
    start: int = 0
    window: Window | None = None
    _is_exhausted: bool = False
    _elsewhere: list[Pending] = field(default_factory=list)
    _awaits_room: bool = False

    @property
    def has_rows(self) -> bool:
        """True while rows are left that were not taken yet."""
        total = self.plan.rows.total
        return not self._is_exhausted and (total is None or self.start < total)

    @property
    def waiting_for(self) -> WaitReason:
        """What the next chunk takes its time for."""
        if self._awaits_room:
            return WaitReason.ANSWERS
        return WaitReason.ROWS if self.has_rows and not self.is_held_up else WaitReason.CLAIMED

    @property
    def is_held_up(self) -> bool:
        """True while so many rows wait for other runs that no more are taken."""
        return len(self._elsewhere) >= _MANY_ELSEWHERE

    async def next_chunk(self) -> list[Pending] | None:
        """Return what the next rows have to send, perhaps nothing; None when nothing more will come.

        After the last row, requests that another run has on their way are waited for: what that run does not answer is
        sent by this one.
        """
        if self.is_held_up or not self.has_rows:
            return await self._look_elsewhere() if self._elsewhere else None
        start = self.start
        if self.window is not None:
            self._awaits_room = self.window.is_full(start)
            if self._elsewhere and self._awaits_room:  # they may be what the window waits for
                return await self._look_elsewhere()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    self._is_exhausted = not await self.window.has_room(start)
            except TimeoutError:
                return []  # what the window waits for may have been taken back meanwhile, or be held for this chunk
            self._awaits_room = False
            if self._is_exhausted:
                return []
        self.start, prepared = await off_loop(lambda: self._prepare(start))
        self._is_exhausted = self.start == start
        self.results.reach(self.start * self.plan.settings.sample)
        return await self.claim(await self.unanswered(self._first_askers(prepared)))

    async def _look_elsewhere(self) -> list[Pending]:
        """Return what other runs had on their way and have not answered."""
        await asyncio.sleep(POLL_SECONDS)
        elsewhere, self._elsewhere = self._elsewhere, []
        return await self.claim(await self.unanswered(elsewhere))

    @property
    def waits_for_others(self) -> bool:
        """True while other runs have requests on their way that this one asks as well."""
        return bool(self._elsewhere)

    async def claim(self, items: list[Pending]) -> list[Pending]:
        """Return the requests that this run is to send; those of other runs are waited for without their bodies."""
        granted = await self.claims.take(items)
        mine = [item for item in items if item.claim in granted or item.claim in self.plan.bypass_cache]
        for item in items:
            if item.claim not in granted and item.claim not in self.plan.bypass_cache:
                item.let_go()
                self._elsewhere.append(item)
        # Between the first look and the claim another run may have answered, and ended.
        return [item for item in await self.unanswered(mine) if self.revive(item)]

    def takes_back(self, item: Pending) -> bool:
        """Take back a request whose claim was lost, to look for another run's answer; False where it is held."""
        if not self.claims.has_lost(item.claim):
            return False
        self.claims.release(item.claim)
        self._elsewhere.append(item)  # with its request: mostly nobody has it, and a row may not say the same again
        return True

    def revive(self, item: Pending) -> bool:
        """Make the request of a row, or make it once more; False where that is not possible."""
        item.request, item.content = item.request or self.plan.request_of(item), None
        if item.request is None:
            message = "the row could not be asked again: its prompt has changed"
            self.accounting.give_up(item, "invalid", message, "run the cell again; it asks what the row says then")
        return item.request is not None

    async def chunks(self) -> AsyncIterator[list[Pending]]:
        """Yield all chunks to the last."""
        while (chunk := await self.next_chunk()) is not None:
            yield chunk

    async def unanswered(self, pending: list[Pending]) -> list[Pending]:
        """Answer from the journal what it knows, and return the rest in the order of rows."""
        rest, asked = [], pending
        while asked:
            if self.plan.bypass_cache:
                rest += [item for item in asked if self._is_asked_anew(item)]
                asked = [item for item in asked if not self._is_asked_anew(item)]
            known = await off_loop(lambda asked=asked: self._recall(asked))  # type: ignore[misc]
            rest += [item for item in asked if item.fingerprint not in known]
            asked = [item for item in asked if item.fingerprint in known and self._is_to_mend(item, known)]
        return sorted(rest, key=lambda item: item.position)

    def _is_asked_anew(self, item: Pending) -> bool:
        """Say whether the journal's answer was rejected: that to the row itself, or that to what follows its answer.

        What follows an answer that is asked anew is asked anew, too: it may be the very same request as before.
        """
        bypassed = self.plan.bypass_cache
        return item.claim in bypassed or item.fingerprint in bypassed

    def _recall(self, items: list[Pending]) -> dict[bytes, Recollection]:
        """Return what the journal says to requests; runs off the event loop."""
        asked = {item.fingerprint: item for item in items}
        recollect = self.accounting.recollect
        return {key: recollect(asked[key], reply) for key, reply in self.journal.replies(list(asked))}

    def _is_to_mend(self, item: Pending, known: dict[bytes, Recollection]) -> bool:
        """Deliver what the journal says; True when it has to be asked for a better answer."""
        instead = self.accounting.recalled(item, known[item.fingerprint])
        if instead is None:
            return False
        item.ask_instead(instead)
        return True

    def _prepare(self, start: int) -> tuple[int, list[tuple[int, Pending | Skipped | RowProblem]]]:
        """Return where the next rows end, and each position's request or why it has none; runs off the event loop."""
        rows, samples = self.plan.rows, self.plan.settings.sample
        stop = min(start + rows.rows_at_once, rows.reach(start))
        found: list[tuple[int, Pending | Skipped | RowProblem]] = []
        for offset, content in enumerate(rows.contents(start, stop) if stop > start else ()):
            for sample in range(samples):
                position = (start + offset) * samples + sample
                found.append((position, self._ask(position, content, sample)))
        return stop, found

    def _ask(
        self, position: int, content: Content | Skipped | RowProblem, sample: int
    ) -> Pending | Skipped | RowProblem:
        if isinstance(content, _NOT_ASKED):
            return content
        if position in self.plan.not_asked:
            return Skipped("this sample has a good answer already")
        pending = Pending(position, self.plan.key_of(content, sample), content=content)
        if self.plan.settings.budget is None:
            return pending  # most rows need no request: the journal answers them
        pending.request = self.plan.request_of(pending)
        unbounded = pending.asked.unbounded
        return pending if unbounded is None else RowProblem(without_bound(unbounded))

    def _first_askers(self, prepared: list[tuple[int, Pending | Skipped | RowProblem]]) -> list[Pending]:
        """Return one request per distinct question; rows that ask the same are told whom to follow."""
        found: list[Pending] = []
        for position, item in prepared:
            if not isinstance(item, Pending):
                self.results.deliver(position, _unsent(item))
                continue
            if self.results.is_first_to_ask(position, item.fingerprint):
                found.append(item)
        return found


def _unsent(content: Skipped | RowProblem) -> Outcome:
    """Return the outcome of a row that cannot or need not be sent."""
    if isinstance(content, Skipped):
        return Outcome.not_asked("skipped", content.reason)
    return Outcome.not_asked("invalid", content.message)
