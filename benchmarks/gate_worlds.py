"""The worlds that the gate is swept through: servers that keep the same limits in different ways, and their bounds.

A world is numbers; who plays it is ``gate_sweep``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from claude_parallel.simulation.policy import PLAIN, LimitChange, LimitPolicy, Neighbour
from claude_parallel.simulation.profile import Limits, Profile

Bound = Literal["requests", "input", "output"]
Event = Literal["none", "fall", "rise", "neighbour", "spread", "faults", "reordering", "outage", "ramp"]

CAPACITIES = (0.2, 1.0, 3.0, 10.0, 60.0)
LATENCIES = (0.1, 1.0, 5.0)
SIGMAS = (0.0, 0.3, 0.77, 1.2)
"""Of the lognormal factor on latencies; 0.77 is a factor of ten between the slowest and the quickest of a hundred."""

EVENTS: tuple[Event, ...] = (
    "none", "fall", "rise", "neighbour", "spread", "faults", "reordering", "outage", "ramp",
)  # fmt: skip

ROWS: tuple[tuple[float, int], ...] = ((50.0, 400), (1_000.0, 1_500), (3_000.0, 1_500), (12_000.0, 4_000))
"""Requests a minute, and rows to send under them."""

TOKENS = {50.0: 40_000.0, 1_000.0: 2_000_000.0, 3_000.0: 6_000_000.0, 12_000.0: 10_000_000.0}
"""Input tokens a minute beside them; output tokens are a fifth."""

LEAST_SECONDS = 30.0
"""Every run goes on for so long after a full bucket is spent; a run that fits into one is spread out the first time."""

RAMP_FLOOR, RAMP_SECONDS = 60, 10.0
FAULT_SHARE = 0.02
SLACK_SECONDS = 0.5
CEILING = 1_000
"""Calls in flight that a bound reckons with; a run may have more, and is then quicker than its bound."""


@dataclass(frozen=True, slots=True)
class World:
    """One account and the run that meets it.

    Attributes
    ----------
    bound : str
        The limit that binds.
    per_minute : float
        Requests a minute; the other limits follow from it.
    rows : int
        Calls to make.
    capacity : float
        Seconds of refill that a bucket holds.
    policy : LimitPolicy
        How the server keeps its limits.
    latency, sigma : float
        Median seconds of an answer, and its spread.
    event : str
        What happens on the way.
    max_tokens : int
        What a server that reserves output reserves for a call, as a multiple of what an answer writes.
    seed : int
        Of all chance in it.
    """

    bound: Bound = "requests"
    per_minute: float = 1_000.0
    rows: int = 1_500
    capacity: float = 60.0
    policy: LimitPolicy = PLAIN
    latency: float = 1.0
    sigma: float = 0.3
    event: Event = "none"
    max_tokens: int = 4
    seed: int = 0

    @property
    def name(self) -> str:
        """The world in one line."""
        policy = self.policy
        return (
            f"{self.bound} {self.per_minute:g}/min cap={self.capacity:g}s of={policy.remaining_of} "
            f"at={policy.headers_written} lat={self.latency:g}s sigma={self.sigma:g} round={policy.rounded_to} "
            f"out={policy.output_counted} headers={policy.has_headers} after={policy.retry_after} {self.event} "
            f"#{self.seed}"
        )

    @property
    def limits(self) -> tuple[float, float, float]:
        """Requests, input tokens and output tokens a minute."""
        tokens = TOKENS[self.per_minute]
        return self.per_minute, tokens, tokens / 5

    @property
    def sizes(self) -> tuple[float, float]:
        """Mean input and output tokens of a row: its limit binds a third more than requests do."""
        requests, tokens_in, tokens_out = self.limits
        small_in, small_out = 0.1 * tokens_in / requests, 0.1 * tokens_out / requests
        if self.bound == "input":
            return round(1.3 * tokens_in / requests), small_out
        if self.bound == "output":
            return small_in, round(1.3 * tokens_out / requests)
        return small_in, small_out

    def profile(self) -> Profile:
        """Return the server's side."""
        return Profile(
            limits=Limits(*self.limits),
            burst_seconds=self.capacity,
            policy=self.policy,
            ramp_floor=RAMP_FLOOR if self.event == "ramp" else None,
        )

    @property
    def fits_one_burst(self) -> bool:
        """True where a full bucket holds the whole run: the bound is one latency, and nobody can know that."""
        return self.bound_seconds() < 1.5 * self.latency + 1.0

    def bound_seconds(self, rows: float | None = None) -> float:
        """Return the least seconds that the server allows `rows` calls, the last answer's latency included."""
        rows = self.rows if rows is None else rows
        tokens_in, tokens_out = self.sizes
        longest = max(0.0, rows / CEILING - 1) * self.mean_latency
        for limit, used in zip(self.limits, (rows, rows * tokens_in, rows * tokens_out), strict=True):
            longest = max(longest, self._refilled(limit, used))
        if self.policy.output_counted == "reserved":
            longest = max(longest, self._reserved_seconds(rows * tokens_out))
        return max(longest, self._ramp_seconds(rows)) + self.latency

    def bound_after_fall(self, sent: float, landed: float, held: Sequence[float]) -> float:
        """Return the bound of a run that had sent, and got, so many rows when the limits fell, and `held` was left.

        Less than nothing is left of a bucket in debt, which is paid back at the new rate. A latency that was lost
        before would count tenfold after it, and nobody can know of the fall.
        """
        at, factor, tokens = self.policy.changes[0].at, self.policy.changes[0].factor, self.sizes
        left = (self.rows - sent, (self.rows - sent) * tokens[0], (self.rows - landed) * tokens[1])
        seconds = [
            used / (limit * factor / 60) - min(self.capacity, kept / (limit * factor / 60))
            for limit, used, kept in zip(self.limits, left, held, strict=True)
        ]
        return at + max(0.0, *seconds) + self.latency

    def _refilled(self, limit: float, used: float) -> float:
        """Return when a bucket that begins full has given `used`, through every change of its limit."""
        rate, left = limit / 60, used - max(1.0, limit / 60 * self.capacity)
        turns = [0.0, *(turn for turn in self.policy.turns() if turn > 0)]
        for begin, end in zip(turns, [*turns[1:], float("inf")], strict=True):
            speed = rate * self.policy.factor(begin) * (1 - self.policy.taken(begin))
            if left <= speed * (end - begin):
                return begin + max(0.0, left) / speed
            left -= speed * (end - begin)
        raise AssertionError("the last turn has no end")

    def _reserved_seconds(self, used: float) -> float:
        """Return when the reservations let `used` output go.

        What is in flight holds back more than it will use: in the end, one latency of sends is charged in full.
        """
        limit, factor = self.limits[2], float(self.max_tokens)
        held = min((factor - 1) * self.mean_latency * limit / 60, (factor - 1) * used)
        return self._refilled(limit, used + held)

    @property
    def mean_latency(self) -> float:
        """Mean seconds of an answer; `latency` is the median."""
        return self.latency * math.exp(self.sigma**2 / 2)

    def _ramp_seconds(self, rows: float) -> float:
        """Return when the last of `rows` calls may be sent under an acceleration limit.

        Each window takes what it may, and what the buckets have by its end: both hold at once, since a window that its
        bucket kept small lets the next one take only twice as much.
        """
        if self.event != "ramp":
            return 0.0
        rates = [limit / 60 / max(size, 1e-9) for limit, size in zip(self.limits, (1.0, *self.sizes), strict=True)]
        held = [max(1.0, self.capacity * rate) for rate in rates]  # in calls, as the rates
        begin, left, allowed = 0.0, float(rows), float(RAMP_FLOOR)
        while True:
            most = min(allowed, *(kept + RAMP_SECONDS * rate for kept, rate in zip(held, rates, strict=True)))
            if left <= most:
                return begin + max(0.0, *((left - kept) / rate for kept, rate in zip(held, rates, strict=True)))
            held = [
                min(max(1.0, self.capacity * rate), kept + RAMP_SECONDS * rate - most)
                for kept, rate in zip(held, rates, strict=True)
            ]
            begin, left, allowed = begin + RAMP_SECONDS, left - most, max(float(RAMP_FLOOR), 2.0 * most)


