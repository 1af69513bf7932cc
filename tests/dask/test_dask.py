"""Dask frames: partitions on a real cluster of processes, calls from this one, nothing lost with a worker."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.config import override

PARTITIONS = 40
ROWS = 6 * PARTITIONS

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the extra [dask]"),
    pytest.mark.wall_clock,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*unclosed.*", "ignore::DeprecationWarning"),
]


def frame_of(rows: int = ROWS) -> pd.DataFrame:
    """Return a frame with a sorted index, missing cells, duplicates and empty partitions to come."""
    texts = [None if row % 50 == 7 else f"row {row % 200}" for row in range(rows)]
    index = pd.Index([2 * row for row in range(rows)], name="key")
    return pd.DataFrame({"t": texts, "n": range(rows), "other": ["x" * 50] * rows}, index=index)


def from_pandas(frame: pd.DataFrame, npartitions: int) -> Any:
    """Return a Dask frame. Dask is imported here and not above: of all processes of the tests, one runs this file."""
    import dask.dataframe as dd

    import claude_parallel.dask  # noqa: F401  # registers the accessors

    return dd.from_pandas(frame, npartitions=npartitions)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Run two workers, each a process of its own."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as running, Client(running) as client:
        yield client


@pytest.fixture
def account() -> Iterator[Any]:
    """Serve a simulated account."""
    with cp.simulator(None, latency_seconds=0.02) as simulator:
        yield simulator


def when(is_time: Callable[[], bool], then: Callable[[], Any]) -> threading.Thread:
    """Do something in another thread as soon as it is time."""

    def watch() -> None:
        until = time.monotonic() + 60
        while not is_time() and time.monotonic() < until:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def same(made: Any, expected: pd.DataFrame) -> None:
    """Check rows, order, dtypes and costs; of what was given, Dask has its own text dtype."""
    found = made.compute()
    names = [name for name in expected.columns if name not in ("t", "other")]
    pd.testing.assert_frame_equal(found[names], expected[names])
    assert found["t"].isna().equals(expected["t"].isna())
    assert found["t"].dropna().tolist() == expected["t"].dropna().tolist()


def test_a_worker_is_killed_and_nothing_is_lost_or_paid_twice(cluster: Any, account: Any) -> None:
    """40 partitions: the same rows, order, divisions and costs as pandas has, and no key among the workers."""
    frame = frame_of()
    expected = frame.claude.map("Say {t} {key}", journal=False, progress=False)
    paid = len(account.ledger.paid)
    frames = from_pandas(frame, npartitions=PARTITIONS)
    (first, *_others) = cluster.run(os.getpid).values()
    with override(api_key="k-secret"):
        killing = when(lambda: len(account.ledger.paid) > paid + ROWS // 3, lambda: os.kill(first, signal.SIGKILL))
        made = frames.claude.map("Say {t} {key}", progress=False)
        killing.join()

        same(made, expected)
        assert made.divisions == frames.divisions
        assert made.npartitions == PARTITIONS
        assert len(account.ledger.paid) == 2 * paid
        assert first not in cluster.run(os.getpid).values()
        assert made.claude.cost.loc["total", "total_usd"] == pytest.approx(expected["response_cost"].sum())
        assert made.claude.errors["rows"].to_dict() == {"skipped": 5}
        assert made.claude.run.requests()["error"].notna().sum() == 5
        tasks = cluster.run_on_scheduler(_tasks)
        assert b"row 17" in tasks and b"k-secret" not in tasks and b"Say" not in tasks.replace(b"Simulated: Say", b"")


def _tasks(dask_scheduler: Any) -> bytes:
    return b"".join(pickle.dumps(task.run_spec) for task in dask_scheduler.tasks.values())


def test_an_interrupt_keeps_what_was_paid(cluster: Any, account: Any) -> None:
    """The frame comes back with the rest cancelled; the next call pays for the rest."""
    frame = frame_of()
    frames = from_pandas(frame, npartitions=PARTITIONS)
    stopping = when(lambda: len(account.ledger.paid) > ROWS // 3, cp.stop)
    part = frames.claude.map("Say {t}", progress=False, max_concurrency=10)
    stopping.join()
    found = part.compute()
    kinds = found["response_error"].str.partition(":")[0]

    assert found["n"].tolist() == frame["n"].tolist()
    assert (kinds == "cancelled").sum() > 20
    assert found["response"].notna().sum() > 20
    assert found.loc[kinds == "cancelled", "response"].isna().all()
    assert found.loc[kinds.isna(), "response"].notna().all()
    recorded = part.claude.run.requests()["error"].str.partition(":")[0]  # of the partitions that were computed
    assert recorded.fillna("").tolist() == kinds.fillna("").tolist()[: len(recorded)]
    assert (recorded == "cancelled").any()
    assert part.claude.run.totals["rows"] == ROWS  # and so has the bar
    assert part.claude.run.totals["errors"] == kinds.value_counts().to_dict()
    assert part.claude.errors["rows"].to_dict() == kinds.value_counts().to_dict()
    assert part.divisions == frames.divisions
    whole = frames.claude.map("Say {t}", progress=False)
    assert whole.compute()["response"].notna().sum() == frame["t"].notna().sum()
    assert account.ledger.paid_twice == 0


def test_into_a_folder_and_on_from_there(cluster: Any, account: Any, tmp_path: Path) -> None:
    """Workers write the parts; a part that is complete is neither written nor computed again."""
    frame = frame_of()
    frames = from_pandas(frame, npartitions=PARTITIONS)
    into = tmp_path / "out"
    stopping = when(lambda: len(list(into.glob("part*"))) >= 5, cp.stop)
    frames.claude.map("Say {t}", into=into, progress=False, max_concurrency=5)
    stopping.join()
    known = json.loads((into / "_claude_parallel.json").read_text())["parts"]
    whole = [into / name for name, tally in known.items() if "cancelled" not in tally["kinds"]]
    before = {path.name: path.stat().st_mtime_ns for path in whole}
    made = frames.claude.map("Say {t}", into=into, progress=False)
    after = {path.name: path.stat().st_mtime_ns for path in into.glob("part*")}

    assert 4 <= len(before) < PARTITIONS == len(after)
    assert before.items() <= after.items()
    assert account.ledger.paid_twice == 0
    expected = frame.claude.map("Say {t}", progress=False)
    found = made.compute()
    assert found["response"].equals(expected["response"])
    assert made[["response"]].compute()["response"].equals(expected["response"])
    assert made.divisions == frames.divisions
    rejected = made.claude.retry(where=made["n"] < 3, prompt="Tell {t}")
    assert rejected.compute()["response"].str.contains("Tell").sum() == 3
    assert made.compute()["response"].equals(expected["response"])
    with pytest.raises(cp.InputError, match="another result"):
        frames.claude.map("Tell {t}", into=into, progress=False)


def test_typed_columns_are_those_of_pandas(cluster: Any, account: Any) -> None:
    """Labels are known to every partition, lists stay lists; empty partitions and a series are no exception."""
    frame = frame_of(30)
    few = from_pandas(frame, npartitions=4)
    few = few[few["n"] >= 10]
    schema = {"tone": Literal["good", "bad"], "score": int, "tags": list[str]}
    made = few.claude.map("Say {t}", schema=schema, progress=False)
    expected = frame[frame["n"] >= 10].claude.map("Say {t}", schema=schema, progress=False)
    found = made.compute()
    for name in ("tone", "score", "tags", "response_error"):
        pd.testing.assert_series_equal(found[name], expected[name])
    assert made["tone"].cat.known
    later = made.claude.map("Say {t}", out="said", progress=False)
    pd.testing.assert_series_equal(later.claude.models(), expected.claude.models())

    labels = few["t"].claude.classify(["x", "y"], progress=False)
    assert labels.compute().equals(frame["t"][10:].claude.classify(["x", "y"], progress=False))
    assert cp.map(few, "Say {t}", progress=False).npartitions == 4
    assert few.claude.estimate("Say {t}").workload.rows == 20


def test_a_sample_is_that_of_pandas(cluster: Any, account: Any) -> None:
    """Drawn among all partitions by the same seed; the whole map then has its answers for nothing."""
    frame = frame_of(60)
    frames = from_pandas(frame, npartitions=7)
    few = frames.claude.preview("Say {t}", rows=12, progress=False)
    paid = len(account.ledger.paid)
    expected = frame.claude.preview("Say {t}", rows=12, progress=False)

    assert few["n"].tolist() == expected["n"].tolist()
    assert few["response"].equals(expected["response"])
    assert few.claude.run.totals["whole"]["rows"] == 60
    assert len(account.ledger.paid) == paid == len(few) - few["t"].isna().sum()
    again = asyncio.run(frames.claude.apreview("Say {t}", rows=12, by="other", progress=False))
    assert len(again) == 12
    assert frames.claude.preview("Say {t}", rows=3, estimate=True).workload.rows == 3
    values = frames["t"].claude.preview("Say {}", rows=12, progress=False)
    assert values.index.tolist() == few.index.tolist()


def test_what_the_answers_are_worth(cluster: Any, account: Any) -> None:
    """compare, review and audit: the answers come to the client, of the texts those that were drawn."""
    frame = frame_of(60).assign(truth=["good", "bad"] * 30)
    frames = from_pandas(frame, npartitions=7)
    asked = {"labels": ["good", "bad"], "gold": "truth", "rows": 20, "progress": False}
    tried = frames.claude.compare("{t}", {"a": {}, "b": {"prompt": "Say {t}"}}, **asked)
    expected = frame.claude.compare("{t}", {"a": {}, "b": {"prompt": "Say {t}"}}, **asked)
    made = tried.run("a", progress=False)
    audit = made.claude.audit("truth")
    answers = frame.claude.classify("{t}", ["good", "bad"], out="response", progress=False)
    review = made.claude.review(rows=10, by="answer", journal=False)
    for _ in range(4):
        review.give("good")

    assert tried.table["accuracy"].tolist() == expected.table["accuracy"].tolist()
    assert made.npartitions == 7
    assert audit.accuracy == answers.claude.audit("truth").accuracy
    assert audit.rows == 58
    assert [item.texts for item in review.items] == [
        item.texts for item in answers.claude.review(rows=10, by="answer", journal=False).items
    ]
    assert made.claude.audit(review).gold_rows == 4


def test_the_answers_of_a_series_are_reviewed_and_audited(cluster: Any, account: Any) -> None:
    """What was asked stands beside them, also where both have one name."""
    frame = frame_of(40).assign(truth=["x", "y"] * 20)
    frames = from_pandas(frame, npartitions=5)
    labels = frames["t"].claude.classify(["x", "y"], progress=False)
    expected = frame["t"].claude.classify(["x", "y"], progress=False)
    review = labels.claude.review(rows=5, journal=False)

    assert [item.texts for item in review.items] == [
        item.texts for item in expected.claude.review(rows=5, journal=False).items
    ]
    assert labels.claude.audit(frames["truth"]).accuracy == expected.claude.audit(frame["truth"]).accuracy
    values = frames["t"].rename("value")
    of_one_name = values.claude.classify(["x", "y"], lambda value: value, out="value", progress=False)
    (item,) = of_one_name.claude.review(rows=1, journal=False).items
    assert item.texts == (("value_asked", frame["t"].iloc[item.position]),)


@pytest.mark.parametrize("verb", ["preview", "apreview", "compare", "acompare"])
def test_the_verbs_show_what_those_of_pandas_show(verb: str) -> None:
    """Their options are listed there alone."""
    of_pandas = inspect.signature(getattr(pd.DataFrame().claude, verb)).parameters
    empty = from_pandas(frame_of(4), npartitions=1)
    assert dict(inspect.signature(getattr(empty.claude, verb)).parameters) == dict(of_pandas)


def test_failed_rows_are_asked_again(cluster: Any) -> None:
    """And costs add up."""
    frames = from_pandas(frame_of(20), npartitions=3)
    with cp.simulator(None, latency_seconds=0, script={3: "refusal"}):
        made = frames.claude.map("Say {t} again", progress=False, max_concurrency=1)
        again = made.claude.retry()
        assert made.claude.errors["rows"].to_dict() == {"refusal": 1, "skipped": 1}
        assert again.claude.errors["rows"].to_dict() == {"skipped": 1}
        assert again.claude.cost.loc["total", "total_usd"] > made.claude.cost.loc["total", "total_usd"]
        assert again.compute()["response_cost"].gt(0).sum() == 19


def test_another_model_is_asked_about_what_failed_and_about_nothing_else(cluster: Any) -> None:
    """Rows with a good answer are neither asked nor changed, whatever the option; typed columns keep their dtypes."""
    frames = from_pandas(frame_of(20), npartitions=3)
    schema = {"tone": Literal["x", "y"], "tags": list[str]}
    with cp.simulator(None, latency_seconds=0, script={3: "refusal"}) as simulator:
        made = frames.claude.map("Say {t}", schema=schema, progress=False, max_concurrency=1)
        asked = simulator.ledger.requests
        again = made.claude.retry(model="claude-sonnet-5-5")
        assert simulator.ledger.requests == asked + 1
        whole = again.claude.retry()
        rejected = again.claude.retry(where=again["n"] < 2, prompt="Tell {t}")
        assert simulator.ledger.requests == asked + 3

    before, after, last = made.compute(), again.compute(), rejected.compute()
    failed = before["response_error"].notna() & before["t"].notna()
    assert failed.sum() == 1
    assert after.loc[failed, "tone"].notna().all()
    assert after.dtypes.equals(before.dtypes)
    pd.testing.assert_frame_equal(after[~failed], before[~failed])
    pd.testing.assert_frame_equal(whole.compute(), after)
    assert (last["response_cost"] > after["response_cost"]).sum() == 2
    with pytest.raises(cp.InputError, match="make the columns"):
        made.claude.retry(sample=2)
    with pytest.raises(cp.InputError, match="must be a Dask series"):
        made.claude.retry(where=[True])


def test_a_map_in_the_background(cluster: Any, tmp_path: Path) -> None:
    """Live or in a batch, beside other cells: complete partitions first, then what map would have returned."""
    frame = frame_of(40)
    frames = from_pandas(frame, npartitions=5)
    with cp.simulator(None, latency_seconds=0.02, batch_seconds=0.5) as simulator:
        job = frames.claude.submit("Say {t}", progress=False, panel=False, max_concurrency=2)
        early = job.wait(timeout=0.3)
        partial = job.partial().compute() if early.done >= 16 else None
        made = job.result()
        assert job.status().fates.answered == 39
        expected = frame.claude.map("Say {t}", progress=False)
        assert made.compute()["response"].equals(expected["response"])
        assert partial is None or partial["response"].equals(expected["response"][: len(partial)])
        assert made.divisions == frames.divisions
        assert made.claude.run.id == job.id

        batched = frames["t"].claude.submit("Tell {}", batch=True, panel=False, progress=False)
        assert simulator.ledger.batch_rows == 39
        assert batched.result().compute().notna().sum() == 39
        into = frames.claude.submit("Say {t}", into=tmp_path / "out", panel=False, progress=False).result()
        again = frames.claude.submit("Say {t}", into=tmp_path / "out", panel=False, progress=False)
        assert again.status().state == "done"
        assert again.result().compute()["response"].equals(into.compute()["response"])


def test_what_becomes_of_the_frame_meanwhile_changes_nothing(cluster: Any, account: Any) -> None:
    """Partitions that a stopped map has not reached come back as they were given."""
    frames = from_pandas(frame_of(40), npartitions=5)
    job = frames.claude.submit("Say {t}", progress=False, panel=False, max_concurrency=1)
    job.stop()
    frames["n"] = -1
    frames["new"] = 1
    made = job.result()
    assert list(made.columns) == ["t", "n", "other", "response", "response_error", "response_cost"]
    assert made.compute()["n"].tolist() == list(range(40))


def test_a_map_runs_beside_other_work(cluster: Any, account: Any) -> None:
    """A task on the caller's loop, which goes on meanwhile."""
    frames = from_pandas(frame_of(40), npartitions=5)

    async def beside() -> tuple[Any, int]:
        task, ticks = asyncio.create_task(frames.claude.amap("Say {t}", progress=False, max_concurrency=2)), 0
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await task, ticks

    made, ticks = asyncio.run(beside())
    assert made.compute()["response"].notna().sum() == 39
    assert ticks > 5


