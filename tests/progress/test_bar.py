"""Bars of text: they move, they fit, and they never end a paid run."""

from __future__ import annotations

import io
import sys
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm.std import tqdm

from claude_parallel.progress.bar import Clocks, LineBar, NoBar, TextBar, choose_bar
from claude_parallel.progress.stats import RunStats
from claude_parallel.records import Outcome

GOOD = Outcome(text="text", cost=Decimal("0.25"), source="api")
NOON = 1_795_435_200.0


class FakeBar:
    """A bar that keeps what it was told, or breaks."""

    def __init__(self, breaks: str = "") -> None:
        self.n = 0
        self.bar_format = ""
        self.refreshed = 0
        self.closed = False
        self._breaks = breaks

    def refresh(self) -> None:
        if self._breaks == "refresh":
            raise OSError("broken pipe")
        self.refreshed += 1

    def close(self) -> None:
        if self._breaks == "close":
            raise ValueError("closed twice")
        self.closed = True


def clocks_of(now: list[float]) -> Clocks:
    """Return clocks that the test moves."""
    return Clocks(lambda: now[0], lambda: NOON + now[0])


def bar_of(stats: RunStats, bar: Any, now: list[float], columns: int = 80) -> TextBar:
    """Return a bar of text."""
    return TextBar(stats, clocks_of(now), bar, lambda: columns)


def test_the_bar_moves_when_something_changed_and_not_too_often() -> None:
    """At most ten times a second, and never for nothing."""
    stats, inner, now = RunStats(total=3), FakeBar(), [0.0]
    bar = bar_of(stats, inner, now)
    bar.paint()
    stats.add(GOOD)
    bar.paint()
    assert (inner.n, inner.refreshed) == (0, 1)
    now[0] = 0.2
    bar.paint()
    assert (inner.n, inner.refreshed) == (1, 2)
    stats.add(GOOD)
    bar.close()
    assert (inner.n, inner.closed) == (2, True)
    bar.close()


def test_an_unchanged_state_is_not_drawn_again() -> None:
    """A run that waits for an hour draws nothing."""
    stats, inner, now = RunStats(total=3, waiting_for="the next retry"), FakeBar(), [0.0]
    bar = bar_of(stats, inner, now)
    for second in range(100):
        now[0] = float(second)
        bar.paint()
    assert inner.refreshed == 1


@pytest.mark.parametrize("breaks", ["refresh", "close"])
def test_a_bar_that_breaks_is_dropped(breaks: str) -> None:
    """It must not end a paid run."""
    stats, now = RunStats(total=3), [0.0]
    inner = FakeBar(breaks)
    bar = bar_of(stats, inner, now)
    for step in range(4):
        now[0] = float(step)
        stats.add(GOOD)
        bar.paint()
    bar.close()
    assert inner.refreshed == (0 if breaks == "refresh" else 5)


def drawn(stats: RunStats, columns: int, *, ends: bool = False) -> str:
    """Return what a real tqdm bar shows in a terminal of so many columns."""
    screen, now = io.StringIO(), [0.0]
    inner = tqdm(total=stats.total, file=screen, ncols=columns, ascii=False)
    bar = bar_of(stats, inner, now, columns)
    for step in range(1, 11):
        now[0] = float(step)
        bar.paint()
    if ends:
        bar.close()
    return screen.getvalue().split("\r")[-1].rstrip()


def test_at_80_columns_the_bar_keeps_its_width_and_tells_the_reason_to_wait() -> None:
    """Whatever else has to go."""
    stats = RunStats(
        total=1_500,
        done=651,
        cost=Decimal("0.031"),
        in_flight=9,
        from_journal=20,
        saved=Decimal("0.01"),
        waiting_for="output tokens per minute",
        paused_until=NOON + 60,
    )
    stats.kinds["refusal"] = 3
    line = drawn(stats, 80)

    assert len(line) <= 80
    assert line.startswith(" 43%|")
    assert line.index("| 651/1,500") == 15
    assert line.endswith("output tokens per minute")
    assert "paused until" in line


@given(
    columns=st.integers(40, 200),
    reached=st.integers(0, 1_500),
    failed=st.integers(0, 900),
    reason=st.sampled_from(["", "the first answer, which fills the prompt cache", "{braces}", "x" * 150]),
    ends=st.booleans(),
)
def test_a_line_never_breaks(columns: int, reached: int, failed: int, reason: str, ends: bool) -> None:
    """Law: one line, at most as wide as the terminal, with ten letters of bar."""
    stats = RunStats(total=1_500, done=reached, waiting_for=reason)
    stats.kinds["refusal"] = min(failed, reached)
    line = drawn(stats, columns, ends=ends).rstrip("\n")

    assert "\n" not in line
    assert len(line) <= columns
    assert line.index("|") == 4
    assert line.index("|", 5) == 15


def test_a_time_that_no_calendar_holds_does_not_end_the_bar() -> None:
    """A Retry-After may be of any length."""
    stats = RunStats(total=1, paused_until=1e300, waiting_for="requests per minute")
    assert "beyond the calendar" in drawn(stats, 100)
    stream = io.StringIO()
    lines = LineBar(stats, clocks_of([0.0]), stream, every_seconds=0.0)
    lines.paint()
    assert "beyond the calendar" in stream.getvalue()


def test_lines_come_now_and_then_and_at_the_end() -> None:
    """For log files and CI."""
    stats, now, stream = RunStats(total=2_000), [0.0], io.StringIO()
    bar = LineBar(stats, clocks_of(now), stream, every_seconds=10.0)
    for second in range(60):
        now[0] = float(second)
        bar.paint()
    lines = stream.getvalue().splitlines()
    assert 5 <= len(lines) <= 10
    assert lines[0] == "claude_parallel: 0 of 2,000 rows, $0.00"
    stats.done = 1_500
    now[0] = 60.0
    bar.close()
    last = "claude_parallel: 1,500 of 2,000 rows answered in 1 min 00 s (25 rows/s), $0.00"
    assert stream.getvalue().splitlines()[-1] == last


def test_a_closed_stream_is_no_error() -> None:
    """The log may be gone before the run is."""
    stream = io.StringIO()
    bar = LineBar(RunStats(total=1), clocks_of([0.0]), stream)
    stream.close()
    bar.close()
    assert stream.closed


def choose(stats: RunStats, *, progress: bool = True) -> Any:
    """Return the bar for here."""
    return choose_bar(stats, progress=progress, clocks=clocks_of([0.0]))


def test_the_bar_fits_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar in a terminal, lines elsewhere, nothing when it is not wanted or there is nothing to do."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(choose(RunStats(total=5)), LineBar)
    assert isinstance(choose(RunStats(total=5), progress=False), NoBar)
    assert isinstance(choose(RunStats(total=0)), NoBar)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = choose(RunStats(total=5))
    assert isinstance(bar, TextBar)
    bar.close()


def test_where_no_bar_can_be_made_lines_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken tqdm must not keep a run from beginning."""

    def broken(*_args: Any, **_options: Any) -> Any:
        raise ImportError("no tqdm")

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm.std", SimpleNamespace(tqdm=broken))  # type: ignore[arg-type]
    assert isinstance(choose(RunStats(total=5)), LineBar)
