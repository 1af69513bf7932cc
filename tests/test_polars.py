"""Polars in, Polars out: the same verbs as on pandas, and no value changed on the way."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

pl: Any = pytest.importorskip("polars")

import pandas as pd  # noqa: E402

import claude_parallel as cp  # noqa: E402
import claude_parallel.polars  # noqa: E402

FRAME = pl.DataFrame(
    {
        "t": ["one", None, "three", "one"],
        "big": [2**60 + 1, None, 0, 3],
        "nested": [{"x": [1, None]}, None, {"x": []}, None],
        "kind": pl.Series(["a", None, "b", "a"], dtype=pl.Enum(["a", "b"])),
    }
)


@pytest.fixture(autouse=True)
def account() -> Iterator[Any]:
    """Serve a simulated account."""
    with cp.simulator(None, latency_seconds=0) as simulator:
        yield simulator


def test_a_frame_keeps_its_columns_and_gets_the_answers_of_pandas() -> None:
    """Int64 with missing values, Struct and Enum among them."""
    out = FRAME.claude.map("Say {t}", progress=False)
    same = pd.DataFrame({"t": FRAME["t"].to_list()}).claude.map("Say {t}", progress=False)

    assert out.select(FRAME.columns).equals(FRAME)
    assert out.schema["kind"] == pl.Enum(["a", "b"])
    assert out["response"].to_list() == [None if pd.isna(value) else value for value in same["response"]]
    assert out["response_error"][1].startswith("skipped: ")
    assert out["response_cost"][3] == 0


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["one", "two"])])
def test_prompts_may_stand_in_a_column_of_labels(dtype: Any) -> None:
    """As in a categorical column of pandas; numbers are told that they are no prompts."""
    frame = pl.DataFrame({"ask": pl.Series(["one", None, "two"], dtype=dtype), "n": [1, 2, 3]})
    assert frame.claude.map("ask", progress=False)["response"].null_count() == 1
    with pytest.raises(cp.InputError, match="'n' is the prompt, but holds int64"):
        frame.claude.map("n", progress=False)


def test_typed_columns_have_the_types_of_polars() -> None:
    """Enum for labels, List and Struct for what is nested."""
    schema = {"tone": Literal["good", "bad"], "n": int, "ok": bool, "tags": list[str], "score": float}
    out = FRAME.claude.map("Say {t}", schema=schema, progress=False)

    assert out.schema["tone"] == pl.Enum(["good", "bad"])
    assert [out.schema[name] for name in ("n", "ok", "tags", "score")] == [
        pl.Int64,
        pl.Boolean,
        pl.List(pl.String),
        pl.Float64,
    ]
    assert out["n"].null_count() == 1


def test_the_verbs_are_there() -> None:
    """Classify, extract, estimate, a series, and cp.map on a frame of each kind."""
    assert FRAME.claude.classify("{t}", ["x", "y"], progress=False).schema["label"] == pl.Enum(["x", "y"])
    assert "n" in FRAME.claude.extract("{t}", {"n": int}, progress=False).columns
    assert FRAME.claude.estimate("Say {t}").workload.rows == 4
    answers = cp.map(FRAME["t"], "Say {}", progress=False)
    assert answers.columns == ["response", "response_error", "response_cost"]
    assert cp.map(FRAME, "Say {t}", progress=False)["response"].to_list() == answers["response"].to_list()
    arrow = cp.map(FRAME.to_arrow(), "Say {t}", progress=False)
    assert arrow.column("response").to_pylist() == answers["response"].to_list()
    few = FRAME.claude.preview("Say {t}", rows=2, progress=False)
    assert few.height == 2
    assert set(few["t"]) <= set(FRAME["t"])
    assert arrow.select(FRAME.columns).equals(FRAME.to_arrow())


def test_a_series_gives_a_series() -> None:
    """Of the answers; what failed is missing, and the result says why."""
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}):
        with pytest.warns(UserWarning, match="of 4 rows 2 failed"):
            answers = FRAME["t"].claude.map("Say {}", out="said", progress=False, max_concurrency=1)
        by_function = FRAME["t"].claude.map(lambda value: f"Say it: {value}", progress=False)
        labels = FRAME["t"].claude.classify(["x", "y"], progress=False)
        fields = FRAME["t"].claude.extract({"n": int}, progress=False)

        assert isinstance(answers, pl.Series) and isinstance(labels, pl.Series)
        assert answers.name == "said"
        assert [value is None for value in answers] == [True, True, False, True]
        assert answers.claude.details().columns == ["said", "said_error", "said_cost"]
        assert answers.claude.errors["kind"].sort().to_list() == ["refusal", "skipped"]
        assert answers.claude.cost["failed"].to_list() == [2]
        assert answers.claude.run.id
        assert by_function[2].endswith("three")
        assert labels.dtype == pl.Enum(["x", "y"])
        assert fields.columns == ["n", "response_error", "response_cost"]
        assert FRAME["t"].claude.estimate("Say {}").workload.rows == 4


def test_a_lazy_frame_has_the_verbs(tmp_path: Path) -> None:
    """Labels and fields, in memory or into a folder."""
    lazy = FRAME.lazy()
    labels = lazy.claude.classify("{t}", ["x", "y"], progress=False)
    fields = lazy.claude.extract("{t}", {"n": int}, into=tmp_path / "out", progress=False)

    assert labels.schema["label"] == pl.Enum(["x", "y"])
    assert labels.select(FRAME.columns).equals(FRAME)
    assert fields.collect_schema()["n"] == pl.Int64
    assert fields.collect().height == 4


def test_a_lazy_frame_is_streamed(tmp_path: Path) -> None:
    """Into a frame, or into a folder that is gone on with."""
    lazy = pl.LazyFrame({"t": [f"row {number}" for number in range(2_500)]}).filter(pl.col("t") != "row 7")
    out = lazy.claude.map("Say {t}", progress=False)
    into = tmp_path / "out"
    scan = lazy.claude.map("Say {t}", into=into, progress=False)
    first = {path.name: path.stat().st_mtime_ns for path in into.glob("part*")}
    lazy.claude.map("Say {t}", into=into, progress=False)

    assert isinstance(scan, pl.LazyFrame)
    assert out.height == 2_499
    assert out.drop("response_cost").equals(scan.collect().drop("response_cost"))
    assert out.select("t").equals(lazy.collect())
    assert {path.name: path.stat().st_mtime_ns for path in into.glob("part*")} == first
    assert lazy.claude.estimate("Say {t}").workload.in_journal == 2_499


def test_failed_rows_are_asked_again(account: Any) -> None:
    """By retry(); errors, cost and run are known by the frame that map returned."""
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}):
        out = FRAME.claude.map("Say {t} twice", max_concurrency=1, progress=False)
        again = out.claude.retry()

        assert out["response_error"][0].startswith("refusal")
        assert again["response_error"].null_count() == 3
        assert again.select(FRAME.columns).equals(FRAME)
        assert out.claude.errors["kind"].sort().to_list() == ["refusal", "skipped"]
        assert out.claude.cost["failed"].to_list() == [2]
        assert again.claude.cost["failed"].to_list() == [0]
        assert out.claude.run.id != again.claude.run.id
    with pytest.raises(cp.InputError, match="does not know its map"):
        _ = out.filter(pl.col("t") == "one").claude.errors


def test_the_accessor_comes_with_polars_and_not_without() -> None:
    """Whoever has not imported Polars does not wait for it."""
    without = "import claude_parallel, sys; assert 'polars' not in sys.modules"
    with_it = "import polars, claude_parallel; polars.DataFrame({'t': []}).claude"
    for code in (without, with_it):
        subprocess.run([sys.executable, "-c", code], check=True)


def test_typed_answers_are_asked_again_in_their_own_columns() -> None:
    """With fields, samples or labels: what retry() pays for stands where the failed answer stood."""
    frame = pl.DataFrame({"t": ["one", "two"]})
    for options in ({"schema": {"tone": str, "n": int}}, {"schema": {"tone": str, "n": int}, "sample": 2}):
        cut = frame.claude.map("Say {t}", max_tokens=1, progress=False, **options)
        assert cut["tone"].null_count() == 2
        again = cut.claude.retry(max_tokens=500)
        assert again.columns == cut.columns
        assert again["tone"].null_count() == again["n"].null_count() == 0
        assert again["response_error"].null_count() == 2


def test_where_nothing_failed_nothing_is_asked_again(account: Any) -> None:
    """The frame comes back, and still knows its run."""
    out = pl.DataFrame({"t": ["one"]}).claude.map("Say {t}", progress=False)
    asked = account.ledger.requests
    again = out.claude.retry()
    assert again.equals(out)
    assert account.ledger.requests == asked
    assert again.claude.run.id == out.claude.run.id


@pytest.mark.parametrize("use", ["item", "get"])
def test_a_function_that_uses_a_missing_cell_skips_its_row(use: str) -> None:
    """As on pandas; with skip_missing=False it is asked. Cells that it does not use are nobody's business."""

    def prompt(row: Any) -> str:
        return f"About {row['t'] if use == 'item' else row.get('t')}"

    out = FRAME.claude.map(prompt, progress=False)
    assert out["response_error"].is_null().to_list() == [True, False, True, True]
    assert out["response_error"][1].startswith("skipped: ")
    assert FRAME.claude.map(prompt, skip_missing=False, progress=False)["response_error"].null_count() == 4

    asked = FRAME["t"].claude.map(lambda text: f"About {text}", progress=False, skip_missing=False)
    assert asked.null_count() == 0


