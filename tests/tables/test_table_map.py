"""One run over a stream: in order, in a window, gone on with, through live calls and batches alike."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.engine.session import Session
from claude_parallel.errors import InputError, RowFailed, RunStopped
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile, tier_limits
from claude_parallel.store.claims import ClaimBook
from claude_parallel.store.journal import Journal
from claude_parallel.tables import stream
from claude_parallel.tables.arrow_source import ArrowSource, table_source
from claude_parallel.tables.key_set import KeySet
from claude_parallel.tables.manifest import Tally
from claude_parallel.tables.result import TableResult
from claude_parallel.tables.table_map import TableMap
from tests.batch_worlds import batch_world
from tests.tables.tables_world import Kept, map_file, map_table
from tests.worlds import frame_of, world

quick = settings(max_examples=25, deadline=None)


def table_of(rows: int) -> Any:
    """Return a table of different texts."""
    return pa.table({"t": [f"row {number}" for number in range(rows)]})


@pytest.mark.parametrize("account", [world, batch_world])
def test_a_stream_says_what_a_frame_says(account: Any) -> None:
    """Rows, order, errors and costs, live and in batches; chunks are written as they are complete."""
    frame = frame_of(50, text="row {}")
    frame.loc[3, "t"] = None
    frame.loc[[10, 49], "t"] = frame.loc[5, "t"]
    expected = account().map(frame, "Say {t}", out="said") if account is world else _batched(frame)
    here = account()
    result, kept = map_table(here, pa.Table.from_pandas(frame), chunk_rows=7, batch=account is batch_world)

    assert kept.ending == "complete"
    assert len(kept.tables) == 8
    for name in ("said", "said_error", "said_cost"):
        made = [row[name] for row in kept.rows]
        assert made == [None if pd.isna(value) else value for value in expected[name].tolist()]
    assert (result.rows, result.fates.skipped, result.is_complete) == (50, 1, True)
    assert float(result.cost_usd) == pytest.approx(sum(row["said_cost"] for row in kept.rows))
    assert here.session is not None
    assert here.session.stats.done == 50


def _batched(frame: Any) -> Any:
    made = batch_world().map(frame, "Say {t}")
    return made.rename(columns={name: name.replace("response", "said") for name in made.columns})


@quick
@given(rows=st.integers(0, 40), chunk=st.integers(1, 12), copies=st.integers(1, 40), seed=st.integers(0, 5))
def test_any_cut_of_any_stream_gives_the_same(rows: int, chunk: int, copies: int, seed: int) -> None:
    """A question that comes again behind the window is answered by the journal, though it is off for the user."""
    profile = Profile(faults={"rate_limit": 0.1, "refusal": 0.1})
    table = pa.table({"t": [f"row {number % copies}" for number in range(rows)]})
    here = world(profile, seed=seed)
    _result, kept = map_table(here, table, chunk_rows=chunk)

    assert [row["t"] for row in kept.rows] == table.column("t").to_pylist()
    assert len({(row["t"], row["said"], row["said_error"]) for row in kept.rows}) == min(rows, copies)
    assert here.brain.ledger.paid_twice == 0


def test_no_more_than_the_window_lies_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the row at the head is."""
    monkeypatch.setattr(stream, "WINDOW_ROWS", 60)
    read: list[int] = []
    ahead: list[int] = []
    kept = Kept()

    def batches() -> Iterator[Any]:
        for number in range(100):
            read.append(number)
            ahead.append(10 * (len(read) - len(kept.tables)))
            yield pa.table({"t": [f"row {10 * number + row}" for row in range(10)]})

    source = ArrowSource(table_of(1).schema, batches)
    result, kept = map_table(world(Profile(latency_seconds=1.0)), source, chunk_rows=10, kept=kept)

    assert result.rows == 1_000
    assert [row["t"] for row in kept.rows] == table_of(1_000).column("t").to_pylist()
    assert max(ahead) <= 60 + 20  # a chunk that is being read, and one that is being written


def test_finished_chunks_are_passed_over() -> None:
    """Nothing is asked for them, and the others keep their numbers."""
    here = world()
    kept = Kept(finished_parts={0: Tally(4, {"refusal": 1}), 2: Tally(4)})
    result, kept = map_table(here, table_of(10), chunk_rows=4, kept=kept)

    assert [row["t"] for row in kept.rows] == ["row 4", "row 5", "row 6", "row 7"]
    assert (result.rows, result.errors) == (12, 1)


