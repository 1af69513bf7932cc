"""What the rows of a sample cost: all their paid calls, whoever bought them and when."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from claude_parallel.trust.comparison import Comparison

from .worlds import serve

NUMBERS = pd.DataFrame({"n": [f"number {n}" for n in range(40)], "truth": range(40)})


def number(body: Mapping[str, Any]) -> str:
    """Answer at first in words, which is no whole number, and once that was said in digits."""
    is_repair = len(body["messages"]) > 1
    return json.dumps({"value": int(str(body["messages"][0]["content"]).split()[1]) if is_repair else "many"})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_PARALLEL_PROGRESS", "0")


def whole(**options: Any) -> float:
    """Preview ten rows, and return the dollars that all would cost."""
    few = NUMBERS.claude.preview("{n}", rows=10, schema=int, repair=1, **options)
    assert few["response"].notna().all()
    return float(few.claude.run.totals["whole"]["usd"][1])


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_recalled_row_costs_all_its_calls(share: float) -> None:
    """The answer and its repair: both from the journal, or only the first, whose repair is bought now."""
    with serve(number) as sim:
        bought = whole(journal=False)
        assert sim.ledger.requests == 20
        if share < 1.0:  # another run has paid for the misfits, and repaired none
            NUMBERS.claude.preview("{n}", rows=10, schema=int)
        else:
            assert whole() == pytest.approx(bought)
        before = sim.ledger.requests
        assert whole() == pytest.approx(bought)
        assert sim.ledger.requests - before == (10 if share < 1.0 else 0)
        assert whole(batch=True) == pytest.approx(bought / 2)


def test_a_comparison_again_says_the_same_of_repaired_rows() -> None:
    """Tokens, dollars and seconds of a row are those of all its calls."""
    names = ["usd_per_1000", "input_tokens", "output_tokens", "p50_seconds"]

    def table() -> pd.DataFrame:
        found: Comparison = NUMBERS.claude.compare(
            "{n}", {"one": {}}, schema=int, repair=1, gold="truth", rows=10, sample=2, vote=True
        )
        return found.table

    with serve(number):
        first, again = table(), table()
        paid = first.loc["one", "paid_usd"]
    assert again.loc["one", "paid_usd"] == 0
    assert first.loc["one", "usd_per_1000"] == pytest.approx(100 * paid)
    assert again.loc["one", names].tolist() == pytest.approx(first.loc["one", names].tolist())


def test_an_estimate_writes_nothing_about_repairs(tmp_path: Path) -> None:
    """It finds misfits in the journal, and leaves no record of what a run would ask about them."""
    with serve(number):
        NUMBERS.claude.preview("{n}", rows=10, schema=int)
        NUMBERS.claude.preview("{n}", rows=10, schema=int, repair=1, estimate=True)
    with closing(sqlite3.connect(tmp_path / "simulated.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (10,)
        assert connection.execute("SELECT count(*) FROM follow_ups").fetchone() == (0,)


def test_what_the_disk_takes_no_record_of_costs_neither_the_answers_nor_their_price(tmp_path: Path) -> None:
    """The run's record, the uses of gold, the calls: dollars come from the run itself, all else is unknown."""
    journal, variants = tmp_path / "j.sqlite3", {"a": {}, "b": {"max_tokens": 500}}
    with serve(lambda _body: json.dumps({"value": 7})):
        NUMBERS.claude.compare("{n}!", variants, schema=int, gold="truth", rows=2, journal=journal)
        with closing(sqlite3.connect(journal)) as disk:
            disk.execute("CREATE TRIGGER a BEFORE INSERT ON runs BEGIN SELECT RAISE(IGNORE); END")
            disk.execute("CREATE TRIGGER b BEFORE INSERT ON attempts BEGIN SELECT RAISE(IGNORE); END")
            disk.execute("CREATE TRIGGER c BEFORE INSERT ON gold_uses BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        few = NUMBERS.claude.preview("{n}", rows=10, schema=int, journal=journal)
        found = NUMBERS.claude.compare("{n}?", variants, schema=int, gold="truth", rows=10, journal=journal)
    assert few["response"].eq(7).all()
    assert [one.usd_per_1000 / 100 for one in found.scores] == pytest.approx([one.paid_usd for one in found.scores])
    assert not {"input_tokens", "p50_seconds"} & {*found.table}
