"""How a simulated account behaves: its limits, its speed, its faults; every number of the simulator.

It knows settings only; who plays them is :mod:`brain` and its helpers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from ..errors import InputError, nearest
from .policy import PLAIN, LimitPolicy

Fault = Literal[
    "overloaded",
    "server",
    "gateway_timeout",
    "html_502",
    "rate_limit",
    "reset",
    "truncated",
    "not_json",
    "hang",
    "refusal",
    "empty",
    "unknown_block",
    "slow",
]
"""What can go wrong with one call.

529, 500, 504, a proxy's 502 page and a 429 out of the blue cost nothing; ``reset``, ``truncated`` and
``not_json`` lose an answer that was worked for and is billed; ``hang`` never answers; ``refusal``, ``empty``
and ``unknown_block`` are odd answers with status 200; ``slow`` is a good answer that takes
`slow_factor` times as long.
"""

FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True, slots=True)
class ChanceRefusal:
    """The fault ``rate_limit``: a 429 by chance, while the account has room; some gateways answer so.

    Attributes
    ----------
    retry_after : float or None
        The wait that it names, in seconds; None = none.
    has_headers : bool
        Whether it carries the account's limit headers; a gateway's own answer does not.
    """

    retry_after: float | None = 1.0
    has_headers: bool = True


PLAIN_REFUSAL = ChanceRefusal()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model group may use; None = unlimited.

    Attributes
    ----------
    requests_per_minute, input_tokens_per_minute, output_tokens_per_minute : float or None
        The three limits of POST /v1/messages.
    count_requests_per_minute : float or None
        The pool of POST /v1/messages/count_tokens.
    batch_requests_per_minute : float or None
        The pool of HTTP requests to the batch routes.
    batch_queue : int or None
        How many requests may wait in all batches together.
    """

    requests_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    count_requests_per_minute: float | None = None
    batch_requests_per_minute: float | None = None
    batch_queue: int | None = None


UNLIMITED = Limits()

