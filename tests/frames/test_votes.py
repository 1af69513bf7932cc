"""Votes in whole runs: one answer per row from several draws."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Literal

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.errors import InputError
from claude_parallel.frames.columns import plan_columns
from claude_parallel.simulation.profile import Profile

from ..worlds import World, world


def speaker(answers: Mapping[str, list[str]]) -> World:
    """Return an account that gives each text its answers one after the other."""
    turns: dict[str, Iterator[int]] = {text: count() for text in answers}

    def answer(body: Mapping[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        return answers[text][next(turns[text])]

    return world(Profile(answer=answer))


def said(**values: Any) -> str:
    """Return an answer to a schema."""
    return json.dumps(values)


def test_the_most_frequent_label_wins_and_one_column_holds_all_costs() -> None:
    """Three draws each: two of three, and a tie that goes to the first."""
    account = speaker({"one": [said(value=v) for v in "abb"], "two": [said(value=v) for v in "cab"]})
    frame = pd.DataFrame({"t": ["one", "two"]})
    out = account.map(frame, "{t}", out="label", schema=Literal["a", "b", "c"], sample=3, vote=True)
    assert list(out.columns) == ["t", "label", "label_agreement", "label_error", "label_cost"]
    assert out["label"].tolist() == ["b", "c"]
    assert out["label"].dtype == "category"
    assert out["label_agreement"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert out["label_error"].isna().all()
    assert out["label_cost"].sum() == pytest.approx(float(account.session.stats.cost))  # type: ignore[union-attr]


def test_fields_are_voted_on_one_by_one_and_numbers_by_the_median() -> None:
    """The winner need not be any one draw; the whole answer agrees as its least agreed field does."""
    draws = [
        said(tone="good", score=1, price=1.0, note=None),
        said(tone="bad", score=5, price=2.5, note=None),
        said(tone="good", score=4, price=9.0, note="x"),
    ]
    schema = {"tone": Literal["good", "bad"], "score": int, "price": float, "note": str | None}
    out = speaker({"one": draws}).map(pd.DataFrame({"t": ["one"]}), "{t}", schema=schema, sample=3, vote=True)
    row = out.iloc[0]
    assert (row["tone"], row["score"], row["price"]) == ("good", 4, 2.5)
    assert pd.isna(row["note"])
    assert row["tone_agreement"] == pytest.approx(2 / 3)
    assert row["note_agreement"] == pytest.approx(2 / 3)
    assert row["response_agreement"] == pytest.approx(1 / 3)
    assert out["score"].dtype == "Int64"


def test_text_is_voted_on_too() -> None:
    """But for the space around it."""
    account = speaker({"one": ["Paris", "Rome", " Paris\n"]})
    out = account.map(pd.DataFrame({"t": ["one"]}), "{t}", sample=3, vote=True)
    assert out["response"].tolist() == ["Paris"]
    assert out["response_agreement"].tolist() == pytest.approx([2 / 3])


def test_a_draw_that_failed_agrees_with_nobody() -> None:
    """A row has an error only where no draw answered."""
    account = speaker({"one": [said(value="a"), "not JSON", "nor this"], "two": ["x", "y", "z"]})
    frame = pd.DataFrame({"t": ["one", "two", None]})
    out = account.map(frame, "{t}", schema=Literal["a", "b"], sample=3, vote=True)
    assert out["response"].tolist()[0] == "a"
    assert out["response_agreement"].tolist()[0] == pytest.approx(1 / 3)
    assert out["response_error"].str.partition(":")[0].tolist()[1:] == ["schema", "skipped"]
    assert out["response_agreement"].isna().tolist() == [False, True, True]


def test_a_vote_of_one_is_refused() -> None:
    """Before anything is paid."""
    with pytest.raises(InputError, match="sample=3"):
        world().map(pd.DataFrame({"t": ["x"]}), "{t}", vote=True)


def test_names() -> None:
    """One agreement for each field, one for the whole; a bare type has but one."""
    columns = plan_columns("x", 3, ("tone",), vote=True)
    assert columns.names == ("tone", "tone_agreement", "x_agreement", "x_error", "x_cost")
    assert plan_columns("x", 3, ("x",), vote=True).names == ("x", "x_agreement", "x_error", "x_cost")
    assert columns.samples == 3
    assert columns.has_vote
    assert not plan_columns("x", 3).has_vote


@pytest.mark.parametrize("vote", [False, True])
def test_rows_are_rows_however_many_draws_each_has(vote: bool) -> None:
    """Bar, run, list of runs, cost and estimate count the same four rows, of which one was skipped."""
    frame = pd.DataFrame({"t": ["one", "two", None, "three"]})
    with cp.simulator(None, latency_seconds=0):
        cp.configure(progress=False)
        before = frame.claude.estimate("{t}", sample=3, vote=vote)
        out = frame.claude.map("{t}", sample=3, vote=vote)
    assert "4 rows with claude-haiku-5-5, 3 answers each: 9 requests to send, 1 skipped" in repr(before)
    assert before.to_frame().loc["live", ["rows", "skipped", "unique"]].tolist() == [4, 1, 9]
    assert "3 of 4 rows answered" in repr(out.claude.run)
    listed = cp.runs().loc[[out.claude.run.id]]
    assert listed[["rows", "answered", "skipped", "failed"]].to_numpy().tolist() == [[4, 3, 1, 0]]
    assert out.claude.cost.loc["response", ["rows", "answered", "skipped"]].tolist() == [4, 3, 1]