def test_a_series_knows_its_errors_and_costs(cluster: Any) -> None:
    """As on pandas: answers alone, missing where something went wrong, and asked again by retry()."""
    texts = from_pandas(frame_of(20), npartitions=3)["t"]
    with cp.simulator(None, latency_seconds=0, script={3: "refusal"}):
        with pytest.warns(UserWarning, match="of 20 rows 1 failed"):
            made = texts.claude.map("Say {} here", out="said", progress=False, max_concurrency=1)
        again = made.claude.retry()
        more = made.claude.map("Translate: {}", out="said", progress=False)

        assert made.name == more.name == "said"
        assert more.compute().isna().sum() == 2
        assert made.compute().isna().sum() == 2
        assert again.compute().isna().sum() == 1
        assert list(made.claude.details().columns) == ["said", "said_error", "said_cost"]
        assert made.claude.errors["rows"].to_dict() == {"refusal": 1, "skipped": 1}
        assert again.claude.errors["rows"].to_dict() == {"skipped": 1}
        assert again.claude.cost.loc["total", "total_usd"] > made.claude.cost.loc["total", "total_usd"]
        assert made.divisions == texts.divisions


def test_mapping_a_result_again_replaces_its_columns(cluster: Any, account: Any) -> None:
    """With the same name and schema there is one set of columns."""
    schema = {"tone": Literal["x", "y"], "n": int}
    first = from_pandas(frame_of(8)[["t"]], npartitions=2).claude.map("Say {t}", schema=schema, progress=False)
    again = first.claude.map("Tell {t}", schema=schema, progress=False)
    assert list(again.columns) == list(first.columns) == list(again.compute().columns)
    assert again.claude.cost.loc["total", "rows"] == 8


