"""A life of one journal file: runs, crashes at any write, and resumes; no answer changes, none is bought twice."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Reply
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.store.journal import Journal
from claude_parallel.store.open_file import OpenFile

from ..worlds import World, world

HOST = "https://api.example"


class PowerCut(BaseException):
    """The process dies here."""


class DyingConnection(sqlite3.Connection):
    """A connection whose process dies at a given statement, before or in the middle of a transaction."""

    statements_left: float = float("inf")

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run one statement, unless the process is dead by then."""
        self.statements_left -= 1
        if self.statements_left < 0:
            raise PowerCut
        return super().execute(sql, parameters)


def answer_to(key: bytes, version: int) -> Reply:
    """Return an answer that no other one equals."""
    return Reply({"content": [{"type": "text", "text": f"{key!r} {version}"}], "usage": {}}, f"req_{version}", {})


class JournalLife(RuleBasedStateMachine):
    """What a journal says after each crash, against what it had said was on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.lives = itertools.count()
        self.durable: dict[bytes, Reply] = {}
        self.maybe: dict[bytes, list[Reply]] = {}
        self.versions = itertools.count()

    @initialize()
    def begin(self) -> None:
        """Open a file that is not there yet."""
        self.path = self.folder / "0.sqlite3"
        self.journal = self.open()

    def open(self) -> Journal:
        """Open the file with a connection that can die."""
        Journal.open(self.path).close()  # makes and migrates the tables
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, factory=DyingConnection)
        return Journal(OpenFile(connection, self.path))

    def die(self) -> None:
        """Leave without goodbye: another process finds the files as they are on disk at this moment."""
        successor = self.folder / f"{next(self.lives) + 1}.sqlite3"
        for ending in ("", "-wal"):  # -shm is only an index of the log, and is made anew
            source = self.path.with_name(self.path.name + ending)
            if source.exists():
                shutil.copyfile(source, successor.with_name(successor.name + ending))
        self.journal._file.connection.close()
        self.path = successor
        self.journal = self.open()
        for key, candidates in self.maybe.items():
            found = self.journal.recall([key]).get(key)
            if found is not None and found in candidates:
                self.durable[key] = found
        self.maybe.clear()

    @rule(keys=st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True))
    def ask(self, keys: Iterable[int]) -> None:
        """Keep answers the way the engine does: all in one turn of the loop, and wait until they are on disk."""
        answers = {bytes([key]): answer_to(bytes([key]), next(self.versions)) for key in keys}

        async def main() -> None:
            await asyncio.gather(*(self.journal.keep_answer(key, HOST, reply, 1.0) for key, reply in answers.items()))

        asyncio.run(main())
        self.durable.update(answers)

    @rule(key=st.integers(0, 30), after=st.integers(0, 7))
    def crash_while_writing(self, key: int, after: int) -> None:
        """Die at any statement of a write: what was on disk stays, what was not said to be there may be lost."""
        keys = [bytes([key]), bytes([(key + 1) % 31]), bytes([(key + 2) % 31])]
        answers = {name: answer_to(name, next(self.versions)) for name in keys}
        connection = self.journal._file.connection
        assert isinstance(connection, DyingConnection)
        connection.statements_left = after
        try:
            self.journal.keep_answers((name, HOST, reply, 1.0) for name, reply in answers.items())
            self.durable.update(answers)
        except PowerCut:
            self.maybe = {name: [reply] for name, reply in answers.items()}
        connection.statements_left = float("inf")
        self.die()

    @rule()
    def crash_between_writes(self) -> None:
        """Die while nothing is being written."""
        self.die()

    @rule()
    def close_and_reopen(self) -> None:
        """End a run as it should, and begin another."""
        self.journal.close()
        self.journal = self.open()

    @rule()
    def read_from_elsewhere(self) -> None:
        """Another process sees the same answers while this one has the file open."""
        other = Journal.open(self.path)
        assert other.recall(list(self.durable)) == self.durable
        other.close()

    @precondition(lambda self: hasattr(self, "journal"))
    @invariant()
    def nothing_is_lost_or_changed(self) -> None:
        """Every answer that was on disk is there, word for word."""
        assert self.journal.recall([bytes([key]) for key in range(31)]) == self.durable

    def teardown(self) -> None:
        """Remove the files."""
        self.journal._file.connection.close()
        shutil.rmtree(self.folder)


class ResumingRuns(RuleBasedStateMachine):
    """The same cell run again and again, killed at any moment: whole runs on virtual time over the real file."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "j.sqlite3"
        self.lives = itertools.count(1)
        self.account: World = world(
            Profile(latency_seconds=1.0, jitter_sigma=1.0, faults={"overloaded": 0.05, "refusal": 0.03})
        )
        self.cells = [f"cell {number}" for number in range(12)]
        self.said: dict[str, str] = {}
        self.allowed = 0

    def prepare(self) -> FrameMap:
        """Return the cell, ready to run."""
        options = {"journal": self.path, "progress": False, "max_concurrency": 6}
        return FrameMap(
            pd.DataFrame({"t": self.cells}), "Say {t}", "response", options, environment=self.account.environment()
        )

    @rule(seconds=st.floats(0.0, 6.0))
    def die_in_the_middle(self, seconds: float) -> None:
        """Kill a run after some seconds; what was in flight then may be paid again, nothing else."""
        session = self.prepare().session()

        async def main() -> None:
            running = asyncio.create_task(session.work())
            await asyncio.sleep(seconds)
            successor = self.folder / f"{next(self.lives)}.sqlite3"
            for ending in ("", "-wal"):
                source = self.path.with_name(self.path.name + ending)
                if source.exists():
                    shutil.copyfile(source, successor.with_name(successor.name + ending))
            ledger = self.account.brain.ledger
            self.allowed += ledger.in_flight - ledger.requests
            self.path = successor
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self.allowed += ledger.requests  # a cancelled loop may still send; a killed process cannot

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run_virtual(main)
        session.journal._file.close_alone()  # a thread may still be reading: SQLite would crash

    @rule()
    def finish(self) -> None:
        """Run the cell to its end."""
        prepared = self.prepare()
        out = run_virtual(prepared.arun)
        for cell, text in zip(self.cells, out["response"], strict=True):
            if pd.notna(text):
                assert self.said.setdefault(cell, str(text)) == str(text)
        before = self.account.brain.ledger.requests
        again = run_virtual(self.prepare().arun)
        assert self.account.brain.ledger.requests == before
        assert (again["response_cost"] == 0).all()

    @rule(more=st.integers(1, 4), seed=st.randoms(use_true_random=False))
    def grow_and_shuffle(self, more: int, seed: Any) -> None:
        """Add rows and change their order: only the new ones are asked."""
        self.cells += [f"cell {len(self.cells) + number}" for number in range(more)]
        seed.shuffle(self.cells)

    @invariant()
    def little_is_paid_twice(self) -> None:
        """Answers paid more than once are at most the calls that were in flight at the kills."""
        bodies = Counter(paid.digest for paid in self.account.brain.ledger.paid)
        assert sum(count - 1 for count in bodies.values()) <= self.allowed

    def teardown(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder)


TestJournalLife = JournalLife.TestCase
TestJournalLife.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestResumingRuns = ResumingRuns.TestCase
TestResumingRuns.settings = settings(max_examples=15, stateful_step_count=8, deadline=None)
