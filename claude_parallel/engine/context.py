"""What one run works with: what has happened to it so far, and everything that a carrier of its requests may use.

Values and names only. ``session`` fills them in; the dispatcher and the batches put them to work.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ..bridge import Control
from ..errors import Kind
from ..progress.stats import RunStats
from ..progress.waits import WaitReason
from ..records import Body, Request
from ..retry import RetryPolicy
from ..store.journal import Journal
from .accounting import Accounting


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a run sends nothing more: an error kind, words, and what to do where the kind's own hint would mislead."""

    kind: Kind
    message: str
    hint: str | None = None


@dataclass(slots=True)
class RunState:
    """What has happened to a run that its end has to tell.

    Attributes
    ----------
    stop : StopReason or None
        Why nothing more is sent; None when there is no such reason.
    waited : dict of WaitReason to float
        Seconds of waiting by reason.
    """

    stop: StopReason | None = None
    waited: dict[WaitReason, float] = field(default_factory=dict)

    def halt(self, kind: Kind, message: str, hint: str | None = None) -> None:
        """Send nothing more; the first reason stays."""
        if self.stop is None:
            self.stop = StopReason(kind, message, hint)

    @property
    def reason_for_the_rest(self) -> tuple[Kind, str, str | None]:
        """Kind of error, message and hint of rows that were never sent; None = the kind's own hint."""
        stop = self.stop or StopReason("cancelled", "the run was stopped")
        return stop.kind, f"not sent: {stop.message}", stop.hint

    def note_wait(self, reason: WaitReason, seconds: float) -> None:
        """Add to the time waited for a reason."""
        self.waited[reason] = self.waited.get(reason, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything that one run works with, however its requests travel.

    Attributes
    ----------
    run_id, host : str
        Names in the journal.
    journal : Journal
        Keeps answers, attempts and waits.
    accounting : Accounting
        What answers and failures cost, and what becomes of them.
    with_breakpoint : callable
        Request -> the wire body, with a cache breakpoint where the request has a prefix.
    policy : RetryPolicy
        How often to try again.
    control : Control
        The stop flags.
    stats : RunStats
        What the outside sees.
    state : RunState
        What has happened so far.
    clock, wall_clock : callable
        Seconds, monotonic; seconds since the epoch.
    rng : random.Random
        Jitter, and ids of envelopes.
    """

    run_id: str
    host: str
    journal: Journal
    accounting: Accounting
    with_breakpoint: Callable[[Request], Body]
    policy: RetryPolicy
    control: Control
    stats: RunStats
    state: RunState
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: random.Random

    def waited(self, reason: WaitReason, started: float) -> None:
        """Keep that the run waited for a reason from `started` (seconds of its clock) until now."""
        seconds = self.clock() - started
        self.state.note_wait(reason, seconds)
        wall = self.wall_clock()
        self.journal.keep_wait(self.run_id, wall - seconds, wall, reason)