def test_a_lazy_frame_that_was_stopped_gives_the_rows_that_were_read() -> None:
    """The answers that are there stand beside their rows; the others are cancelled."""
    frame = pl.DataFrame({"t": [f"row {number}" for number in range(3_000)]})
    with cp.simulator(None, latency_seconds=0.2):
        timer = threading.Timer(1.0, cp.stop)
        timer.start()
        out = frame.lazy().claude.map("Say {t}", max_concurrency=20, progress=False)
        timer.join()
    answered = out.filter(pl.col("response").is_not_null())
    assert 0 < len(answered) < len(out)
    assert out["t"].to_list() == frame["t"].to_list()[: len(out)]
    assert out.filter(pl.col("response").is_null())["response_error"].str.starts_with("cancelled: ").all()
    assert all(row["t"] in row["response"] for row in answered.iter_rows(named=True))


@pytest.mark.parametrize("verb", ["map", "amap", "classify", "extract", "estimate", "retry", "preview"])
def test_every_option_is_shown(verb: str) -> None:
    """Tab offers them, as on pandas."""
    for kind in (FRAME, FRAME["t"], FRAME.lazy()):
        shown = getattr(kind.claude, verb, None)
        if shown is not None:
            assert set(inspect.signature(shown).parameters) >= {"model", "max_tokens", "budget"}


