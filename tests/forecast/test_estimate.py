"""Whether an estimate says beforehand what a run costs and takes."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.config import resolve_settings
from claude_parallel.engine.environment import live_environment
from claude_parallel.errors import InputError
from claude_parallel.forecast.estimate import Estimate, estimate, estimate_frame
from claude_parallel.forecast.token_counts import offline_bytes_per_token, schema_tokens
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.tiers import Limits
from claude_parallel.simulation.profile import Limits as SimulatorLimits
from claude_parallel.simulation.profile import Profile
from tests.worlds import World, frame_of, world

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-4-6"
QUICK: dict[str, Any] = {"latency_seconds": 1.0, "limits": "scale"}


def estimated(
    place: World | None, frame: Any, prompt: Any, likely_output_tokens: float | None = None, **options: Any
) -> Estimate:
    """Return the estimate of a map in a simulated world, or without credentials."""
    environment = place.environment() if place else None
    prepared = FrameMap(
        frame, prompt, "response", {"journal": False, "limits": "scale", **options}, environment=environment
    )
    return estimate_frame(prepared, likely_output_tokens)


def dollars(figures: Estimate, strategy: str) -> float:
    return float(figures.to_frame().loc[strategy, "usd_likely"])


@cache
def missions_example() -> Estimate:
    """Estimate 100,000 requests of 2,000 and 500 tokens on Sonnet 4.6, which share too little to be cached."""
    return estimate(rows=100_000, input_tokens=2_000, output_tokens=500, model=SONNET, cached_tokens=100, **QUICK)


def test_the_missions_example_costs_1350_dollars_live_and_675_as_batches() -> None:
    """The mission's text, $0.675, is off by a thousand."""
    figures = missions_example()
    live, batch = figures.strategies[0], figures.strategies[2]
    assert live.usd == (Decimal(1_350), Decimal(1_350), Decimal(1_350))
    assert batch.usd == (Decimal(675), Decimal(675), Decimal(675))
    assert batch.recommended


def test_an_interrupt_ends_an_estimate_at_once() -> None:
    """While the rows are walked through, too: half a walk says nothing."""
    seen = 0

    def ask(row: Any) -> str:
        nonlocal seen
        seen += 1
        if seen == 30:
            os.kill(os.getpid(), signal.SIGINT)
        return f"Say {row['t']}"

    with pytest.raises(KeyboardInterrupt):
        estimated(world(), frame_of(5_000), ask)

    assert seen < 1_000


def test_the_frame_of_an_estimate_has_one_row_per_pattern() -> None:
    """The columns are a promise."""
    table = estimate(rows=10, **QUICK).to_frame()
    assert list(table.index) == ["live", "live + caching", "batch", "batch + caching"]
    assert list(table.columns) == [
        *("rows", "unique", "in_journal", "skipped", "input_tokens"),
        *("output_tokens_low", "output_tokens_likely", "output_tokens_high"),
        *("usd_low", "usd_likely", "usd_high", "seconds", "when", "recommended"),
    ]
    assert table["recommended"].sum() == 1


@pytest.mark.parametrize(
    ("rows", "model", "cached", "limits", "expected"),
    [
        (1_000, HAIKU, 0, "scale", "live"),
        (1_000, HAIKU, 15_000, "scale", "live + caching"),
        (1_000, SONNET, 0, "scale", "batch"),
        (1_000, SONNET, 15_000, "scale", "batch + caching"),
        (50, HAIKU, 0, {"requests_per_minute": 1}, "live"),
        (400, HAIKU, 0, {"requests_per_minute": 2}, "batch"),
        (0, HAIKU, 0, "scale", "live"),
    ],
)
def test_the_recommended_pattern_follows_from_money_and_time(
    rows: int, model: str, cached: int, limits: Any, expected: str
) -> None:
    """A batch where it saves some dollars or a live run takes as long; caching where a long prefix is shared."""
    figures = estimate(rows, 20_000, 1_000, model=model, cached_tokens=cached, limits=limits, latency_seconds=1.0)
    assert [strategy.name for strategy in figures.strategies if strategy.recommended] == [expected]


