"""A journal that another process has locked: the loop that all runs of a process share goes on meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from claude_parallel.batch.envelope import Envelope
from claude_parallel.batch.responses import BatchState
from claude_parallel.engine.session import Session
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Failure
from claude_parallel.simulation.batch_transport import MemoryBatchApi
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.worker_threads import _DaemonThreads, finish_off_loop

from ..batch_worlds import Deadly, Killed, batch_world, frame_of
from ..worlds import world

TURNS = 100
"""How often the loop goes round while the journal is locked: a blocked one never would."""


def said_on_the_loop(session: Session, start: float = 0.0) -> list[str]:
    """Run a session, and return what the journal was asked or told on the event loop's own thread."""
    said: list[tuple[int, str]] = []
    session.journal._file.connection.set_trace_callback(lambda sql: said.append((threading.get_ident(), sql)))
    run_virtual(session.arun, start=start)
    assert any("INSERT INTO runs" in sql for _, sql in said)
    return [sql for thread, sql in said if thread == threading.get_ident()]


def test_a_live_run_asks_nothing_of_its_journal_on_the_event_loop(tmp_path: Path) -> None:
    """Writing waits for other processes, and reading for another thread that writes."""
    here, options = world(Profile(latency_seconds=1.0)), {"journal": tmp_path / "j.sqlite3", "progress": False}
    session = FrameMap(frame_of(20), "Say {t}", "response", options, environment=here.environment()).session()
    assert said_on_the_loop(session) == []


@pytest.mark.parametrize("batch", [True, "then-live"])
def test_nor_does_a_run_of_batches(batch: Any, tmp_path: Path) -> None:
    """Envelopes included: each is on record before its batch is created, and its batch right after."""
    here = batch_world(Profile(batch_seconds=600.0, batch_faults={"errored": 0.1}), max_requests=30)
    _, session = here.prepare(frame_of(80), batch=batch, journal=tmp_path / "j.sqlite3")
    assert said_on_the_loop(session) == []
    assert here.brain.ledger.batch_rows + here.brain.ledger.requests > 80


@pytest.mark.parametrize("point", ["before create", "after create", "results"])
def test_nor_one_that_looks_for_the_batch_of_a_dead_run(point: str, tmp_path: Path) -> None:
    """Found or not, and whether its id is known."""
    here, path, left = batch_world(), tmp_path / "j.sqlite3", tmp_path / "left.sqlite3"
    here.wrap = lambda door: Deadly(door, point, 0, path, left)
    with pytest.raises(Killed):
        here.map(frame_of(30), journal=path)
    here.wrap = lambda door: door
    prepared, session = here.prepare(frame_of(30), journal=left)
    assert said_on_the_loop(session, here.clock.seconds) == []
    assert prepared.result(session)["response_error"].isna().all()
    assert here.brain.ledger.paid_twice == 0


def test_while_the_journal_is_locked_the_event_loop_goes_round(tmp_path: Path) -> None:
    """From before the run, and each time that a batch is created: only the loop itself can give the lock back."""
    path = tmp_path / "j.sqlite3"
    here = batch_world(max_requests=30)
    prepared, session = here.prepare(frame_of(60), journal=path)
    locks = list[asyncio.Task[None]]()

    async def hold(locker: sqlite3.Connection) -> None:
        for _turn in range(TURNS):
            await asyncio.sleep(0)
        locker.execute("ROLLBACK")

    class Locking(MemoryBatchApi):
        async def create(self, envelope: Envelope) -> BatchState | Failure:
            """Create a batch, and lock the journal before anybody knows."""
            result = await super().create(envelope)
            lock()
            return result

    def lock() -> None:
        locker.execute("BEGIN IMMEDIATE")
        locks.append(asyncio.ensure_future(hold(locker)))

    def locking(door: Any) -> Any:
        door.__class__ = Locking
        return door

    async def main() -> None:
        lock()
        await session.arun()

    here.wrap = locking
    with closing(sqlite3.connect(path, isolation_level=None)) as locker:
        run_virtual(main)
    assert len(locks) == 3
    assert prepared.result(session)["response_error"].isna().all()


def test_what_is_written_has_been_written_when_a_cancelled_caller_goes_on() -> None:
    """Alone, it could come after what is to follow it, or after the file is closed."""
    may_end, written = threading.Event(), list[int]()

    def write() -> None:
        may_end.wait(10.0)
        written.append(1)

    async def main() -> None:
        writing = asyncio.ensure_future(finish_off_loop(write))
        for _turn in range(TURNS):
            await asyncio.sleep(0)
            writing.cancel()
        assert not writing.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await writing

    asyncio.run(main())
    assert written == [1]


def test_where_no_thread_can_be_started_blocking_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.12 starts none once the process is ending, and answers that land then are to be written."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    def fail() -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("claude_parallel.worker_threads._threads", _DaemonThreads())  # with none that is idle
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert asyncio.run(finish_off_loop(lambda: 7)) == 7
    with pytest.raises(OSError, match="full"):
        asyncio.run(finish_off_loop(fail))