def test_an_empty_frame_says_that_no_run_made_it() -> None:
    """Nothing was asked."""
    with pytest.raises(cp.InputError, match="no run made this"):
        _ = FRAME.head(0).claude.map("Say {t}", progress=False).claude.run


TYPED = {"tone": Literal["x", "y"], "n": int}


def test_mapping_a_result_again_replaces_its_columns() -> None:
    """With the same name and schema there is one set of columns, as on pandas; another name stands beside them."""
    first = FRAME.claude.map("Say {t}", schema=TYPED, progress=False)
    again = first.claude.map("Tell {t}", schema=TYPED, progress=False)
    both = again.claude.map("More {t}", out="second", progress=False)

    assert again.columns == first.columns
    assert again.claude.run.id != first.claude.run.id
    assert both.claude.cost["column"].to_list() == ["tone", "second"]
    totals = both.claude.map("{t}", out="total", progress=False)
    assert totals.claude.cost["column"].to_list() == ["tone", "second", "total"]
    assert both.claude.errors["rows"].to_list() == [2]


def test_a_map_without_a_journal_knows_its_run(account: Any) -> None:
    """As long as the process lives; retry() asks what failed and nothing else."""
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}) as simulator:
        out = FRAME.claude.map("Say {t}", journal=False, max_concurrency=1, progress=False)
        assert out.claude.run.requests()["error"].notna().sum() == 3
        asked = simulator.ledger.requests
        again = out.claude.retry()
        assert simulator.ledger.requests == asked + 1
    assert again["response_error"].null_count() == 3


def test_answers_of_a_series_are_asked_again() -> None:
    """What failed, or what is rejected; also by a function, and once more."""
    with cp.simulator(None, latency_seconds=0, script={1: "refusal", 3: "refusal"}) as simulator:
        with pytest.warns(UserWarning, match="of 4 rows 2 failed"):
            answers = FRAME["t"].claude.map(lambda text: f"Say {text}", max_concurrency=1, progress=False)
        with pytest.warns(UserWarning, match="of 4 rows 2 failed"):
            still = answers.claude.retry()
        whole = still.claude.retry()
        asked = simulator.ledger.requests
        rejected = whole.claude.retry(where=[True, False, False, False])

    assert [answer is None for answer in whole] == [False, True, False, False]
    assert whole.claude.cost["total_usd"][0] > answers.claude.cost["total_usd"][0]
    assert simulator.ledger.requests == asked + 1
    assert rejected.equals(whole)
    with pytest.raises(cp.InputError, match="one True or False per row"):
        whole.claude.retry(where=[True])
    with pytest.raises(cp.InputError, match="True or False for each row"):
        whole.claude.retry(where=["yes"] * 4)


