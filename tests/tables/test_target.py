"""Targets: complete or not there, checked before the first call, and gone on with by the very same job."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from claude_parallel.errors import InputError
from claude_parallel.frames.columns import plan_columns
from claude_parallel.records import Outcome
from claude_parallel.tables.arrow_source import table_source
from claude_parallel.tables.chunk import TableChunk
from claude_parallel.tables.formats import Format, format_of
from claude_parallel.tables.manifest import Tally
from claude_parallel.tables.places import Place, place_of
from claude_parallel.tables.source import open_source
from claude_parallel.tables.target import FileTarget, Output, Target, check_target, open_target
from claude_parallel.tables.writers import Layout

NEW = pa.schema([("said", pa.string())])
TABLE = pa.table({"t": ["a", "b", "c"]})
JSON_LINES = Format("jsonl", None, ".jsonl")


def target(
    path: Path | str, *, job: str = "job", sources: tuple[Path | str, ...] = (), overwrite: bool = False
) -> Target:
    """Open a target of a small table."""
    output = Output(Layout(table_source(TABLE), NEW), job)
    return open_target(path, output, None, source=sources, overwrite=overwrite)


def write(goal: Target, number: int, *, kind: str = "server") -> None:
    """Write the table as one chunk, with an error in one row."""
    goal.write(number, TableChunk(TABLE), pa.table([["x"] * 3], schema=NEW), Tally(3, {kind: 1}))


def test_a_file_is_there_when_it_is_complete_and_not_before(tmp_path: Path) -> None:
    """Until then it stands beside itself under a hidden name."""
    path = tmp_path / "out.parquet"
    goal = target(path)
    write(goal, 0)
    assert not path.exists()
    goal.complete()

    assert pq.read_table(path).column("said").to_pylist() == ["x", "x", "x"]
    assert sorted(item.name for item in tmp_path.iterdir()) == [".out.parquet.job.json", "out.parquet"]


def test_an_abandoned_file_leaves_nothing(tmp_path: Path) -> None:
    """Its answers are in the journal."""
    goal = target(tmp_path / "out.csv")
    write(goal, 0)
    goal.abandon()

    assert list(tmp_path.iterdir()) == []


def test_a_complete_file_of_the_same_job_is_known(tmp_path: Path) -> None:
    """Nothing is written again; another job needs leave to overwrite."""
    first = target(tmp_path / "out.jsonl")
    write(first, 0)
    first.complete()

    assert target(tmp_path / "out.jsonl").tally_before == Tally(3, {"server": 1})
    with pytest.raises(InputError, match="--overwrite"):
        target(tmp_path / "out.jsonl", job="other")
    assert target(tmp_path / "out.jsonl", job="other", overwrite=True).tally_before is None


def test_a_file_with_rows_that_were_not_sent_is_made_again(tmp_path: Path) -> None:
    """A later run goes on with them."""
    first = target(tmp_path / "out.jsonl")
    write(first, 0, kind="budget")
    first.complete()

    assert target(tmp_path / "out.jsonl").tally_before is None


def test_a_part_that_is_complete_is_never_written_again(tmp_path: Path) -> None:
    """A part that lacks rows is; the manifest is hidden from readers of folders."""
    folder = tmp_path / "out"
    first = target(f"{folder}/")
    write(first, 0)
    write(first, 1, kind="cancelled")
    first.abandon()
    again = target(f"{folder}/")

    assert again.finished(0) == Tally(3, {"server": 1})
    assert again.finished(1) is None
    assert again.finished(2) is None
    assert len(pq.read_table(folder)) == 6


def test_a_folder_of_another_job_is_left_alone(tmp_path: Path) -> None:
    """Overwriting takes its parts away, but no file that no map has written."""
    folder = tmp_path / "out"
    write(target(f"{folder}/"), 0)
    with pytest.raises(InputError, match="another result"):
        target(f"{folder}/", job="other")
    assert target(f"{folder}/", job="other", overwrite=True).finished(0) is None
    assert not (folder / "part-000000.parquet").exists()

    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.txt"):
        target(f"{folder}/", job="third", overwrite=True)


def test_a_torn_manifest_vouches_for_nothing(tmp_path: Path) -> None:
    """The parts are then of no known job."""
    folder = tmp_path / "out"
    write(target(f"{folder}/"), 0)
    (folder / "_claude_parallel.json").write_text('{"job": "jo')
    with pytest.raises(InputError, match="another result"):
        target(f"{folder}/")


def test_the_source_is_never_the_target(tmp_path: Path) -> None:
    """Neither by another spelling, nor as a file of the target folder."""
    source = tmp_path / "in" / "a.parquet"
    source.parent.mkdir()
    pq.write_table(TABLE, source)
    (tmp_path / "link.parquet").symlink_to(source)
    for path in (source, tmp_path / "in" / ".." / "in" / "a.parquet", tmp_path / "link.parquet", f"{tmp_path}/in/"):
        with pytest.raises(InputError, match="is the source itself"):
            target(path, sources=(source,))
    assert pq.read_table(source).equals(TABLE)


@pytest.mark.parametrize(
    ("source", "path", "is_within"),
    [
        ("in", "in/out.parquet", True),
        ("in", "in/below/", True),
        ("in", "in/_out/", False),
        ("in", "out.parquet", False),
        ("in/*.parquet", "in/out.parquet", True),
        ("in/*.parquet", "in/out.csv", False),
        ("in/*.parquet", "in/below/", False),
        ("in/a*.parquet", "in/out.parquet", False),
        ("in/**/*.parquet", "in/below/", True),
        ("**/a*.parquet", "in/below/abc.parquet", True),
    ],
)
def test_a_target_is_not_read_as_input_next_time(tmp_path: Path, source: str, path: str, is_within: bool) -> None:
    """Refused at the first call, and not when it is there."""
    (tmp_path / "in" / "below").mkdir(parents=True)
    pq.write_table(TABLE, tmp_path / "in" / "a.parquet")
    if is_within:
        with pytest.raises(InputError, match="lies within the source"):
            target(f"{tmp_path}/{path}", sources=(f"{tmp_path}/{source}",))
    else:
        target(f"{tmp_path}/{path}", sources=(f"{tmp_path}/{source}",))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow"])
def test_a_folder_without_rows_can_be_read(tmp_path: Path, ending: str) -> None:
    """It has one part with all columns."""
    output = Output(Layout(table_source(TABLE), NEW), "job")
    goal = open_target(f"{tmp_path}/out/", output, format_of(f"in{ending}"), overwrite=False)
    goal.complete()
    (part,) = (tmp_path / "out").glob("part*")
    found = open_source(tmp_path / "out")
    assert part.name == f"part-000000{ending}"
    assert list(found.names) == [*TABLE.schema.names, *NEW.names]
    assert sum(len(chunk) for chunk in found.chunks(10, 1_000_000)) == 0


@pytest.mark.parametrize(
    ("path", "words"),
    [("missing/out.csv", "no folder"), ("missing/out/", "no folder"), ("out.xlsx", "no known ending")],
)
def test_what_is_known_to_fail_is_told(tmp_path: Path, path: str, words: str) -> None:
    """Before anything is asked."""
    with pytest.raises(InputError, match=words):
        target(f"{tmp_path}/{path}")


def test_a_type_that_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    """In one line."""
    table = pa.table({"t": pa.array([{}], pa.struct([]))})
    with pytest.raises(InputError, match="parquet files cannot hold"):
        open_target(tmp_path / "out.parquet", Output(Layout(table_source(table), NEW), "job"), None, overwrite=False)


def test_object_stores_go_through_fsspec() -> None:
    """A store in memory stands for all."""
    pytest.importorskip("fsspec")
    goal = target("memory://bucket/out.jsonl.gz")
    write(goal, 0)
    goal.complete()
    place = place_of("memory://bucket/out.jsonl.gz")
    with place.filesystem.open_input_stream(place.path) as stream:
        lines = stream.read().decode().splitlines()

    assert json.loads(lines[0]) == {"t": "a", "said": "x"}
    assert target("memory://bucket/out.jsonl.gz").tally_before is not None


def test_a_folder_behind_a_url_is_called_as_it_was_written() -> None:
    """With both slashes of its protocol."""
    assert place_of("memory://bucket/sub/out.csv").parent.shown == "memory://bucket/sub"
    assert place_of("out.csv").parent.shown == "."


def test_a_kill_before_the_move_leaves_no_old_file_beside_the_new_jobs_manifest(tmp_path: Path) -> None:
    """The next run would take the rows of another job for its own, finished ones."""
    fsspec = pytest.importorskip("fsspec")
    local = fsspec.get_filesystem_class("file")

    class Dying(local):  # type: ignore[misc,valid-type]
        protocol = "dying"

        def mv(self, path1: str, path2: str, **options: Any) -> None:
            if path2.endswith("out.jsonl") and self.storage_options.get("deadly"):
                raise KeyboardInterrupt
            super().mv(path1, path2, **options)

    path = tmp_path / "out.jsonl"
    first = target(path)
    write(first, 0)
    first.complete()
    store = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(Dying(deadly=True)))
    output = Output(Layout(table_source(TABLE), NEW), "other")
    killed = FileTarget(Place(store, str(path), str(path)), JSON_LINES, output, overwrite=True)
    write(killed, 0)
    with pytest.raises(KeyboardInterrupt):
        killed.complete()

    again = target(path, job="other")
    assert again.tally_before is None
    write(again, 0)
    again.complete()
    assert target(path, job="other").tally_before == Tally(3, {"server": 1})


def test_the_dictionary_of_an_arrow_file_may_grow(tmp_path: Path) -> None:
    """Chunks bring labels of their own."""
    kind = pa.dictionary(pa.int32(), pa.string())
    output = Output(Layout(table_source(pa.table({"t": pa.array([], kind)})), pa.schema([("label", kind)])), "job")
    goal = open_target(tmp_path / "out.arrow", output, None, overwrite=False)
    for number, words in enumerate([["b", None], ["a", "b"], ["c", "a"]]):
        column: Any = pa.array(words).dictionary_encode()
        goal.write(number, TableChunk(pa.table({"t": column})), pa.table({"label": column}), Tally(2))
    goal.complete()
    with pa.ipc.open_file(tmp_path / "out.arrow") as reader:
        found = reader.read_all()

    assert found.column("label").to_pylist() == ["b", None, "a", "b", "c", "a"]
    assert found.column("t").to_pylist() == ["b", None, "a", "b", "c", "a"]


def test_columns_of_one_name_pass_through_where_the_format_has_them(tmp_path: Path) -> None:
    """JSON lines have not; a prompt may read none of them."""
    table = pa.table([pa.array(["a"]), pa.array([1])], names=["t", "t"])
    output = Output(Layout(table_source(table), NEW), "job")
    goal = open_target(tmp_path / "out.csv", output, None, overwrite=False)
    goal.write(0, TableChunk(table), pa.table([["x"]], schema=NEW), Tally(1))
    goal.complete()
    assert (tmp_path / "out.csv").read_text() == "t,t,said\na,1,x\n"
    assert open_source(tmp_path / "out.csv").names == ("t", "t", "said")
    with pytest.raises(InputError, match="cannot hold 2 columns 't'"):
        open_target(tmp_path / "out.jsonl", output, None, overwrite=False)


def test_columns_that_spark_has_noted_elsewhere_do_not_hide_the_new_ones(tmp_path: Path) -> None:
    """Spark believes its own note in the metadata before the file; every other note stays."""
    noted = {"org.apache.spark.sql.parquet.row.metadata": '{"fields": [{"name": "t"}]}', "unit": "USD"}
    source = table_source(TABLE.replace_schema_metadata(noted))
    goal = open_target(tmp_path / "out.parquet", Output(Layout(source, NEW), "job"), None, overwrite=False)
    write(goal, 0)
    goal.complete()

    assert pq.read_schema(tmp_path / "out.parquet").metadata == {b"unit": b"USD"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
@pytest.mark.parametrize("name", ["out.csv", "out/"])
def test_two_runs_do_not_write_to_one_target(tmp_path: Path, name: str) -> None:
    """They mixed their rows: 755 of 600. The second one is told before its first call; a lock ends with its run."""
    path = f"{tmp_path}/{name}"
    first = target(path)
    with pytest.raises(InputError, match="another run is writing to"):
        target(path)
    first.abandon()
    second = target(path)
    del first, second
    gc.collect()  # nobody has told this one its end, as where a run broke off
    target(path).abandon()


def test_a_target_that_is_refused_is_not_held(tmp_path: Path) -> None:
    """The next call, with overwrite=True, may come while a notebook still holds the error."""
    target(f"{tmp_path}/out/").complete()
    with pytest.raises(InputError, match="holds another result") as refused:
        target(f"{tmp_path}/out/", job="another")
    target(f"{tmp_path}/out/", job="another", overwrite=True).complete()
    assert "overwrite=True" in str(refused.value)


def check(path: Path | str, *, job: str = "job", sources: tuple[Path | str, ...] = (), overwrite: bool = False) -> None:
    """Ask whether a small table could be written there."""
    output = Output(Layout(table_source(TABLE), NEW), job)
    check_target(path, output, None, source=sources, overwrite=overwrite)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no/out.csv", "there is no folder .*no to write to; make it first"),
        ("no/out/", "there is no folder .*no to write to; make it first"),
        ("out.xlsx", "no known ending"),
        ("in.csv", "is the source itself"),
        ("there.csv", "is there already; overwrite=True"),
        ("there.csv/", "is a file; a folder is needed"),
        ("full/", "holds another result; overwrite=True"),
    ],
)
def test_what_cannot_be_written_is_known_without_writing(tmp_path: Path, name: str, words: str) -> None:
    """The same words as when it is opened, and nothing is made."""
    (tmp_path / "in.csv").write_text("t\na\n")
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "part-000000.csv").write_text("another map's")
    before = sorted(tmp_path.rglob("*"))
    for ask in (check, target):
        with pytest.raises(InputError, match=words):
            ask(f"{tmp_path}/{name}", sources=(tmp_path / "in.csv",))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name == "nt", reason="no path of its own there")
def test_a_device_is_no_target() -> None:
    """In a line, not in an exception of the file system."""
    for ask in (check, target):
        with pytest.raises(InputError, match=r"is no folder to write parts to|cannot be written to"):
            ask(os.devnull)


@pytest.mark.parametrize("name", ["out.parquet", "out/"])
def test_what_can_be_written_passes_and_leaves_no_trace(tmp_path: Path, name: str) -> None:
    """Also while another run holds it, and where a finished target of the very same job is gone on with."""
    path = f"{tmp_path}/{name}"
    check(path)
    assert list(tmp_path.iterdir()) == []
    goal = target(path)
    check(path)
    write(goal, 0)
    goal.complete()
    check(path)
    check(path, job="other", overwrite=True)
    with pytest.raises(InputError, match="overwrite=True"):
        check(path, job="other")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", ["out.csv", "out/"])
def test_a_folder_without_permission_is_told(tmp_path: Path, name: str) -> None:
    """Before anything is paid, in a dry run as well."""
    tmp_path.chmod(0o555)
    try:
        for ask in (check, target):
            with pytest.raises(InputError, match="cannot be written to: name another place"):
                ask(f"{tmp_path}/{name}")
    finally:
        tmp_path.chmod(0o755)


def test_a_vote_that_was_cut_short_has_an_answer_and_is_not_whole() -> None:
    """Its row counts as answered, by fewer draws than were to vote: the next run asks the others."""
    good, left, bad = Outcome(text="a"), Outcome.not_asked("budget", "not sent"), Outcome(kind="refusal")
    vote, apart = plan_columns("response", 3, vote=True), plan_columns("response", 3)
    cut = Tally.of([good, left, bad, bad, bad, bad], vote, "r-1")
    assert (cut.rows, cut.kinds, cut.is_whole, cut.has_failed) == (2, {"refusal": 1}, False, True)
    assert not (Tally.of([good] * 3, vote, "r-2") + cut).is_whole
    whole = Tally.of([good, good, bad], vote, "r-1")
    assert (whole.kinds, whole.is_whole, whole.has_failed) == ({}, True, False)
    assert Tally.of([good, good, bad], apart, "r-1").kinds == {"refusal": 1}
    assert not Tally.of([bad, left, good], apart, "r-1").is_whole