def test_caching_costs_one_write_and_reads_for_the_rest() -> None:
    """By hand for Sonnet 4.6: $3 in, $3.75 write, $0.30 read, $15 out per million tokens."""
    figures = estimate(1_000, 2_000, 100, model=SONNET, cached_tokens=1_500, **QUICK)
    by_hand = (1_000 * 500 * 3 + 1_500 * 3.75 + 999 * 1_500 * 0.30 + 1_000 * 100 * 15) / 1e6
    assert dollars(figures, "live + caching") == pytest.approx(by_hand, rel=1e-9)
    low, likely, high = figures.strategies[3].usd or (0, 0, 0)
    assert by_hand / 2 < low < likely < high < dollars(figures, "batch")


@pytest.mark.parametrize(("model", "cached"), [(SONNET, 1_000), ("claude-haiku-4-5", 4_000), (SONNET, 0)])
def test_a_prefix_below_the_models_minimum_is_not_cached(model: str, cached: int) -> None:
    """Then caching changes nothing, and the estimate says why."""
    table = estimate(100, 5_000, 100, model=model, cached_tokens=cached, **QUICK).to_frame()
    assert table.loc["live", "usd_likely"] == table.loc["live + caching", "usd_likely"]
    assert table.loc["live + caching", "when"].startswith("does not apply")


def test_a_step_in_the_price_is_charged_by_the_size_of_each_request() -> None:
    """Haiku 5.5 takes five times as much for prompts above 100,000 tokens, not for many small ones."""
    small = estimate(1_000, 90_000, 10, model="claude-haiku-5-5", **QUICK)
    large = estimate(1_000, 110_000, 10, model="claude-haiku-5-5", **QUICK)
    assert dollars(small, "live") == pytest.approx(1_000 * (90_000 * 0.1 + 10 * 0.5) / 1e6)
    assert dollars(large, "live") == pytest.approx(1_000 * (110_000 * 0.5 + 10 * 2.5) / 1e6)


@given(
    rows=st.integers(1, 300),
    sizes=st.tuples(st.integers(1, 5_000), st.integers(1, 2_000)),
    share=st.floats(0, 1),
    model=st.sampled_from([SONNET, "claude-haiku-5-5", "claude-opus-5-5"]),
)
def test_a_batch_costs_half_and_bounds_are_in_order(
    rows: int, sizes: tuple[int, int], share: float, model: str
) -> None:
    """Half the price to the last digit, low <= likely <= high, and seconds are there for all four."""
    figures = estimate(rows, sizes[0], sizes[1], model=model, cached_tokens=sizes[0] * share, **QUICK)
    live, _, batch, _ = (strategy.usd for strategy in figures.strategies)
    assert live is not None and batch is not None
    assert tuple(2 * usd for usd in batch) == live
    for strategy in figures.strategies:
        assert strategy.usd is not None and list(strategy.usd) == sorted(strategy.usd)
        assert strategy.seconds > 0


def test_a_model_without_a_price_has_no_dollars() -> None:
    """NaN in the frame and a sentence in the text, no error."""
    figures = estimate(10, model="claude-of-tomorrow", **QUICK)
    assert math.isnan(dollars(figures, "live"))
    assert "No price is known" in " ".join(repr(figures).split())


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": -1},
        {"rows": 1.5},
        {"input_tokens": 0},
        {"output_tokens": float("nan")},
        {"cached_tokens": 3_000},
        {"cached_tokens": None},
        {"latency_seconds": -1},
        {"limits": "tier-9"},
    ],
)
def test_figures_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    """Before anything is rehearsed."""
    with pytest.raises(InputError):
        estimate(**wrong)


def test_figures_of_numpy_are_figures() -> None:
    """A count of a frame, a mean of a short float column: as Python's own."""
    plain = estimate(100, 1_000, 50, cached_tokens=600, limits=Limits(1_000, 90_000, 9_000), latency_seconds=0.5)
    limits = Limits(np.int64(1_000), np.float32(90_000), np.int32(9_000))
    found = estimate(
        np.int64(100),
        np.int32(1_000),
        np.float32(50),
        cached_tokens=np.int64(600),
        limits=limits,
        latency_seconds=np.float32(0.5),
    )
    pd.testing.assert_frame_equal(found.to_frame(), plain.to_frame())


# -- frames ----------------------------------------------------------------------------------------------------------


def test_a_budget_of_less_than_a_cent_is_named() -> None:
    """To the digits that it has."""
    found = estimated(world(Profile(output_tokens=40)), frame_of(30), "Say {t}", budget=0.0001, journal=False)
    assert "The budget of $0.00010 would stop a live run before its end." in found.notes