TIERS: Mapping[str, Limits] = MappingProxyType(
    {
        "start": Limits(1_000, 2_000_000, 400_000, 2_000, 1_000, 200_000),
        "build": Limits(5_000, 5_000_000, 1_000_000, 4_000, 2_000, 300_000),
        "scale": Limits(10_000, 10_000_000, 2_000_000, 8_000, 4_000, 500_000),
        "tier-1": Limits(50, 40_000, 40_000, 100, 50, 100_000),
        "tier-2": Limits(1_000, 80_000, 80_000, 2_000, 1_000, 200_000),
        "tier-3": Limits(2_000, 160_000, 160_000, 4_000, 2_000, 300_000),
        "tier-4": Limits(4_000, 400_000, 400_000, 8_000, 4_000, 500_000),
        "unlimited": UNLIMITED,
    }
)
"""Limits by name. Source of start, build, scale: Claude API, rate limits, read 2026-11-22. The numbered tiers
are the older table that many analysts still know; tokens go for input and for output alike."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Profile:
    """One simulated account.

    Attributes
    ----------
    limits : Limits
        The limits of each model group.
    burst_seconds : float or None
        How many seconds of rate a bucket holds; None = a whole minute. Small values police short bursts
        (60 requests a minute act as one a second).
    policy : LimitPolicy
        How the limits are kept, and what is told of them.
    latency_seconds : float
        Median seconds until an answer begins.
    seconds_per_output_token : float
        Seconds that each output token takes after that.
    jitter_sigma : float
        Sigma of the lognormal factor on every latency; 0 = none.
    output_tokens : int, (int, int) or None
        Length of every answer, or its range (uniform); None = as long as the text happens to be.
    thinking_tokens : int
        Length of a thinking block, where there is one.
    thinking_share : float
        Share of answers that think first, on models that think unless told otherwise. A body that asks for
        thinking always gets it.
    faults : mapping of str to float
        Probability of each :data:`Fault`; at most one strikes a call.
    script : mapping of int to str
        The fault of the n-th Messages call, counted from 1; goes before `faults`.
    refusal : ChanceRefusal
        What a ``rate_limit`` looks like.
    slow_factor : float
        What ``slow`` multiplies a latency with.
    hang_seconds : float
        How long ``hang`` stays silent.
    x_should_retry : bool
        Whether errors carry the ``x-should-retry`` header.
    spend_limit_after, credit_after : int or None
        After so many accepted calls the tier's spend limit is reached (429), or the credit is used up (400).
    ramp_floor : int or None
        Acceleration limit: in each window of `ramp_seconds` a group may take `ramp_factor` times what it
        took in the window before, but always `ramp_floor` requests; None = off.
    ramp_factor, ramp_seconds : float
        See `ramp_floor`.
    api_keys : frozenset of str or None
        The keys that work; None = every key that does not begin with ``invalid``.
    cache : bool
        Whether the prompt cache works.
    batch_seconds : float
        How long a batch takes from its creation to its end, in seconds.
    batch_faults : mapping of str to float
        Probability that a row of a batch ends as ``errored`` (a server error) or ``expired``.
    batch_script : mapping of int to str
        The fault of the n-th HTTP call to the batch routes: a refusing one, ``reset`` or ``truncated`` (both
        after the work is done), or ``hang`` (silence, and nothing is done).
    batch_cache_hits : float
        Share of rows in batches that find a prompt cache entry which is there (best effort at the API).
    answer : callable or None
        Body -> text of the answer, instead of the invented one.
    """

    limits: Limits = UNLIMITED
    burst_seconds: float | None = None
    policy: LimitPolicy = PLAIN
    latency_seconds: float = 0.0
    seconds_per_output_token: float = 0.0
    jitter_sigma: float = 0.0
    output_tokens: int | tuple[int, int] | None = None
    thinking_tokens: int = 120
    thinking_share: float = 0.0
    faults: Mapping[Fault, float] = field(default_factory=lambda: _NOTHING)
    script: Mapping[int, Fault] = field(default_factory=lambda: _NOTHING)
    refusal: ChanceRefusal = PLAIN_REFUSAL
    slow_factor: float = 10.0
    hang_seconds: float = 3_600.0
    x_should_retry: bool = False
    spend_limit_after: int | None = None
    credit_after: int | None = None
    ramp_floor: int | None = None
    ramp_factor: float = 2.0
    ramp_seconds: float = 10.0
    api_keys: frozenset[str] | None = None
    cache: bool = True
    batch_seconds: float = 60.0
    batch_faults: Mapping[Literal["errored", "expired"], float] = field(default_factory=lambda: _NOTHING)
    batch_script: Mapping[int, Fault] = field(default_factory=lambda: _NOTHING)
    batch_cache_hits: float = 0.9
    answer: Callable[[Mapping[str, Any]], str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.faults, Mapping):
            raise InputError(f"faults must be a mapping such as {{'overloaded': 0.05}}, not {self.faults!r}")
        unknown = {*self.faults, *self.script.values(), *self.batch_script.values()} - set(FAULTS)
        if unknown:
            raise InputError(f"unknown fault {sorted(unknown)}; there is {', '.join(FAULTS)}")
        if sum(self.faults.values()) > 1 or sum(self.batch_faults.values()) > 1:
            raise InputError("the probabilities of the faults must not add up to more than 1")
        if self.ramp_floor is not None and self.ramp_floor < 1:
            raise InputError("ramp_floor must be at least 1")


def tier_limits(tier: str | None) -> Limits:
    """Return the limits of a tier by name; None = unlimited.

    Raises
    ------
    InputError
        For a name that is not in :data:`TIERS`.
    """
    if tier is None:
        return UNLIMITED
    if tier not in TIERS:
        raise InputError(f"unknown tier {tier!r}; {nearest(str(tier), TIERS)}")
    return TIERS[tier]
