"""The words about a running map, short enough for where they stand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.progress.stats import RunStats
from claude_parallel.progress.words import conclude, counted, describe
from claude_parallel.records import Outcome
from claude_parallel.text import clock_time, countdown, format_usd, local_time, short_id

GOOD = Outcome(text="text", cost=Decimal("0.25"), source="api")
KNOWN = Outcome(text="text", source="journal")
REFUSED = Outcome(kind="refusal", error="refusal: x", source="api")
SKIPPED = Outcome(kind="skipped", error="skipped: x")
STOPPED = Outcome(kind="cancelled", error="cancelled: x")
LEFT_OUT = Outcome(kind="budget", error="budget: x")

NOON = 1_795_435_200.0


def seen(*outcomes: Outcome, **more: Any) -> RunStats:
    """Return stats that have seen these outcomes."""
    stats = RunStats(total=10, **more)
    for outcome in outcomes:
        stats.add(outcome)
    return stats


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        ("0", "$0.00"),
        ("1234.567", "$1,234.57"),
        ("0.1", "$0.10"),
        ("0.0312", "$0.031"),
        ("0.00045", "$0.00045"),
        ("0.000000012", "$0.00000001"),
        ("-0.5", "-$0.50"),
        ("-0.0312", "-$0.031"),
    ],
)
def test_dollars_are_readable(dollars: str, text: str) -> None:
    """To the cent, and small sums to two digits that mean something."""
    assert format_usd(Decimal(dollars)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1 s"), (7.2, "8 s"), (59.2, "1 min 00 s"), (124.5, "2 min 05 s"), (float("inf"), "a long time")],
)
def test_a_countdown_is_whole_seconds(seconds: float, text: str) -> None:
    """Rounded up: who comes back then is never too early."""
    assert countdown(seconds) == text


@given(st.decimals(-10_000, 10_000, allow_nan=False, places=9))
def test_any_amount_has_a_text(amount: Decimal) -> None:
    """With one dollar sign, and never in exponents."""
    text = format_usd(amount)
    assert text.count("$") == 1
    assert "E" not in text.upper()


@pytest.mark.parametrize(
    ("stats", "words"),
    [
        (seen(), "$0.00"),
        (seen(cost=Decimal("1.5")), "$1.50"),
        (seen(cost=Decimal("1.5"), is_simulated=True), "$1.50 simulated"),
        (seen(REFUSED), "$0.00, 1 failed"),
        (seen(REFUSED, REFUSED, GOOD), "$0.00, 2 failed"),
        (seen(SKIPPED), "$0.00, 1 skipped"),
        (seen(LEFT_OUT, STOPPED), "$0.00, 2 cancelled"),
        (seen(KNOWN, saved=Decimal("0.31")), "$0.00, 1 from journal, $0.31 saved"),
        (seen(waiting_for="the first answers"), "$0.00, the first answers"),
        (seen(waiting_for="answers", in_flight=3), "$0.00"),
        (
            seen(waiting_for="API overloaded", outage_since=NOON - 300, paused_until=NOON + 7.4),
            f"$0.00, API overloaded since {local_time(NOON - 300)}, next try in 8 s",
        ),
        (
            seen(waiting_for="API unreachable", outage_since=NOON - 300, in_flight=1),
            f"$0.00, API unreachable since {local_time(NOON - 300)}, trying now",
        ),
        (seen(is_stopping=True, in_flight=3), "$0.00, finishing 3 in flight, interrupt again to cancel them"),
    ],
)
def test_the_words_beside_the_bar(stats: RunStats, words: str) -> None:
    """Dollars, rows by what they came to, and what we are waiting for."""
    assert describe(stats, NOON) == words


def test_a_pause_is_told_also_while_calls_are_in_flight() -> None:
    """With its end."""
    stats = seen(waiting_for="input tokens per minute", in_flight=2, paused_until=NOON + 80)
    assert describe(stats, NOON) == f"$0.00, paused until {clock_time(NOON + 80, NOON)}: input tokens per minute"


def test_a_panel_names_its_button() -> None:
    """There is nothing to interrupt."""
    words = describe(seen(is_stopping=True, in_flight=3), NOON, again="press Cancel")
    assert words == "$0.00, finishing 3 in flight, press Cancel to cancel them"


def test_times_of_another_day_have_a_date() -> None:
    """A Retry-After may be of any length."""
    assert len(clock_time(NOON, NOON).split(":")) == 3
    assert clock_time(NOON + 3 * 86_400, NOON).startswith("2026-11-2")
    assert clock_time(NOON + 10**9, NOON).startswith("2058-")
    assert clock_time(NOON + 10**18, NOON) == "a time beyond the calendar"
    assert clock_time(float("inf"), NOON) == "a time beyond the calendar"


def test_what_matters_most_stays_where_room_is_short() -> None:
    """The reason to wait before the dollars, the dollars before the rows of the journal."""
    stats = seen(KNOWN, REFUSED, waiting_for="input tokens per minute", paused_until=NOON, cost=Decimal("0.5"))
    assert describe(stats, NOON, width=80).startswith("$0.50, 1 failed, paused until")
    assert describe(stats, NOON, width=60).startswith("$0.50, paused until")
    assert describe(stats, NOON, width=50).startswith("paused until")
    assert describe(stats, NOON, width=50).endswith(": input tokens per minute")


@given(st.integers(0, 200), st.integers(0, 9), st.booleans())
def test_words_never_take_more_room_than_there_is(width: int, rows: int, is_paused: bool) -> None:
    """Whatever there is to say."""
    stats = seen(*[REFUSED] * rows, *[SKIPPED] * rows, waiting_for="x" * 90 if is_paused else "")
    assert len(describe(stats, NOON, width=width)) <= max(width, 1)


def test_the_end_tells_what_the_run_came_to() -> None:
    """Rows, seconds, dollars, the journal's part, and errors by kind."""
    stats = seen(GOOD, KNOWN, REFUSED, SKIPPED, STOPPED, cost=Decimal("0.25"), saved=Decimal("0.1"))
    assert conclude(stats, 2.0) == (
        "2 of 10 rows answered in 2.0 s (1 rows/s), $0.25, 1 from journal, $0.10 saved, 1 failed (refusal 1), "
        "1 cancelled, 1 skipped"
    )
    assert counted(stats) == "4 of 10 rows"