def test_rows_are_counted_as_the_run_would_count_them(tmp_path: Path) -> None:
    """Missing cells are skipped, repeated rows asked once, and what the journal knows costs nothing."""
    place = world(Profile(output_tokens=40))
    journal = tmp_path / "journal.sqlite3"
    place.map(frame_of(10), "Say {t}", journal=journal)
    frame = pd.concat([frame_of(30), frame_of(5), pd.DataFrame({"t": [None, " "]})], ignore_index=True)
    row = estimated(place, frame, "Say {t}", journal=journal).to_frame().loc["live"]
    assert (row["rows"], row["unique"], row["in_journal"], row["skipped"]) == (37, 30, 10, 2)
    place.map(frame, "Say {t}", journal=journal)
    assert place.brain.ledger.requests == 30
    nothing = estimated(place, frame, "Say {t}", journal=journal)
    assert dollars(nothing, "live") == 0
    assert nothing.strategies[0].seconds == 0
    assert "30 answered by the journal" in repr(nothing)


def test_output_tokens_are_taken_from_earlier_answers_to_the_same_prompt(tmp_path: Path) -> None:
    """Ten answers of 90 to 110 tokens in the journal say what the next 90 will have."""
    place = world(Profile(output_tokens=(90, 110)))
    journal = tmp_path / "journal.sqlite3"
    place.map(frame_of(10), "Say {t}", journal=journal)
    row = estimated(place, frame_of(100), "Say {t}", journal=journal).to_frame().loc["live"]
    assert row["output_tokens_likely"] == pytest.approx(90 * 100, rel=0.05)
    assert row["output_tokens_low"] < row["output_tokens_likely"] < row["output_tokens_high"]
    given = estimated(place, frame_of(100), "Say {t}", 500, journal=journal).to_frame().loc["live"]
    assert given["output_tokens_likely"] == 500 * 90


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ({"prompt_cache": False}, "live"),
        ({"system": "Be brief. " * 500}, "live + caching"),
        ({"system": "Be brief. " * 500, "prompt_cache": "1h", "model": SONNET}, "live + caching"),
        ({"schema": {"tone": bool, "note": str}, "prompt_cache": False}, "live"),
        ({"sample": 2, "prompt_cache": False}, "live"),
    ],
)
def test_dollars_are_right_when_the_assumptions_hold(options: dict[str, Any], strategy: str) -> None:
    """Rows of very different length, real output as expected: within 5 % of what the simulator bills."""
    place = world(Profile(latency_seconds=0.5, output_tokens=100))
    frame = pd.DataFrame({"t": [f"row {number} " + "word " * (number % 97) for number in range(400)]})
    figures = estimated(place, frame, "Say {t}", 100, **options)
    out = place.map(frame, "Say {t}", **options)
    paid = float(out.filter(regex="_cost$").sum().sum())
    assert dollars(figures, strategy) == pytest.approx(paid, rel=0.05)


LONG_SYSTEM = {"type": "text", "text": "Be brief. " * 500}


@pytest.mark.parametrize(
    "options",
    [
        {"request": {"cache_control": {"type": "ephemeral"}}},
        {"request": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "prompt_cache": False},
        {"request": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "system": LONG_SYSTEM["text"]},
        {"request": {"system": [LONG_SYSTEM | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]}},
    ],
    ids=["automatic", "automatic, an hour", "automatic behind a prefix", "the system prompt"],
)
@pytest.mark.parametrize("words", [5, 700])
def test_cache_breakpoints_of_the_users_own_are_in_the_dollars(options: dict[str, Any], words: int) -> None:
    """Automatic ones write what is the row's own, where it is long enough; the others read what is shared."""
    place = world(Profile(latency_seconds=0.5, output_tokens=100))
    frame = pd.DataFrame({"t": [f"row {number} " + "word " * (words + number % 97) for number in range(200)]})
    figures = estimated(place, frame, "{t}", 100, **options)
    out = place.map(frame, "{t}", **options)
    way = figures.strategy_of(resolve_settings(options)).name
    assert dollars(figures, way) == pytest.approx(float(out["response_cost"].sum()), rel=0.05)
    is_automatic = "cache_control" in options["request"]
    assert ("no other row reads it" in " ".join(figures.notes)) == is_automatic


def test_an_estimate_makes_no_paid_call() -> None:
    """Only the free counting endpoint is asked, twenty times at most."""
    place = world(Profile())
    estimated(place, frame_of(500), "Say {t}", system="Be brief. " * 500)
    ledger = place.brain.ledger
    assert (ledger.requests, ledger.paid, ledger.batch_calls) == (0, [], 0)
    assert 3 <= ledger.counted <= 20


