"""Several sessions as one run: one bar, one budget, one set of stop flags; each keeps a record of its own.

Sessions that go to the same account and model share their gate anyway. What the sessions are for, the caller knows.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from .. import bridge
from ..progress.bar import Clocks, NoBar, ProgressBar, choose_bar
from ..progress.stats import RunStats
from ..warning import warn
from .session import Session
from .to_end import Course, arun_to_end, run_to_end

_SUMS = (
    "done",
    "cost",
    "saved",
    "from_journal",
    "duplicates",
    "unpriced",
    "in_flight",
    "cache_hits",
    "cache_misses",
    "cache_saved",
)


class SessionGroup:
    """Sessions that run side by side.

    Parameters
    ----------
    sessions : sequence of Session
        At least one; made with the same `control`, and with one `budget` where there is one.
    """

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = tuple(sessions)
        self._first = self._sessions[0]
        self._stats = RunStats(total=sum(session.stats.total for session in self._sessions))

    def run(self) -> None:
        """Run all to their end, blocking; paints on the calling thread.

        A session that the API refuses is told by its rows and a warning: the others go on.

        Raises
        ------
        KeyboardInterrupt
            After an interrupt in a script, or at the third in a notebook.
        """
        if self._first.plan.settings.bridge == "nested":
            bridge.run_nested(self.arun)
            return
        bridge.advise_amap()
        run_to_end(self._course, self._first.control, self._bar())
        self._conclude()

    async def arun(self) -> None:
        """Run all to their end on the caller's own event loop; raises as :meth:`run` does."""
        await arun_to_end(self._course, self._first.control, self._bar())
        self._conclude()

    async def _work(self) -> None:
        """Let all work to their end, whatever becomes of one of them; then raise what is a bug."""
        ends = await asyncio.gather(*(session.work() for session in self._sessions), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    @property
    def _course(self) -> Course:
        return Course(self._work, self._finish, self._keep)

    def _bar(self) -> ProgressBar:
        wall_clock = self._first.environment.wall_clock
        shown = self._first.plan.settings.progress
        return _JointBar(
            self._stats,
            [session.stats for session in self._sessions],
            choose_bar(self._stats, progress=shown, clocks=Clocks(time.monotonic, wall_clock)),
        )

    def _finish(self, bar: ProgressBar) -> None:
        try:
            for session in self._sessions:
                session.finish(NoBar())
        except BaseException:  # nothing is kept then, and no file may stay open
            for session in self._sessions:
                session.journal.close()
            raise
        finally:
            bar.close()

    def _keep(self) -> None:
        """Put each on record, whatever becomes of the record of another one."""
        with ExitStack() as each:
            for session in reversed(self._sessions):
                each.callback(session.keep)

    def _conclude(self) -> None:
        for session in self._sessions:
            for message in session.warnings():
                warn(message)
        if self._first.control.interrupts and not bridge.is_interactive():
            raise KeyboardInterrupt


class _JointBar:
    """Shows the sum of several counts."""

    def __init__(self, sum_: RunStats, parts: Sequence[RunStats], bar: ProgressBar) -> None:
        self._sum = sum_
        self._parts = parts
        self._bar = bar

    def paint(self) -> None:
        """Add up, and show."""
        add_up(self._sum, self._parts)
        self._bar.paint()

    def close(self) -> None:
        """Show the final sum."""
        add_up(self._sum, self._parts)
        self._bar.close()


def add_up(total: RunStats, parts: Sequence[RunStats]) -> None:
    """Write into `total` what several runs have come to."""
    kinds = [tuple(part.kinds.items()) for part in parts]  # at one stroke each: engines count on meanwhile
    total.kinds = Counter({kind: 0 for items in kinds for kind, _count in items})
    for items in kinds:
        for kind, count in items:
            total.kinds[kind] += count
    for name in _SUMS:
        values = [getattr(part, name) for part in parts]
        setattr(total, name, sum(values[1:], values[0]))
    total.is_stopping = any(part.is_stopping for part in parts)
    total.is_simulated = any(part.is_simulated for part in parts)
    waiting = [part for part in parts if part.done < part.total]
    holds = bool(waiting) and all(part.waiting_for for part in waiting)  # one that goes on is not waiting
    total.waiting_for = waiting[0].waiting_for if holds else ""
    ends = [part.paused_until for part in waiting if part.paused_until is not None]
    total.paused_until = min(ends) if holds and len(ends) == len(waiting) else None
    outages = [part.outage_since for part in waiting if part.outage_since is not None]
    total.outage_since = min(outages) if holds and len(outages) == len(waiting) else None
