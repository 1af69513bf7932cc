"""What a run meets of the outside world: transport, gate, clocks and chance.

Another environment makes the same run a test, or a rehearsal on virtual time.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from ..api.connections import most_connections
from ..api.messages import MessagesTransport
from ..api.platforms import WITHOUT_BATCHES
from ..config import sign_in
from ..limits.gate import Gate, model_group
from ..limits.window import CEILING
from ..options import Settings
from ..records import Transport
from ..store.leases import LeaseBook
from .neighbours import Neighbours

_lock = threading.Lock()
_gates: dict[str, tuple[Gate, Neighbours]] = {}
_process = secrets.token_hex(6)
"""Name of this process among its neighbours; its number could be another process's by tomorrow."""


def _forget_gates() -> None:
    """A forked child has limits of its own to learn, and must not wait for a lock that no thread holds any more."""
    global _lock, _process
    _lock, _process = threading.Lock(), secrets.token_hex(6)
    _gates.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_gates)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a run meets of the outside world.

    Attributes
    ----------
    host : str
        Base URL, part of every journal key.
    open_transport : callable
        (calls in flight, timeout in seconds) -> Transport; called on the run's own event loop.
    gate : Gate
        Of this account and model group.
    clock, wall_clock : callable
        Seconds, monotonic; seconds since the epoch.
    rng : random.Random
        Source of jitter.
    most_in_flight : int
        Calls that can be under way at once, whatever the limits allow.
    price_factor : Decimal
        What list prices are multiplied by on the account's platform.
    has_batches : bool
        False where the platform has no message batches.
    prices_model_asked : bool
        True where the model asked for is priced, and not the one that an answer names.
    neighbours : Neighbours or None
        The part of the account that other processes leave us; None where nobody else is asked.
    limits_key : str or None
        Digest of the account, and the model group, under which limits are remembered; None = they are not.
    """

    host: str
    open_transport: Callable[[int, float], Transport]
    gate: Gate
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)
    most_in_flight: int = CEILING
    price_factor: Decimal = Decimal(1)
    has_batches: bool = True
    prices_model_asked: bool = False
    neighbours: Neighbours | None = None
    limits_key: str | None = None


def live_environment(settings: Settings) -> Environment:
    """Return the environment to the real API (or to whatever the configured base URL serves).

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    account = sign_in(settings)

    def open_transport(max_connections: int, timeout_seconds: float) -> Transport:
        return MessagesTransport(
            account, max_connections=max_connections, timeout_seconds=timeout_seconds, wire=settings.wire
        )

    key = f"{account.owner} {model_group(settings.model)}"  # the owner is a digest of host and key
    with _lock:
        if key not in _gates:
            gate = Gate()
            _gates[key] = gate, Neighbours(LeaseBook(key, _process), gate)
        gate, neighbours = _gates[key]
    return Environment(
        account.host,
        open_transport,
        gate,
        most_in_flight=system_limit(),
        price_factor=account.price_factor,
        has_batches=account.platform not in WITHOUT_BATCHES,
        prices_model_asked=account.platform == "bedrock",
        neighbours=neighbours,
        limits_key=key,
    )


def max_in_flight(settings: Settings, environment: Environment | None) -> int:
    """Return the most live calls that a run may have under way: what the user says, within what the system allows.

    Parameters
    ----------
    settings : Settings
        The user's.
    environment : Environment or None
        None where there is nothing to sign in with; then the system alone counts.
    """
    most = environment.most_in_flight if environment is not None else system_limit()
    return most if settings.max_concurrency == "auto" else min(most, settings.max_concurrency)


def system_limit() -> int:
    """Return the most calls that this process can have under way: each needs an open file."""
    return min(CEILING, most_connections() or CEILING)
