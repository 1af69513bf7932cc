"""Comparisons and previews on the simulator: what is paid, what is said, what is warned about."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
from pydantic import BaseModel

from claude_parallel.errors import InputError
from claude_parallel.simulation import Simulator
from claude_parallel.trust.comparison import Comparison

from .worlds import LABELS, reviews, serve

VARIANTS: dict[str, dict[str, Any]] = {"haiku": {}, "opus": {"model": "claude-opus-5-5"}}


@pytest.fixture
def sim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulated account that answers at once, and a journal of its own."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_PARALLEL_PROGRESS", "0")
    with serve(batch_seconds=0.2) as running:
        yield running


def compare(frame: pd.DataFrame, variants: dict[str, dict[str, Any]] = VARIANTS, **options: Any) -> Comparison:
    """Compare on the truth column unless told otherwise."""
    return frame.claude.compare("{text}", variants, **{"labels": LABELS, "gold": "truth", "rows": 80, **options})


def test_variants_are_judged_on_the_same_rows_and_the_sample_is_paid_once(sim: Simulator) -> None:
    """Accuracy by hand, dollars, and the whole run pays for the rest alone."""
    frame = reviews(300)
    found = compare(frame)
    table = found.table
    hard = (found.sample["text"].str.contains("hard") & (found.sample["truth"] == "good")).mean()
    assert table.index.tolist() == ["haiku", "opus"]
    assert table.loc["opus", "accuracy"] == 1.0
    assert table.loc["haiku", "accuracy"] == pytest.approx(1 - hard)
    assert table.loc["haiku", "accuracy_low"] < 1 - hard < table.loc["haiku", "accuracy_high"]
    assert table.loc["opus", "usd_per_1000"] > 10 * table.loc["haiku", "usd_per_1000"] > 0
    assert table["answered"].tolist() == [80, 80]
    assert (table["p50_seconds"] > 0).all()
    assert sim.ledger.requests == 160

    out = found.run("haiku")
    assert sim.ledger.requests == 160 + 220
    assert len(out) == 300
    assert (out.loc[found.sample.index, "response_cost"] == 0.0).all()


def test_the_same_comparison_again_costs_nothing_and_says_the_same(sim: Simulator) -> None:
    """Dollars per 1,000 rows and seconds come from the journal; what is paid now is 0."""
    frame = reviews(100)
    first, second = compare(frame), compare(frame)
    assert sim.ledger.requests == 160
    same = ["accuracy", "usd_per_1000", "input_tokens", "p50_seconds", "macro_f1", "kappa"]
    pd.testing.assert_frame_equal(first.table[same], second.table[same])
    assert (first.table["paid_usd"] > 0).all()
    assert (second.table["paid_usd"] == 0).all()


def test_a_variant_that_is_a_prompt_is_told_how_it_is_written(sim: Simulator) -> None:
    """As an option, like all that variants differ in."""
    with pytest.raises(InputError, match=r"variant 'short' must be a mapping of options, such as \{'prompt': \.\.\.\}"):
        pd.DataFrame({"t": ["x"]}).claude.compare("Rate {t}", {"short": "{t}?", "long": {}})


def test_identical_variants_are_asked_once(sim: Simulator) -> None:
    """A variant that sets what is set already is the same one."""
    found = compare(reviews(100), {"a": {}, "b": {}, "c": {"model": "claude-opus-5-5"}})
    assert sim.ledger.requests == 160
    assert found.table.loc["a", "accuracy"] == found.table.loc["b", "accuracy"]


def test_variants_that_differ_in_the_middle_of_long_examples_are_both_asked(sim: Simulator) -> None:
    """The text of a long frame leaves its middle out, so it cannot say that two frames are the same."""
    pairs = pd.DataFrame({"text": [f"review {n}" for n in range(100)], "label": ["good", "bad"] * 50})
    other = pairs.assign(label=pairs["label"].where(pairs.index != 50, "bad"))
    assert repr(pairs) == repr(other)
    compare(reviews(20), {"a": {"examples": pairs}, "b": {"examples": other}, "c": {"examples": pairs.copy()}}, rows=5)
    assert sim.ledger.requests == 10


def test_schemas_of_one_name_are_both_asked(sim: Simulator) -> None:
    """A notebook defines a model anew under its name, and the text of both classes is the same."""

    def model(labels: Any) -> type[BaseModel]:
        class Answer(BaseModel):
            tone: Literal[labels]

        return Answer

    variants = {"one": {"schema": model(("good", "bad"))}, "two": {"schema": model(("up", "down"))}}
    with serve(None):
        found = reviews(20).claude.compare("{text}", variants, rows=10)
    assert {*found.tried[0].answers} <= {"good", "bad"}
    assert {*found.tried[1].answers} <= {"up", "down"}


def test_what_variants_of_one_request_paid_adds_up(sim: Simulator) -> None:
    """The column of dollars has what was paid once, once."""
    found = compare(reviews(30), {"one": {}, "two": {}, "opus": {"model": "claude-opus-5-5"}})
    assert found.table.loc["two", "paid_usd"] == 0.0 < found.table.loc["one", "paid_usd"]
    assert f"paid ${found.table['paid_usd'].sum():.4f}" in repr(found)


def test_pairs_disagreements_and_the_verdict(sim: Simulator) -> None:
    """The rows on which they differ are the hard ones, and the difference is beyond chance."""
    found = compare(reviews(1_000), rows=300)
    (pair,) = found.pairs
    assert pair.better == "opus"
    assert pair.is_beyond_chance
    assert found.warnings == ()
    assert found.disagreements["text"].str.contains("good hard").all()
    assert {"gold", "haiku", "opus"} <= set(found.disagreements.columns)
    assert pair.agreement == pytest.approx(1 - len(found.disagreements) / 300)
    assert found.pair_table.loc[0, "better"] == "opus"


def test_a_difference_within_chance_is_said(sim: Simulator) -> None:
    """With few rows: choose by price."""
    found = compare(reviews(400, seed=3), rows=20)
    assert any("no more than chance" in line and "'haiku' is cheaper" in line for line in found.warnings)


def test_many_variants_on_one_gold_are_warned_about_and_rows_can_be_held_back(sim: Simulator) -> None:
    """The held rows are other ones, and confirm() asks them."""
    many = {f"v{number}": {"system": f"Be precise {number}."} for number in range(5)}
    frame = reviews(200)
    assert any("holdout=0.5" in line for line in compare(frame, many, rows=20).warnings)
    frame = reviews(200).assign(text=lambda rows: rows["text"] + " (new)")
    found = compare(frame, many, rows=40, holdout=0.5)
    assert not any("holdout" in line for line in found.warnings)
    assert len(found.sample) == 20
    before = sim.ledger.requests
    confirmed = found.confirm("v0")
    assert sim.ledger.requests == before + 20
    assert confirmed.rows == 20
    assert confirmed.quality is not None
    with pytest.raises(InputError, match="held back"):
        compare(frame, rows=10).confirm("haiku")


def test_one_budget_holds_for_all_variants(sim: Simulator) -> None:
    """What is spent stays below it, whoever spends."""
    with pytest.warns(UserWarning, match="budget"):
        found = compare(reviews(200), rows=100, budget=0.05, max_tokens=100)
    assert sum(float(one.paid) for one in found.tried) <= 0.05
    assert found.table["errors"].sum() > 0


@pytest.mark.parametrize("by", [None, "part"])
@pytest.mark.parametrize("budget", [0.05, 0.0000001])
def test_rows_that_the_budget_left_out_speak_against_nobody(sim: Simulator, by: str | None, budget: float) -> None:
    """No figure counts them: not as wrong, not as free; and it is said of how many rows the figures are."""
    frame = reviews(200).assign(part=lambda rows: rows.index % 3)
    whole = compare(frame, rows=100, by=by).table
    with pytest.warns(UserWarning, match="budget"):
        found = compare(frame, rows=100, by=by, budget=budget, max_tokens=100)
    (pair,) = found.pairs
    asked = [sum(outcome.kind != "budget" for outcome in one.outcomes) for one in found.tried]
    assert [one.reached for one in found.scores] == asked
    assert asked[1] < 100
    assert not pair.is_beyond_chance
    assert found.disagreements["text"].str.contains("good hard").all()
    if budget < 0.01:
        assert asked == [0, 0]
        return
    right = [answer == gold for answer, gold in zip(found.tried[1].answers, found.gold or [], strict=True)]
    assert sum(right) == asked[1]
    assert found.table.loc["opus", "accuracy"] == 1.0
    assert found.table.loc["opus", "usd_per_1000"] == pytest.approx(whole.loc["opus", "usd_per_1000"], rel=0.1)
    assert f"'opus' was asked about {asked[1]} of 100 rows only" in " ".join(found.warnings)


def test_a_preview_that_ran_out_of_budget_does_not_say_that_all_rows_are_free(sim: Simulator) -> None:
    """Its price of all rows is that of the rows it came to; of none there is no price."""
    frame = reviews(500)
    full = frame.claude.preview("Rate {text}", rows=40, out="a").claude.run.totals["whole"]["usd"][1]
    with pytest.warns(UserWarning, match="budget"):
        part = frame.claude.preview("Say {text}", rows=40, budget=0.00018, max_tokens=100).claude
    with pytest.warns(UserWarning, match="budget"):
        none = frame.claude.preview("Tell {text}", rows=40, budget=0.0000001, max_tokens=100).claude
    assert part.run.totals["errors"]["budget"] < 40
    assert part.run.totals["whole"]["usd"][1] == pytest.approx(full, rel=0.1)
    assert "whole" not in none.run.totals


def test_a_variant_that_the_api_refuses_does_not_cost_the_others(sim: Simulator) -> None:
    """Its rows say why; the others are answered."""
    with pytest.warns(UserWarning, match="stopped early"):
        found = compare(reviews(60), {"haiku": {}, "typo": {"model": "claude-nothing-9"}}, rows=30)
    assert found.table.loc["haiku", "answered"] == 30
    assert found.table.loc["typo", "answered"] == 0


def test_an_estimate_sends_nothing(sim: Simulator) -> None:
    """Dollars for each variant and in all."""
    found = compare(reviews(100), estimate=True)
    assert found.index.tolist() == ["haiku", "opus", "total"]  # type: ignore[attr-defined]
    assert sim.ledger.requests == 0


def test_numbers_are_compared_by_how_far_they_are_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean absolute error with a bootstrap interval, and the paired difference."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    frame = pd.DataFrame({"n": range(60), "truth": [float(n) for n in range(60)]})

    def guess(body: Any) -> str:
        number = float(str(body["messages"][-1]["content"]))
        return json.dumps({"value": number + (2.0 if "haiku" in body["model"] else 0.5)})

    with serve(guess):
        found = frame.claude.compare("{n}", VARIANTS, schema=float, gold="truth", rows=60, progress=False)
    assert found.kind == "numbers"
    assert found.table["mean_absolute_error"].tolist() == pytest.approx([2.0, 0.5])
    assert found.pairs[0].better == "opus"
    assert found.pairs[0].is_beyond_chance
    assert "2" in found._repr_html_()


@pytest.mark.parametrize("dtype", ["int64", "float64", "Int64", "object"])
def test_gold_that_is_a_number_is_found_in_answers_that_are_text(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of ratings out of a file holds 4, or 4.0 where some are missing; the answer says "4"."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    frame = pd.DataFrame({"n": range(40), "stars": pd.Series([1 + n % 5 for n in range(40)], dtype=dtype)})
    with serve(lambda body: str(1 + int(body["messages"][-1]["content"]) % 5)):
        found = frame.claude.compare("{n}", {"a": {}}, gold="stars", rows=20, progress=False)
    assert found.kind == "classes"
    assert found.table["accuracy"].tolist() == [1.0]
    assert found.disagreements.empty


def test_answers_that_are_lists_are_compared_by_what_is_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without gold: how often two variants give the same list."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))

    def several(body: Any) -> str:
        number = int(body["messages"][-1]["content"])
        return json.dumps({"value": ["x", "y"] if "opus" in body["model"] or number % 2 else ["x"]})

    with serve(several):
        frame = pd.DataFrame({"n": range(40)})
        found = frame.claude.compare("{n}", VARIANTS, schema=list[str], rows=40, progress=False)
    assert found.pairs[0].agreement == 0.5
    assert len(found.disagreements) == 20


DAY, NOON = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01 12:00")


@pytest.mark.parametrize(
    ("field", "said", "gold"),
    [
        (datetime.date, "2024-01-01", DAY),
        (datetime.date, "2024-01-01", "2024-01-01 00:00:00"),
        (datetime.date, "2024-01-01", datetime.date(2024, 1, 1)),
        (datetime.datetime, "2024-01-01T00:00:00Z", "2024-01-01"),
        (datetime.datetime, "2024-01-01T12:00:00Z", NOON),
        (datetime.datetime, "2024-01-01T13:00:00+01:00", NOON.tz_localize("UTC")),
        (datetime.datetime, "2024-01-01T12:00:00Z", "2024-01-01T12:00:00"),
        (datetime.timedelta, "PT1H", pd.Timedelta(hours=1)),
        (str, "2024-01-01", DAY),
    ],
)
def test_dates_are_found_in_gold_however_they_are_written(sim: Simulator, field: type, said: str, gold: object) -> None:
    """A frame has a date as a moment at midnight, and files as text; an audit and a comparison read both alike."""
    frame = pd.DataFrame({"text": [f"letter {n}" for n in range(6)], "gold": [gold] * 6})
    with serve(lambda _body: json.dumps({"when": said})):
        found = frame.claude.compare("{text}", {"one": {}}, schema={"when": field}, gold="gold", rows=6)
        audit = frame.claude.map("{text}", schema={"when": field}).claude.audit("gold")
    assert found.table.loc["one", "accuracy"] == 1.0
    assert audit.accuracy.estimate == 1.0


def test_without_gold_there_is_agreement_and_price(sim: Simulator) -> None:
    """And no claim about who is better."""
    found = compare(reviews(100), gold=None, rows=30)
    assert "accuracy" not in found.table.columns
    assert found.pairs[0].better is None
    assert 0.5 < found.pairs[0].agreement <= 1.0
    assert "30 rows" in repr(found)


def test_the_page_shows_intervals_and_leaves_dollars_alone(sim: Simulator) -> None:
    """MathJax must not read two prices as a formula."""
    html = compare(reviews(100))._repr_html_()
    assert 'class="tex2jax_ignore mathjax_ignore"' in html
    assert html.count("<svg") == 2
    pytest.importorskip("matplotlib").use("agg")
    assert compare(reviews(100)).plot().axes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": {}}, "variants"),
        ({"variants": {"a": 5}}, "'a'"),
        ({"rows": 0}, "rows"),
        ({"holdout": 1.0}, "holdout"),
        ({"judge": "m"}, "judge"),
        ({"variants": {"a": {"modell": "x"}}}, "modell"),
    ],
)
def test_what_cannot_work_is_refused(sim: Simulator, options: dict[str, Any], message: str) -> None:
    """One clear line."""
    variants = options.pop("variants", VARIANTS)
    with pytest.raises(InputError, match=message):
        compare(reviews(40), variants, **options)


def test_a_comparison_of_a_series_and_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at half price."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))
    frame = reviews(30)
    with serve(batch_seconds=0.2):
        live = compare(frame, rows=20, progress=False, journal=tmp_path / "live")
        cheap = frame["text"].claude.compare(
            "{}",
            VARIANTS,
            labels=LABELS,
            gold=frame["truth"],
            rows=20,
            batch=True,
            progress=False,
            journal=tmp_path / "b",
        )
    assert cheap.table["accuracy"].tolist() == live.table["accuracy"].tolist()
    assert cheap.table["paid_usd"].sum() == pytest.approx(live.table["paid_usd"].sum() / 2, rel=0.01)
    per_row = cheap.table["usd_per_1000"]
    assert per_row.tolist() == pytest.approx((cheap.table["paid_usd"] / 20 * 1_000).tolist())
    assert per_row.tolist() == pytest.approx((live.table["usd_per_1000"] / 2).tolist())
    assert (cheap.table["input_tokens"] == live.table["input_tokens"]).all()
    assert "p50_seconds" not in cheap.table.columns  # what a batch takes is not how long one answer takes


def test_answers_of_the_journal_are_priced_as_this_comparison_asks(sim: Simulator) -> None:
    """Bought live, compared in a batch: the next rows will cost half."""
    frame = reviews(40)
    live = compare(frame, rows=10)
    cheap = compare(frame, rows=10, batch=True)
    assert sim.ledger.requests == 20
    assert cheap.table["usd_per_1000"].tolist() == pytest.approx((live.table["usd_per_1000"] / 2).tolist())
    assert cheap.table["p50_seconds"].tolist() == live.table["p50_seconds"].tolist()


def groups(large: int = 360, small: int = 40) -> pd.DataFrame:
    """Return reviews of two groups, of which Haiku is right about the large one only."""
    frame = pd.DataFrame({"group": ["large"] * large + ["small"] * small, "truth": "good"})
    frame["text"] = [f"review {n}: good{' hard' * (g == 'small')}" for n, g in enumerate(frame["group"])]
    return frame.sample(frac=1.0, random_state=0)


def test_intervals_of_one_price_stand_side_by_side() -> None:
    """In the order of their prices, and where there is room they stay where they are."""
    pytest.importorskip("matplotlib")
    from claude_parallel.trust.figures import side_by_side

    assert side_by_side([0.016, 0.642, 0.016]) == pytest.approx([0.016, 0.642, 0.016 + 0.04 * 0.642])
    assert side_by_side([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]
    assert side_by_side([]) == []


def test_a_figure_stays_on_its_line(sim: Simulator) -> None:
    """A narrow page scrolls, rather than to part a number from its unit."""
    page = compare(reviews(60), rows=20)._repr_html_()
    assert "overflow-x:auto" in page
    assert re.search(r'white-space:nowrap">[0-9.]+ s<', page)


def test_rows_drawn_in_equal_parts_are_weighed_back(sim: Simulator) -> None:
    """Half of the sample is from the small group, and every figure is that of all rows."""
    found = compare(groups(), rows=40, by="group")
    assert found.sample["group"].value_counts().tolist() == [20, 20]
    assert found.table["accuracy"].tolist() == pytest.approx([0.9, 1.0])
    assert found.table.loc["haiku", "accuracy_low"] < 0.9 < found.table.loc["haiku", "accuracy_high"]
    assert found.pairs[0].agreement == pytest.approx(0.9)
    assert found.pairs[0].better == "opus"
    assert "equal parts of 'group'" in repr(found)
    plain = compare(groups(), rows=400)
    assert found.table["usd_per_1000"].tolist() == pytest.approx(plain.table["usd_per_1000"].tolist(), rel=0.01)


def test_held_rows_are_weighed_back_too(sim: Simulator) -> None:
    """They are a random half of a sample in equal parts."""
    found = compare(groups(), rows=200, by="group", holdout=0.5)
    confirmed = found.confirm("haiku")
    assert confirmed.quality is not None
    assert confirmed.quality.estimate == pytest.approx(0.9, abs=0.04)
    assert repr(confirmed).startswith("haiku on 100 rows: accuracy ")


def test_gold_that_was_reviewed_in_equal_parts_is_weighed_back(sim: Simulator) -> None:
    """The review knows how its rows were drawn."""
    frame = groups()
    out = frame.claude.classify("{text}", labels=LABELS)
    panel = out.claude.review(rows=40, by="group")
    for _item in panel.items:
        panel.give("good")
    assert compare(out, gold=panel, rows=40).table["accuracy"].tolist() == pytest.approx([0.9, 1.0])


# -- preview ---------------------------------------------------------------------------------------------------------


def test_a_preview_says_what_the_whole_costs_and_is_not_paid_again(sim: Simulator) -> None:
    """The interval holds what the whole run then really costs."""
    frame = reviews(400)
    few = frame.claude.preview("{text}", rows=40, schema=str)
    assert len(few) == 40
    assert few.index.is_monotonic_increasing
    whole = few.claude.run.totals["whole"]
    assert sim.ledger.requests == 40
    assert "all 400 rows" in repr(few.claude.run)
    assert "all 400 rows" in few.claude.run._repr_html_()
    out = frame.claude.map("{text}", schema=str)
    assert sim.ledger.requests == 400
    total = float(out["response_cost"].sum() + few["response_cost"].sum())
    low, mean, high = whole["usd"]
    assert low <= total <= high
    assert mean == pytest.approx(total, rel=0.05)
    assert whole["left_usd"] == pytest.approx(total - float(few["response_cost"].sum()), rel=0.06)


def test_a_preview_is_random_and_repeatable(sim: Simulator) -> None:
    """The same rows again cost nothing and say the same about the whole; another seed draws others."""
    frame = reviews(200)
    first = frame.claude.preview("{text}", rows=10)
    again = frame.claude.preview("{text}", rows=10)
    assert first.index.tolist() == again.index.tolist()
    assert sim.ledger.requests == 10
    assert again.claude.run.totals["whole"]["usd"] == pytest.approx(first.claude.run.totals["whole"]["usd"])
    assert frame.claude.preview("{text}", rows=10, seed=1).index.tolist() != first.index.tolist()


def test_a_preview_in_equal_parts_skips_nothing_silently(sim: Simulator) -> None:
    """Rows that cannot be asked count as they do in the whole."""
    frame = reviews(200)
    frame.loc[frame.index[:100], "text"] = None
    few = frame.claude.preview("{text}", rows=20)
    assert 3 <= few["response_error"].str.startswith("skipped").sum() <= 17
    parts = reviews(200).claude.preview("{text}", rows=20, by="truth")
    assert parts["truth"].value_counts().tolist() == [10, 10]
    assert len(frame["text"].claude.preview("{}", rows=4)) == 4


def test_a_preview_in_equal_parts_is_weighed_back(sim: Simulator) -> None:
    """The long texts of a small group do not make the whole dearer than it is."""
    frame = reviews(400).assign(group=["small"] * 20 + ["large"] * 380)
    frame.loc[frame["group"] == "small", "text"] += " and so on" * 200
    few = frame.claude.preview("{text}", rows=40, by="group", schema=str)
    assert few["group"].value_counts().tolist() == [20, 20]
    total = float(frame.claude.map("{text}", schema=str)["response_cost"].sum() + few["response_cost"].sum())
    assert few.claude.run.totals["whole"]["usd"][1] == pytest.approx(total, rel=0.05)


def test_a_preview_in_a_batch_knows_what_the_whole_costs(sim: Simulator) -> None:
    """Half of what it costs live, and what the journal answers is not left to pay."""
    frame = reviews(100)
    in_batch = frame.claude.preview("{text}", rows=20, schema=str, batch=True).claude.run.totals["whole"]
    live = frame.claude.preview("{text}", rows=20, schema=str).claude.run.totals["whole"]
    assert sim.ledger.requests == 0  # the batch has answered the live preview
    assert in_batch["usd"][1] == pytest.approx(live["usd"][1] / 2)
    assert live["left_usd"] == pytest.approx(0.8 * live["usd"][1])
    frame.claude.map("{text}", schema=str)
    done = frame.claude.preview("{text}", rows=20, schema=str).claude.run.totals["whole"]
    assert done["usd"] == pytest.approx(live["usd"])
    assert done["left_usd"] == 0.0


def test_a_preview_counts_rows_that_ask_the_same_once(sim: Simulator) -> None:
    """As the whole run does."""
    frame = pd.concat([reviews(50)] * 8, ignore_index=True)
    whole = frame.claude.preview("{text}", rows=40, schema=str).claude.run.totals["whole"]
    cost = frame.claude.map("{text}", schema=str, journal=False)["response_cost"].sum()
    assert whole["usd"][1] == pytest.approx(cost, rel=0.05)


def test_a_preview_can_be_estimated(sim: Simulator) -> None:
    """Nothing is sent."""
    assert reviews(50).claude.preview("{text}", rows=5, estimate=True).to_frame()["rows"].tolist() == [5] * 4
    assert sim.ledger.requests == 0


# -- a session of comparisons ----------------------------------------------------------------------------------------


def test_the_uses_of_gold_are_counted_over_all_comparisons(sim: Simulator) -> None:
    """Three times two prompts on the same rows are six, whatever was asked before; the same ones again are no more."""
    frame = reviews(60)

    def tried(number: int, **options: Any) -> bool:
        variants: dict[str, dict[str, Any]] = {
            f"{n}": {"prompt": f"Prompt {n}: {{text}}"} for n in range(number - 1, number + 1)
        }
        return any("ways of asking" in warning for warning in compare(frame, variants, rows=30, **options).warnings)

    assert not tried(1)
    assert not tried(3)
    assert not tried(3)
    assert tried(5)
    assert not tried(5, holdout=0.5)
    assert any("6 ways of asking" in line for line in compare(frame, {"a": {"prompt": "Prompt 5: {text}"}}).warnings)
    other = reviews(60).assign(text=lambda rows: "other " + rows["text"])
    assert not any("ways of asking" in line for line in compare(other, rows=30).warnings)


def test_without_a_journal_a_comparison_counts_itself(sim: Simulator) -> None:
    """Five variants in one go are five."""
    variants: dict[str, dict[str, Any]] = {f"{n}": {"prompt": f"Prompt {n}: {{text}}"} for n in range(5)}
    assert any("5 ways of asking" in line for line in compare(reviews(40), variants, rows=20, journal=False).warnings)
    assert not compare(reviews(40), VARIANTS, rows=20, journal=False).table.empty


def test_preview_and_comparison_on_the_callers_own_loop(sim: Simulator) -> None:
    """The same figures as the blocking ones, and nothing is paid twice."""
    frame = reviews(100)

    async def both() -> tuple[Any, Any]:
        few = await frame.claude.apreview("{text}", rows=10, schema=str)
        return few, await frame.claude.acompare("{text}", VARIANTS, rows=30, labels=LABELS, gold="truth")

    few, found = asyncio.run(both())
    paid = sim.ledger.requests
    assert paid == 10 + 60
    assert "all 100 rows" in repr(few.claude.run)
    again = frame.claude.compare("{text}", VARIANTS, rows=30, labels=LABELS, gold="truth")
    assert sim.ledger.requests == paid
    assert again.table["accuracy"].tolist() == found.table["accuracy"].tolist()


def test_a_series_has_the_same_verbs(sim: Simulator) -> None:
    """Preview, compare, review and audit, blocking and not."""
    frame = reviews(80)
    texts, truth = frame["text"], frame["truth"]
    options = {"rows": 20, "labels": LABELS, "gold": truth}
    assert texts.claude.compare("{}", VARIANTS, **options).table.loc["opus", "accuracy"] == 1.0
    assert len(asyncio.run(texts.claude.apreview("{}", rows=5))) == 5
    assert asyncio.run(texts.claude.acompare("{}", VARIANTS, **options)).kind == "labels"

    answers = texts.claude.classify(LABELS)
    panel = answers.claude.review(rows=10)
    assert [name for name, _text in panel.items[0].texts] == ["text"]
    assert panel.choices == ("good", "bad")
    for item in panel.items:
        panel.give(truth.iloc[item.position])
    assert answers.claude.audit(panel).gold_rows == 10
    assert answers.claude.audit(truth).accuracy.estimate == pytest.approx((answers.astype(str) == truth).mean())
    part = answers.sort_values().iloc[:40]
    assert part.claude.review(rows=3).items[0].texts[0][1].startswith("review ")
