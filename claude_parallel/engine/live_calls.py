"""What live calls go through: the door to the API, and what decides when one may go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..limits.gate import Gate
from ..limits.load import LoadEstimator
from ..records import Body, Dimension, Failure, Reply, TellingTransport, Transport
from .cache_warmup import Prefixes


@dataclass(frozen=True, slots=True)
class LiveCalls:
    """The door to the API, and what decides when a call may go.

    Attributes
    ----------
    transport : Transport
        Sends requests.
    gate : Gate
        The limits of the account and model group.
    estimator : LoadEstimator
        What requests of this run really weigh.
    prefixes : Prefixes or None
        Who fills the prompt cache; None without caching.
    max_in_flight : int
        The most calls of this run under way at once.
    is_searching : bool
        Whether the gate may allow fewer, as its window grows; False where the user named a number.
    told : dict of str to float
        The account's limits per minute, as the answers tell them; shared with whoever divides the account.
    """

    transport: Transport
    gate: Gate
    estimator: LoadEstimator
    prefixes: Prefixes | None
    max_in_flight: int
    is_searching: bool = True
    told: dict[Dimension, float] = field(default_factory=dict)

    async def send(self, body: Body, on_begin: Callable[[], object] | None) -> Reply | Failure:
        """Send a request; `on_begin` is called once its answer has begun, where the transport can tell."""
        if on_begin is not None and isinstance(self.transport, TellingTransport):
            result = await self.transport.send_and_tell(body, on_begin)
        else:
            result = await self.transport.send(body)
        for dimension, status in (result.rate_limits or {}).items():
            self.told[dimension] = status.limit
        return result