@pytest.mark.parametrize("options", [{"schema": {"n": int, "s": str}}, {"sample": 2}])
def test_the_frame_that_a_series_gives_is_completed(options: dict[str, Any]) -> None:
    """With several fields or draws: what was asked is known by its map, by a function as well."""
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}) as simulator:
        first = FRAME["t"].claude.map("Say {}", max_concurrency=1, progress=False, **options)
        asked = simulator.ledger.requests
        whole = first.claude.retry()
        assert simulator.ledger.requests == asked + 1
        other = whole.claude.retry(where=[True, False, False, False], prompt=lambda text: f"Tell {text}")
    assert isinstance(whole, pl.DataFrame) and whole.columns == first.columns == other.columns
    assert (first["response_error"].null_count(), whole["response_error"].null_count()) == (1, 3)  # two ask the same
    assert whole["response_cost"].sum() > first["response_cost"].sum()


def test_answers_are_asked_about_once_more() -> None:
    """They have the name that the next answers get; nothing is replaced, since a series stands alone."""
    with cp.simulator(None, latency_seconds=0, script={3: "refusal"}):
        first = pl.Series("tone", ["one", "two"]).claude.map("Say {}", max_concurrency=1, progress=False)
        with pytest.warns(UserWarning, match="of 2 rows 1 failed"):
            second = first.claude.map("Translate: {}", max_concurrency=1, progress=False)
        fields = second.rename("n").claude.extract({"n": int}, progress=False)
        whole = second.claude.retry()

    assert second.null_count() == 1
    assert whole.name == "response" and whole.null_count() == 0
    assert fields.columns == ["n", "response_error", "response_cost"]


def test_a_map_in_the_background_gives_polars() -> None:
    """What map would have returned, types included; it knows its run."""
    same = FRAME.claude.map("Say {t}", schema=TYPED, progress=False)
    out = FRAME.claude.submit("Say {t}", schema=TYPED, panel=False, progress=False).result()
    assert out.drop("response_cost").equals(same.drop("response_cost"))
    assert out.schema == same.schema
    assert out.claude.run.id == out.claude.run.id != same.claude.run.id
    answers = FRAME["t"].claude.submit("Say {}", panel=False, progress=False).result()
    assert answers.equals(FRAME["t"].claude.map("Say {}", progress=False))
    with pytest.raises(cp.InputError, match="quotes= is for pandas frames"):
        FRAME.claude.submit("Say {t}", schema=TYPED, quotes=True)


def test_what_becomes_of_the_frame_meanwhile_changes_nothing() -> None:
    """It comes back as it was given."""
    frame = FRAME.clone()
    job = frame.claude.submit("Say {t}", panel=False, progress=False)
    frame.insert_column(0, pl.Series("new", range(4)))
    frame.extend(frame.clone())
    assert job.result().drop("response", "response_error", "response_cost").equals(FRAME)


GOLD = pl.DataFrame(
    {
        "t": [f"row {number}" for number in range(40)],
        "price": [1.5, 2.0, 1e22, 0.1] * 10,
        "day": [datetime(2026, 1, number + 1) for number in range(20)] * 2,
        "truth": ["x", "y"] * 20,
    }
)


def test_variants_are_compared_on_the_very_prompts_of_map(account: Any) -> None:
    """What the sample answered costs the map nothing: no value is written otherwise on the way through pandas."""
    tried = GOLD.claude.compare(
        "{t} {price} {day}", {"a": {}, "b": {"effort": "low"}}, labels=["x", "y"], gold="truth", progress=False
    )
    asked = account.ledger.requests
    whole = tried.run("a", progress=False)

    assert tried.table.index.to_list() == ["a", "b"]
    assert whole.schema["response"] == pl.Enum(["x", "y"])
    assert account.ledger.requests == asked == 80
    assert GOLD["t"].claude.compare("{}", {"a": {}}, rows=3, estimate=True).loc["a", "unique"] == 3


