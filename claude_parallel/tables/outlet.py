"""Outcomes leave a run in the order of the rows: a chunk that is complete is written while others run.

One chunk at a time is written, by a thread of its own, so that answers are read on meanwhile. Where it goes is the
target's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from ..engine.context import RunState
from ..engine.results import Results
from ..records import Outcome
from .kind import Answers
from .manifest import Tally
from .stream import Loaded, StreamRows
from .target import Target, unwritable

Record = Callable[[int, Sequence[bytes | None], Sequence[Outcome]], None]


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
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="claude_parallel_writer")
        self._writing: Future[None] | None = None
        self._room = asyncio.Event()
        self._state = state
        self.is_closed = False

    def __repr__(self) -> str:
        return f"<Outlet: {self.tally.rows:,} rows written>"

    @property
    def loaded(self) -> int:
        """How many rows were read in all, those without an outcome included."""
        return self._rows.loaded

    def drain(self) -> None:
        """Write every chunk at the head of the window that has all of its outcomes; none once the run is refused.

        Raises
        ------
        InputError
            When the target cannot be written to.
        """
        while not (self.is_closed or self._is_refused) and (loaded := self._rows.oldest()) is not None:
            if self._results.ready < loaded.stop * self._samples:
                return
            first = self._results.base
            fingerprints, outcomes = self._results.take(loaded.stop * self._samples)
            self._record(first, fingerprints, outcomes)
            self._write(loaded, outcomes)
            self._rows.let_go()
            self._room.set()
        if self._is_refused:
            self._room.set()  # who waits for room learns that there will be none

    def is_full(self, start: int) -> bool:
        """Say whether the window has no room for the rows from `start` on."""
        return not self._rows.holds(start) and self._rows.is_full

    async def has_room(self, start: int) -> bool:
        """Wait until the window has room for the rows from `start` on; False when the run was refused as a whole."""
        while not self._is_refused and self.is_full(start):
            self._room.clear()
            await self._room.wait()
        return not self._is_refused

    @property
    def _is_refused(self) -> bool:
        """True once the API refused the whole run: no file of errors is made of it. A spent budget is no refusal."""
        stop = self._state.stop
        return stop is not None and stop.kind != "budget"

    def close(self) -> None:
        """Wait for the chunk that is being written; write no other."""
        self.is_closed = True
        try:
            self._wait()
        finally:
            self._writer.shutdown()

    def _write(self, loaded: Loaded, outcomes: Sequence[Outcome]) -> None:
        tally = Tally.of(outcomes, self._answers.columns, self._run_id)
        self.tally += tally
        self._wait()
        self._writing = self._writer.submit(self._send, loaded, outcomes, tally)

    def _send(self, loaded: Loaded, outcomes: Sequence[Outcome], tally: Tally) -> None:
        self._target.write(loaded.number, loaded.chunk, self._answers.table(outcomes), tally)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            writing.result()
        except (OSError, pa.ArrowException) as error:
            raise unwritable(error) from error
