"""Odd answers in whole runs over HTTP: each is its own row's error, kept, and never asked again silently."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import claude_parallel as cp

from .oddities import ODDITIES
from .server import NastyServer, Saying, good, message, nasty_server

ROWS = [row for name in ODDITIES for row in (name, f"neighbour of {name}")]


@pytest.fixture
def api() -> Iterator[NastyServer]:
    """Serve the table, and be its user."""
    with nasty_server(ODDITIES) as server:
        cp.configure(base_url=server.url, api_key="any", progress=False)
        yield server


def ask(batch: bool, journal: Path, rows: list[str] = ROWS, **options: object) -> pd.DataFrame:
    """Map the rows of the table."""
    frame = pd.DataFrame({"t": rows}, index=rows)
    return frame.claude.map("{t}", batch=batch, journal=journal, **options)


@pytest.mark.parametrize("first", [False, True], ids=["first live", "first in a batch"])
@pytest.mark.filterwarnings("ignore:no price is known")
def test_an_odd_answer_is_its_rows_error_and_is_paid_once(first: bool, api: NastyServer, tmp_path: Path) -> None:
    """Live or in a batch, fresh and from the journal: no exception, neighbours right, nothing asked again."""
    outs = [ask(batch, tmp_path / "j.sqlite3") for batch in (first, first, not first)]
    for out in outs:
        for name in ODDITIES:
            assert out.loc[name, "response_error"].startswith("unknown: "), name
            assert out.loc[f"neighbour of {name}", "response"] == "fine"
        assert out["response_error"].notna().sum() == len(ODDITIES)
    assert set(api.asked.values()) == {1}
    assert (outs[1]["response_cost"] == 0).all()


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
def test_the_cost_of_an_odd_answer_is_known_or_said_to_be_unknown(
    batch: bool, api: NastyServer, tmp_path: Path
) -> None:
    """NaN and one warning where the usage makes no sense; the price of its tokens where it does; never a guess."""
    with pytest.warns(UserWarning, match="no price is known for .* do not say what they used"):
        out = ask(batch, tmp_path / "j.sqlite3")
    cost = out["response_cost"]
    good = cost["neighbour of usage is a text"]
    assert good > 0
    assert cost["content is a text"] == cost["model is an object"] == good
    unknown = [name for name in ODDITIES if name.startswith(("tokens", "usage", "searches", "cache split"))]
    assert cost[unknown].isna().all()


@pytest.mark.parametrize("batch", [False, True], ids=["live", "batch"])
@pytest.mark.filterwarnings("ignore:no price is known")
def test_odd_answers_and_a_schema(batch: bool, api: NastyServer, tmp_path: Path) -> None:
    """With typed columns and repairs, an odd answer is an error all the same, and is not asked to be mended."""
    odd = list(ODDITIES)
    out = ask(batch, tmp_path / "j.sqlite3", odd, schema=bool, repair=1)
    assert out["response_error"].str.startswith("unknown: ").all()
    assert set(api.asked.values()) == {1}


@pytest.mark.filterwarnings("ignore:no price is known")
def test_an_odd_answer_can_be_asked_again_on_purpose(tmp_path: Path) -> None:
    """``retry()`` pays for it once more, as it does for a refusal."""
    odd = Saying('{"type": "message", "content": 5}')
    with nasty_server({"a": [odd, odd, good()]}) as server:
        cp.configure(base_url=server.url, api_key="any", progress=False)
        out = ask(False, tmp_path / "j.sqlite3", ["a", "b"])
        again = out.claude.retry().claude.retry()
    assert again["response"].tolist() == ["fine", "fine"]
    assert server.asked == {"a": 3, "b": 1}


def test_a_refusal_before_any_output_costs_nothing_and_one_in_the_middle_does(tmp_path: Path) -> None:
    """Refused at once: tokens are counted and not billed; refused on the way: what was used is billed."""
    table = {
        "at once": Saying(json.dumps(message(content=[], stop_reason="refusal"))),
        "on the way": Saying(json.dumps(message("Well,", stop_reason="refusal"))),
    }
    with nasty_server(table) as server:
        cp.configure(base_url=server.url, api_key="any", progress=False)
        for batch in (False, True):
            out = ask(batch, tmp_path / f"{batch}.sqlite3", ["at once", "on the way", "good"])
            assert out["response_error"].str.startswith("refusal").tolist()[:2] == [True, True]
            assert out.loc["at once", "response_cost"] == 0
            assert out.loc["on the way", "response_cost"] == out.loc["good", "response_cost"] > 0