def test_finished_chunks_count_once_however_often_the_source_is_read() -> None:
    """Batches read it twice."""
    here = batch_world()
    kept = Kept(finished_parts={0: Tally(4, {"server": 1})})
    result, _kept = map_table(here, table_of(12), chunk_rows=4, kept=kept, batch=True)
    assert (result.rows, result.errors) == (12, 1)


def test_a_run_without_rows_needs_no_key() -> None:
    """Nor a call."""
    here = world()
    result, kept = map_table(here, table_of(0))

    assert (result.rows, result.run_id, kept.ending) == (0, None, "complete")
    assert here.session is None


def test_new_columns_have_their_types_from_the_first_row_on(tmp_path: Path) -> None:
    """Labels, numbers, lists and models; a chunk without any value has the same types."""
    schema = {"tone": Literal["good", "bad"], "score": int, "tags": list[str]}
    pq.write_table(pa.table({"t": [None, None, "a", "b"]}), tmp_path / "in.parquet")
    map_file(world(), tmp_path / "in.parquet", tmp_path / "out.parquet", schema=schema, chunk_rows=2)
    found = pq.read_table(tmp_path / "out.parquet")

    assert found.schema.field("tone").type == pa.dictionary(pa.int32(), pa.string())
    assert found.schema.field("score").type == pa.int64()
    assert pa.types.is_list(found.schema.field("tags").type)
    assert found.column("score").null_count == 2
    assert set(found.column("tone").to_pylist()) <= {None, "good", "bad"}


def test_a_killed_run_goes_on_and_pays_for_the_rest_only(tmp_path: Path) -> None:
    """Parts that are complete are not written again."""
    profile = Profile(output_tokens=80)
    here = world(profile)
    source, target, journal = tmp_path / "in.csv", f"{tmp_path}/out/", tmp_path / "journal.sqlite"
    source.write_text("t\n" + "".join(f"row {number}\n" for number in range(30)))
    options: dict[str, Any] = {"chunk_rows": 10, "journal": journal}
    whole_cost = float(map_file(world(profile), source, tmp_path / "whole.csv", max_tokens=100).cost_usd)
    with pytest.warns(UserWarning, match="budget"):
        first = map_file(here, source, target, budget=0.7 * whole_cost, max_tokens=100, max_concurrency=1, **options)
    whole = {path: path.stat().st_mtime_ns for path in [Path(target, "part-000000.csv")]}
    second = map_file(here, source, target, max_tokens=100, **options)
    third = map_file(here, source, target, max_tokens=100, **options)

    assert first.fates.cancelled > 0
    assert first.fates.answered >= 10
    assert (second.fates.answered, second.rows) == (30, 30)
    assert third.cost_usd == 0
    assert third.run_id is None
    assert here.brain.ledger.paid_twice == 0
    assert {path: path.stat().st_mtime_ns for path in whole} == whole


@pytest.mark.parametrize("target", ["out.csv", "out/"])
def test_a_refused_run_writes_no_file_of_errors(tmp_path: Path, target: str) -> None:
    """A spent credit ends the run; what was answered by then is for the next one."""
    (tmp_path / "in.csv").write_text("t\n" + "".join(f"row {number}\n" for number in range(30)))
    here = world(Profile(credit_after=1, latency_seconds=1.0))
    with pytest.warns(UserWarning, match="billing"):
        result = map_file(here, tmp_path / "in.csv", f"{tmp_path}/{target}", chunk_rows=10)

    assert not result.is_complete
    assert "run it again to go on" in repr(result)
    assert not list(tmp_path.rglob("out.csv")) and not list(tmp_path.rglob("part*"))
    with pytest.raises(RunStopped):
        map_file(here, tmp_path / "in.csv", f"{tmp_path}/{target}", chunk_rows=10)