def test_without_credentials_tokens_are_guessed_and_the_error_is_stated() -> None:
    """No key is no error: bytes tell the tokens within the stated bound."""
    figures = estimated(None, frame_of(50), "Say {t}", 10)
    assert "offline by 3.5 bytes a token, ± 30 % (no credentials)" in " ".join(repr(figures).split())
    low, likely, high = figures.strategies[0].usd or (Decimal(0),) * 3
    assert 0 < low < likely < high


def test_an_estimate_that_cannot_count_goes_on_offline() -> None:
    """A model that the counting endpoint does not know fails there; the estimate says so."""
    figures = estimated(world(Profile()), frame_of(50), "Say {t}", model="claude-of-tomorrow")
    assert "counting failed: not_found" in " ".join(repr(figures).split())


def test_what_would_stop_the_map_stops_the_estimate() -> None:
    """The same checks as before a run."""
    with pytest.raises(InputError, match="does not exist"):
        estimated(None, frame_of(3), "Say {x}")
    with pytest.raises(InputError, match="likely_output_tokens"):
        estimated(None, frame_of(3), "Say {t}", -5)


def test_a_file_that_is_no_journal_is_refused_as_the_map_does_and_left_alone(tmp_path: Path) -> None:
    """It was renamed, by a look that costs nothing, and a journal begun in its place."""
    own = tmp_path / "thesis.txt"
    own.write_text("years of work")
    with pytest.raises(InputError, match="left as it is"):
        estimated(None, frame_of(3), "Say {t}", journal=own)
    cp.configure(journal=own)
    with pytest.raises(InputError, match="is not a journal"):
        estimate(rows=10, input_tokens=10, output_tokens=10)
    assert [*tmp_path.iterdir()] == [own]
    assert own.read_text() == "years of work"


def test_an_empty_frame_costs_nothing() -> None:
    """No row, no dollar, no second, no recommendation to wait."""
    table = estimated(world(), frame_of(0), "Say {t}").to_frame()
    assert table["usd_likely"].tolist() == [0, 0, 0, 0]
    assert table.loc["live", "recommended"]


@pytest.mark.parametrize(
    ("schema", "least", "most"),
    [
        ({"type": "boolean"}, 1, 2),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, 15, 40),
        ({"type": "object", "properties": {"a": {"enum": ["good", "bad"]}, "b": {"type": "integer"}}}, 8, 30),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "number"}}}}, 20, 60),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 10, 20),
    ],
)
def test_a_schema_says_how_long_answers_may_be(schema: dict[str, Any], least: float, most: float) -> None:
    """Rough figures per type; low <= likely <= high."""
    low, likely, high = schema_tokens(schema)
    assert low <= likely <= high
    assert least <= likely <= most


def test_it_estimates_inside_a_running_event_loop() -> None:
    """A notebook's loop runs already when df.claude.estimate is called."""

    async def main() -> Estimate:
        return estimated(world(Profile()), frame_of(50), "Say {t}")

    assert asyncio.run(main()).strategies[0].seconds > 0


def test_100_000_rows_take_seconds() -> None:
    """The whole frame is walked, and only the beginning of the run is played; seconds of the processor."""
    frame = frame_of(100_000)
    started = time.process_time()
    figures = estimated(world(Profile()), frame, "Say {t}", 50)
    assert time.process_time() - started < 60
    # 10,000 requests a minute: the first 10,000 at once, the others in nine minutes.
    assert figures.strategies[0].seconds == pytest.approx(540, rel=0.03)


def test_text_and_html_show_the_four_patterns_and_what_they_rest_on() -> None:
    """Every assumption is stated, and nothing of a model's name can break out of the HTML."""
    figures = estimate(300, 2_000, 100, model="claude-<b>x</b>", **QUICK)
    text, html = repr(figures), figures._repr_html_()
    for words in ("live + caching", "batch + caching", "where latency matters", "Input: 2,000 tokens", "as given"):
        assert words in text
    assert "<b>x</b>" not in html
    assert html.count("<tr>") == 5