def test_a_sample_is_that_of_pandas_and_tells_what_the_whole_costs(account: Any) -> None:
    """Drawn by the same seed, in equal parts of a column if wanted, Polars out; the whole map has its answers."""
    few = GOLD.claude.preview("{t} {price}", rows=10, by="truth", progress=False)
    asked = account.ledger.requests
    frame = GOLD.to_pandas()
    again = asyncio.run(GOLD.claude.apreview("{t} {price}", rows=10, by="truth", progress=False))
    values = GOLD["t"].claude.preview(lambda text: f"Say {text}", rows=5, progress=False)

    assert few["truth"].value_counts()["count"].to_list() == [5, 5]
    assert few["t"].to_list() == frame.claude.preview("{t}", rows=10, by="truth", progress=False)["t"].tolist()
    assert few.claude.run.totals["whole"]["rows"] == 40
    assert again.equals(few.with_columns(response_cost=0.0))
    assert asked == 10
    assert isinstance(values, pl.Series)
    assert GOLD.claude.preview("{t}", rows=3, estimate=True).workload.rows == 3
    assert GOLD.clear().claude.preview("{t}", progress=False).columns == [*GOLD.columns, *few.columns[-3:]]
    with pytest.raises(cp.InputError, match="there is no column 'nowhere'"):
        GOLD.claude.preview("{t}", by="nowhere")


def test_variants_are_compared_on_the_callers_loop(account: Any) -> None:
    """As the blocking twin does."""
    tried = asyncio.run(GOLD.claude.acompare("{t}", {"a": {}}, labels=["x", "y"], gold="truth", progress=False))
    of_series = asyncio.run(GOLD["t"].claude.acompare("{}", {"a": {}}, rows=3, progress=False))
    assert tried.table.index.to_list() == of_series.table.index.to_list() == ["a"]
    assert isinstance(tried.run("a", progress=False), pl.DataFrame)


@pytest.mark.parametrize("verb", ["preview", "apreview", "compare", "acompare"])
def test_the_verbs_show_what_those_of_pandas_show(verb: str) -> None:
    """Their options are listed there alone."""
    for ours, theirs in ((GOLD, GOLD.to_pandas()), (GOLD["t"], GOLD["t"].to_pandas())):
        shown, expected = (inspect.signature(getattr(one.claude, verb)).parameters for one in (ours, theirs))
        assert dict(shown) == dict(expected)


def test_answers_are_reviewed_and_audited() -> None:
    """Labels to choose from are those of the Enum; gold is a column, or a series of all rows."""
    frame = GOLD.claude.classify("{t}", ["x", "y"], progress=False)
    series = GOLD["t"].claude.classify(["x", "y"], progress=False)
    review = frame.claude.review(4)
    while (item := review.current) is not None:
        review.give(GOLD["truth"][item.position])

    assert review.choices == series.claude.review(4).choices == ("x", "y")
    assert frame.claude.audit(review).gold_rows == 4
    assert frame.claude.audit("truth").accuracy == series.claude.audit(GOLD["truth"]).accuracy
    with pytest.raises(cp.InputError, match="a Polars series has no index"):
        frame.claude.audit(GOLD["truth"][:3])


@pytest.mark.parametrize("is_in_background", [False, True])
def test_a_series_that_was_written_into_since_is_asked_as_it_was(is_in_background: bool) -> None:
    """As on pandas: the answers stand beside the values that they answer."""
    values = pl.Series("t", ["a", "b"])
    ours = values.claude
    out = ours.submit("Say {}", panel=False).result() if is_in_background else ours.map("Say {}", progress=False)
    values[0] = "something else"
    assert out.claude.retry(where=[True, False], progress=False).to_list() == out.to_list()
    with pytest.raises(cp.InputError, match="where= must be True or False for each row"):
        out.claude.retry(where="t")


@pytest.mark.parametrize("frame", [GOLD, GOLD.lazy()], ids=["frame", "query"])
def test_one_column_may_be_gold_and_groups_at_once(frame: Any) -> None:
    """As on pandas: in equal parts of the truth, or of the answers themselves."""
    tried = frame.claude.compare(
        "{t}", {"a": {}}, labels=["x", "y"], gold="truth", by="truth", rows=10, progress=False, estimate=True
    )
    review = frame.claude.review(4, column="truth", by="truth", journal=False)
    assert tried.loc["a", "unique"] == 10
    assert sorted(GOLD["truth"][[item.position for item in review.items]]) == ["x", "x", "y", "y"]
    assert frame.claude.audit("truth", column="truth").accuracy.estimate == 1.0