def test_a_run_that_is_refused_while_its_window_is_full_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for no room, which nothing would make: refused rows are not written."""
    monkeypatch.setattr(stream, "WINDOW_ROWS", 60)
    here = world(Profile(credit_after=200, latency_seconds=1.0))
    with pytest.warns(UserWarning, match="billing"):
        result, kept = map_table(here, table_of(1_000), chunk_rows=10)

    assert (result.is_complete, kept.ending) == (False, "abandoned")
    assert 0 < result.rows == len(kept.rows) <= 200
    assert result.errors == 0


def test_a_full_window_does_not_wait_for_ever_for_rows_that_another_run_has_claimed_since(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The row at its head was taken back while the run waited for room, which only this row's answer makes."""
    monkeypatch.setattr(stream, "WINDOW_ROWS", 10)
    here, kept, path = world(Profile(latency_seconds=1.0, jitter_sigma=0.0)), Kept(), tmp_path / "j.sqlite3"
    source = ArrowSource(table_of(1).schema, lambda: iter([table_of(40)]))
    options = {"journal": path, "progress": False, "max_concurrency": 1}
    prepared = TableMap(source, "Say {t}", "said", options, environment=here.environment(), chunk_rows=10)

    async def main() -> Any:
        task = asyncio.ensure_future(prepared.arun(lambda _job: kept))
        await asyncio.sleep(5.5)
        journal = Journal.open(path)
        other, now = ClaimBook(journal, "r-other"), here.environment().wall_clock
        other.take([key for (key,) in journal.query("SELECT fingerprint FROM claims")], now() + 60.0)
        for _second in range(10):
            other.renew(now())
            await asyncio.sleep(1.0)
        other.release_all()
        journal.close()
        async with asyncio.timeout(600.0):
            return await task

    result = run_virtual(main)

    assert (result.is_complete, len(kept.rows), len(here.brain.ledger.paid)) == (True, 40, 40)


