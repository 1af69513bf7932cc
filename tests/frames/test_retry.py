"""Asking again: failed rows, rejected rows, another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import claude_parallel as cp
from claude_parallel.frames import calls
from claude_parallel.frames.columns import AnswerColumns
from claude_parallel.frames.retry import _replaced
from claude_parallel.frames.totals import cost_table
from claude_parallel.report import recent_runs


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    """Yield a simulator and a frame in which every answer was cut."""
    with cp.simulator(None, latency_seconds=0) as sim:
        frame = pd.DataFrame({"t": ["one", "two", None, "two"]}, index=[3, 3, 1, 0])
        options = {"max_tokens": 3, "progress": False, "journal": tmp_path / "j.sqlite3"}
        yield sim, frame.claude.map("Explain: {t}", **options)


def test_retry_with_another_limit_completes_the_frame(cut: Any) -> None:
    """Failed rows are asked again, skipped ones are not, costs add up, index and order stay."""
    sim, out = cut
    again = out.claude.retry(max_tokens=300)

    assert again["response_error"].isna().tolist() == [True, True, False, True]
    assert again.index.tolist() == out.index.tolist()
    assert (again["response_cost"] >= out["response_cost"]).all()
    assert sim.ledger.requests == 4  # two distinct questions, asked twice
    assert out["response_error"].notna().all()


def test_retry_with_the_same_settings_asks_again(cut: Any) -> None:
    """An answer that was the reason for asking again is not served from the journal."""
    sim, out = cut
    out.claude.retry()

    assert sim.ledger.requests == 4


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
@pytest.mark.parametrize("is_free", [False, True])
def test_a_frame_of_other_dtypes_is_completed(cut: Any, backend: Any, *, is_free: bool) -> None:
    """``convert_dtypes()`` makes whole numbers of dollars that are all 0; what is paid has its place all the same."""
    _sim, out = cut
    given = out.assign(response_cost=0.0) if is_free else out
    again = given.convert_dtypes(dtype_backend=backend).claude.retry(max_tokens=300)

    assert again["response_error"].isna().tolist() == [True, True, False, True]
    wanted = given.claude.retry(max_tokens=300)  # which the journal answers
    assert again["response_cost"].sum() > wanted["response_cost"].sum() == given["response_cost"].sum()


def test_retry_twice_with_the_same_override_pays_once(cut: Any) -> None:
    """What a retry paid for is in the journal for the next one."""
    sim, out = cut
    out.claude.retry(max_tokens=300)
    out.claude.retry(max_tokens=300)

    assert sim.ledger.requests == 4


def test_rejected_rows_are_asked_again(cut: Any) -> None:
    """A mask chooses the rows, whatever their error column says."""
    sim, out = cut
    good = out.claude.retry(max_tokens=300)
    again = good.claude.retry(where=[True, False, False, False])

    assert sim.ledger.requests == 5
    assert again["response_cost"].iloc[0] > good["response_cost"].iloc[0]
    assert again["response_cost"].iloc[1] == good["response_cost"].iloc[1]


def test_answers_without_a_column_to_go_to_are_not_paid(cut: Any) -> None:
    """A renamed column would have stayed as it was, and its errors would have gone."""
    sim, out = cut
    asked = sim.ledger.requests
    with pytest.raises(cp.InputError, match="'response', where the new answers would go, was renamed or dropped"):
        out.rename(columns={"response": "said"}).claude.retry(max_tokens=100)
    assert sim.ledger.requests == asked


def test_a_mask_of_another_length_is_refused(cut: Any) -> None:
    """The mask must fit the frame."""
    with pytest.raises(cp.InputError, match="one True or False per row"):
        cut[1].claude.retry(where=[True])


def test_a_mask_that_is_missing_where_an_answer_is_means_the_others() -> None:
    """A comparison of typed answers is missing where a row failed; anything but True and False is refused."""
    frame = pd.DataFrame({"t": ["one", "two", None]})
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}) as sim:
        out = frame.claude.map("Rate: {t}", schema={"score": int}, progress=False, max_concurrency=1)
        assert (out["score"] == out["score"]).isna().tolist() == [True, False, True]
        for where in (out["score"] == out["score"], [float("nan"), True, None], [None, 1, 0]):
            asked = sim.ledger.requests
            out = out.claude.retry(where=where)
            assert sim.ledger.requests == asked + 1
        with pytest.raises(cp.InputError, match="True or False for each row"):
            out.claude.retry(where=["yes", "no", ""])
        assert sim.ledger.requests == asked + 1


def test_a_mask_is_laid_beside_the_frame_by_its_index() -> None:
    """As ``frame[where]`` does: made of a sorted frame it means the same rows, and one of other rows is refused."""
    frame = pd.DataFrame({"t": ["one", "two", "three"]})
    with cp.simulator(None, latency_seconds=0, answer=lambda prompt: prompt) as sim:
        out = frame.claude.map("{t}", progress=False)
        asked = sim.ledger.requests
        by_word = out.sort_values("t", ascending=False)
        again = out.claude.retry(where=by_word["response"] == "two", prompt="again {t}")
        assert again["response"].tolist() == ["one", "again two", "three"]
        part = out.iloc[1:].claude.retry(where=out["response"] == "three", prompt="once more {t}")
        assert part["response"].tolist() == ["two", "once more three"]
        with pytest.raises(cp.InputError, match=r"another index than the frame; where\.to_numpy\(\)"):
            out.claude.retry(where=pd.Series([True] * 3, index=[7, 8, 9]))
        assert sim.ledger.requests == asked + 2


def test_a_frame_that_lost_its_run_says_so(cut: Any) -> None:
    """Pandas drops attrs in merge; the message names that."""
    _sim, out = cut
    merged = out.merge(pd.DataFrame({"t": ["one"]}), on="t")
    merged.attrs = {}

    with pytest.raises(cp.InputError, match="merge"):
        merged.claude.retry()


def test_after_a_restart_the_prompt_is_needed(cut: Any, tmp_path: Path) -> None:
    """Prompts are not stored, so another process has to bring it, with the options."""
    sim, out = cut
    path = tmp_path / "j.sqlite3"
    recent_runs._places.clear()
    calls._calls.clear()
    with pytest.raises(cp.InputError):
        out.claude.retry(journal=path)
    assert cp.run(out.attrs["claude_parallel_run"], path).settings["out"] == "response"
    again = out.claude.retry(prompt="Explain: {t}", journal=path, max_tokens=300, progress=False)
    assert again["response_error"].isna().tolist() == [True, True, False, True]
    assert sim.ledger.requests == 4


@pytest.mark.parametrize("sample", [1, 2])
def test_after_a_restart_typed_columns_are_completed_too(tmp_path: Path, sample: int) -> None:
    """Each field in its own column, also where an input column has its name, or it is named as one of ours ends."""
    path, fields = tmp_path / "j.sqlite3", {"t": str, "n": int, "error": str}
    frame = pd.DataFrame({"t": [f"text {n}" for n in range(4)]})
    with cp.simulator(None, latency_seconds=0, script=dict.fromkeys(range(1, 1 + 4 * sample), "refusal")):
        options: dict[str, Any] = {"schema": fields, "progress": False, "sample": sample}
        out = frame.claude.map("Say {t}", journal=path, max_concurrency=1, **options)
        recent_runs._places.clear()
        calls._calls.clear()
        again = out.claude.retry(prompt="Say {t}", journal=path, **options)

    assert again.columns.tolist() == out.columns.tolist()
    assert again["t"].tolist() == frame["t"].tolist()
    assert out[["response_t", "n", "error"]].isna().all(axis=None)
    assert again[again.columns.drop([name for name in again if name.endswith("_error")])].notna().all(axis=None)


def test_after_a_restart_answers_of_a_series_have_no_values_to_ask(tmp_path: Path) -> None:
    """The map itself has: what is answered costs nothing."""
    path = tmp_path / "j.sqlite3"
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}):
        out = pd.Series(["one", "two"]).claude.map("Say {}", sample=2, progress=False, journal=path)
        recent_runs._places.clear()
        calls._calls.clear()
        with pytest.raises(cp.InputError, match="run its map again"):
            out.claude.retry(prompt="Say {}", journal=path)


def test_errors_are_grouped_with_advice(cut: Any) -> None:
    """One line per kind: how many, an example, what to do."""
    table = cut[1].claude.errors

    assert table["rows"].to_dict() == {"max_tokens": 3, "skipped": 1}
    assert table.loc["max_tokens", "example"] == "the answer was cut after 3 output tokens"
    assert "max_tokens=" in table.loc["max_tokens", "advice"]


def test_totals_are_those_of_the_columns(cut: Any) -> None:
    """Dollars are the sum of the cost column; a skipped row is no failure."""
    out = cut[1]
    line = out.claude.cost.loc["response"]

    assert line["total_usd"] == out["response_cost"].sum()
    assert line[["rows", "answered", "failed", "skipped", "cancelled", "unpriced"]].tolist() == [4, 0, 3, 1, 0, 0]


def test_typed_columns_are_completed_too(tmp_path: Path) -> None:
    """A retried row gets its typed values in the columns that are there."""
    frame = pd.DataFrame({"t": [f"text {n}" for n in range(6)]})
    with cp.simulator(None, latency_seconds=0, script={2: "refusal"}):
        out = frame.claude.map("{t}", schema={"tone": str, "n": int}, progress=False, journal=tmp_path / "j.sqlite3")
        assert out["n"].isna().sum() == 1
        again = out.claude.retry()

    assert again["n"].isna().sum() == 0
    assert again.dtypes.equals(out.dtypes)


def test_a_schema_field_that_ends_like_a_cost_is_a_value_like_any_other(tmp_path: Path) -> None:
    """What a column means is known, not guessed from its name: ``unit_cost`` is neither added up nor lost."""
    frame = pd.DataFrame({"t": [f"text {n}" for n in range(4)]})
    with cp.simulator(None, latency_seconds=0, script={2: "refusal"}):
        options = {"progress": False, "journal": tmp_path / "j.sqlite3", "max_concurrency": 1}
        out = frame.claude.map("{t}", schema={"unit_cost": float, "parse_error": str}, **options)
        again = out.claude.retry()
        rejected = again.claude.retry(where=[True, False, False, False])

    assert again["unit_cost"].notna().all()
    assert again["unit_cost"].iloc[0] == out["unit_cost"].iloc[0]
    assert rejected["parse_error"].notna().all()
    assert rejected["unit_cost"].iloc[0] in (out["unit_cost"].iloc[0], rejected["unit_cost"].iloc[0])
    assert out.claude.errors["rows"].to_dict() == {"refusal": 1}
    assert out.claude.cost.loc["total", "failed"] == 1


@pytest.fixture
def sampled(tmp_path: Path) -> Any:
    """Yield a simulator and a frame of three rows with two answers each, of which the second of row 1 was refused."""
    frame = pd.DataFrame({"t": ["one", "two", "three"]})
    with cp.simulator(None, latency_seconds=0, script={4: "refusal"}) as sim:
        options = {"progress": False, "journal": tmp_path / "j.sqlite3", "max_concurrency": 1}
        yield sim, frame.claude.map("Say {t}", sample=2, **options)


def test_retry_mends_every_sample_and_pays_for_nothing_else(sampled: Any) -> None:
    """A failure of the second answer is seen; the good first answer of the same row is neither asked nor changed."""
    sim, out = sampled
    assert out["response_error"].isna().all()
    assert out["response_2_error"].notna().tolist() == [False, True, False]
    again = out.claude.retry()

    assert again["response_2_error"].isna().all()
    assert sim.ledger.requests == 7
    assert again["response"].tolist() == out["response"].tolist()


def test_totals_cover_all_samples_and_all_maps_of_a_frame(sampled: Any) -> None:
    """A line for each answer column, and their sum; errors are those of all columns."""
    _sim, out = sampled
    both = out.claude.map("Shout {t}", out="loud", progress=False, journal=False)
    table = both.claude.cost

    assert table.index.tolist() == ["response", "response_2", "loud", "total"]
    assert table["failed"].tolist() == [0, 1, 0, 1]
    assert table["rows"].tolist() == [3, 3, 3, 9]
    wanted = both[["response_cost", "response_2_cost", "loud_cost"]].sum()
    assert table["total_usd"].tolist() == pytest.approx([*wanted, wanted.sum()])
    assert both.claude.errors["rows"].to_dict() == {"refusal": 1}


def test_a_map_made_again_under_the_same_name_counts_once(sampled: Any) -> None:
    """Its columns were replaced, so its earlier run is no line of its own."""
    out = sampled[1].claude.map("Shout {t}", progress=False, journal=False)

    assert out.claude.cost.index.tolist() == ["response", "total"]


def test_a_column_named_total_keeps_its_line(sampled: Any) -> None:
    """The total is a line of its own behind it."""
    table = sampled[1].claude.map("Shout {t}", out="total", progress=False, journal=False).claude.cost

    assert table.index.tolist() == ["response", "response_2", "total", "total"]
    assert table.index.name == "column"
    assert table["rows"].tolist() == [3, 3, 3, 9]


NULLS = pd.array([None], dtype=pd.ArrowDtype(pa.null()))


@pytest.mark.parametrize(
    ("old", "answer"),
    [(pd.array([1], dtype="Int64"), 2**70), (NULLS, [1, 2]), (NULLS, "text")],
    ids=["too large", "a list among nulls", "a text among nulls"],
)
def test_answers_that_a_column_cannot_hold_make_it_one_of_objects(old: Any, answer: Any) -> None:
    """Whatever is raised for them: pandas 2.2 raises an OverflowError, Arrow a NotImplementedError."""
    new = pd.array([answer], dtype=object)
    assert list(_replaced(old, new, np.array([True]), np.array([True]))) == [answer]


def test_unknown_prices_are_not_summed_as_nothing() -> None:
    """NaN where no price is known at all."""
    with cp.simulator(None, latency_seconds=0), pytest.warns(UserWarning, match="no price"):
        out = pd.DataFrame({"t": ["x"]}).claude.map("Say {t}", model="claude-mythos-preview", progress=False)

    line = out.claude.cost.loc["total"]
    assert line["unpriced"] == 1
    assert pd.isna(line["total_usd"])
    assert pd.isna(line["mean_usd"])


def test_rows_of_unknown_price_make_no_mean_smaller() -> None:
    """They are in neither the sum nor the number of rows that it is divided by."""
    frame = pd.DataFrame({"r_error": [None, None, None], "r_cost": [0.2, 0.4, float("nan")]})
    line = cost_table(frame, [AnswerColumns("r", "r_error", "r_cost")]).loc["total"]

    assert line["total_usd"] == pytest.approx(0.6)
    assert line["mean_usd"] == pytest.approx(0.3)


def test_totals_know_the_columns_of_a_plain_map_after_pandas_dropped_the_attrs(cut: Any) -> None:
    """Their names are those of a map without ``out=``; what no map made is no error column, whatever its name."""
    out = cut[1].assign(other_error="x", other_cost=1.0)
    out.attrs = {}

    assert out.claude.cost.index.tolist() == ["response", "total"]
    with pytest.raises(cp.InputError, match="does not know which columns"):
        _ = out.drop(columns="response_cost").claude.cost


def test_without_a_journal_good_samples_are_left_alone() -> None:
    """Only the one that failed is asked and paid again."""
    frame = pd.DataFrame({"t": ["one", "two", "three"]})
    with cp.simulator(None, latency_seconds=0, script={4: "refusal"}) as sim:
        out = frame.claude.map("Say {t}", sample=2, progress=False, journal=False, max_concurrency=1)
        again = out.claude.retry()

    assert out["response_2_error"].notna().tolist() == [False, True, False]
    assert again["response_2_error"].isna().all()
    assert sim.ledger.requests == 7
    assert again["response"].tolist() == out["response"].tolist()


@pytest.mark.filterwarnings("ignore:of .* rows")
@pytest.mark.parametrize("journal", [True, False])
def test_a_series_of_answers_is_completed_too(journal: bool) -> None:
    """Also after it was sorted and filtered; errors and costs are those of all its runs."""
    texts = pd.Series([f"text {n}" for n in range(6)], index=list("fedcba"), name="t")
    with cp.simulator(None, latency_seconds=0, script={2: "refusal", 4: "refusal", 7: "refusal"}) as sim:
        answers = texts.claude.map("Say {}", progress=False, journal=journal, max_concurrency=1)
        first = answers.claude.cost.loc["total", "total_usd"]
        once = answers.sort_index().iloc[:5].claude.retry()
        twice = once.claude.retry()
        same = twice.claude.retry()

    assert answers.isna().tolist() == [False, True, False, True, False, False]
    assert (once.isna().sum(), twice.isna().sum()) == (1, 0)
    assert twice.index.tolist() == list("abcde")
    assert [answer.split()[-1] for answer in twice] == ["5", "4", "3", "2", "1"]
    assert sim.ledger.requests == 9
    assert once.claude.errors["rows"].to_dict() == {"refusal": 1}
    assert twice.claude.errors.empty
    assert twice.claude.cost.loc["total", "answered"] == 5
    assert twice.claude.cost.loc["total", "total_usd"] > 0.9 * first
    pd.testing.assert_series_equal(same, twice)
    assert twice.claude.run.id != answers.claude.run.id


def test_answers_of_a_series_that_are_rejected_are_asked_again() -> None:
    """By a stronger model, for example."""
    texts = pd.Series(["one", "two"])
    with cp.simulator(None, latency_seconds=0) as sim:
        answers = texts.claude.map("Say {}", progress=False)
        again = answers.claude.retry(where=[False, True], model="claude-opus-5-5", progress=False)
        with pytest.raises(cp.InputError, match="whole series"):
            answers.claude.retry(texts.iloc[:1], where=[False, True])

    assert sim.ledger.requests == 3
    assert again.claude.details()["response_cost"].iloc[1] > 3 * answers.claude.details()["response_cost"].iloc[1]


def test_a_cell_with_a_retry_that_is_run_again_pays_once() -> None:
    """What it has mended is in the journal; what it has not is asked again, and so is an answer that is rejected."""
    frame = pd.DataFrame({"t": [f"text {n}" for n in range(4)]})
    with cp.simulator(None, latency_seconds=0, script={2: "refusal", 3: "refusal", 6: "refusal"}) as sim:
        out = frame.claude.map("Say {t}", progress=False, max_concurrency=1)
        once = out.claude.retry()  # calls 5 and 6
        assert once["response_error"].notna().tolist() == [False, False, True, False]
        twice = out.claude.retry()
        assert sim.ledger.requests == 7
        again = out.claude.retry()
        assert sim.ledger.requests == 7
        twice.claude.retry(where=[True, True, False, False])

    assert twice["response_error"].isna().all()
    assert again["response"].equals(twice["response"])
    assert (again["response_cost"] == out["response_cost"]).all()
    assert sim.ledger.requests == 9


@pytest.mark.parametrize(
    "options",
    [{"schema": {"a": str, "b": int}}, {"sample": 2}, {"schema": {"a": str, "b": int}, "vote": True, "sample": 3}],
)
def test_a_frame_of_answers_to_a_series_is_completed_too(options: dict[str, Any]) -> None:
    """The values that were asked are found by the index, also after it was sorted and filtered, twice."""
    texts = pd.Series([f"text {n}" for n in range(6)], index=list("fedcba"), name="t")
    refused = {call: "refusal" for call in range(1, 1 + 6 * options.get("sample", 1)) if call % 4}
    with cp.simulator(None, latency_seconds=0, script=refused) as sim:
        answers = texts.claude.map("Say {}", progress=False, max_concurrency=1, **options)
        some = answers.sort_index().iloc[:4]
        once = some.claude.retry()
        twice = once.claude.retry(where=[True, False, False, False])

    errors = [name for name in answers.columns if name.endswith("_error")]
    assert answers[errors].notna().any(axis=None)
    assert once[errors].isna().all(axis=None)
    assert once.index.tolist() == twice.index.tolist() == list("abcd")
    assert twice.drop(columns="response_cost").iloc[1:].equals(once.drop(columns="response_cost").iloc[1:])
    assert sim.ledger.requests > 6


def test_values_of_a_series_that_are_forgotten_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is the map itself, which costs nothing for what is answered."""
    monkeypatch.setattr(calls, "_MOST_GIVEN", 1)
    with cp.simulator(None, latency_seconds=0, script={1: "refusal"}):
        answers = pd.Series(["one", "two"]).claude.map("Say {}", schema={"a": str, "b": int}, progress=False)
        pd.Series(["three"]).claude.map("Say {}", progress=False)
        with pytest.raises(cp.InputError, match="gone from memory; run the series' map again"):
            answers.claude.retry()