def is_named(world: World) -> str:
    """Return why a world is among those that the targets leave out; "" for all others."""
    if world.event == "ramp":
        return "acceleration limit"
    if world.policy.output_counted == "reserved" and world.capacity * world.limits[2] / 60 < 8 * 4 * world.sizes[1]:
        return "max_tokens reserved in a tiny bucket"
    return ""


def sample(count: int, seed: int = 0) -> Iterator[World]:
    """Yield `count` worlds of the product, by chance; the same ones for the same seed."""
    for number in range(count):
        chance = random.Random(seed * 1_000_003 + number)
        yield _draw(chance, number)


def _draw(chance: random.Random, number: int) -> World:
    per_minute, rows = chance.choices(ROWS, weights=(1, 2, 3, 2))[0]
    policy = LimitPolicy(
        remaining_of=chance.choice(("minute", "capacity")),
        headers_written=chance.choice(("arrival", "end")),
        rounded_to=chance.choice((1, 1_000)),
        output_counted=chance.choices(("end", "reserved"), weights=(3, 1))[0],
        has_headers=chance.random() < 0.9,
        retry_after=chance.choice(("exact", "whole", "none")),
    )
    capacity = chance.choice(CAPACITIES if per_minute < 12_000 else CAPACITIES[:-1])
    bound: Bound = chance.choice(("requests", "input", "output"))
    weight = 1.0 if bound == "requests" else 1.3
    world = World(
        bound=bound,
        per_minute=per_minute,
        rows=max(rows, math.ceil((capacity + LEAST_SECONDS) * per_minute / 60 / weight)),
        capacity=capacity,
        policy=policy,
        latency=chance.choice(LATENCIES),
        sigma=chance.choice(SIGMAS),
        event=chance.choices(EVENTS, weights=(4, 1, 1, 1, 1, 1, 1, 1, 0.5))[0],
        seed=number,
    )
    return _with_event(world)


def _with_event(world: World) -> World:
    """Let the event happen in the middle of the run; limits fall late, once a full bucket has been spent."""
    middle = round(max(5.0, (0.7 if world.event == "fall" else 0.4) * world.bound_seconds()), 1)
    if world.event in ("fall", "rise"):
        factor = 0.1 if world.event == "fall" else 10.0
        return replace(world, policy=replace(world.policy, changes=(LimitChange(middle, factor),)))
    if world.event == "neighbour":
        neighbours = (Neighbour(middle, middle + 20.0, 0.3),)
        return replace(world, policy=replace(world.policy, neighbours=neighbours))
    return world
