"""The gate's cases in memory, on virtual time: minutes of a run in a second, for tuning and for tests.

Plays the real engine against the simulator's brain, and compares the wall time with the bound that the server's own
buckets set. The same over real HTTP is in ``gate``.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from claude_parallel.client import Doors
from claude_parallel.limits import Gate
from claude_parallel.limits import Limits as GivenLimits
from claude_parallel.options import resolve
from claude_parallel.records import Body, Failure, Reply
from claude_parallel.session import Session
from claude_parallel.simulator.brain import Brain
from claude_parallel.simulator.clock import run_virtual
from claude_parallel.simulator.profile import Profile, tier_limits
from claude_parallel.simulator.transport import MemoryTransport
from claude_parallel.window import CEILING

Bound = Literal["requests", "input", "output"]

_HEADERS = {"authorization": "Bearer other", "anthropic-version": "2026-10-21"}
_EPOCH = 1_795_392_000.0


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


class Prompts:
    """Rows of text whose sizes vary, made as they are needed."""

    rows_at_once = 500

    def __init__(self, rows: int, tokens: int, spread: float, seed: int) -> None:
        chance = random.Random(seed)
        low = 2 * tokens / (1 + spread)
        self._sizes = [round(chance.uniform(low, spread * low)) for _ in range(rows)]

    def __len__(self) -> int:
        return len(self._sizes)

    def contents(self, start: int, stop: int) -> list[Any]:
        """Return the prompts from `start` to `stop`."""
        return [f"row {row} ".ljust(4 * self._sizes[row], "x") for row in range(start, stop)]


class LateTransport:
    """Requests reach the server a little late, each by chance: what a network does to an even pace.

    Attributes
    ----------
    last_sent : float
        When the last request that was answered had been sent.
    """

    def __init__(self, inner: MemoryTransport, most_seconds: float, rng: random.Random) -> None:
        self._inner = inner
        self._most_seconds = most_seconds
        self._rng = rng
        self.last_sent = 0.0

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request."""
        sent = asyncio.get_running_loop().time()
        if self._most_seconds:
            await asyncio.sleep(self._rng.uniform(0, self._most_seconds))
        result = await self._inner.send(body)
        if isinstance(result, Reply):
            self.last_sent = max(self.last_sent, sent)
        return result

    async def count_tokens(self, body: Body) -> int | Failure:
        """Count tokens."""
        return await self._inner.count_tokens(body)

    async def aclose(self) -> None:
        """Do nothing."""


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

    A bucket lends its capacity at once, and the rest at its rate; a thousand calls can be in flight; the acceleration
    limit doubles what each ten seconds may take; the last answer takes one latency on top.
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


def play(case: Case, seed: int = 0) -> Score:
    """Play one case to its end, on virtual time."""
    tokens_in, tokens_out = sizes(case)
    brain = Brain(profile_of(case, tokens_out), seed=seed)
    foreign: Counter[int] = Counter()
    gate = Gate(case.given)
    now = [0.0]

    def clock() -> float:
        with contextlib.suppress(RuntimeError):
            now[0] = asyncio.get_running_loop().time()
        return now[0]

    transport = LateTransport(MemoryTransport(brain), case.uplink_seconds, random.Random(seed))
    doors = Doors(
        host="memory://simulator",
        open_transport=lambda _size, _timeout: transport,
        gate=gate,
        clock=clock,
        wall_clock=lambda: _EPOCH + clock(),
        rng=random.Random(seed),
    )
    options = {"journal": False, "progress": False, "max_concurrency": case.max_concurrency, "limits": case.given}
    session = Session(Prompts(case.rows, tokens_in, case.spread, seed), resolve(options), doors=doors)

    async def main() -> None:
        other = asyncio.create_task(_use_up(brain, case, tokens_in, foreign)) if case.others else None
        await session.arun()
        if other is not None:
            other.cancel()

    run_virtual(main)
    paid = brain.ledger.paid
    refused = brain.ledger.statuses[429] - foreign[429]
    calls = brain.ledger.requests - sum(foreign.values())
    used = (
        float(calls - refused + foreign[200]),
        sum(entry.input_tokens for entry in paid) * (calls - refused + foreign[200]) / len(paid),
        float(sum(entry.output_tokens for entry in paid)),
    )
    return Score(
        wall_seconds=transport.last_sent + case.latency_seconds,
        bound_seconds=bound_seconds(case, used),
        calls=calls,
        refused=refused,
        failed=sum(outcome is None or outcome.kind is not None for outcome in session.results.outcomes),
        most_in_flight=brain.ledger.max_in_flight,
    )


async def _use_up(brain: Brain, case: Case, tokens_in: int, seen: Counter[int]) -> None:
    """Be the other process: send evenly, ignore what comes back."""
    limits = tier_limits(case.tier)
    tokens_out = sizes(case)[1]
    rates = {
        "requests": limits.requests_per_minute or 0.0,
        "input": (limits.input_tokens_per_minute or 0.0) / tokens_in,
        "output": (limits.output_tokens_per_minute or 0.0) / tokens_out,
    }
    gap = 60 / (rates[case.bound] * case.others)
    loop = asyncio.get_running_loop()
    number = 0
    while True:
        number += 1
        body = {
            "model": "claude-haiku-5-5",
            "max_tokens": 8_192,
            "messages": [{"role": "user", "content": f"other {number} ".ljust(4 * tokens_in, "y")}],
        }
        exchange = brain.open("POST", "/v1/messages", _HEADERS, body, loop.time())
        seen[exchange.status] += 1
        loop.call_later(exchange.end_seconds, lambda e=exchange: brain.close(e, loop.time()))
        await asyncio.sleep(gap)


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


def table(chosen: list[Case], seeds: int) -> None:
    """Print the worst of some seeds for each case."""
    print(f"{'case':55} {'bound s':>8} {'ratio':>7} {'429 %':>7} {'failed':>6} {'in flight':>9}")
    for case in chosen:
        scores = [play(case, seed) for seed in range(seeds)]
        ratio = max(score.ratio for score in scores)
        refused = 100 * max(score.refused_share for score in scores)
        failed = max(score.failed for score in scores)
        mark = "" if ratio <= 1.05 and refused <= 0.5 and not failed else "  <--"
        print(
            f"{case.name:55} {scores[0].bound_seconds:8.1f} {ratio:7.3f} {refused:7.2f} {failed:6d} "
            f"{max(score.most_in_flight for score in scores):9d}{mark}",
            flush=True,
        )


def main(seeds: int = 3) -> None:
    """Print the whole table."""
    table(cases(), seeds)


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
