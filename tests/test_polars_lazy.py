"""Lazy frames have the verbs of frames: a sample is drawn from the query, and a folder is mended in its place."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

pl: Any = pytest.importorskip("polars")

import claude_parallel as cp  # noqa: E402
import claude_parallel.polars  # noqa: E402

FRAME = pl.DataFrame(
    {
        "t": [f"row {number}" for number in range(40)],
        "price": [1.5, 2.0, 1e22, 0.1] * 10,
        "truth": ["x", "y"] * 20,
    }
)
FAILING: dict[str, Any] = {"script": {3: "refusal", 30: "refusal"}, "latency_seconds": 0}


@pytest.fixture(autouse=True)
def account() -> Iterator[Any]:
    """Serve a simulated account."""
    with cp.simulator(None, latency_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def query(tmp_path: Path) -> Any:
    """Return a query over a file."""
    FRAME.write_parquet(tmp_path / "in.parquet")
    return pl.scan_parquet(tmp_path / "in.parquet")


def parts_of(folder: Path) -> dict[str, int]:
    """Return when each part of a folder was written."""
    return {part.name: part.stat().st_mtime_ns for part in folder.glob("part*")}


def test_a_query_that_polars_cannot_write_down_is_asked(account: Any, tmp_path: Path) -> None:
    """A function in it holds a lock, as a connection does, or a column that it leaves out Python objects.

    Polars' own error ended every verb, an estimate as well: "serializing data of type Object is not supported".
    """
    held, folder = threading.Lock(), tmp_path / "out"

    def told(mark: str) -> Any:
        spoken = pl.col("t").map_elements(lambda text: (held, text + mark)[1], return_dtype=pl.String)
        frame = FRAME.with_columns(pl.Series("photo", [object()] * 40, dtype=pl.Object))
        return frame.lazy().select(spoken, "price")

    assert told("!").claude.map("Say {t}")["response"].equals(told("!").collect().claude.map("Say {t}")["response"])
    assert "40 rows" in str(told("!").claude.estimate("Say {t}"))
    told("!").claude.map("Tell {t}", into=folder)
    written, calls = parts_of(folder), account.ledger.requests
    told("!").claude.map("Tell {t}", into=folder)
    assert (parts_of(folder), account.ledger.requests) == (written, calls)
    assert told("?").claude.map("Tell {t}", into=folder).collect()["t"].to_list() == told("?").collect()["t"].to_list()


def test_a_sample_of_a_query_is_that_of_its_frame(account: Any, query: Any) -> None:
    """Drawn by the same seed, in equal parts of a column if wanted; the whole map then has its answers for nothing."""
    few = query.claude.preview("{t} {price}", rows=10, by="truth", progress=False)
    asked = account.ledger.requests
    same = FRAME.claude.preview("{t} {price}", rows=10, by="truth", progress=False)
    again = asyncio.run(query.claude.apreview("{t} {price}", rows=10, by="truth", progress=False))

    assert isinstance(few, pl.DataFrame)
    assert few.drop("response_cost").equals(same.drop("response_cost"))
    assert again.drop("response_cost").equals(few.drop("response_cost"))
    assert few.claude.run.totals["whole"]["rows"] == 40
    assert query.claude.preview("{t} {price}", rows=3, estimate=True).workload.rows == 3
    assert account.ledger.requests == asked == 10
    with pytest.raises(cp.InputError, match="there is no column 'nowhere'"):
        query.claude.preview("{t}", by="nowhere")


def test_variants_are_compared_on_rows_of_a_query(account: Any, query: Any) -> None:
    """With the gold of a column or of a series; the winner maps the query."""
    asked = {"labels": ["x", "y"], "rows": 12, "progress": False}
    tried = query.claude.compare("{t}", {"a": {}, "b": {"prompt": "Say {t}"}}, gold="truth", **asked)
    expected = FRAME.claude.compare("{t}", {"a": {}, "b": {"prompt": "Say {t}"}}, gold="truth", **asked)
    paid = account.ledger.requests
    by_series = asyncio.run(query.claude.acompare("{t}", {"a": {}}, gold=FRAME["truth"], **asked))

    assert tried.table["accuracy"].tolist() == expected.table["accuracy"].tolist()
    assert by_series.table.loc["a", "accuracy"] == tried.table.loc["a", "accuracy"]
    assert account.ledger.requests == paid == 24
    assert tried.run("a", progress=False).select(FRAME.columns).equals(FRAME)
    with pytest.raises(cp.InputError, match="a Polars series has no index"):
        query.claude.compare("{t}", {"a": {}}, gold=FRAME["truth"][:3], **asked)


def test_the_answers_in_a_folder_are_reviewed_and_audited(query: Any, tmp_path: Path) -> None:
    """As those of a frame; of the texts only those that were drawn are read."""
    scan = query.claude.classify("{t}", ["x", "y"], into=tmp_path / "out", progress=False)
    frame = FRAME.claude.classify("{t}", ["x", "y"], progress=False)
    review = scan.claude.review(6, journal=False)
    for _ in range(6):
        review.give("x")

    assert [item.texts for item in review.items] == [item.texts for item in frame.claude.review(6, journal=False).items]
    assert scan.claude.audit(review).gold_rows == 6
    assert scan.claude.audit("truth").accuracy == frame.claude.audit(FRAME["truth"]).accuracy
    tomorrow = pl.scan_parquet(tmp_path / "out" / "part-*.parquet")
    assert tomorrow.claude.audit("truth", column="label").accuracy == scan.claude.audit("truth").accuracy


def test_a_query_that_changes_is_told(query: Any) -> None:
    """Gold must not be laid beside the answers of other rows."""
    turns: list[int] = []

    def turned(frame: Any) -> Any:
        turns.append(1)
        return frame[::-1] if len(turns) % 2 else frame

    with pytest.raises(cp.InputError, match="the query gives other rows, or another order"):
        query.map_batches(turned, schema=query.collect_schema()).claude.compare("{t}", {"a": {}}, gold="truth")


def test_a_query_that_fails_behind_the_sample_does_not_cost_the_sample(query: Any) -> None:
    """Its rows are gone through once more for what all of them would cost, and the sample is paid by then."""
    turns: list[int] = []

    def failing(frame: Any) -> Any:
        turns.append(1)
        if len(turns) > 2:
            raise OSError("the disk is gone")
        return frame

    with cp.simulator(), pytest.warns(UserWarning, match="what all rows would cost is not known.*the disk is gone"):
        few = query.map_batches(failing, schema=query.collect_schema()).claude.preview("Say {t}", rows=3, journal=False)
    assert few["response"].null_count() == 0
    assert few.claude.run.totals.get("whole") is None


@pytest.mark.parametrize("verb", ["preview", "apreview", "compare", "acompare", "retry", "review", "audit", "models"])
def test_a_lazy_frame_shows_what_a_frame_shows(verb: str) -> None:
    """The same options."""
    lazy, eager = (inspect.signature(getattr(one.claude, verb)).parameters for one in (FRAME.lazy(), FRAME))
    assert dict(lazy) == dict(eager)


def test_failed_rows_in_a_folder_are_asked_again(query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no others: parts without them stay as they are; costs add up; the same map then has nothing left to do."""
    into, options = tmp_path / "out", {"progress": False, "max_concurrency": 1}
    schema = {"tone": Literal["x", "y"], "tags": list[str]}
    monkeypatch.setattr("claude_parallel.tables.stream.CHUNK_BYTES", 400)
    with cp.simulator(None, **FAILING) as simulator:
        scan = query.claude.map("Say {t}", schema=schema, into=into, **options)
        before, paid = scan.collect(), simulator.ledger.requests
        written = parts_of(into)
        again = scan.claude.retry()
        after = again.collect()

        assert simulator.ledger.requests == paid + 2
        assert again.claude.errors.select("kind", "rows").rows() == []
        assert again.claude.run.id != scan.claude.run.id
        assert query.claude.map("Say {t}", schema=schema, into=into, **options).collect().equals(after)
        assert simulator.ledger.requests == paid + 2

    failed = before["response_error"].is_not_null()
    assert failed.arg_true().to_list() == [2, 29]
    assert after["response_error"].null_count() == after["tone"].len() - after["tone"].null_count() == 40
    assert after.schema == before.schema
    assert after.schema["tone"] == pl.Enum(["x", "y"])
    assert after.filter(~failed).equals(before.filter(~failed))
    assert (after["response_cost"] >= before["response_cost"]).all()
    changed = {name for name, when in parts_of(into).items() if when != written[name]}
    assert {name for name in written if pl.read_parquet(into / name)["t"].is_in(["row 2", "row 29"]).any()} == changed
    assert len(changed) == 2 < len(written)


