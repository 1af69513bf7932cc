"""Requests that travel as live calls: one call each, as many at once as the gate allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial

from ..limits.load import LoadEstimator
from ..pricing import PriceList
from ..prompt.cache_breakpoints import SECONDS
from ..store import learnt_limits
from ..worker_threads import off_loop
from .cache_warmup import Prefixes
from .context import RunContext
from .dispatcher import Dispatcher
from .environment import Environment, max_in_flight
from .intake import Intake
from .live_calls import LiveCalls
from .plan import Plan
from .queue import Source


class LiveCarrier:
    """Carries the requests of a run as live calls.

    Parameters
    ----------
    environment : Environment
        The account, its gate and the clocks.
    source_of : callable, optional
        ``(context, intake) -> Source``: what of the intake's requests may go; default: all of them.
    """

    is_batch = False

    def __init__(
        self, environment: Environment, source_of: Callable[[RunContext, Intake], Source] | None = None
    ) -> None:
        self.environment = environment
        self._source_of = source_of

    def __repr__(self) -> str:
        return f"<LiveCarrier to {self.environment.host}>"

    async def carry(self, context: RunContext, intake: Intake) -> None:
        """Send everything that the journal could not answer."""
        await self.send(context, intake.plan, self._source_of(context, intake) if self._source_of else intake)

    async def send(self, context: RunContext, plan: Plan, source: Source) -> None:
        """Send the requests of a source."""
        await recall_limits(context, self.environment)
        cap = max_in_flight(plan.settings, self.environment)
        transport = self.environment.open_transport(cap, plan.settings.timeout)
        prices = asyncio.ensure_future(off_loop(partial(load_prices, plan.settings.model)))
        neighbours = self.environment.neighbours
        is_searching = plan.settings.max_concurrency == "auto"
        calls = LiveCalls(
            transport=transport,
            gate=self.environment.gate,
            estimator=LoadEstimator(),
            prefixes=Prefixes(SECONDS[plan.ttl]) if plan.ttl else None,
            max_in_flight=cap,
            is_searching=is_searching,
            told={} if neighbours is None else neighbours.told,
        )
        divided = nullcontext() if neighbours is None else neighbours.divided(context, is_searching=is_searching)
        gate, given = self.environment.gate, plan.settings.limits
        gate.restrict(given, context.clock(), owner=context.run_id)
        try:
            async with divided:
                await Dispatcher(context, calls, source).run()
            await keep_limits(context, self.environment)
        finally:
            prices.cancel()
            gate.restrict(None, context.clock(), owner=context.run_id)
            await transport.aclose()


def load_prices(model: str) -> None:
    """Load the list of prices: it takes a quarter of a second, and no answer is there yet to be held up by that.

    What fails here fails again where a price is needed, and is told there.
    """
    with suppress(Exception):
        PriceList().card(model)


async def recall_limits(context: RunContext, environment: Environment) -> None:
    """Let a gate that knows nothing yet begin with what an earlier run has learnt of the account."""
    gate, key = environment.gate, environment.limits_key
    if key is None or context.journal.path is None or not gate.is_new:
        return
    remembered = await off_loop(learnt_limits.recall, context.journal, key, context.wall_clock())
    if remembered is not None and gate.is_new:  # no other run of this process has begun meanwhile
        gate.recall(remembered)


async def keep_limits(context: RunContext, environment: Environment) -> None:
    """Keep what the gate has learnt of the account, beside the event loop."""
    remembered, key, now = environment.gate.remember(), environment.limits_key, context.wall_clock()
    if key is not None and remembered is not None and context.journal.path is not None:
        await off_loop(lambda: learnt_limits.keep(context.journal, key, remembered, now))