def test_what_cannot_work_says_so(cluster: Any, account: Any, tmp_path: Path) -> None:
    """Before a call where it can be known; else with what to do."""
    frames = from_pandas(frame_of(20), npartitions=2)
    with pytest.raises(cp.InputError, match="the prompt names the column 'x'"):
        frames.claude.map("Say {x}")
    with pytest.raises(cp.InputError, match="name a folder"):
        frames.claude.map("Say {t}", into=tmp_path / "out.parquet")
    with pytest.raises(cp.InputError, match="does not know its map"):
        _ = frames.claude.errors
    assert account.ledger.requests == 0
    broken = frames.map_partitions(lambda part: part if part["n"].iloc[0] == 0 else part["no such"], meta=frames._meta)
    with pytest.raises(cp.InputError, match="partition 1 could not be computed: KeyError"):
        broken.claude.map("Say {t}", progress=False)


def test_shared_work_is_done_once(cluster: Any, account: Any, tmp_path: Path) -> None:
    """A shuffle is not run anew for each of its partitions."""
    frames = from_pandas(frame_of(40), npartitions=4)
    notes = tmp_path / "notes"
    notes.mkdir()

    def note(part: pd.DataFrame, folder: str) -> pd.DataFrame:
        (Path(folder) / f"{time.time_ns()}-{os.getpid()}").touch()
        return part

    noted = frames.map_partitions(note, str(notes), meta=frames._meta)
    made = noted.sort_values("n").claude.map("Say {t}", progress=False)
    assert len(made) == 40
    assert len(list(notes.iterdir())) <= 8  # once to find the divisions, once for the rows


