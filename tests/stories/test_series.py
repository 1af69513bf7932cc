"""A Series gives a Series: answers on the same index, errors and costs at hand, missing where something went wrong."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any, Literal

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.errors import InputError
from claude_parallel.frames import calls

WORDS = pd.Series(["bread", None, "milk"], index=[3, 1, 2], name="food")


@pytest.fixture(autouse=True)
def simulated() -> Any:
    """Run against the simulator, which repeats what it was asked."""
    with cp.simulator(None, latency_seconds=0, answer=_echo) as sim:
        cp.configure(progress=False, max_concurrency=1)
        yield sim


def _echo(prompt: str) -> str:
    return f"re: {prompt}"


def test_the_idioms_of_pandas_work() -> None:
    """Assignment and assign, with the index kept and the name given."""
    df = pd.DataFrame({"food": WORDS})
    df["fr"] = df["food"].claude.map("Say {}")
    assert df["fr"].dropna().tolist() == ["re: Say bread", "re: Say milk"]
    assert df.assign(x=lambda d: d["food"].claude.map("{}", out="x"))["x"].notna().tolist() == [True, False, True]
    answers = WORDS.claude.map("Say {}", out="fr")
    assert (answers.name, answers.index.tolist()) == ("fr", [3, 1, 2])
    assert WORDS.attrs == {}


def test_a_skipped_value_is_missing_without_a_warning() -> None:
    """It was missing before, as in every pandas function."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = WORDS.claude.map("Say {}")
    assert answers.isna().tolist() == [False, True, False]
    assert answers.claude.errors["rows"].to_dict() == {"skipped": 1}


def test_failed_rows_are_missing_and_one_warning_says_where_to_look() -> None:
    """Also a cut text: a column of answers holds no half ones; the details say what happened and what it cost."""
    with pytest.warns(UserWarning, match=r"of 3 rows 2 failed .*[.]claude.details\(\)") as caught:
        answers = WORDS.claude.map("Say {}", max_tokens=1)
    assert len(caught) == 1
    assert answers.isna().all()
    details = answers.claude.details()
    assert list(details.columns) == ["response", "response_error", "response_cost"]
    assert details["response_error"].str.partition(":")[0].tolist() == ["max_tokens", "skipped", "max_tokens"]
    assert answers.claude.cost.loc["total", ["failed", "skipped"]].tolist() == [2, 1]
    assert answers.claude.cost.loc["total", "total_usd"] == details["response_cost"].sum() > 0
    assert answers.claude.run.id == answers.attrs["claude_parallel_run"]


def test_details_follow_sorted_and_filtered_answers() -> None:
    """By the index of the map, as long as it tells the rows apart."""
    with pytest.warns(UserWarning, match="failed"):
        answers = WORDS.claude.map("Say {}", max_tokens=1)
    turned = answers.sort_index().claude.details()
    assert turned["response_error"].str.partition(":")[0].tolist() == ["skipped", "max_tokens", "max_tokens"]
    assert answers[answers.index == 1].claude.details()["response_cost"].tolist() == [0.0]
    with pytest.raises(cp.InputError, match="another index"):
        answers.set_axis([7, 8, 9]).claude.details()


@pytest.mark.parametrize("is_of_other_process", [False, True])
def test_details_of_sorted_answers_are_never_those_of_other_rows(is_of_other_process: bool) -> None:
    """Where the index of the map is not known any more, its digest tells that these rows stand elsewhere."""
    answers = WORDS.claude.map("Say {}")
    run_id = answers.attrs["claude_parallel_run"]
    call = calls._calls.pop(run_id)
    if not is_of_other_process:  # 20 other maps were made since
        calls.remember_call(run_id, replace(call, given=None))
    assert answers.claude.details()["response_error"].notna().tolist() == [False, True, False]
    with pytest.raises(cp.InputError, match="filtered or sorted"):
        answers.sort_index().claude.details()
    again = answers.sort_index().claude.retry(WORDS.fillna("jam"), prompt="Say {}", where=[True, False, False])
    assert again.to_dict() == {1: "re: Say jam", 2: "re: Say milk", 3: "re: Say bread"}
    with pytest.raises(cp.InputError, match="whole series"):
        answers.claude.retry(WORDS.sort_index(), prompt="Say {}", where=[True, False, False])


