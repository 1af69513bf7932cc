"""What the gate is tried with: tiers, latencies, bursts, faults, neighbours; and the bound that a server sets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from claude_parallel.limits.gate import Limits as GivenLimits
from claude_parallel.limits.window import CEILING
from claude_parallel.simulation.profile import Profile, tier_limits

Bound = Literal["requests", "input", "output"]


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the gate.

    Attributes
    ----------
    bound : str
        The limit that binds.
    tier : str
        Whose limits the server keeps; the client learns them.
    rows : int
        Length of the frame.
    latency_seconds, jitter_sigma : float
        As in the simulator's profile.
    burst_seconds : float or None
        How much of a minute's worth may go at once; None = all of it.
    spread : float
        Sizes vary by this factor from row to row (1 = all alike), uniform around the same mean.
    faults : dict
        As in the simulator's profile.
    ramp_floor : int or None
        Acceleration limit.
    others : float
        Share of the binding limit that another process uses.
    uplink_seconds : float
        Requests arrive up to so many seconds late, each by chance.
    max_concurrency : int or "auto"
        As in ``df.claude.map``.
    given : Limits or None
        Limits told to the client.
    """

    bound: Bound = "requests"
    tier: str = "start"
    rows: int = 1_500
    latency_seconds: float = 1.0
    jitter_sigma: float = 0.2
    burst_seconds: float | None = None
    spread: float = 1.0
    faults: dict[Any, float] = field(default_factory=dict)
    ramp_floor: int | None = None
    others: float = 0.0
    uplink_seconds: float = 0.0
    max_concurrency: Any = "auto"
    given: GivenLimits | None = None

    @property
    def name(self) -> str:
        """The case in one line."""
        base = Case()
        parts = [self.bound, self.tier, f"{self.latency_seconds:g}s"]
        for label, value, default in (
            ("burst", self.burst_seconds, base.burst_seconds),
            ("spread", self.spread, base.spread),
            ("faults", self.faults, base.faults),
            ("ramp", self.ramp_floor, base.ramp_floor),
            ("others", self.others, base.others),
            ("uplink", self.uplink_seconds, base.uplink_seconds),
            ("jitter", self.jitter_sigma, base.jitter_sigma),
            ("cap", self.max_concurrency, base.max_concurrency),
            ("given", self.given is not None, False),
        ):
            if value != default:
                parts.append(f"{label}={value}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Score:
    """What became of a run.

    Attributes
    ----------
    wall_seconds, bound_seconds : float
        Time until the last row was sent plus one latency (how long just the last answers take is chance), and the
        least that the server's buckets allow.
    calls, refused, failed : int
        HTTP calls, those answered 429, and rows that failed.
    most_in_flight : int
        As the server saw it.
    """

    wall_seconds: float
    bound_seconds: float
    calls: int
    refused: int
    failed: int
    most_in_flight: int

    @property
    def ratio(self) -> float:
        """Wall time over bound."""
        return self.wall_seconds / self.bound_seconds

    @property
    def refused_share(self) -> float:
        """Share of the calls that were answered 429."""
        return self.refused / max(1, self.calls)


def sizes(case: Case) -> tuple[int, int]:
    """Return mean input and output tokens with which the case's limit binds: some minutes' worth in all."""
    limits = tier_limits(case.tier)
    minutes = 2.0 if case.burst_seconds is None else 0.7
    requests = limits.requests_per_minute or 1.0
    share = max(minutes / case.rows, 1.3 / requests)
    tokens_in, tokens_out = 15, 10
    if case.bound == "input":
        tokens_in = round(share * (limits.input_tokens_per_minute or 0))
    if case.bound == "output":
        tokens_out = round(share * (limits.output_tokens_per_minute or 0))
    return tokens_in, tokens_out


def profile_of(case: Case, tokens_out: int) -> Profile:
    """Return the server's side of a case."""
    low = 2 * tokens_out / (1 + case.spread)
    return Profile(
        limits=tier_limits(case.tier),
        burst_seconds=case.burst_seconds,
        latency_seconds=case.latency_seconds,
        jitter_sigma=case.jitter_sigma,
        output_tokens=tokens_out if case.spread == 1 else (round(low), round(case.spread * low)),
        faults=case.faults,
        ramp_floor=case.ramp_floor,
    )


def bound_seconds(case: Case, used: tuple[float, float, float]) -> float:
    """Return the least time that the server allows for requests, input and output tokens `used`, by whomever.

    A bucket lends its capacity at once, and the rest at its rate; no more calls can be in flight than the window ever
    allows; the acceleration limit doubles what each ten seconds may take; the last answer takes one latency on top.
    """
    limits = tier_limits(case.tier)
    per_minute = (limits.requests_per_minute, limits.input_tokens_per_minute, limits.output_tokens_per_minute)
    longest = max(0.0, used[0] / CEILING - 1) * case.latency_seconds
    for amount, limit in zip(used, per_minute, strict=True):
        if limit is not None:
            rate = limit / 60
            capacity = max(1.0, rate * (60.0 if case.burst_seconds is None else case.burst_seconds))
            longest = max(longest, (amount - capacity) / rate)
    return max(longest, _ramp_seconds(case, used[0])) + case.latency_seconds


def _ramp_seconds(case: Case, requests: float) -> float:
    if case.ramp_floor is None:
        return 0.0
    windows, allowed = 0, float(case.ramp_floor)
    while requests > allowed:
        windows, requests, allowed = windows + 1, requests - allowed, 2 * allowed
    return 10.0 * windows


def cases() -> list[Case]:
    """Return the cases of the table."""
    found: list[Case] = []
    bounds: tuple[Bound, ...] = ("requests", "input", "output")
    for bound in bounds:
        for burst, tier in ((None, "start"), (0.2, "start" if bound == "requests" else "scale")):
            base = Case(bound, tier, burst_seconds=burst)
            found += [replace(base, latency_seconds=seconds) for seconds in (0.1, 1.0, 5.0)]
            found += [
                replace(base, spread=10),
                replace(base, jitter_sigma=0.6),
                replace(base, faults={"overloaded": 0.02}),
                replace(base, others=0.3),
                replace(base, uplink_seconds=0.05),
                replace(base, ramp_floor=60),
            ]
            for other in ("tier-1", "tier-2", "tier-3", "tier-4", "build", "scale"):
                rpm = int(tier_limits(other).requests_per_minute or 0)
                rows = max(1_500, (3 * rpm if burst is None else rpm) // 2) if bound == "requests" else 1_500
                found.append(replace(base, tier=other, rows=rows))
    return found
