"""The gate's cases in memory, on virtual time: minutes of a run in a second, for tuning and for tests.

Plays the real engine against the simulator's brain, and compares the wall time with the bound that the server's own
buckets set. The same over real HTTP is in ``gate``.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from claude_parallel.engine.environment import Environment
from claude_parallel.engine.live import LiveCarrier
from claude_parallel.engine.plan import make_plan
from claude_parallel.engine.session import Session
from claude_parallel.limits.gate import Gate
from claude_parallel.options import resolve
from claude_parallel.records import Body, Failure, Reply
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.clock import LoopClock, run_virtual
from claude_parallel.simulation.profile import tier_limits
from claude_parallel.simulation.transport import MemoryTransport
from claude_parallel.simulation.wire import EPOCH, Exchange
from claude_parallel.store.journal import Journal

from .gate_cases import Case, Score, bound_seconds, cases, profile_of, sizes

_HEADERS = {"authorization": "Bearer other", "anthropic-version": "2026-10-21"}


class Prompts:
    """Rows of text whose sizes vary, made as they are needed."""

    rows_at_once = 500

    def __init__(self, rows: int, tokens: int, spread: float, seed: int) -> None:
        chance = random.Random(seed)
        low = 2 * tokens / (1 + spread)
        self._sizes = [round(chance.uniform(low, spread * low)) for _ in range(rows)]

    @property
    def total(self) -> int:
        """Return the number of rows."""
        return len(self._sizes)

    def reach(self, start: int) -> int:
        """Return the row behind the last one."""
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


def play(case: Case, seed: int = 0) -> Score:
    """Play one case to its end, on virtual time."""
    tokens_in, tokens_out = sizes(case)
    brain = Brain(profile_of(case, tokens_out), seed=seed)
    foreign: Counter[int] = Counter()
    gate = Gate(case.given)
    clock = LoopClock()

    transport = LateTransport(MemoryTransport(brain), case.uplink_seconds, random.Random(seed))
    environment = Environment(
        host="memory://simulator",
        open_transport=lambda _size, _timeout: transport,
        gate=gate,
        clock=clock,
        wall_clock=lambda: EPOCH + clock(),
        rng=random.Random(seed),
    )
    options = {"journal": False, "progress": False, "max_concurrency": case.max_concurrency, "limits": case.given}
    plan = make_plan(Prompts(case.rows, tokens_in, case.spread, seed), resolve(options), environment.host)
    session = Session(plan, LiveCarrier(environment), Journal.open(None))

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
        loop.call_later(exchange.end_seconds, _close, brain, exchange, loop)
        await asyncio.sleep(gap)


def _close(brain: Brain, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
    brain.close(exchange, loop.time())


def table(chosen: list[Case], seeds: int) -> None:
    """Print the worst of some seeds for each case."""
    print("| case | bound s | wall / bound | 429s of calls | rows lost | most in flight | within targets |")
    print("|---|---|---|---|---|---|---|")
    for case in chosen:
        scores = [play(case, seed) for seed in range(seeds)]
        ratio = max(score.ratio for score in scores)
        refused = 100 * max(score.refused_share for score in scores)
        failed = max(score.failed for score in scores)
        is_met = ratio <= 1.05 and refused <= 0.5 and not failed
        print(
            f"| {case.name} | {scores[0].bound_seconds:.1f} | {ratio:.3f} | {refused:.2f} % | {failed} | "
            f"{max(score.most_in_flight for score in scores)} | {'yes' if is_met else 'no'} |",
            flush=True,
        )


def run() -> None:
    """Print the whole table."""
    table(cases(), seeds=2)


if __name__ == "__main__":
    run()
