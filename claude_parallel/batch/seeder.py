"""The seeding call: one row of many goes live before its batch, and fills the prompt cache for the others.

Decides nothing about dollars: when the call pays is the rule in ``engine.seeding``. The row's answer is an answer like
any other. A call that brings none costs the row nothing: it goes with its batch, and the batch goes without the entry.
A call that takes too long holds no batch back; its answer is kept whenever it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..engine.context import RunContext, RunState
from ..engine.environment import Environment
from ..engine.live import LiveCarrier
from ..engine.pending import Pending
from ..engine.plan import Plan
from ..engine.queue import Handful
from ..engine.seeding import SEED_TTL, least_seeded
from ..engine.tariff import ListedTariff
from ..records import Outcome
from ..retry import RetryPolicy

PATIENCE_SECONDS = 60.0
"""How long a batch waits for the answer. An entry can be read once the answer has begun, so after a minute it was
written, or the call hangs; and a batch may take an hour, so a minute more is little."""

_ONCE = RetryPolicy(max_retries=0, max_rate_limit_retries=0)
"""Who cannot be served live at this moment is better off in the batch."""


class _Seed(Handful):
    """The one request, for as long as it is this run's to send."""

    def __init__(self, pending: Pending, takes_back: Callable[[Pending], bool]) -> None:
        super().__init__([pending])
        self.pending = pending
        self._takes_back = takes_back

    def takes_back(self, item: Pending) -> bool:
        """Take the request back, if another run has claimed it by now; it comes again with the rows of the batch."""
        return self._takes_back(item)


@dataclass(slots=True)
class Seeder:
    """Makes the seeding call of one run.

    Attributes
    ----------
    context : RunContext
        The run, with the accounts of live calls.
    plan : Plan
        Its requests and their shared prefix.
    environment : Environment
        The account, for live calls.
    is_done : bool
        True once the call was made: one serves all batches of a run, since whoever reads an entry renews it.
    call : asyncio.Task or None
        The call under way, or one whose end nobody has looked at yet; True where its row needs no other.
    row : Pending or None
        What it asks.
    wake : callable
        Called when it has ended.
    """

    context: RunContext
    plan: Plan
    environment: Environment
    is_done: bool = False
    call: asyncio.Task[bool] | None = None
    row: Pending | None = None
    wake: Callable[[], object] = lambda: None

    def least(self, first: Sequence[Pending]) -> int | None:
        """Return how many requests make the call worth it, judged by the first of them; None where none do."""
        tariff, ttl, fields = self.context.accounting.tariff, self.plan.ttl, self.plan.shared.fields
        if self.is_done or ttl is None or not isinstance(tariff, ListedTariff):
            return None
        sizes = [item.request.load.input_tokens for item in first if item.request is not None]
        return least_seeded(
            tariff.prices,
            fields["model"],
            prefix_tokens=self.plan.shared.prefix_tokens,
            input_tokens=sum(sizes) / len(sizes) if sizes else 0.0,
            max_tokens=fields["max_tokens"],
            ttl=ttl,
            is_fast=fields.get("speed") == "fast",
        )

    async def send(self, pending: Pending, takes_back: Callable[[Pending], bool]) -> bool:
        """Send a request live, once; False where no answer came, so that its batch may ask for one.

        After a minute without an answer the batch goes first, and :meth:`missed` tells whether none came at all.

        Parameters
        ----------
        pending : Pending
            The request.
        takes_back : callable
            Asked before it is sent: takes it back where another run has claimed it by now, and then nothing is sent.
        """
        self.is_done = True
        status = self.environment.gate.status(self.context.clock())
        if status.pause_seconds or status.outage_seconds is not None:
            return False
        self.row, self.call = pending, asyncio.get_running_loop().create_task(self._send(_Seed(pending, takes_back)))
        self.call.add_done_callback(lambda _call: self.wake())
        await asyncio.wait({self.call}, timeout=PATIENCE_SECONDS)
        return not self.call.done() or not self.missed()

    def missed(self) -> list[Pending]:
        """Return the request of a call that has ended without an answer, once; nothing in any other case."""
        if self.call is None or not self.call.done():
            return []
        call, self.call = self.call, None
        is_answered = not call.cancelled() and call.result()
        return [] if is_answered or self.row is None else [self.row]

    async def wait(self) -> None:
        """Wait until the call has ended; a stop of the run ends it, too."""
        if self.call is not None:
            await asyncio.wait({self.call})

    async def aclose(self) -> None:
        """Cancel the call if it is still under way."""
        if self.call is not None:
            self.call.cancel()
            await asyncio.wait({self.call})

    async def _send(self, seed: _Seed) -> bool:
        """Send a request live, once; False where no answer came, and its row is still this run's to ask."""
        accounting, missed = self.context.accounting, []

        def deliver(_position: int, outcome: Outcome) -> None:
            if outcome.source == "none":
                missed.append(outcome)
            else:
                accounting.finish(seed.pending, outcome)

        tariff = accounting.tariff
        assert isinstance(tariff, ListedTariff)
        context = replace(
            self.context,
            accounting=replace(
                accounting,
                tariff=replace(tariff, ttl=SEED_TTL),
                deliver=deliver,
                settled=lambda _fingerprint: None,
                stops_at_error=False,
            ),
            with_breakpoint=replace(self.plan, ttl=SEED_TTL).with_breakpoint,
            policy=_ONCE,
            state=RunState(),
        )
        # To the dispatcher there is nothing to lead: nobody waits for this prefix but the batch.
        await LiveCarrier(self.environment).send(context, replace(self.plan, ttl=None), seed)
        seed.pending.failures = () if missed else seed.pending.failures
        return not missed