def test_a_folder_of_another_process_is_mended_as_well(query: Any, tmp_path: Path) -> None:
    """Its map is run once more, for nothing, and says which answers are to be asked again; so does an expression."""
    into = tmp_path / "out"
    with cp.simulator(None, **FAILING) as simulator:
        query.claude.map("Say {t}", into=into, progress=False, max_concurrency=1)
        paid = simulator.ledger.requests
        scan = query.claude.map("Say {t}", into=into, progress=False)
        assert scan.claude.errors["rows"].to_list() == [2]
        whole = scan.claude.retry()
        assert simulator.ledger.requests == paid + 2
        rejected = whole.claude.retry(where=pl.col("price") == 2, prompt="Tell {t}")
        assert simulator.ledger.requests == paid + 12
        told = rejected.collect()
        assert told.filter(pl.col("response").str.contains("Tell"))["price"].to_list() == [2.0] * 10
        assert rejected.claude.retry(where=[False] * 40).collect().equals(told)

    assert json.loads((into / "_claude_parallel.json").read_text())["parts"]["part-000000.parquet"]["kinds"] == {}
    with pytest.raises(cp.InputError, match=r"one True or False per row \(40\), not 1"):
        rejected.claude.retry(where=[True])
    with pytest.raises(cp.InputError, match="make the columns"):
        rejected.claude.retry(sample=2, where=pl.col("price") == 2)