@pytest.mark.parametrize("is_lazy", [False, True])
def test_an_audit_looks_at_the_draws_of_a_vote_as_on_pandas(is_lazy: bool) -> None:
    """Gold rows that were picked where the draws disagree tell of other rows than they stand for."""
    agreement = [1.0 if number % 4 else 2 / 3 for number in range(200)]
    gold = ["x" if number % 4 == 0 else None for number in range(200)]
    columns = {"label": ["x"] * 150 + ["y"] * 50, "label_agreement": agreement, "gold": gold}
    frame = pl.DataFrame(columns)
    audit = (frame.lazy() if is_lazy else frame).claude.audit("gold", column="label")
    assert any("all draws agree on 0.0 %" in line for line in audit.warnings)
    assert audit.warnings == pd.DataFrame(columns).claude.audit("gold", column="label").warnings
    with pytest.raises(cp.InputError, match="by='agreement' needs a frame"):
        frame.drop("label_agreement").claude.review(4, column="label", by="agreement", journal=False)


def test_a_lazy_frame_maps_on_the_callers_loop(tmp_path: Path) -> None:
    """As its blocking twin does; the scan of a folder knows its run."""
    out = asyncio.run(FRAME.lazy().claude.amap("Say {t}", progress=False))
    scan = asyncio.run(FRAME.lazy().claude.amap("Say {t}", into=tmp_path / "out", progress=False))
    assert out.drop("response_cost").equals(scan.collect().drop("response_cost"))
    assert scan.claude.run.id != out.claude.run.id


def test_a_query_without_rows_fills_a_folder_that_can_be_read(tmp_path: Path) -> None:
    """With the columns that there would be."""
    scan = FRAME.lazy().filter(pl.col("t") == "no such").claude.map("Say {t}", into=tmp_path / "out", progress=False)
    assert scan.collect().height == 0
    assert scan.collect_schema().names() == [*FRAME.columns, "response", "response_error", "response_cost"]


def test_a_part_of_rows_that_have_changed_is_made_again(tmp_path: Path, account: Any) -> None:
    """The query is the same, the file that it reads is not: parts of the same rows stay, those of none go."""
    path, into = tmp_path / "in.parquet", tmp_path / "out"

    def mapped(texts: list[str]) -> Any:
        pl.DataFrame({"t": texts}).write_parquet(path)
        return pl.scan_parquet(path).claude.map("Say {t}", into=into, progress=False).collect()

    first = [f"row {number % 500}" for number in range(10_000)]  # as many rows as a part has, of few texts
    mapped([*first, "a", "b"])
    before = {part.name: part.stat().st_mtime_ns for part in into.glob("part*")}
    changed = mapped([*first, "a", "c"])
    after = {part.name: part.stat().st_mtime_ns for part in into.glob("part*")}
    asked = account.ledger.requests

    assert changed["t"].to_list() == [*first, "a", "c"]
    assert changed["response"].null_count() == 0
    assert len(before) == len(after) == 2
    assert before["part-000000.parquet"] == after["part-000000.parquet"]
    assert mapped(first).height == 10_000
    assert [part.name for part in into.glob("part*")] == ["part-000000.parquet"]
    assert account.ledger.requests == asked == 503


def test_what_cannot_work_says_so(tmp_path: Path) -> None:
    """In one line, before a call."""
    with pytest.raises(cp.InputError, match="names a file; name a folder"):
        FRAME.lazy().claude.map("Say {t}", into=tmp_path / "out.csv")
    wide = pl.DataFrame({"t": ["a"], "i": pl.Series([1], dtype=pl.Int128)})
    for kind in (wide, wide.lazy()):
        with pytest.raises(cp.InputError, match=r"column 'i' \(Int128\) cannot travel as Arrow"):
            kind.claude.map("Say {t}")
    objects = pl.DataFrame({"t": ["a"], "o": pl.Series([Path("x")], dtype=pl.Object)})
    for asked in (objects, objects.lazy(), objects["o"]):
        with pytest.raises(
            cp.InputError, match=r"column 'o' \(Object\) cannot travel as Arrow \(it holds Python objects"
        ):
            asked.claude.map("Say {}" if isinstance(asked, pl.Series) else "Say {o}")


def test_answers_may_be_called_as_their_values_are() -> None:
    """Beside each other in a review they have two names, also where the series has none."""
    with cp.simulator(None, latency_seconds=0):
        answers = pl.Series(["a", "b"]).claude.map(lambda text: f"Say {text}", out="value", progress=False)
    review = answers.claude.review(2, journal=False)
    assert sorted(item.texts for item in review.items) == [(("value_asked", "a"),), (("value_asked", "b"),)]