def test_every_way_of_making_partitions_is_mapped(cluster: Any, account: Any) -> None:
    """Dask writes some tasks as tuples (``concat``, ``repartition``, ``head``), others not: all rows are there."""
    import dask.dataframe as dd

    frames = from_pandas(frame_of(20)[["t", "n"]], npartitions=4)
    made = {
        "concat": dd.concat([frames, frames]),
        "repartition": frames.repartition(npartitions=2),
        "head": frames.head(7, npartitions=2, compute=False),
        "groupby": frames.groupby("t").size().reset_index(),
        "sort": frames.sort_values("n", ascending=False),
    }
    for name, collection in made.items():
        found = collection.claude.map("Say {t}", progress=False).compute()
        expected = collection.compute()
        assert found["t"].fillna("").tolist() == expected["t"].fillna("").tolist(), name
        said = ("Simulated: Say " + found["t"]).fillna("")
        assert found["response"].fillna("").tolist() == said.tolist(), name


def test_without_a_cluster_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    import distributed

    def none() -> Any:
        raise ValueError("No clients found")

    monkeypatch.setattr(distributed, "default_client", none)
    with pytest.raises(cp.InputError, match=r"distributed\.Client\(\) starts one"):
        from_pandas(frame_of(4), npartitions=1).claude.map("Say {t}")


