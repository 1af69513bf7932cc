"""The seeding call: one row of many goes live before its batch, and fills the prompt cache for the others.

Decides nothing about dollars: when the call pays is the rule in ``engine.seeding``. The row's answer is an answer like
any other. A call that brings none costs the row nothing: it goes with its batch, and the batch goes without the entry.
"""

from __future__ import annotations

from collections.abc import Sequence
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

_ONCE = RetryPolicy(max_retries=0, max_rate_limit_retries=0)
"""Who cannot be served live at this moment is better off in the batch."""


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
    """

    context: RunContext
    plan: Plan
    environment: Environment
    is_done: bool = False

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

    async def send(self, pending: Pending) -> bool:
        """Send a request live, once; False where no answer came, so that its batch may ask for one."""
        self.is_done = True
        status = self.environment.gate.status(self.context.clock())
        if status.pause_seconds or status.outage_seconds is not None:
            return False
        accounting, missed = self.context.accounting, []

        def deliver(position: int, outcome: Outcome) -> None:
            if outcome.source == "none":
                missed.append(outcome)
                return
            accounting.settled(pending.claim)
            accounting.deliver(position, outcome)
            if accounting.stops_at_error and outcome.kind is not None:
                accounting.control.stop_sending()

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
        await LiveCarrier(self.environment).send(context, replace(self.plan, ttl=None), Handful([pending]))
        pending.failures = () if missed else pending.failures
        return not missed
