"""The figures with matplotlib: there for every run, in light and dark, and clear about what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from claude_parallel.errors import InputError
from claude_parallel.report.figures import DARK, LIGHT, plot_run
from claude_parallel.report.record import RunData

from ..run_records import answered, busy_record, failed, record

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def no_windows() -> Iterator[None]:
    """Draw in memory, and leave no figure behind."""
    from matplotlib import pyplot

    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


RUNS: list[tuple[str, RunData]] = [
    ("nothing at all", record(ended=None)),
    ("one call", record([answered(0, 0.0)], [{}])),
    ("one call that failed", record([failed(0, 0.0, "auth")], [{}])),
    ("everything", busy_record()),
    ("limits unknown", record([answered(n, n * 0.1) for n in range(50)])),
]


def drawn(figure: Any) -> bytes:
    """Return the figure as PNG; drawing is where warnings would come from."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize(("name", "data"), RUNS, ids=[name for name, _ in RUNS])
def test_every_run_can_be_drawn(name: str, data: RunData, style: str) -> None:
    """Four figures, without a warning, in a light and a dark style."""
    with matplotlib.style.context(style):
        figure = plot_run(data)
        assert len(figure.axes) == 4
        assert drawn(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(("style", "palette"), [("default", LIGHT), ("dark_background", DARK)])
def test_colours_stand_out_from_the_background(style: str, palette: Any) -> None:
    """Lines take the palette of the style's background."""
    from matplotlib.colors import to_rgba

    with matplotlib.style.context(style):
        first = plot_run(busy_record()).axes[0].patches[0]

    assert first.get_edgecolor() == to_rgba(palette.main)


def test_the_figures_say_what_they_show() -> None:
    """Titles, limits and percentiles stand in words."""
    figure = plot_run(busy_record())
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    labels = figure.axes[1].get_legend_handles_labels()[1]
    notes = figure.axes[3].get_legend_handles_labels()[1]

    assert titles[0] == "Answers per second"
    assert titles[2].startswith("Calls in flight, ")
    assert "requests (1,000 a minute)" in labels
    assert [note.split()[0] for note in notes] == ["p50", "p90", "p99"]


def test_odd_run_names_are_no_formulas() -> None:
    """A dollar sign in a name is a dollar sign."""
    odd = record([answered(0, 0.0)], run="r-$x^$\\")

    assert drawn(plot_run(odd))


def test_without_matplotlib_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(InputError, match=r'pip install "claude-parallel\[plot\]"'):
        plot_run(record())
