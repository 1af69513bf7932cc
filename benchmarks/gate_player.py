"""One world of the sweep, played on virtual time against a gate, or against a sender that sees the server's books.

A small discrete-event simulation: the gate, the retry rules and the load estimator are the package's own, the server is
the simulator's account; between them there is nothing but a heap of moments, so that 800 worlds take minutes.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from claude_parallel.errors import Kind
from claude_parallel.limits.gate import Ticket, Wait
from claude_parallel.limits.load import LoadEstimator
from claude_parallel.records import Dimension, Failure, Load, RateLimitStatus, RateLimitStatuses, Usage
from claude_parallel.retry import Again, RetryPolicy, judge_failure
from claude_parallel.simulation.limiter import Account
from claude_parallel.simulation.wire import Problem

from .gate_worlds import FAULT_SHARE, SLACK_SECONDS, World, is_named

REFUSAL_SECONDS = 0.05
OUTAGE_SECONDS = 20.0
LATE_SECONDS = 0.001
"""How late timers fire."""

SEND_SECONDS, SLICE_SECONDS = 0.0003, 0.003
"""What a send costs the client, and how long it sends without looking up."""

_DIMENSIONS: dict[str, Dimension] = {"requests": "requests", "input-tokens": "input", "output-tokens": "output"}


class Sender(Protocol):
    """Who says when a call goes: the gate, or a sender that sees more."""

    def admit(self, load: Load, now: float) -> Ticket | Wait:
        """Return a ticket, or how long to wait."""

    def settle(self, ticket: Ticket, real: Load, rate_limits: RateLimitStatuses, now: float) -> None:
        """Take an answer."""

    def fail(self, ticket: Ticket, failure: Failure, now: float) -> None:
        """Take a failure."""

    def is_outage(self, since: float) -> bool:
        """Say whether a failure of a call sent then is not its row's."""


@dataclass(slots=True)
class Row:
    """One row on its way."""

    number: int
    load: Load
    tokens_in: float
    tokens_out: float
    failures: list[Kind]


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a world.

    Attributes
    ----------
    seconds, bound : float
        Until the last row was sent, and one latency; and the least that was possible.
    calls, refused, lost, in_flight : int
        HTTP calls, 429s, rows that failed for good, most calls in flight.
    into_outage : int
        Calls that arrived in the outage.
    is_late : bool
        Whether the run was behind its target already when the limits fell.
    """

    world: World
    seconds: float
    bound: float
    calls: int
    refused: int
    lost: int
    in_flight: int
    into_outage: int
    is_late: bool = False

    @property
    def target(self) -> float:
        """The seconds that are allowed."""
        return 1.05 * self.bound + self.grace

    @property
    def grace(self) -> float:
        """The seconds that are allowed beyond a multiple of the bound: the bound knows nothing of an outage."""
        outage = OUTAGE_SECONDS + 8.0 if self.world.event == "outage" else 0.0
        return 2 * self.world.latency + SLACK_SECONDS + outage

    @property
    def is_beyond(self) -> bool:
        """Whether the time is beyond a quarter more than the bound; no world may be that has no excuse."""
        return self.seconds > 1.25 * self.bound + self.grace and not is_named(self.world)

    @property
    def is_quick(self) -> bool:
        """Whether the time is within the target."""
        return self.seconds <= self.target and not self.is_late

    @property
    def is_quiet(self) -> bool:
        """Whether the 429s are within the target; where no header tells a limit, only refusals can."""
        share = 0.005 if self.world.policy.has_headers else 0.12
        return self.refused <= max(3, share * self.calls)

    @property
    def is_met(self) -> bool:
        """Whether the world's targets are."""
        return self.is_quick and self.is_quiet and not self.lost


