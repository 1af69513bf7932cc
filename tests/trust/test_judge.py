"""The judge on the simulator: what it is asked, what it costs before and after, and what stops it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from claude_parallel.bridge import Control
from claude_parallel.engine.budget import Budget
from claude_parallel.errors import InputError
from claude_parallel.trust.comparison import Comparison
from claude_parallel.trust.judge import Judge, Judging

from .worlds import serve

VARIANTS: dict[str, dict[str, Any]] = {"haiku": {}, "opus": {"model": "claude-opus-5-5"}}
PLACES = pd.DataFrame({"t": [f"place {n}" for n in range(40)], "truth": [f"Town {n}." for n in range(40)]})


def is_judge(body: Mapping[str, Any]) -> bool:
    """Say whether the judge is asked."""
    return "compare two answers" in str(body.get("system", ""))


def say(body: Mapping[str, Any]) -> str:
    """Haiku says what gold says, Opus says it in other words, and the judge takes both for the same."""
    if is_judge(body):
        return json.dumps({"value": True})
    number = str(body["messages"][-1]["content"]).split()[1]
    return f"town {number}" if "haiku" in body["model"] else f"The city {number}"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_PARALLEL_PROGRESS", "0")


def compare(variants: Mapping[str, Mapping[str, Any]] = VARIANTS, **options: Any) -> Comparison:
    """Compare on the truth with a judge unless told otherwise."""
    given = {"gold": "truth", "rows": 40, "judge": "claude-sonnet-5-5", **options}
    found: Comparison = PLACES.claude.compare("{t}", variants, **given)
    return found


def costs(variants: Mapping[str, Mapping[str, Any]] = VARIANTS, **options: Any) -> pd.DataFrame:
    """Return what such a comparison would cost."""
    found: Any = compare(variants, estimate=True, **options)
    return found  # type: ignore[no-any-return]


def test_texts_are_compared_letter_by_letter_by_words_and_by_a_judge() -> None:
    """The judge sees only what differs, in either order, and its dollars stand apart."""
    orders: list[bool] = []

    def speak(body: Mapping[str, Any]) -> str:
        if is_judge(body):
            text = str(body["messages"][-1]["content"])
            orders.append(text.index("Town") < text.index("The city"))
        return say(body)

    with serve(speak):
        plain = compare(judge=None)
        judged = compare()
        count = len(orders)
        again = compare({**VARIANTS, "same": {"system": "Be brief."}}, rows=20, holdout=0.5)
        confirmed = again.confirm("opus")
    assert 5 < sum(orders) < 35
    assert len(orders) == count == 40  # each pair is asked as before, so the journal knows it
    assert again.judge_usd == 0
    assert confirmed.quality is not None
    assert confirmed.quality.estimate == 1.0  # judged as well
    assert "judged right" in repr(confirmed)
    assert "the judge cost $0.0000" in repr(confirmed)
    assert plain.kind == "text"
    assert plain.table["same_text"].tolist() == [1.0, 0.0]
    assert plain.table["exact"].tolist() == [0.0, 0.0]
    assert "judge_usd" not in plain.table.columns
    assert judged.table["judged_right"].tolist() == [1.0, 1.0]
    assert judged.table["judge_usd"].tolist() == [0.0, judged.judge_usd]
    assert judged.judge_usd > 0
    assert f"${judged.judge_usd:,.4f} of it to the judge" in repr(judged)


def test_what_the_variants_left_of_the_budget_holds_for_the_judge() -> None:
    """A cap is a cap, whoever spends; and answers without a verdict are told, since they count as wrong."""
    options = {"judge": {"model": "claude-opus-5-5", "max_tokens": 64}, "max_tokens": 64}
    with serve(lambda body: say({**body, "model": "opus"})), pytest.warns(UserWarning, match="budget"):
        found = compare({"haiku": {}}, budget=0.02, **options)
    assert found.table.loc["haiku", "answered"] == 40
    assert 0 < found.judge_usd + found.table["paid_usd"].sum() <= 0.02
    right = round(40 * found.table.loc["haiku", "judged_right"])
    assert 0 < right < 40
    assert f"no verdict on {40 - right} of 40 answers (budget {40 - right})" in repr(found)


def test_a_judge_may_have_a_budget_of_its_own() -> None:
    """Within what the variants left of theirs."""
    with serve(), pytest.raises(InputError, match="no price"):
        compare(judge={"model": "claude-nobody-1", "budget": 0.1})
    with serve(say), pytest.warns(UserWarning, match="budget"):
        found = compare(judge={"model": "claude-opus-5-5", "budget": 0.02, "max_tokens": 64})
    assert 0 < found.judge_usd <= 0.02


def test_an_estimate_prices_the_judge() -> None:
    """Two variants of 40 rows: up to 80 questions, all of which count in the total, and nothing is sent."""
    with serve(say) as sim:
        found = costs()
        assert sim.ledger.requests == 0
        paid = compare()
        after = costs()
    assert found.index.tolist() == ["haiku", "opus", "judge", "total"]
    assert found.loc["judge", ["unique", "in_journal", "usd_low"]].tolist() == [80, 0, 0]
    assert found.loc["judge", "usd_likely"] > 0
    assert found.loc["total", "usd_likely"] == pytest.approx(found["usd_likely"].iloc[:-1].sum())
    assert found.loc["judge", "usd_low"] <= paid.judge_usd <= found.loc["judge", "usd_high"]
    assert after.loc["judge", ["unique", "in_journal"]].tolist() == [40, 40]
    assert after.loc["total", ["usd_low", "usd_likely", "usd_high"]].tolist() == [0, 0, 0]


def test_an_estimate_asks_the_judge_only_about_what_differs_and_is_not_known() -> None:
    """Variants from the journal: then the judge's questions are known to the letter, and what it said costs nothing."""
    with serve(say) as sim:
        compare(judge=None)
        known = costs()
        assert known.loc["judge", ["unique", "in_journal"]].tolist() == [40, 0]
        assert 0 < known.loc["judge", "usd_low"] == known.loc["total", "usd_low"]
        compare(rows=10)
        rest = costs()
        before = sim.ledger.requests
        paid = compare().judge_usd
        assert sim.ledger.requests == before + 30
    assert rest.loc["judge", ["unique", "in_journal"]].tolist() == [40, 10]
    assert rest.loc["judge", "usd_low"] <= paid <= rest.loc["judge", "usd_high"]
    with serve(say):
        assert costs({"haiku": {}}, journal=False).loc["judge", "unique"] == 40