@pytest.mark.parametrize(
    "labels",
    [[[1], {"a": 2}, None], ["\ud800", "b", 3.5], [(1, 2), "b", pd.NaT], [float("nan"), pd.NA, b"x"]],
    ids=["unhashable", "half a character", "tuples", "missing"],
)
def test_whatever_an_index_holds_the_answers_come_back(labels: list[Any]) -> None:
    """They are paid by the time the index is looked at."""
    index = pd.Index(labels, dtype=object, tupleize_cols=False)
    answers = pd.Series(["bread", "jam", "milk"], index=index).claude.map("Say {}")
    calls._calls.clear()
    assert answers.claude.details()["response"].tolist() == ["re: Say bread", "re: Say jam", "re: Say milk"]


@pytest.mark.parametrize("options", [{"schema": int}, {"sample": 2}])
def test_a_retry_of_a_series_makes_no_other_column(options: dict[str, Any]) -> None:
    """As of a frame: what is there is of one type, and one answer a row."""
    with pytest.warns(UserWarning, match="2 failed"):
        answers = WORDS.claude.map("Say {}", schema=bool)
    with pytest.raises(cp.InputError, match="cannot change schema= or sample="):
        answers.claude.retry(where=[True, True, True], **options)


def test_details_know_their_run_after_a_restart() -> None:
    """From the journal, row by row."""
    answers = WORDS.claude.map("Say {}", out="fr")
    calls._calls.clear()
    assert list(answers.claude.details().columns) == ["fr", "fr_error", "fr_cost"]


def test_a_bare_type_gives_typed_answers_and_fields_a_frame() -> None:
    """One column is a series, several are a frame on the same index."""
    with cp.simulator(None, latency_seconds=0):
        tones = WORDS.claude.map("{}", schema=Literal["good", "bad"], out="tone")
        fields = WORDS.claude.map("{}", schema={"tone": str, "n": int})
        twice = WORDS.claude.map("{}", sample=2)
    assert tones.dtype == pd.CategoricalDtype(["good", "bad"])
    assert list(fields.columns) == ["tone", "n", "response_error", "response_cost"]
    assert list(twice.columns)[::3] == ["response", "response_2"]
    assert fields.index.equals(WORDS.index)


def test_the_other_verbs_of_a_series() -> None:
    """classify, extract, estimate and submit, as on frames; the labels come first, for there is but one text."""
    with cp.simulator(None, latency_seconds=0):
        labels = WORDS.claude.classify(["food", "drink"])
        several = WORDS.claude.classify(["food", "drink"], "What is {}?", multiple=True, out="kinds")
        fields = WORDS.claude.extract({"name": str})
        job = WORDS.claude.submit("Say {}", panel=False)
        result = job.result()
    assert (labels.name, labels.cat.categories.tolist()) == ("label", ["food", "drink"])
    assert several.name == "kinds"
    assert isinstance(several.iloc[0], list)
    assert list(fields.columns) == ["name", "response_error", "response_cost"]
    assert isinstance(result, pd.Series)
    assert job.partial().equals(result)
    assert WORDS.claude.estimate("Say {}").to_frame()["skipped"].tolist() == [1] * 4


def test_an_empty_series_gives_an_empty_series() -> None:
    """Of the same dtype as a full one, and without a call."""
    answers = WORDS.iloc[:0].claude.map("Say {}", out="said")
    assert isinstance(answers, pd.Series)
    assert answers.dtype == WORDS.claude.map("Say {}").dtype
    assert list(answers.claude.details().columns) == ["said", "said_error", "said_cost"]
    assert len(answers.claude.errors) == answers.claude.cost.loc["total", "rows"] == 0
    assert answers.claude.retry().equals(answers)


