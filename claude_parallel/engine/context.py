"""What one run works with: the request on its way, the decisions, and the environment put together.

Values and names only; :mod:`engine` and the batches put them to work, ``session`` fills them in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..bridge import Control
from ..errors import Kind
from ..limits.gate import Gate
from ..limits.load import LoadEstimator
from ..progress.stats import RunStats
from ..records import Answer, Body, Outcome, Request, Transport, Usage
from ..retry import RetryPolicy
from ..store.journal import Journal
from .budget import Budget
from .cache_warmup import Prefixes

ZERO = Decimal(0)


@dataclass(slots=True)
class Pending:
    """One request on its way to an outcome.

    Attributes
    ----------
    position : int
        Position of its (first) row.
    request : Request
        What is asked.
    failures : list of str
        Kinds of the failures so far.
    attempts : int
        Calls sent so far.
    cost : Decimal or None
        US dollars paid so far; None once an answer had no known price.
    repairs : int
        Times it was asked again because the answer did not fit the schema.
    """

    position: int
    request: Request
    failures: list[Kind] = field(default_factory=list)
    attempts: int = 0
    cost: Decimal | None = ZERO
    repairs: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The decisions that differ from run to run, as plain functions.

    Attributes
    ----------
    read : callable
        Message -> Answer: text, typed values, kind of error.
    price : callable
        (model, usage) -> US dollars or None.
    worst_cost : callable
        Request -> the most that a call can cost, US dollars.
    with_breakpoint : callable
        Request -> the wire body, with a cache mark where the request has a prefix.
    repair : callable
        (Pending, Answer) -> the request that asks again for an answer that fits the schema, or None.
    """

    read: Callable[[Any], Answer]
    price: Callable[[str, Usage], Decimal | None]
    worst_cost: Callable[[Request], Decimal]
    with_breakpoint: Callable[[Request], Body]
    repair: Callable[[Pending, Answer], Request | None]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one run works with; each thing has this one owner while the run lasts.

    Attributes
    ----------
    run_id, host : str
        Names in the journal.
    transport, gate, journal : Transport, Gate, Journal
        The environment and the limits.
    rules, policy, budget, estimator, prefixes : Rules, RetryPolicy, Budget, LoadEstimator, Prefixes or None
        The decisions.
    control, stats : Control, RunStats
        What the outside sets and sees.
    clock, wall_clock : callable
        Seconds, monotonic; seconds since the epoch.
    rng : random.Random
        Jitter.
    max_in_flight : int
        The hard cap of calls under way.
    stops_at_error : bool
        True for ``on_error="raise"``.
    """

    run_id: str
    host: str
    transport: Transport
    gate: Gate
    journal: Journal
    rules: Rules
    policy: RetryPolicy
    budget: Budget
    estimator: LoadEstimator
    prefixes: Prefixes | None
    control: Control
    stats: RunStats
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: random.Random
    max_in_flight: int
    stops_at_error: bool = False


Deliver = Callable[[Pending, Outcome], None]