@pytest.mark.parametrize("schema", [None, {"tone": Literal["x", "y"], "tags": list[str]}], ids=["text", "fields"])
def test_an_expression_rejects_the_rows_of_a_folder_that_it_rejects_of_a_frame(
    query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: Any
) -> None:
    """What it says of a column, such as its maximum, is of all rows, however many parts they lie in."""
    monkeypatch.setattr("claude_parallel.tables.stream.CHUNK_BYTES", 400)
    into, last = tmp_path / "out", pl.col("t").str.extract(r"(\d+)").cast(pl.Int64)
    with cp.simulator() as simulator:
        scan = query.claude.map("Say {t}", into=into, schema=schema, progress=False)
        asked = simulator.ledger.requests
        again = scan.claude.retry(where=last == last.max(), progress=False)
        assert len(parts_of(into)) > 2
        assert simulator.ledger.requests == asked + 1
        assert again.collect_schema() == scan.collect_schema()


class Ticket(BaseModel):
    """What is read out of a row."""

    tone: Literal["x", "y"]
    tags: list[str]
    day: date | None = None


def test_the_objects_behind_typed_columns_are_those_of_pandas(query: Any, tmp_path: Path) -> None:
    """Of a frame, also after another map without a schema and of no rows, and of a folder."""
    expected = FRAME.to_pandas().claude.map("Say {t}", schema=Ticket, progress=False).claude.models().tolist()
    frame = FRAME.claude.map("Say {t}", schema=Ticket, progress=False)
    scan = query.claude.map("Say {t}", schema=Ticket, into=tmp_path / "out", progress=False)

    assert isinstance(expected[0], Ticket)
    assert frame.claude.models() == scan.claude.models() == expected
    assert frame.claude.map("Say {t}", out="said", progress=False).claude.models() == expected
    assert FRAME.clear().claude.map("Say {t}", schema=Ticket, progress=False).claude.models() == []
    with pytest.raises(cp.InputError, match="not made by map"):
        FRAME.claude.map("Say {t}", progress=False).claude.models()


