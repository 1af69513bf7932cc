"""A process's share of an account, renewed while its runs send: neighbours on one machine do not refuse each other.

It asks the file of leases about every second, beside the event loop, and keeps the gate below its share of the limits
that the answers tell. How large that is stands in ``limits.leases``; a process that is alone always has the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from functools import partial
from math import inf

from ..limits.gate import Gate, Limits
from ..limits.leases import (
    JOIN_SECONDS,
    LEASE_SECONDS,
    LEAST_SHARE,
    RENEW_SECONDS,
    YOUNG_SECONDS,
    Grant,
    demanded,
)
from ..progress.waits import LIMITS
from ..records import DIMENSIONS, Dimension
from ..store.leases import LeaseBook
from ..worker_threads import off_loop
from .context import RunContext

FIRST_SECONDS = 0.1
"""When a run first asks: one that is over by then has sent a handful of calls and troubles nobody."""

_FRESH_SECONDS = 0.8 * JOIN_SECONDS
"""Several runs of a process share its lease: what one has just asked, the others need not."""

_ALONE = Grant(1.0, 1.0)
"""The whole of the rate and of the bucket: what a process has that knows of no other."""


class Neighbours:
    """The lease of this process on one account.

    Parameters
    ----------
    book : LeaseBook
        The file that all processes of this user ask.
    gate : Gate
        Kept below our share.

    Attributes
    ----------
    told : dict of str to float
        The account's limits per minute, as the answers tell them.
    """

    def __init__(self, book: LeaseBook, gate: Gate) -> None:
        self.told: dict[Dimension, float] = {}
        self._book = book
        self._gate = gate
        self._runs = 0
        self._file_lock = threading.Lock()
        self._granted = _ALONE
        self._renewed_at = -inf
        self._has_asked = False
        self._lent: Limits | None = None

    def __repr__(self) -> str:
        return f"<Neighbours: {self._granted.share:.0%} is ours>"

    @contextlib.asynccontextmanager
    async def divided(self, context: RunContext, *, is_searching: bool) -> AsyncIterator[None]:
        """Hold a lease for the length of a block, and give it back with the last run that holds it.

        Parameters
        ----------
        context : RunContext
            The run: its clocks, and what it waits for.
        is_searching : bool
            False where the user named how many calls may be in flight: such a run may be unable to use more.
        """
        self._runs += 1
        task = asyncio.ensure_future(self._keep(context, is_searching=is_searching))
        try:
            yield
        finally:
            task.cancel()
            self._runs -= 1
            if not self._runs and self._has_asked:
                await off_loop(lambda: self._release(context.clock()))

    async def _keep(self, context: RunContext, *, is_searching: bool) -> None:
        began, seconds, waited = context.clock(), FIRST_SECONDS, 0.0
        while True:
            await asyncio.sleep(seconds)
            now, before = context.clock(), waited
            waited = sum(context.state.waited.get(reason, 0.0) for reason in LIMITS.values())
            demand = None
            if now - self._renewed_at >= _FRESH_SECONDS:
                is_held = waited > before or not self.told or (is_searching and _has_more(context))
                demand = demanded(self._granted.share, is_held=is_held)
            self._has_asked = True
            await off_loop(partial(self._renew, demand, context, began))
            age = context.clock() - began
            is_quiet = self._granted.fair >= 1.0 and age >= YOUNG_SECONDS
            seconds = RENEW_SECONDS if is_quiet else JOIN_SECONDS

    def _renew(self, demand: float | None, context: RunContext, began: float) -> None:
        """Ask for a share, unless `demand` is None, and keep the gate below what we have.

        Both beside the event loop: others count on what the file says, however busy the loop is with a burst.
        """
        with self._file_lock:
            if not self._runs:
                return
            if demand is not None:
                granted, now = self._book.renew(demand, context.wall_clock), context.clock()
                if granted is not None:
                    self._granted, self._renewed_at = granted, now
                elif now - self._renewed_at > LEASE_SECONDS:
                    self._granted = _ALONE
            # Not before the others had time to make room: a bucket made small stays so empty.
            if not self._granted.is_waiting or context.clock() - began > RENEW_SECONDS + JOIN_SECONDS:
                self._apply(context.clock())

    def _apply(self, now: float) -> None:
        """Keep the gate below our share of what the answers tell."""
        share = max(LEAST_SHARE, self._granted.share)
        lent = None if share >= 1.0 or not self.told else _part(self.told, share)
        if lent != self._lent:
            self._lent = lent
            self._gate.restrict(lent, now, owner=self, is_part=True)

    def _release(self, now: float) -> None:
        with self._file_lock:
            if not self._runs:
                self._book.release()
                self._granted, self._renewed_at, self._has_asked = _ALONE, -inf, False
                self._apply(now)


def _has_more(context: RunContext) -> bool:
    """Say whether a run has rows that are not sent yet."""
    stats = context.stats
    return stats.draws + stats.in_flight < stats.total * stats.samples


def _part(told: dict[Dimension, float], share: float) -> Limits:
    """Return the limits that keep a share of what was told."""
    return Limits(*(share * told[at] if at in told else None for at in DIMENSIONS))