class Player:
    """Plays one world to its end."""

    def __init__(self, world: World, gate: Sender) -> None:
        self.world, self.gate = world, gate
        self._chance = random.Random(world.seed)
        self.account = Account(world.profile(), 0.0, 0.0)
        self._estimator = LoadEstimator()
        self._policy = RetryPolicy()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._next = 0
        self._retries: list[tuple[float, int, Row]] = []
        self._wakes_at = math.inf
        self._now = self._last_sent = 0.0
        self._flying = self._done = 0
        self._busy = self._free_at = 0.0
        self.counts: Counter[str] = Counter()
        middle = max(5.0, 0.4 * world.bound_seconds())
        self.outage = (middle, middle + OUTAGE_SECONDS) if world.event == "outage" else (math.inf, math.inf)
        self.max_tokens = world.max_tokens * world.sizes[1]
        self._rows = list(self._make_rows())
        self._before_fall: tuple[float, float, list[float]] = (0, 0, [])
        self._is_late = False

    def play(self) -> Played:
        """Return what became of it."""
        if self.world.event == "fall":
            self._at(self.world.policy.changes[0].at - 1e-6, self._fall)
        self._pump()
        while self._events and self._done < len(self._rows):
            self._now, _, action, arguments = heapq.heappop(self._events)
            if self._now > 40_000:
                break
            action(*arguments)
            self._pump()
        counts, world = self.counts, self.world
        accepted = counts["calls"] - counts["refused"] - counts["outage"]
        return Played(
            world,
            seconds=self._last_sent + world.latency,
            bound=self._bound(max(accepted, world.rows)),
            is_late=self._is_late,
            calls=counts["calls"],
            refused=counts["refused"],
            lost=counts["lost"] + len(self._rows) - self._done,
            in_flight=counts["most"],
            into_outage=counts["outage"],
        )

    def _bound(self, rows: float) -> float:
        """Return the least seconds that were possible; from where the run was when the limits fell."""
        if self.world.event != "fall":
            return self.world.bound_seconds(rows)
        return self.world.bound_after_fall(*self._before_fall)

    def _fall(self) -> None:
        """Take note of how far the run is when the limits fall."""
        buckets = (self.account.requests, self.account.input, self.account.output)
        held = [bucket.level(self._now) for bucket in buckets if bucket is not None]
        if self.world.policy.output_counted == "reserved":  # what is reserved will be given back
            held[2] = max(0.0, held[2])
        self._before_fall = self.counts["accepted"], self._done, held
        plain = replace(self.world, policy=replace(self.world.policy, changes=()))
        bound = plain.bound_seconds(self.counts["accepted"])
        self._is_late = self._now + self.world.latency > 1.05 * bound + 2 * self.world.latency + SLACK_SECONDS

    def _make_rows(self) -> Any:
        tokens_in, tokens_out = self.world.sizes
        spread = 10.0 if self.world.event == "spread" else 1.2
        low = 2 / (1 + spread)
        for number in range(self.world.rows):
            size = self._chance.uniform(low, spread * low)
            weight = max(1.0, round(size * tokens_in))
            yield Row(number, Load(1.15 * weight, 0.0, self.max_tokens), weight, max(1.0, round(size * tokens_out)), [])

    def _at(self, moment: float, action: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (moment, next(self._order), action, arguments))

    def _pump(self) -> None:
        """Do as the dispatcher does: the next due retry, else the next row, until the gate says wait."""
        while self._now >= self._free_at:
            if self._retries and self._retries[0][0] <= self._now:
                row = self._retries[0][2]
            elif self._next < len(self._rows):
                row = self._rows[self._next]
            else:
                if self._retries:
                    self._wake(self._retries[0][0])
                return
            answer = self.gate.admit(self._estimator.weigh(row.load), self._now)
            if isinstance(answer, Wait):
                if answer.seconds != math.inf:
                    self._wake(self._now + answer.seconds)
                return
            if self._retries and self._retries[0][2] is row:
                heapq.heappop(self._retries)
            else:
                self._next += 1
            self._flying += 1
            self._busy += SEND_SECONDS
            self.counts["most"] = max(self.counts["most"], self._flying)
            self._send(row, answer)
            if self._busy > SLICE_SECONDS:
                self._free_at = self._now + self._busy
                self._wake(self._free_at)
                self._busy = 0.0

    def _send(self, row: Row, ticket: Ticket) -> None:
        uplink = self._chance.uniform(0, 0.05) if self.world.event == "reordering" else 0.002
        self._at(self._now + uplink, self._arrive, row, ticket, self._now)

    def _wake(self, moment: float) -> None:
        moment += self._chance.uniform(0, LATE_SECONDS)
        if moment < self._wakes_at:
            self._wakes_at = moment
            self._at(moment, self._woken, moment)

    def _woken(self, moment: float) -> None:
        if self._wakes_at == moment:
            self._wakes_at = math.inf

    def _arrive(self, row: Row, ticket: Ticket, sent: float) -> None:
        now, account = self._now, self.account
        self.counts["calls"] += 1
        back = now + min(REFUSAL_SECONDS, self.world.latency)
        if self.outage[0] <= now < self.outage[1]:
            self.counts["outage"] += 1
            self._at(back, self._fail, row, ticket, Failure("overloaded", "Overloaded", 529))
            return
        problem = account.admit(row.tokens_in, now, self.max_tokens)
        statuses = self._statuses(now)
        if problem is not None:
            self.counts["refused"] += 1
            self._at(back, self._fail, row, ticket, _failure(problem, statuses))
            return
        if self.world.event == "faults" and self._chance.random() < FAULT_SHARE:
            account.generated(0.0, now, self.max_tokens)
            self._at(back, self._fail, row, ticket, Failure("overloaded", "Overloaded", 529, rate_limits=statuses))
            return
        self.counts["accepted"] += 1
        pace = math.exp(self._chance.gauss(0.0, self.world.sigma))
        end = now + self.world.latency * min(max(pace, 0.1), 10.0)
        self._at(end, self._end, row, ticket, statuses, sent)

    def _end(self, row: Row, ticket: Ticket, statuses: Any, sent: float) -> None:
        now = self._now
        self.account.generated(row.tokens_out, now, self.max_tokens)
        if self.world.policy.headers_written == "end":
            statuses = self._statuses(now)
        self._flying -= 1
        self._done += 1
        self._last_sent = max(self._last_sent, sent)
        usage = Usage(input_tokens=int(row.tokens_in), output_tokens=int(row.tokens_out))
        self.gate.settle(ticket, self._estimator.learn(row.load, usage), statuses, now)

    def _fail(self, row: Row, ticket: Ticket, failure: Failure) -> None:
        now = self._now
        self._flying -= 1
        self.gate.fail(ticket, failure, now)
        is_outage = self.gate.is_outage(ticket.sent_at)
        verdict = judge_failure(failure, () if is_outage else row.failures, self._policy, self._chance)
        if not is_outage:
            row.failures.append(failure.kind)
        if isinstance(verdict, Again):
            heapq.heappush(self._retries, (now + verdict.wait_seconds, next(self._order), row))
            self._wake(now + verdict.wait_seconds)
            return
        self.counts["lost"] += 1
        self._done += 1

    def _statuses(self, now: float) -> dict[Dimension, RateLimitStatus]:
        told = self.account.statuses(now)
        return {_DIMENSIONS[name]: RateLimitStatus(limit, left) for name, (limit, left) in told.items()}


def _failure(problem: Problem, statuses: dict[Dimension, RateLimitStatus]) -> Failure:
    retry_after = problem.retry_after
    if retry_after is not None:
        retry_after = math.ceil(retry_after * 1_000) / 1_000
    return Failure(
        "rate_limit",
        problem.message,
        429,
        retry_after=retry_after,
        error_code=problem.error_code,
        rate_limits=statuses,
    )