def test_the_plot_shows_the_expected_throughput_and_the_limits() -> None:
    """Two axes: answers per second, and how much of each limit is used."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = estimate(3_000, 100, 20, limits="start", latency_seconds=1.0).plot()
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    pyplot.close(figure)
    assert len(titles) == 2
    assert "limits" in titles[1]
    with pytest.raises(InputError, match="nothing would be sent"):
        estimate(0).plot()


# -- over loopback, against the wall clock -----------------------------------------------------------------------------


@pytest.mark.wall_clock
@pytest.mark.parametrize(
    ("rows", "limits", "options"),
    [
        (730, SimulatorLimits(requests_per_minute=600, input_tokens_per_minute=1e6, output_tokens_per_minute=1e6), {}),
        (160, SimulatorLimits(requests_per_minute=6_000), {"max_concurrency": 8}),
    ],
    ids=["requests per minute bind", "calls in flight bind"],
)
def test_a_real_run_takes_as_long_and_costs_as_much_as_estimated(
    rows: int, limits: SimulatorLimits, options: dict[str, Any], tmp_path: Path
) -> None:
    """After a few rows have told limits and latencies: wall time within 10 %, dollars within 5 %."""
    settings = {"journal": tmp_path / "journal.sqlite3", "progress": False, **options}
    with cp.simulator(None, limits=limits, latency_seconds=0.3, output_tokens=60) as simulator:
        first, rest = frame_of(30), frame_of(rows)
        first.claude.map("Say {t}", **settings)
        figures = estimate_frame(FrameMap(rest, "Say {t}", "response", settings))
        assert (simulator.ledger.requests, len(simulator.ledger.paid)) == (30, 30)
        started = time.perf_counter()
        out = rest.claude.map("Say {t}", **settings)
        seconds = time.perf_counter() - started
    assert "measured on 30 earlier calls" in " ".join(repr(figures).split())
    assert figures.strategies[0].seconds == pytest.approx(seconds, rel=0.1)
    assert dollars(figures, "live") == pytest.approx(float(out["response_cost"].sum()), rel=0.05)


def test_an_estimate_leaves_the_live_gate_alone() -> None:
    """Other limits in an estimate must not slow down a run that is under way."""
    with cp.simulator("start"):
        cp.map(["one", "two"], progress=False, journal=False)
        gate = live_environment(resolve_settings({})).gate
        before = gate.status(0.0)
        estimate_frame(FrameMap(frame_of(20), "Say {t}", "response", {"limits": "tier-1", "journal": False}))
        after = gate.status(0.0)
    assert (before.limits, before.window) == (after.limits, after.window)


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        ("claude-sonnet-4-6", 4.2),
        ("claude-haiku-4-5-20251001", 4.2),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 4.2),
        ("claude-sonnet-4-20250514", 4.2),
        ("claude-3-5-haiku-20241022", 4.2),
        ("claude-opus-4-7", 3.5),
        ("claude-opus-4-8", 3.5),
        ("claude-haiku-5-5", 3.5),
        ("claude-sonnet-5", 3.5),
    ],
)
def test_models_before_4_7_make_fewer_tokens_of_a_text(model: str, bytes_per_token: float) -> None:
    """Guessed offline where the API cannot count."""
    assert offline_bytes_per_token(model) == bytes_per_token


def test_the_latency_that_the_user_names_is_taken() -> None:
    """Before the first run of a model nobody can measure it."""
    place = world()
    prepared = FrameMap(
        frame_of(50), "Say {t}", "response", {"journal": False, "max_concurrency": 10}, environment=place.environment()
    )
    slow, quick = (estimate_frame(prepared, 20, seconds).to_frame()["seconds"]["live"] for seconds in (4.0, 1.0))
    assert 15 < slow < 30
    assert slow == pytest.approx(4 * quick, rel=0.1)


def test_an_estimate_has_the_prices_of_the_accounts_platform() -> None:
    """A regional endpoint costs a tenth more, before as well as after."""
    place = world()
    options = {"journal": False, "limits": "scale"}
    plain, regional = (
        estimate_frame(FrameMap(frame_of(50), "Say {t}", "response", options, environment=environment), 20)
        for environment in (place.environment(), replace(place.environment(), price_factor=Decimal("1.1")))
    )
    for name in ("live", "batch"):
        assert dollars(regional, name) == pytest.approx(1.1 * dollars(plain, name))


def test_an_estimate_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the screen is wide, or than reads well."""
    figures = missions_example()
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = repr(figures)
        assert max(map(len, text.splitlines())) <= max(80, min(columns, 110))
        assert "where it can wait" in text
