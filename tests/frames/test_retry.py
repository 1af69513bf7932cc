"""Asking again: failed rows, rejected rows, another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.report.recent_runs import _recent


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


def test_a_mask_of_another_length_is_refused(cut: Any) -> None:
    """The mask must fit the frame."""
    with pytest.raises(cp.InputError, match="one True or False per row"):
        cut[1].claude.retry(where=[True])


def test_a_frame_that_lost_its_run_says_so(cut: Any) -> None:
    """Pandas drops attrs in merge; the message names that."""
    _sim, out = cut
    merged = out.merge(pd.DataFrame({"t": ["one"]}), on="t")
    merged.attrs = {}

    with pytest.raises(cp.InputError, match="merge"):
        merged.claude.retry()


def test_after_a_restart_the_prompt_is_needed(cut: Any) -> None:
    """Prompts are not stored, so another process has to bring it."""
    _sim, out = cut
    path = out.claude.run._journal.path
    _recent.clear()
    with pytest.raises(cp.InputError):
        out.claude.retry()
    assert cp.run(out.attrs["claude_parallel_run"], path).settings["out"] == "response"


def test_errors_are_grouped_with_advice(cut: Any) -> None:
    """One line per kind: how many, an example, what to do."""
    table = cut[1].claude.errors

    assert table["rows"].to_dict() == {"max_tokens": 3, "skipped": 1}
    assert table.loc["max_tokens", "example"].startswith("max_tokens: ")
    assert "max_tokens=" in table.loc["max_tokens", "advice"]


def test_totals_are_those_of_the_columns(cut: Any) -> None:
    """Dollars are the sum of the cost column."""
    out = cut[1]
    totals = out.claude.cost

    assert totals["total_usd"] == out["response_cost"].sum()
    assert (totals["rows"], totals["errors"], totals["unpriced"]) == (4, 4, 0)


def test_typed_columns_are_completed_too(tmp_path: Path) -> None:
    """A retried row gets its typed values in the columns that are there."""
    frame = pd.DataFrame({"t": [f"text {n}" for n in range(6)]})
    with cp.simulator(None, latency_seconds=0, script={2: "refusal"}):
        out = frame.claude.map("{t}", schema={"tone": str, "n": int}, progress=False, journal=tmp_path / "j.sqlite3")
        assert out["n"].isna().sum() == 1
        again = out.claude.retry()

    assert again["n"].isna().sum() == 0
    assert again.dtypes.equals(out.dtypes)
