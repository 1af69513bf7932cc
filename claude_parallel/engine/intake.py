"""Rows become requests, a chunk at a time: skipped, asked before, in the journal already, or to be sent.

Pulled as there is room, so that a frame of any length never lies in memory as requests. What takes time (prompt
functions, files, the journal) runs beside the event loop, which goes on reading answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ..bridge import off_loop
from ..progress.waits import WaitReason
from ..prompt.template import Content, RowProblem, Skipped
from ..records import Outcome, Reply
from ..store.journal import Journal
from .accounting import Accounting
from .claims import POLL_SECONDS, Claims
from .pending import Pending
from .plan import Plan
from .results import Results

_MANY_ELSEWHERE = 5_000
"""So many rows may wait for another run before no more are taken: it is ahead of us, and may be asked for answers."""


@dataclass(slots=True)
class Intake:
    """Turns the rows of a plan into requests that still have to be sent.

    Attributes
    ----------
    plan : Plan
        The rows, and how their requests are made.
    results : Results
        Gets the outcomes that need no call.
    journal : Journal
        Asked for answers first.
    accounting : Accounting
        Delivers what the journal answers.
    claims : Claims
        Asked before anything is sent, so that no other run sends the same.
    start : int
        The first row that was not taken yet.
    """

    plan: Plan
    results: Results
    journal: Journal
    accounting: Accounting
    claims: Claims
    start: int = 0
    _first_of: dict[bytes, int] = field(default_factory=dict)
    _elsewhere: list[Pending] = field(default_factory=list)

    @property
    def has_rows(self) -> bool:
        """True while rows are left that were not taken yet."""
        return self.start < len(self.plan.rows)

    @property
    def waiting_for(self) -> WaitReason:
        """What the next chunk takes its time for."""
        return WaitReason.ROWS if self.has_rows else WaitReason.CLAIMED

    async def next_chunk(self) -> list[Pending] | None:
        """Return what the next rows have to send, perhaps nothing; None when nothing more will come.

        After the last row, requests that another run has on their way are waited for: what that run does not answer is
        sent by this one.
        """
        if len(self._elsewhere) >= _MANY_ELSEWHERE or not self.has_rows:
            return await self._look_elsewhere() if self._elsewhere else None
        rows, start = self.plan.rows, self.start
        self.start = stop = min(start + rows.rows_at_once, len(rows))
        prepared = await off_loop(lambda: self._prepare(start, stop))
        return await self._claim(await self.unanswered(self._first_askers(prepared)))

    async def _look_elsewhere(self) -> list[Pending]:
        """Return what other runs had on their way and have not answered."""
        await asyncio.sleep(POLL_SECONDS)
        elsewhere, self._elsewhere = self._elsewhere, []
        return await self._claim(await self.unanswered(elsewhere))

    async def _claim(self, items: list[Pending]) -> list[Pending]:
        """Return the requests that this run is to send; those of other runs are waited for without their bodies."""
        granted = await self.claims.take(items)
        mine = [item for item in items if item.fingerprint in granted or item.fingerprint in self.plan.bypass_cache]
        for item in items:
            if item.fingerprint not in granted and item.fingerprint not in self.plan.bypass_cache:
                item.request = item.request if item.repairs else None
                self._elsewhere.append(item)
        # Between the first look and the claim another run may have answered, and ended.
        return [item for item in await self.unanswered(mine) if self.revive(item)]

    def revive(self, item: Pending) -> bool:
        """Make the request of a row once more that another run was to answer; False where that is not possible."""
        item.request = item.request or self.plan.request_of(item.position)
        if item.request is None:
            self.accounting.give_up(item, "invalid", "the row could not be asked again: its prompt has changed")
        return item.request is not None

    async def chunks(self) -> AsyncIterator[list[Pending]]:
        """Yield all chunks to the last."""
        while (chunk := await self.next_chunk()) is not None:
            yield chunk

    async def unanswered(self, pending: list[Pending]) -> list[Pending]:
        """Answer from the journal what it knows, and return the rest in the order of rows."""
        bypassed = self.plan.bypass_cache
        rest = [item for item in pending if item.fingerprint in bypassed]
        asked = [item for item in pending if item.fingerprint not in bypassed]
        while asked:
            keys = [item.fingerprint for item in asked]
            known = await off_loop(lambda keys=keys: self.journal.recall(keys))  # type: ignore[misc]
            rest += [item for item in asked if item.fingerprint not in known]
            asked = [item for item in asked if item.fingerprint in known and self._is_to_mend(item, known)]
        return sorted(rest, key=lambda item: item.position)

    def _is_to_mend(self, item: Pending, known: dict[bytes, Reply]) -> bool:
        """Deliver what the journal says; True when it has to be asked for a better answer."""
        instead = self.accounting.recalled(item, known[item.fingerprint])
        if instead is None:
            return False
        item.ask_instead(instead)
        return True

    def _prepare(self, start: int, stop: int) -> list[tuple[int, Pending | Skipped | RowProblem]]:
        """Return each position's request, or why it has none; runs beside the event loop."""
        samples = self.plan.settings.sample
        found: list[tuple[int, Pending | Skipped | RowProblem]] = []
        for offset, content in enumerate(self.plan.rows.contents(start, stop)):
            for sample in range(samples):
                position = (start + offset) * samples + sample
                found.append((position, self._ask(position, content, sample)))
        return found

    def _ask(
        self, position: int, content: Content | Skipped | RowProblem, sample: int
    ) -> Pending | Skipped | RowProblem:
        if isinstance(content, Skipped | RowProblem):
            return content
        request = self.plan.request(content, sample)
        assert request is not None
        return Pending.of(position, request)

    def _first_askers(self, prepared: list[tuple[int, Pending | Skipped | RowProblem]]) -> list[Pending]:
        """Return one request per distinct question; rows that ask the same are told whom to follow."""
        found: list[Pending] = []
        for position, item in prepared:
            if not isinstance(item, Pending):
                self.results.deliver(position, _unsent(item))
                continue
            self.results.fingerprints[position] = item.fingerprint
            first = self._first_of.setdefault(item.fingerprint, position)
            if first == position:
                found.append(item)
            else:
                self.results.copy_from(position, first)
        return found


def _unsent(content: Skipped | RowProblem) -> Outcome:
    """Return the outcome of a row that cannot or need not be sent."""
    if isinstance(content, Skipped):
        return Outcome.not_asked("skipped", content.reason)
    return Outcome.not_asked("invalid", content.message)