def test_answers_of_a_frame_are_rejected_by_an_expression(account: Any) -> None:
    """As of a folder."""
    out = FRAME.claude.map("Say {t}", progress=False)
    asked = account.ledger.requests
    again = out.claude.retry(where=pl.col("price") == 2)
    assert account.ledger.requests == asked + 10
    assert again["response"].equals(out["response"])


@pytest.mark.parametrize("batch", [False, True])
def test_a_query_is_mapped_in_the_background(query: Any, tmp_path: Path, batch: bool) -> None:
    """Into memory or a folder; a job that an earlier run has left nothing to do for is done."""
    with cp.simulator(None, latency_seconds=0.02, batch_seconds=0.5) as simulator:
        expected = FRAME.claude.map("Say {t}", progress=False, journal=False)
        job = query.claude.submit("Say {t}", batch=batch, panel=False, progress=False, max_concurrency=2)
        early = job.partial()
        out = job.result()
        asked = simulator.ledger.requests, simulator.ledger.batch_rows
        into = query.claude.submit("Say {t}", batch=batch, into=tmp_path / "out", panel=False, progress=False)
        scan = into.result()
        idle = query.claude.submit("Say {t}", batch=batch, into=tmp_path / "out", panel=False, progress=False)

        assert early.columns == out.columns
        assert early.equals(out.head(early.height))
        assert out.drop("response_cost").equals(expected.drop("response_cost"))
        assert job.result().equals(out)
        assert out.claude.run.id == job.id
        assert into.partial().collect().drop("response_cost").equals(out.drop("response_cost"))
        assert scan.claude.run.id == into.id
        assert "done" in repr(idle)
        assert idle.result().collect().equals(scan.collect())
        assert (simulator.ledger.requests, simulator.ledger.batch_rows) == asked


def test_a_job_that_is_stopped_gives_its_rows_once(query: Any) -> None:
    """However often it is asked for them."""
    with cp.simulator(None, latency_seconds=0.3):
        job = query.claude.submit("Say {t}", panel=False, progress=False, max_concurrency=2)
        job.stop()
        out = job.result()
        assert job.status().state == "stopped"
        assert job.result().height == out.height == 40
        assert out["t"].to_list() == FRAME["t"].to_list()
        assert out["response_error"].str.starts_with("cancelled: ").sum() >= 20


def test_a_query_that_is_mapped_twice_at_once_is_paid_once(query: Any) -> None:
    """As on pandas."""
    with cp.simulator(None, latency_seconds=0.05) as simulator:
        jobs = [query.claude.submit("Say {t}", panel=False, progress=False) for _ in range(2)]
        assert all(job.result()["response"].null_count() == 0 for job in jobs)
        assert simulator.ledger.requests == 40


def test_a_folder_behind_a_protocol_that_polars_does_not_read(query: Any) -> None:
    """It comes back through fsspec, and is mended there."""
    pytest.importorskip("fsspec")
    with cp.simulator(None, **FAILING):
        scan = query.claude.map("Say {t}", into="memory://lazy/out", progress=False, max_concurrency=1)
        assert scan.claude.errors["rows"].to_list() == [2]
        again = scan.claude.retry()
        assert again.collect()["response_error"].null_count() == 40


def test_a_run_that_was_stopped_before_its_first_part_gives_an_empty_scan(query: Any, tmp_path: Path) -> None:
    """With the columns that there would be."""
    with cp.simulator(None, latency_seconds=0.3):
        job = query.claude.submit("Say {t}", into=tmp_path / "out", panel=False, progress=False, max_concurrency=1)
        early = job.partial()
        job.cancel()
        assert early.collect().height == 0
        assert early.collect_schema().names() == [*FRAME.columns, "response", "response_error", "response_cost"]
        assert job.result().collect_schema().names() == early.collect_schema().names()