def test_variants_that_ask_the_same_are_priced_once() -> None:
    """Since they are asked once, and judged once."""
    with serve(say):
        found = costs({"one": {}, "two": {}, "cheap": {"batch": True}})
    assert found.loc["two", "usd_likely"] == 0
    assert found.loc["judge", "unique"] == 80
    assert found.loc["total", "seconds"] >= found.loc["cheap", "seconds"]


def test_a_judge_goes_in_a_batch_where_the_variants_do() -> None:
    """At half price, before and after; and what it said live is not asked again."""
    with serve(say, batch_seconds=0.2) as sim:
        live = compare(journal=False)
        before = sim.ledger.requests
        expected = costs(batch=True)
        cheap = compare(batch=True)
        rows = sim.ledger.batch_rows
        again = compare()
    assert (sim.ledger.requests, rows) == (before, 120)
    assert cheap.judge_usd == pytest.approx(live.judge_usd / 2)
    assert expected.loc["judge", "usd_likely"] == pytest.approx(costs_live()["judge"] / 2)
    assert again.judge_usd == 0
    assert again.table["judged_right"].tolist() == cheap.table["judged_right"].tolist() == [1.0, 1.0]


def costs_live() -> dict[str, float]:
    """Return what the lines of a live comparison would cost without a journal."""
    with serve(say):
        found: dict[str, float] = costs(journal=False)["usd_likely"].to_dict()
        return found


def test_a_judge_is_stopped_with_the_variants_and_asked_on_later() -> None:
    """After an interrupt it sends nothing more; the next comparison asks what is left."""
    with serve(say) as sim:
        tried = compare(judge=None).tried
        gold, control = PLACES["truth"].tolist(), Control()
        asked = [PLACES["truth"].tolist().index(f"Town {answer.split()[-1]}.") for answer in tried[1].answers]
        control.request_stop()
        hits = [np.ones(40), np.zeros(40)]
        judge = Judge("claude-sonnet-5-5", {})
        judging = Judging(judge, tried, [gold[at] for at in asked], hits, control, Budget(cap=Decimal(1)))
        before = sim.ledger.requests
        judging.run()
        assert sim.ledger.requests == before
        assert judging.unjudged == {"cancelled": 40}
        assert hits[1].sum() == 0
        assert "Compare again" in judging.warnings[0]
        compare()
        assert sim.ledger.requests == before + 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gold": None}, "needs gold="),
        ({"schema": int}, "answers that are text"),
        ({"labels": ["a", "b"]}, "answers that are text"),
        ({"judge": {"model": "claude-sonnet-5-5", "rubrik": "x"}}, "rubrik"),
        ({"judge": "claude-nobody-1", "budget": 0.1}, "no price"),
    ],
)
def test_a_judge_that_cannot_work_is_refused_before_anything_is_paid(options: dict[str, Any], message: str) -> None:
    """One clear line, and no call."""
    with serve(say) as sim:
        with pytest.raises(InputError, match=message):
            compare(**options)
        assert sim.ledger.requests == 0


def test_a_judge_that_the_api_refuses_costs_no_answer() -> None:
    """The comparison is there, and says what it lacks."""
    with serve(say), pytest.warns(UserWarning, match="stopped early"):
        found = compare(judge="claude-nothing-9")
    assert found.table["answered"].tolist() == [40, 40]
    assert found.table["judged_right"].tolist() == [1.0, 0.0]
    assert any("no verdict on 40 of 40 answers" in line for line in found.warnings)


def test_few_different_texts_are_judged_as_texts() -> None:
    """Gold of few values looks like classes; who names a judge wants texts."""
    frame = pd.DataFrame({"t": [f"place {n}" for n in range(20)], "truth": ["Town", "City"] * 10})
    with serve(say):
        options = {"gold": "truth", "rows": 20}
        assert frame.claude.compare("{t}", {"one": {}}, **options).kind == "classes"
        judged = frame.claude.compare("{t}", {"one": {}}, judge="claude-sonnet-5-5", **options)
    assert judged.kind == "text"
    assert judged.table["judged_right"].tolist() == [1.0]


def test_a_judge_on_the_callers_own_loop() -> None:
    """The same verdicts, and the same price."""
    with serve(say):
        found: Comparison = asyncio.run(
            PLACES.claude.acompare("{t}", VARIANTS, gold="truth", rows=40, judge="claude-sonnet-5-5")
        )
        assert found.measure == "judged right"
        assert found.judge_usd > 0
        free = ["paid_usd", "judge_usd"]
        pd.testing.assert_frame_equal(found.table.drop(columns=free), compare().table.drop(columns=free))
