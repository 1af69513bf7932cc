"""A run's claims on the requests that it has on their way, kept alive while the run lives.

A process that does not run for longer than a lease is taken for dead, and others claim what it had. It finds out at its
next renewal, before it sends more of that: then these requests are looked up, and claimed, once more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from ..store.claims import LEASE_SECONDS, ClaimBook
from ..worker_threads import finish_off_loop
from .pending import Pending

RENEW_SECONDS = LEASE_SECONDS / 4
"""Three renewals in a row may be late before a claim counts as dead."""
POLL_SECONDS = 0.25
"""How often to ask for another run's answers: far below what a call takes, and a query of some milliseconds."""


class Claims:
    """What a run has claimed.

    Parameters
    ----------
    book : ClaimBook or None
        The journal's record of claims; None without a file: then nobody else can know, and everything is granted.
    wall_clock : callable
        Seconds since the epoch.
    """

    def __init__(self, book: ClaimBook | None, wall_clock: Callable[[], float]) -> None:
        self._book = book
        self._wall_clock = wall_clock
        self._held: set[bytes] = set()
        self._lost: set[bytes] = set()
        self._given_up: list[bytes] = []
        self._has_claims = asyncio.Event()
        self._has_asked = False
        self._turn = asyncio.Lock()  # a claim makes the lease live: nobody may see that before what was lost is known

    def __repr__(self) -> str:
        return f"<Claims: {len(self._held)} held>"

    async def take(self, items: Sequence[Pending]) -> set[bytes]:
        """Claim requests, and return the keys of those that no other run has on their way."""
        return await self.take_keys([item.claim for item in items])

    async def take_keys(self, keys: Sequence[bytes]) -> set[bytes]:
        """Claim keys, of requests or of other things that only one run may do, and return those that were free."""
        book = self._book
        if book is None or not keys:
            return set(keys)
        async with self._turn:
            await self._keep(book)
            now, self._has_asked = self._wall_clock(), True
            granted = await finish_off_loop(book.take, keys, now)
            self._held |= granted
            self._lost -= granted
        if granted:
            self._has_claims.set()
        return granted

    def has_lost(self, fingerprint: bytes) -> bool:
        """Say whether a claim was granted and lost: this process did not run for too long, and another may have it."""
        return fingerprint in self._lost

    async def are_kept(self, items: Iterable[Pending]) -> bool:
        """Renew the lease, and say whether no other run can have taken over any of these requests."""
        if self._book is None:
            return True
        async with self._turn:
            await self._keep(self._book)
        return not any(item.claim in self._lost for item in items)

    def release(self, fingerprint: bytes) -> None:
        """Give a claim up: the answer is in the journal, or will not come from this run. Told to others within seconds.

        Claims that were kept to the end of a run would cost it memory for every row, and each new claim a longer look.
        """
        self._lost.discard(fingerprint)
        if fingerprint in self._held:
            self._held.discard(fingerprint)
            self._given_up.append(fingerprint)

    @contextlib.asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Renew the lease for the length of a block, and give all claims up at its end."""
        if self._book is None:
            yield
            return
        task = asyncio.ensure_future(self._renew(self._book))
        try:
            yield
        finally:
            task.cancel()
            try:
                await asyncio.wait({task})  # what is being written now comes before the end
            finally:
                if self._has_asked:
                    await finish_off_loop(self._book.release_all)

    async def _renew(self, book: ClaimBook) -> None:
        while True:
            await self._has_claims.wait()
            await asyncio.sleep(RENEW_SECONDS)
            async with self._turn:
                await self._keep(book)
            if not self._held:
                self._has_claims.clear()

    async def _keep(self, book: ClaimBook) -> None:
        """Renew the lease and tell what was given up.

        Where the lease was lost, so are all claims, free or not: whoever had them meanwhile may have answered, or have
        put them into a batch, and gone. They are looked up before they are claimed again.
        """
        given_up, self._given_up = self._given_up, []
        has_claims, now = bool(self._held), self._wall_clock()

        def renew() -> bool:
            is_alive = not has_claims or book.renew(now)
            if given_up:
                book.release(given_up)
            return is_alive

        if not await finish_off_loop(renew):
            self._lost |= self._held
            self._held.clear()