def test_an_empty_frame_is_retried_like_any_other() -> None:
    """A mask that chooses no row stops no notebook; which run made it is told as what it is."""
    frame = WORDS.to_frame("word").iloc[:0].claude.map("Say {word}", out="said", schema={"n": int})
    assert frame.claude.retry().equals(frame)
    assert len(frame.claude.errors) == len(frame.claude.models()) == 0
    assert frame.claude.cost.loc["total", "total_usd"] == 0
    with pytest.raises(InputError, match="there was no row to ask"):
        _ = frame.claude.run
    with pytest.raises(InputError, match="no row to compare"):
        frame.claude.compare("Say {word}", {"a": {}, "b": {"max_tokens": 9}})


async def _amap() -> Any:
    return await WORDS.claude.amap("Say {}")


def test_amap_gives_a_series_as_well() -> None:
    """The same on the caller's own loop."""
    import asyncio

    assert asyncio.run(_amap()).dropna().tolist() == ["re: Say bread", "re: Say milk"]


def test_index_levels_may_stand_in_the_template() -> None:
    """By their names, beside ``{}``."""
    series = pd.Series(["a"], index=pd.Index([5], name="page"))
    assert series.claude.map("{} on page {page:02d}").tolist() == ["re: a on page 05"]


# -- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("hello", r"cp.map\(\[text\]\)"),
        (b"hello", r"cp.map\(\[text\]\)"),
        (pd.DataFrame({"t": ["a"]}), "df.claude.map"),
        ({"a": "text"}, "items.values"),
        ({"a", "b"}, "sorted"),
        (5, "int, not a list"),
    ],
)
def test_what_is_no_list_of_items_is_refused(items: Any, words: str, simulated: Any) -> None:
    """Letters, column names and keys are almost never meant, and would be paid."""
    with pytest.raises(cp.InputError, match=words):
        cp.map(items, "Say {}")
    assert simulated.ledger.requests == 0


def test_a_list_gives_a_frame_and_a_series_keeps_its_index() -> None:
    """Answers, errors and costs, in order."""
    assert cp.map(item for item in ("a", "b"))["response"].tolist() == ["re: a", "re: b"]
    assert cp.map(WORDS).index.tolist() == [3, 1, 2]


def test_answers_of_another_process_can_be_retried_by_who_brings_what_is_not_stored() -> None:
    """The series that was asked, and its prompt; costs add up as ever."""
    with pytest.warns(UserWarning, match="2 failed"):
        answers = WORDS.claude.map("Say {}", max_tokens=1)
    calls._calls.clear()
    with pytest.raises(cp.InputError, match=r"retry\(values, prompt=...\)"):
        answers.claude.retry()
    again = answers.claude.retry(WORDS, prompt="Say {}", max_tokens=100)
    assert again.tolist()[::2] == ["re: Say bread", "re: Say milk"]
    assert again.claude.cost.loc["total", "total_usd"] > answers.claude.cost.loc["total", "total_usd"]
    assert again.claude.errors["rows"].to_dict() == {"skipped": 1}


def test_failures_of_a_series_are_found_once_it_is_a_column() -> None:
    """The idiom of the README: pandas drops the attrs of what becomes a column, so the warning names the run."""
    df = pd.DataFrame({"text": ["a", "b", "c"]})
    with cp.simulator(None, latency_seconds=0, script={2: "refusal"}), pytest.warns(UserWarning) as told:
        df["fr"] = df["text"].claude.map("Translate: {}", progress=False, max_concurrency=1)
    words = str(told[0].message)
    assert words.startswith("of 3 rows 1 failed and are missing in the series; claude_parallel.run('r-")
    (run_id,) = re.findall(r"run\('([^']+)'\)\.errors", words)
    table = cp.run(run_id).errors
    assert table["rows"].to_dict() == {"refusal": 1}
    assert table["advice"].str.contains("rephrase").all()
    with pytest.raises(cp.InputError, match=r"become a column of a frame.*run\(\) is the last one"):
        df["fr"].claude.errors  # noqa: B018
