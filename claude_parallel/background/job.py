"""Maps in the background: a live run beside the other cells, or batches that are waited for.

A job of this process knows its frame. A batch of another process or machine is adopted by its id: its answers go into
the journal, so that the cell that asked for them costs nothing when it is run again.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import os
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import pandas as pd

from .. import bridge
from ..batch.carrier import BatchCarrier
from ..batch.responses import RESULTS_SECONDS, BatchState
from ..engine.dispatcher import GRACE_SECONDS
from ..engine.session import Session
from ..errors import FateCounts
from ..options import Settings
from ..progress.bar import Clocks, choose_bar
from ..progress.panel import show_panel
from ..progress.words import waiting
from ..records import ZERO
from ..text import format_usd
from .batch_by_id import AdoptedBatch, adopt, list_batches

_WAIT_SECONDS = 0.1
"""Waits are this short so that an interrupt comes through: Python cannot interrupt a lock that it waits for on
Windows."""


class Prepared(Protocol):
    """A map that a job can run: over a frame, or over a stream whose result is held somewhere."""

    @property
    def settings(self) -> Settings:
        """Its options."""
        ...

    def opened(self) -> AbstractContextManager[Session | None]:
        """Open a session to be run; None where an earlier run has left nothing to do."""
        ...

    def made(self) -> Any:
        """Return what ``map`` would have returned, once the session has ended."""
        ...

    def made_so_far(self) -> Any:
        """Return as much of it as there is."""
        ...


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job has come.

    Attributes
    ----------
    id : str
        The run's id.
    state : str
        ``"running"``, ``"done"``, ``"stopped"`` or ``"failed"``.
    rows, done, errors : int
        Rows of the frame, those that the job came to, those of them that failed.
    cost : Decimal
        US dollars so far.
    words : str
        What it is doing, or why it failed.
    batches : tuple of BatchState
        Batches under way, as the API showed them last.
    is_simulated : bool
        True where a simulator answers, so that the dollars are not real.
    """

    id: str
    state: str
    rows: int
    done: int
    errors: int
    cost: Decimal
    words: str = ""
    batches: tuple[BatchState, ...] = ()
    is_simulated: bool = False
    fates: FateCounts = field(default_factory=FateCounts)
    """Rows so far by what they came to: answered, failed, skipped, cancelled."""

    def __repr__(self) -> str:
        paid = f"{format_usd(self.cost)}{' simulated' if self.is_simulated else ''}"
        fates = {"failed": self.errors, "cancelled": self.fates.cancelled, "skipped": self.fates.skipped}
        others = "".join(f", {count:,} {word}" for word, count in fates.items() if count)
        words = [f"{self.state}, {self.fates.answered:,} of {self.rows:,} rows answered, {paid}{others}"]
        if self.words:
            words.append(self.words)
        if self.batches:
            until = min(batch.created for batch in self.batches) + RESULTS_SECONDS
            words.append("results can be read until " + time.strftime("%d %B", time.localtime(until)))
        return f"<job{' ' if self.id else ''}{self.id}: {'; '.join(words)}>"


