"""The bar of notebooks: HTML that is drawn anew in place, and final figures that stay."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from claude_parallel.bridge import Control
from claude_parallel.progress.bar import Clocks, LineBar, choose_bar
from claude_parallel.progress.notebook import WIDGET_VIEW, NotebookBar, bar_markup
from claude_parallel.progress.panel import show_panel
from claude_parallel.progress.stats import RunStats


class Cell:
    """A notebook's cell: what is shown in it, in order of appearance."""

    def __init__(self, breaks_at: int = 10**9) -> None:
        self.outputs: list[Mapping[str, Any]] = []
        self.updates = 0
        self._breaks_at = breaks_at

    def show(self, data: Mapping[str, Any]) -> Place:
        """Show a bundle, and return its place."""
        self.outputs.append(data)
        return Place(self, len(self.outputs) - 1)

    def replace(self, place: int, data: Mapping[str, Any]) -> None:
        """Show another bundle in a place."""
        self.updates += 1
        if self.updates >= self._breaks_at:
            raise OSError("comm closed")
        self.outputs[place] = data


class Place:
    """A place in a cell's output."""

    def __init__(self, cell: Cell, number: int) -> None:
        self._cell = cell
        self._number = number

    def update(self, data: Mapping[str, Any], *, raw: bool) -> None:
        """Show something else there."""
        assert raw
        self._cell.replace(self._number, data)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def bar_in(cell: Cell, stats: RunStats, control: Control | None = None) -> tuple[NotebookBar, Clock]:
    """Return a bar in a cell, and its clock."""
    clock = Clock()
    return NotebookBar(stats, Clocks(clock, clock), control, cell.show), clock


def test_it_is_drawn_in_place_and_not_too_often() -> None:
    """One output, four drawings a second at most, none where nothing changed."""
    stats, cell = RunStats(total=100), Cell()
    bar, clock = bar_in(cell, stats)
    for step in range(100):
        clock.now = step / 20
        stats.done = step // 2
        bar.paint()

    assert len(cell.outputs) == 1
    assert 10 <= cell.updates <= 20
    assert "of 100 rows" in cell.outputs[0]["text/html"]


def test_a_stream_of_unknown_length_fills_no_bar() -> None:
    """What was read so far is always nearly done; only the end shows how far that was."""
    cell = Cell()
    stats = RunStats(total=10_000, done=9_500, is_open=True)
    bar, _clock = bar_in(cell, stats)
    assert "width:0.0%" in cell.outputs[0]["text/html"]
    assert cell.outputs[0]["text/plain"] == "9,500 rows"
    stats.done = 10_000
    bar.close()
    assert "width:100.0%" in cell.outputs[0]["text/html"]


def test_the_end_stays_with_the_final_figures() -> None:
    """Static HTML, and the same as text for whoever shows text only."""
    stats, cell = RunStats(total=4, cost=Decimal("0.5")), Cell()
    bar, clock = bar_in(cell, stats)
    stats.done = 4
    stats.kinds["refusal"] = 1
    clock.now = 2.0
    bar.close()
    clock.now = 9.0
    bar.paint()

    (output,) = cell.outputs
    assert output["text/plain"] == "3 of 4 rows answered in 2.0 s (1.5 rows/s), $0.50, 1 failed (refusal 1)"
    assert output["text/plain"] in output["text/html"]
    assert WIDGET_VIEW not in output
    assert "width:100.0%" in output["text/html"]


def test_a_stopped_run_stops_its_bar() -> None:
    """At the rows that it came to."""
    stats, cell = RunStats(total=10), Cell()
    bar, _clock = bar_in(cell, stats)
    stats.done = 10
    stats.kinds["cancelled"] = 7
    bar.close()

    assert "width:30.0%" in cell.outputs[0]["text/html"]
    assert "3 of 10 rows answered" in cell.outputs[0]["text/plain"]
    assert "7 cancelled" in cell.outputs[0]["text/plain"]


def test_a_paused_run_promises_no_speed_and_no_end() -> None:
    """As in a terminal: the rate of the seconds before the pause would be wrong from the first second on."""
    stats, cell = RunStats(total=100), Cell()
    bar, clock = bar_in(cell, stats)
    for step in range(1, 6):
        clock.now, stats.done = float(step), 10 * step
        bar.paint()
    assert "10 rows/s, 5.0 s left" in cell.outputs[0]["text/html"]

    stats.paused_until, stats.waiting_for, clock.now = 60.0, "requests per minute", 6.0
    bar.paint()
    assert "paused until" in cell.outputs[0]["text/html"]
    assert "rows/s" not in cell.outputs[0]["text/html"]
    assert "left" not in cell.outputs[0]["text/html"]


def test_dollars_are_not_typeset_as_mathematics() -> None:
    """Notebooks leave elements of these classes alone."""
    assert 'class="claude-parallel tex2jax_ignore mathjax_ignore"' in bar_markup(0.5, "$1 and $2", "running")


def test_words_are_escaped() -> None:
    """Whatever they hold."""
    assert "<b>" not in bar_markup(0.5, "<b>", "good")


@pytest.mark.parametrize("breaks_at", [1, 2])
def test_a_bar_that_breaks_is_dropped(breaks_at: int) -> None:
    """It must not end a paid run."""
    stats, cell = RunStats(total=9), Cell(breaks_at)
    bar, clock = bar_in(cell, stats)
    for step in range(5):
        clock.now = float(step)
        stats.done = step
        bar.paint()
    bar.close()
    assert cell.updates == breaks_at


def test_the_button_stops_then_cancels_and_goes_with_the_job() -> None:
    """The first click stops sending, the second cancels; a saved notebook holds no widget of it."""
    stats, control, cell = RunStats(total=200, done=50, in_flight=3), Control(), Cell()
    bar, clock = bar_in(cell, stats, control)
    assert WIDGET_VIEW in cell.outputs[1]
    assert bar._stop is not None
    button = bar._stop.button
    button.click()
    stopping, cancelling = control.is_stopping, control.is_cancelling
    stats.is_stopping = True
    clock.now = 1.0
    bar.paint()
    words = cell.outputs[0]["text/html"]
    button.click()
    bar.close()

    assert (stopping, cancelling) == (True, False)
    assert control.is_cancelling
    assert "press Cancel to cancel them" in words
    assert all(WIDGET_VIEW not in output for output in cell.outputs)


def test_without_a_notebook_lines_of_text_take_the_panels_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job in a script says how it ended."""
    stream, ended, clock = io.StringIO(), threading.Event(), Clock()
    monkeypatch.setattr("sys.stderr", stream)
    ended.set()
    bar = choose_bar(RunStats(total=3, done=3), progress=True, clocks=Clocks(clock, clock), control=Control())
    assert isinstance(bar, LineBar)
    show_panel(bar, ended).join()

    assert "3 of 3 rows answered" in stream.getvalue()
