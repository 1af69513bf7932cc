"""Counts of a running map, the words beside the bar, and painters that never end a paid run."""

from __future__ import annotations

import io
import sys
import threading
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import KINDS
from claude_parallel.progress.bar import BarBar, LineBar, NoBar, choose_bar
from claude_parallel.progress.stats import RunStats, describe
from claude_parallel.records import Outcome, Usage
from claude_parallel.text import format_usd

GOOD = Outcome("text", None, None, None, Decimal("0.25"), "api")
KNOWN = Outcome("text", None, None, None, Decimal(0), "journal")
REFUSED = Outcome(None, None, "refusal", "refusal: x", Decimal(0), "api")
SKIPPED = Outcome(None, None, "skipped", "skipped: x", Decimal(0), "none")
LEFT_OUT = Outcome(None, None, "budget", "budget: x", Decimal(0), "none")


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


@given(st.decimals(-10_000, 10_000, allow_nan=False, places=9))
def test_any_amount_has_a_text(amount: Decimal) -> None:
    """With one dollar sign, and never in exponents."""
    text = format_usd(amount)
    assert text.count("$") == 1
    assert "E" not in text.upper()


def tally_of(*outcomes: Outcome, **more: Any) -> RunStats:
    """Return a stats that has seen these outcomes."""
    stats = RunStats(total=10, **more)
    for outcome in outcomes:
        stats.add(outcome)
    return stats


@pytest.mark.parametrize(
    ("stats", "clock_text", "words"),
    [
        (tally_of(), None, "$0.00"),
        (tally_of(cost=Decimal("1.5")), None, "$1.50"),
        (tally_of(REFUSED), None, "$0.00, 1 error"),
        (tally_of(REFUSED, REFUSED, GOOD), None, "$0.00, 2 errors"),
        (tally_of(SKIPPED), None, "$0.00, 1 skipped"),
        (tally_of(LEFT_OUT), None, "$0.00, 1 not sent"),
        (tally_of(KNOWN, saved=Decimal("0.31")), None, "$0.00, 1 from journal, $0.31 saved"),
        (
            tally_of(waiting_for="input tokens per minute", in_flight=2),
            "14:03:20",
            "$0.00, paused until 14:03:20: input tokens per minute",
        ),
        (tally_of(waiting_for="the first answers"), None, "$0.00, the first answers"),
        (tally_of(waiting_for="answers", in_flight=3), None, "$0.00"),
        (
            tally_of(is_stopping=True, in_flight=3),
            None,
            "$0.00, finishing 3 in flight, interrupt again to cancel them",
        ),
    ],
)
def test_the_words_beside_the_bar(stats: RunStats, clock_text: str | None, words: str) -> None:
    """Dollars, errors, and what we are waiting for; a pause is always visible."""
    assert describe(stats, clock_text) == words


def test_identical_rows_are_counted_with_their_first() -> None:
    """A duplicate is done when the answer is there."""
    stats = RunStats(total=5)
    stats.add(REFUSED, rows=3)
    stats.add(KNOWN, rows=2)
    assert (stats.done, stats.errors, stats.from_journal) == (5, 3, 2)


def test_the_cache_is_counted_by_reads() -> None:
    """The writer is a miss."""
    stats = RunStats()
    stats.note_cache(Usage(cache_write_5m_tokens=9), Decimal("-0.25"))
    stats.note_cache(Usage(cache_read_tokens=9), Decimal("0.9"))
    assert (stats.cache_hits, stats.cache_misses, stats.cache_saved) == (1, 1, Decimal("0.65"))


# -- painters --------------------------------------------------------------------------------------------------------


class FakeBar:
    """A bar that keeps what it was told, or breaks."""

    def __init__(self, breaks: str = "") -> None:
        self.n = 0
        self.words = ""
        self.refreshed = 0
        self.closed = False
        self._breaks = breaks

    def set_postfix_str(self, words: str, refresh: bool) -> None:
        if self._breaks == "words":
            raise RuntimeError("comm closed")
        self.words = words

    def refresh(self) -> None:
        if self._breaks == "refresh":
            raise OSError("broken pipe")
        self.refreshed += 1

    def close(self) -> None:
        if self._breaks == "close":
            raise ValueError("closed twice")
        self.closed = True


