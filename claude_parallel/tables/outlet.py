"""Outcomes leave a run in the order of the rows: a chunk that is complete is written while others run.

One chunk at a time is put on record and written, on another thread, so that answers are read on meanwhile, however slow
the disk is. Where it goes is the target's business.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ..engine.context import RunState
from ..engine.results import Results
from ..records import Outcome
from ..worker_threads import off_loop
from .kind import Answers
from .manifest import Tally
from .stream import Loaded, StreamRows
from .target import Target, unwritable

Record = Callable[[int, Sequence[bytes | None], Sequence[Outcome]], None]


@dataclass(frozen=True, slots=True)
class _Complete:
    """A chunk that has all of its outcomes."""

    loaded: Loaded
    first: int
    fingerprints: Sequence[bytes | None]
    outcomes: Sequence[Outcome]


class Outlet:
    """Writes what a run has completed.

    Parameters
    ----------
    rows : StreamRows
        The window of rows.
    results : Results
        Their outcomes.
    answers : Answers
        Makes the new columns.
    target : Target
        Gets the chunks.
    record : callable
        (first position, fingerprints, outcomes): keeps them in the run's record.
    state : RunState
        Says whether the run goes on.
    run_id : str
        The run.
    unread : callable
        As in ``TableKind``.
    """

    def __init__(
        self,
        rows: StreamRows,
        results: Results,
        answers: Answers,
        target: Target,
        *,
        record: Record,
        state: RunState,
        run_id: str = "",
        unread: Callable[[], int] = lambda: 0,
    ) -> None:
        self.unread = unread
        self._run_id = run_id
        self.tally = Tally()
        self._rows = rows
        self._results = results
        self._answers = answers
        self._target = target
        self._record = record
        self._samples = answers.columns.samples
        self._due: deque[_Complete] = deque()
        self._turn = threading.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._room = asyncio.Event()
        self._state = state
        self.is_closed = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Outlet: {self.tally.rows:,} rows written>"

    @property
    def loaded(self) -> int:
        """How many rows were read in all, those without an outcome included."""
        return self._rows.loaded

    def drain(self) -> None:
        """Take every chunk at the head of the window that has all of its outcomes; none once the run is refused.

        They are written beside the event loop; where none runs any more, by :meth:`settle`.

        Raises
        ------
        InputError
            When the target cannot be written to.
        """
        self._raise_failure()
        while not (self.is_closed or self._is_refused) and (loaded := self._rows.oldest()) is not None:
            if self._results.ready < loaded.stop * self._samples:
                break
            first = self._results.base
            self._due.append(_Complete(loaded, first, *self._results.take(loaded.stop * self._samples)))
            self._rows.hand_over()
        if self._due and self._writing is None and not self._is_over:
            self._writing = asyncio.get_running_loop().create_task(self._write_beside())
        if self._is_refused:
            self._room.set()  # who waits for room learns that there will be none

    def is_full(self, start: int) -> bool:
        """Say whether the window has no room for the rows from `start` on."""
        return not self._rows.holds(start) and self._rows.is_full

    async def has_room(self, start: int) -> bool:
        """Wait until the window has room for the rows from `start` on; False when the run was refused as a whole."""
        self._raise_failure()  # it may have come while nobody waited here
        while not self._is_refused and self.is_full(start):
            self._room.clear()
            await self._room.wait()
            self._raise_failure()
        return not self._is_refused

    @property
    def _is_refused(self) -> bool:
        """True once the API refused the whole run: no file of errors is made of it. A spent budget is no refusal."""
        stop = self._state.stop
        return stop is not None and stop.kind != "budget"

    async def written(self) -> None:
        """Wait until all that was complete is written: from now on nothing is written beside the loop."""
        self._is_over = True
        if self._writing is not None:
            await self._writing
        self._raise_failure()

    def settle(self) -> None:
        """Write what is complete and not written yet, blocking; after a failure nothing more, there would be a hole."""
        while self._write_next():
            pass
        self._raise_failure()

    def close(self) -> None:
        """Write what is complete, and nothing more."""
        self.is_closed = True
        self.settle()

    async def _write_beside(self) -> None:
        try:
            # Asked here and not in the thread: what is taken out until its news arrives is not to wait for others.
            while self._due and self._failure is None:
                await off_loop(self._write_next)
                self._room.set()
        finally:
            self._writing = None

    def _write_next(self) -> bool:
        """Put the next complete chunk on record and write it; False where there is none."""
        with self._turn:
            if not self._due or self._failure is not None:
                return False
            try:
                self._write(self._due.popleft())
            except BaseException as error:
                self._failure = error
                return False
            self._rows.let_go()
            return True

    def _write(self, complete: _Complete) -> None:
        loaded, outcomes = complete.loaded, complete.outcomes
        self._record(complete.first, complete.fingerprints, outcomes)
        tally = Tally.of(outcomes, self._answers.columns, self._run_id)
        self._target.write(loaded.number, loaded.chunk, self._answers.table(outcomes), tally)
        self.tally += tally

    def _raise_failure(self) -> None:
        if isinstance(self._failure, OSError | pa.ArrowException):
            raise unwritable(self._failure) from self._failure
        if self._failure is not None:
            raise self._failure
