"""What holds a run back at this moment: shown while it lasts, put on record after it.

A pause or an outage at the gate goes before whatever else the run was about to wait for. When to wait is decided by the
dispatcher, the words stand in ``progress``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..limits.gate import Gate, GateStatus
from ..progress.waits import WaitReason, outage_words
from .context import RunContext

_LOG = logging.getLogger("claude_parallel")


class Holds:
    """What one run waits for.

    Parameters
    ----------
    run : RunContext
        Shows it, and keeps it.
    gate : Gate
        Knows of pauses and outages.
    """

    def __init__(self, run: RunContext, gate: Gate) -> None:
        self._run = run
        self._gate = gate
        self._outage_since: float | None = None

    @contextmanager
    def during(self, reason: WaitReason, *, has_more: bool) -> Iterator[None]:
        """Show what holds the run back for the length of a block, and put its length on record at the end.

        Parameters
        ----------
        reason : WaitReason
            What the run waits for, if nothing at the gate holds it.
        has_more : bool
            False where all is sent: then neither a pause nor an outage holds anything back.
        """
        run, started = self._run, self._run.clock()
        status = self._gate.status(started)
        is_outage = has_more and status.outage_seconds is not None
        held = status.pause_seconds if has_more else 0.0
        self._show(status.pause_reason if is_outage or held else reason, held, status)
        try:
            yield
        finally:
            seconds = run.clock() - started
            paused = seconds if is_outage else min(seconds, held)
            if paused:
                self._keep(status.pause_reason, seconds, paused)
            if seconds > paused and reason is not WaitReason.ANSWERS:
                run.state.note_wait(reason, seconds - paused)
            run.stats.waiting_for, run.stats.paused_until, run.stats.outage_since = "", None, None

    def _show(self, reason: WaitReason, held: float, status: GateStatus) -> None:
        run, now = self._run, self._run.wall_clock()
        run.stats.waiting_for = reason
        run.stats.paused_until = now + held if held else None
        run.stats.outage_since = None if status.outage_seconds is None else now - status.outage_seconds
        self._log_outage(status, now)

    def _log_outage(self, status: GateStatus, now: float) -> None:
        """Log an outage when it is first seen, and when it is over."""
        if status.outage_seconds is not None and self._outage_since is None:
            since = self._outage_since = now - status.outage_seconds
            retry_at = now + status.pause_seconds if status.pause_seconds else None
            _LOG.info("%s", outage_words(status.pause_reason, since, retry_at, now))
        elif status.outage_seconds is None and self._outage_since is not None:
            _LOG.info("the API answers again after %.0f s", now - self._outage_since)
            self._outage_since = None

    def _keep(self, reason: WaitReason, seconds: float, paused: float) -> None:
        run, wall = self._run, self._run.wall_clock()
        run.state.note_wait(reason, paused)
        began = wall - seconds
        run.journal.keep_wait(run.run_id, began, began + paused, reason)