def painter_of(stats: RunStats, bar: FakeBar, now: list[float]) -> BarBar:
    """Return a painter on a clock that the test moves."""
    return BarBar(stats, lambda: now[0], lambda seconds: f"t{seconds:.0f}", bar)


def test_the_bar_moves_when_something_changed_and_not_too_often() -> None:
    """At most ten times a second, and never for nothing."""
    stats, bar, now = RunStats(total=3), FakeBar(), [0.0]
    painter = painter_of(stats, bar, now)
    painter.paint()
    stats.add(GOOD)
    painter.paint()
    assert (bar.n, bar.refreshed) == (0, 1)
    now[0] = 0.2
    painter.paint()
    assert (bar.n, bar.refreshed) == (1, 2)
    now[0] = 0.4
    painter.paint()
    assert bar.refreshed == 2
    stats.add(GOOD)
    painter.close()
    assert (bar.n, bar.closed) == (2, True)
    painter.close()


@pytest.mark.parametrize("breaks", ["words", "refresh", "close"])
def test_a_bar_that_breaks_is_dropped(breaks: str) -> None:
    """It must not end a paid run."""
    stats, now = RunStats(total=3), [0.0]
    painter = painter_of(stats, FakeBar(breaks), now)
    for step in range(4):
        now[0] = float(step)
        stats.add(GOOD)
        painter.paint()
    painter.close()


def test_words_that_cannot_be_made_drop_the_bar_too() -> None:
    """Whatever fails while painting fails alone."""

    def broken(_seconds: float) -> str:
        raise OverflowError("timestamp out of range")

    painter = BarBar(RunStats(total=1, paused_until=1e300), lambda: 0.0, broken, FakeBar())
    painter.paint()
    painter.close()
    lines = LineBar(RunStats(total=1, paused_until=1e300), lambda: 0.0, broken, io.StringIO())
    lines.close()


def test_lines_come_now_and_then_and_at_the_end() -> None:
    """For log files and CI."""
    stats, now, stream = RunStats(total=2_000), [0.0], io.StringIO()
    painter = LineBar(stats, lambda: now[0], str, stream, every_seconds=10.0)
    for second in range(60):
        now[0] = float(second)
        painter.paint()
    lines = stream.getvalue().splitlines()
    assert 5 <= len(lines) <= 10
    stats.done = 1_500
    painter.close()
    assert stream.getvalue().splitlines()[-1] == "claude_parallel: 1,500 of 2,000 rows, $0.00"


def test_a_closed_stream_is_no_error() -> None:
    """The log may be gone before the run is."""
    stream = io.StringIO()
    painter = LineBar(RunStats(total=1), lambda: 0.0, str, stream)
    stream.close()
    painter.close()


def test_counting_and_painting_in_two_threads_do_not_meet() -> None:
    """New kinds of error appear while another thread adds them up."""
    stats, stop = RunStats(total=10**9), threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def count() -> None:
        while not stop.is_set():
            for kind in KINDS:
                stats.kinds[kind] += 1
            stats.kinds.clear()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(3_000):
            describe(stats)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def choose(stats: RunStats, *, progress: bool = True) -> Any:
    """Return the painter for here."""
    return choose_bar(stats, progress=progress, clock=lambda: 0.0, clock_text=str)


def test_the_painter_fits_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar in a terminal, lines elsewhere, nothing when it is not wanted or there is nothing to do."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(choose(RunStats(total=5)), LineBar)
    assert isinstance(choose(RunStats(total=5), progress=False), NoBar)
    assert isinstance(choose(RunStats(total=0)), NoBar)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    painter = choose(RunStats(total=5))
    assert isinstance(painter, BarBar)
    painter.close()


def test_where_no_bar_can_be_made_lines_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken ipywidgets must not keep a run from beginning."""

    def broken(*_args: Any, **_options: Any) -> Any:
        raise ImportError("IProgress not found")

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=broken))  # type: ignore[arg-type]
    assert isinstance(choose(RunStats(total=5)), LineBar)