def test_a_run_of_no_time_has_no_speed() -> None:
    """Nothing is divided by zero."""
    assert conclude(seen(GOOD), 0.0) == "1 of 10 rows answered in 0 s, $0.00"


def test_long_ids_are_shortened_in_the_middle() -> None:
    """Their beginning says what they are, their end which one."""
    assert short_id("msgbatch_013Zva2CMHLNnXjNJJKqJ2EF") == "msgbatch_01…J2EF"
    assert short_id("req_1") == "req_1"


def test_at_the_end_dollars_go_before_the_speed() -> None:
    """In a terminal of 80 columns, 62 letters stand beside the bar."""
    stats = RunStats(total=200, done=200, cost=Decimal("0.0021"), is_simulated=True)
    assert conclude(stats, 2.6) == "200 of 200 rows answered in 2.6 s (76.9 rows/s), $0.0021 simulated"
    assert conclude(stats, 2.6, width=62) == "200 of 200 rows answered in 2.6 s, $0.0021 simulated"


def test_a_narrow_terminal_leaves_out_the_seconds_before_the_rows_that_were_not_answered() -> None:
    """At 80 columns, 63 of them beside the bar."""
    stats = RunStats(total=200, cost=Decimal("0.00058"), is_simulated=True)
    stats.add(GOOD, 53)
    stats.add(STOPPED, 147)
    assert conclude(stats, 4.7, width=63) == "53 of 200 rows answered, $0.00058 simulated, 147 cancelled"
    assert conclude(stats, 4.7, width=80).startswith("53 of 200 rows answered in 4.7 s, ")