class Job:
    """A map that runs in the background of this process; made by ``df.claude.submit``.

    Should the process end, live answers are in the journal and batches go on at the API: running the same cell again
    takes both up. A process that ends by itself (the end of a script, a kernel that is shut down) sends nothing more
    and waits for the calls in flight: up to 30 seconds, a kernel for the few that Jupyter gives it. Results of a batch
    can be read for 29 days.

    Parameters
    ----------
    prepared : FrameMap or another prepared map
        What to do.
    panel : bool
        Show a live panel in notebooks.

    Attributes
    ----------
    id : str
        The run's id, as in ``cp.runs()``; empty where an earlier run has left nothing to do.
    """

    def __init__(self, prepared: Prepared, *, panel: bool = True) -> None:
        self._prepared = prepared
        self._guard = contextlib.ExitStack()
        self._error: BaseException | None = None
        self._ended = threading.Event()
        with contextlib.ExitStack() as opening:
            self._session = opening.enter_context(prepared.opened())
            self._guard = opening.pop_all()
        self.id = self._session.run_id if self._session is not None else ""
        context = contextvars.copy_context()  # so that warnings and logs land where the caller's do
        self._thread = threading.Thread(target=context.run, args=(self._run,), name=f"job {self.id}", daemon=True)
        if self._session is None:
            self._run()
            return
        self._session.has_own_display = not panel
        self._begin(self._session, panel=panel and prepared.settings.progress)

    def _begin(self, session: Session, *, panel: bool) -> None:
        """Start, and show it; an interrupt meanwhile sends nothing more: nobody gets the job to stop it by."""
        asked = bridge.Control()
        try:
            with bridge.heard(asked):
                _running[self._thread] = session.control
                self._thread.start()
                self._show(session, asked, panel=panel)
        finally:
            if asked.interrupts:
                session.control.stop_sending()
        if asked.interrupts:
            raise KeyboardInterrupt

    def _show(self, session: Session, asked: bridge.Control, *, panel: bool) -> None:
        """Wait until batches are submitted, or somebody asked to stop; show how live calls come on."""
        carrier = session.carrier
        if isinstance(carrier, BatchCarrier):
            while not (asked.is_stopping or carrier.submitted.wait(_WAIT_SECONDS)):
                pass  # in short waits, so that an interrupt comes through
        elif panel:
            clocks = Clocks(time.monotonic, time.time)
            show_panel(choose_bar(session.stats, progress=True, clocks=clocks, control=session.control), self._ended)

    def __repr__(self) -> str:
        return repr(self.status())

    @staticmethod
    def adopt(batch_id: str, **options: Any) -> AdoptedBatch:
        """Return a batch by its id, whoever submitted it; see :class:`AdoptedBatch`.

        Parameters
        ----------
        batch_id : str
            Such as ``msgbatch_...``, from ``cp.jobs()`` or the Claude Console.
        **options
            ``journal``, ``client`` and ``timeout`` as in ``df.claude.map``.
        """
        return adopt(batch_id, options)

    def status(self) -> JobStatus:
        """Return how far the job has come; never waits."""
        session = self._session
        if session is None:
            return JobStatus("", "done", 0, 0, 0, ZERO, "an earlier run has left nothing to do")
        stats = session.stats
        state = "running"
        if self._ended.is_set():
            state = "done" if session.is_whole else "stopped"
        words = waiting(stats, session.environment.wall_clock()) if state == "running" else ""
        if self._error is not None:
            state, words = "failed", str(self._error)
        batches = session.carrier.batches if isinstance(session.carrier, BatchCarrier) else ()
        return JobStatus(
            self.id,
            state,
            stats.total,
            stats.reached,
            stats.fates.failed,
            stats.cost,
            words,
            batches,
            stats.is_simulated,
            stats.fates,
        )

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until the job has ended, or for `timeout` seconds, and return its status; an interrupt ends the wait."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._ended.wait(_WAIT_SECONDS if until is None else min(_WAIT_SECONDS, _left(until))):
            if until is not None and time.monotonic() >= until:
                break
        return self.status()

    def result(self) -> Any:
        """Wait for the end, and return what ``map`` would have returned.

        Raises
        ------
        RunStopped, RowFailed
            As ``df.claude.map``.
        """
        self.wait()
        if self._session is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._prepared.made()

    def partial(self) -> Any:
        """Return the frame (or series) as it is now; rows still on their way have neither a response nor an error.

        Of a query or a Dask frame, the rows whose chunks (or partitions) are complete.
        """
        if self._ended.is_set() and self._error is None:
            return self.result()
        return self._prepared.made_so_far()

    def stop(self) -> None:
        """Send nothing more. Calls in flight may land; a batch goes on at the API, and the next run collects it."""
        if self._session is not None:
            self._session.control.request_stop()

    def cancel(self) -> None:
        """Cancel what is under way: batches at the API (what they have finished is kept), calls in flight at once."""
        if self._session is not None and isinstance(self._session.carrier, BatchCarrier):
            self._session.carrier.cancel()
            return
        self.stop()
        self.stop()

    def _run(self) -> None:
        try:
            with self._guard:
                if self._session is not None:
                    self._session.run()
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()
            _running.pop(self._thread, None)


_running: dict[threading.Thread, bridge.Control] = {}
"""The threads of the jobs under way, and what stops them."""


def _land_all() -> None:
    """Let calls in flight land before the process ends: they are billed, and the next run would pay for them again."""
    running = dict(_running)
    for control in running.values():
        control.stop_sending()
    until = time.monotonic() + GRACE_SECONDS
    for thread in running:
        thread.join(_left(until))


atexit.register(_land_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.clear)  # a forked child has none of its parent's threads


def jobs(*, limit: int = 100, **options: Any) -> pd.DataFrame:
    """Return the batches that the journal knows and those that the API lists, newest first.

    Parameters
    ----------
    limit : int, default 100
        How many of the API's batches to ask for, 1,000 at most; the API keeps results for 29 days and lists batches
        for longer.
    **options
        ``journal``, ``client`` and ``timeout`` as in ``df.claude.map``.

    Returns
    -------
    DataFrame
        Index: the batch's id (or the envelope's, where none is known). ``state`` (the API's word, else the journal's),
        ``rows``, ``succeeded``, ``errored``, ``canceled``, ``expired``, ``created``, ``ended``, ``readable_until``,
        ``run`` and ``envelope`` (missing for batches of another journal).
    """
    return list_batches(limit, options)


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())