@pytest.mark.parametrize("change", [lambda part: part[::-1], lambda part: part.assign(t="x"), lambda part: part[1:]])
def test_answers_are_not_put_beside_other_rows(change: Any) -> None:
    """A partition that comes out otherwise when it is computed again is refused."""
    from claude_parallel.dask import on_workers

    part = frame_of(10)
    asked, known = on_workers.rows_asked(part, [0])
    new = pd.DataFrame({"response": [f"answer {row}" for row in range(10)]})

    assert list(asked.columns) == ["t"]
    made = on_workers.with_answers(part, [0], known, new)
    assert made["response"].tolist() == new["response"].tolist()
    assert made.index.equals(part.index)
    with pytest.raises(ValueError, match="not the ones that were asked"):
        on_workers.with_answers(change(part), [0], known, new)


def test_batches_samples_and_functions_of_rows(cluster: Any) -> None:
    """Everything of ``map`` works on partitions: a question that repeats is paid once, and rows are read again."""
    frame = frame_of(40).assign(t=[f"row {row % 30}" for row in range(40)])
    frames = from_pandas(frame, npartitions=5)
    with cp.simulator(None, latency_seconds=0, batch_seconds=1) as simulator:
        batched = frames.claude.map("Say {t}", batch=True, progress=False).compute()
        paid = len(simulator.ledger.paid)
        drawn = frames.claude.map(lambda row: f"Say {row['t']} {row.n}", sample=2, progress=False).compute()

    assert paid == simulator.ledger.batch_rows == 30
    assert batched["response"].tolist() == [f"Simulated: Say {text}" for text in frame["t"]]
    assert (batched["response_cost"] > 0).sum() == 30
    assert drawn["response_2"].notna().all()
    assert drawn["n"].tolist() == frame["n"].tolist()


def test_a_part_with_a_named_range_as_its_index_can_be_read_by_dask(tmp_path: Path) -> None:
    """The index is written as a column."""
    import dask.dataframe as dd

    from claude_parallel.dask import on_workers

    part = pd.DataFrame({"t": ["a", "b"]}, index=pd.RangeIndex(2, name="k"))
    new = pd.DataFrame({"response": ["x", "y"]})
    on_workers.write_part(part, None, on_workers.rows_asked(part, None)[1], new, str(tmp_path / "part-0.parquet"))
    assert dd.read_parquet(tmp_path).compute()["response"].tolist() == ["x", "y"]