def test_a_lone_row_at_the_head_of_a_full_window_waits_for_nobody_to_share_its_prefix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The journal has the others; whether one more follows is not known before this one has made room."""
    monkeypatch.setattr(stream, "WINDOW_ROWS", 60)
    here, kept = world(Profile(latency_seconds=1.0)), Kept()
    options = {"journal": tmp_path / "j.sqlite3", "progress": False, "system": "Be kind. " * 4_000}
    map_table(here, table_of(200).slice(1), chunk_rows=10, **options)
    prepared = TableMap(
        ArrowSource(table_of(1).schema, lambda: iter([table_of(200)])),
        "Say {t}",
        "said",
        options,
        environment=here.environment(),
        chunk_rows=10,
    )

    async def main() -> Any:
        async with asyncio.timeout(600.0):
            return await prepared.arun(lambda _job: kept)

    result = run_virtual(main, start=here.clock.seconds + 3_600.0)

    assert (result.is_complete, len(kept.rows), here.brain.ledger.requests) == (True, 200, 200)


def test_the_first_failed_row_can_end_the_run(tmp_path: Path) -> None:
    """With on_error="raise", and its number; nothing is left beside the target."""
    (tmp_path / "in.csv").write_text("t\na\nb\nc\n")
    with pytest.raises(RowFailed, match="row 1"):
        map_file(
            world(),
            tmp_path / "in.csv",
            tmp_path / "out.csv",
            lambda row: row["t"] if row["t"] != "b" else 1,
            on_error="raise",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


class SmallFile(MemoryFile):
    """A file on a disk that has room for some bytes."""

    room = 0

    def write(self, data: Any) -> int:
        """Write, or say that the disk is full."""
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(super().write(data))


class SmallDisk(MemoryFileSystem):
    """A disk in memory that is soon full."""

    protocol = "smalldisk"

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" not in mode:
            return super()._open(path, mode, **options)
        file = SmallFile(self, path)
        file.commit()
        return file


@pytest.mark.parametrize(
    ("name", "room", "calls", "words"),
    [
        ("out.csv", 1, 0, "out.csv cannot be written to: .*No space left"),
        ("out.csv", 200, 20, "the target cannot be written to .*No space left.* so run it again once that is mended"),
        ("out.parquet", 200, 20, "the target cannot be written to .*No space left.* so run it again once that is"),
    ],
)
def test_a_disk_that_is_full_is_told_in_one_line_and_keeps_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, room: int, calls: int, words: str
) -> None:
    """At the head of a file, in the middle, and at its end: a small Parquet file is written when it is closed."""
    fsspec.register_implementation("smalldisk", SmallDisk, clobber=True)
    source, journal, target = tmp_path / "in.csv", tmp_path / "journal.sqlite", f"smalldisk://{tmp_path.name}/{name}"
    source.write_text("t\n" + "\n".join(f"row {number}" for number in range(20)))
    here = world()
    monkeypatch.setattr(SmallFile, "room", room)
    with pytest.raises(InputError, match=words):
        map_file(here, source, target, journal=journal)
    assert here.brain.ledger.requests == calls
    assert [path for path in SmallDisk.store if tmp_path.name in path] == []

    monkeypatch.setattr(SmallFile, "room", 10_000)
    assert map_file(here, source, target, journal=journal).fates.answered == 20
    assert here.brain.ledger.requests == 20


def test_a_source_that_breaks_off_loses_nothing(tmp_path: Path) -> None:
    """What was answered is in the journal; the file says where it is broken."""
    source, journal = tmp_path / "in.jsonl", tmp_path / "journal.sqlite"
    lines = [json.dumps({"t": f"row {number}"}) for number in range(1_200)]
    source.write_text("\n".join([*lines, "{broken"]))
    here = world(Profile(latency_seconds=0.01))
    with pytest.raises(InputError, match="line 1201, is not valid JSON"):
        map_file(here, source, tmp_path / "out.jsonl", chunk_rows=100, journal=journal)
    source.write_text("\n".join(lines))
    result = map_file(here, source, tmp_path / "out.jsonl", chunk_rows=100, journal=journal)

    assert result.fates.answered == 1_200
    assert here.session is not None
    assert here.session.stats.from_journal > 0


def test_batches_are_filled_across_chunks_and_all_sent_first() -> None:
    """Before one is collected: a million rows do not wait for each other."""
    here = batch_world(max_requests=25)
    result, kept = map_table(here, table_of(60), chunk_rows=10, batch=True)

    assert result.fates.answered == 60
    assert [row["t"] for row in kept.rows] == table_of(60).column("t").to_pylist()
    assert here.clock.seconds < 2 * 600.0


def test_a_budget_covers_the_rows_of_a_stream_in_batches_that_go_together() -> None:
    """It is planned over all of them; and rows whose number nobody knew are counted as they come."""
    here = batch_world(max_requests=25)
    table = table_of(60)
    source = ArrowSource(table.schema, lambda: table.to_batches(max_chunksize=7))
    result, _kept = map_table(here, source, chunk_rows=10, batch=True, budget=10)

    assert result.fates.answered == 60
    assert here.clock.seconds < 2 * 600.0
    assert (here.session.stats.total, here.session.stats.done) == (60, 60)


@pytest.mark.parametrize("account", [world, batch_world])
def test_a_stream_with_several_draws_a_row_counts_its_rows(account: Any) -> None:
    """Live and in batches, also where nobody knew beforehand how many there are."""
    here = account()
    table = pa.table({"t": ["a", "b", "a", "c"]})
    source = ArrowSource(table.schema, lambda: table.to_batches(max_chunksize=1))
    map_table(here, source, chunk_rows=1, batch=account is batch_world, sample=2)

    stats = here.session.stats
    assert (stats.total, stats.done, stats.reached, stats.draws) == (4, 4, 4, 8)


@given(st.lists(st.binary(min_size=8, max_size=32)))
def test_a_set_of_keys_is_a_set(keys: list[bytes]) -> None:
    """By their first eight bytes; an empty slot is no key."""
    keys += [bytes(8), *(number.to_bytes(32, "big") for number in range(3))]
    found, expected = KeySet(), set()
    for key in keys:
        short = key[:8] if any(key[:8]) else b"\0\0\0\0\0\0\0\1"
        assert found.add(key) == (short not in expected)
        expected.add(short)
    assert len(found) == len(expected)


def test_a_set_of_keys_grows() -> None:
    """And holds what it held."""
    keys = [hashlib.sha256(str(number).encode()).digest() for number in range(10_000)]
    found = KeySet()
    assert all(map(found.add, keys))
    assert not any(map(found.add, keys))


def test_a_batch_that_errs_says_so_in_its_rows() -> None:
    """Also in the rows that ask the same, however far away."""
    table = pa.table({"t": ["a", "b", "a"]})
    here = batch_world()
    result, kept = map_table(here, table, lambda row: row["t"] if row["t"] == "a" else 1, chunk_rows=1, batch=True)

    assert [row["said_error"] is None for row in kept.rows] == [True, False, True]
    assert (result.errors, result.fates.answered) == (1, 2)
    assert [row["said_cost"] > 0 for row in kept.rows] == [True, False, False]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "Say {x}"}, "the prompt names the column 'x'"),
        ({"prompt": "Say {n}", "out": "n"}, "is read by the prompt"),
        ({"prompt": "n"}, "holds int64, not text"),
        ({"prompt": "Say {t:.2f}"}, "its cell is text: convert the column"),
        ({"images": "photo"}, "no column 'photo'"),
        ({"chunk_rows": 0}, "chunk_rows must be"),
        ({"limit": 1.5}, "limit must be"),
        ({"columns": ["x"]}, "columns: there is no column 'x'"),
        ({"labels": ["one"]}, "at least two"),
        ({"nonsense": 1}, "there is no option 'nonsense'"),
    ],
)
def test_what_cannot_work_is_told_first(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    """And nothing is written."""
    pq.write_table(pa.table({"t": ["a"], "n": [1]}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=words):
        map_file(world(), tmp_path / "in.parquet", tmp_path / "out.parquet", **options)
    assert not (tmp_path / "out.parquet").exists()


def test_the_first_rows_only(tmp_path: Path) -> None:
    """A limit that is no multiple of the chunk."""
    (tmp_path / "in.csv").write_text("t\n" + "".join(f"row {number}\n" for number in range(30)))
    result = map_file(world(), tmp_path / "in.csv", tmp_path / "out.csv", limit=12, chunk_rows=5)

    assert result.rows == 12
    assert (tmp_path / "out.csv").read_text().count("\n") == 13


def test_a_file_takes_no_longer_than_its_frame(tmp_path: Path) -> None:
    """Chunks do not end in tails: the makespan is at most 1.03 times that of the frame in memory."""
    profile = Profile(
        latency_seconds=2.0, jitter_sigma=0.5, limits=tier_limits("start"), faults={"overloaded": 0.02, "slow": 0.01}
    )
    frame = frame_of(1_500, text="row {}")
    frame.to_csv(tmp_path / "in.csv", index=False)
    in_memory, from_file = world(profile), world(profile)
    in_memory.map(frame, "Say {t}", out="said")
    map_file(from_file, tmp_path / "in.csv", tmp_path / "out.csv", chunk_rows=100)

    assert from_file.clock.seconds <= 1.03 * in_memory.clock.seconds


@dataclass
class SmallKept(Kept):
    """A target on a disk that is soon full, or waits for something."""

    chunks: float = math.inf
    wait: Callable[[], object] = lambda: None

    def write(self, number: int, chunk: Any, new: Any, tally: Tally) -> None:
        """Keep a chunk."""
        self.wait()
        if len(self.tables) >= self.chunks:
            raise OSError(28, "no space left on device")
        super().write(number, chunk, new, tally)


@pytest.mark.parametrize("slow", ["record", "write"])
def test_a_slow_disk_holds_up_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    """A chunk that is put on record or written for as long as there are calls: all of them are answered meanwhile."""
    answered, were_answered = threading.Event(), []
    record = Session.record

    def wait() -> None:
        were_answered.append(answered.wait(10.0))

    def slow_record(*given: Any) -> None:
        wait()
        record(*given)

    async def main(simulator: Any) -> TableResult:
        async def watch() -> None:
            while simulator.ledger.requests < 30:
                await asyncio.sleep(0.005)
            answered.set()

        watching = asyncio.create_task(watch())
        try:
            settings = {"journal": tmp_path / "journal.sqlite", "progress": False, "max_concurrency": 2}
            table = TableMap(table_source(table_of(30)), "Say {t}", "said", settings, chunk_rows=10)
            return await table.arun(lambda _job: kept)
        finally:
            watching.cancel()

    kept = SmallKept(wait=wait) if slow == "write" else SmallKept()
    if slow == "record":
        monkeypatch.setattr(Session, "record", slow_record)
    with cp.simulator(None, latency_seconds=0) as simulator:
        result = asyncio.run(main(simulator))

    assert result.is_complete
    assert [row["t"] for row in kept.rows] == table_of(30).column("t").to_pylist()
    assert were_answered and all(were_answered)


def test_what_is_complete_while_the_writer_ends_is_written_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its news comes late, all rows of the window are answered by then, and nothing else would start it again."""

    async def late(work: Callable[[], bool]) -> bool:
        found = work()
        await asyncio.sleep(0.0 if found else 60.0)
        return found

    monkeypatch.setattr("claude_parallel.tables.outlet.off_loop", late)
    monkeypatch.setattr(stream, "WINDOW_ROWS", 30)
    here, kept = world(Profile(latency_seconds=1.0)), Kept()
    table = TableMap(
        table_source(table_of(200)),
        "Say {t}",
        "said",
        {"journal": False, "progress": False, "max_concurrency": 2},
        environment=here.environment(),
        chunk_rows=10,
    )
    run_virtual(lambda: asyncio.wait_for(table.arun(lambda _job: kept), 3_600.0), start=here.clock.seconds)
    assert [row["t"] for row in kept.rows] == table_of(200).column("t").to_pylist()


def test_after_a_chunk_that_cannot_be_written_comes_no_other() -> None:
    """There would be a hole; what is answered is in the journal."""
    kept = SmallKept(chunks=1)
    with pytest.raises(InputError, match="no space left"):
        map_table(world(Profile(latency_seconds=0.1)), table_of(50), chunk_rows=10, kept=kept)
    assert (len(kept.tables), kept.ending) == (1, "abandoned")
