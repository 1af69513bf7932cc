"""The HTML report of a run in a real browser.

With CLAUDE_PARALLEL_SCREENSHOTS set, its picture for the README is taken anew.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

import claude_parallel as cp
from claude_parallel.report.run import run_of
from tests.kernels.world import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FloatRect

pytestmark = pytest.mark.browser

TAKES_PICTURES = bool(os.environ.get("CLAUDE_PARALLEL_SCREENSHOTS"))


FREE_BESIDE_TILES = """() => {
    const tiles = [...document.querySelectorAll('.tile')].map(tile => tile.getBoundingClientRect());
    const right = document.querySelector('.tiles').getBoundingClientRect().right;
    return tiles.filter((tile, at) => !tiles[at + 1] || tiles[at + 1].top > tile.top).map(tile => right - tile.right);
}"""
"""How many pixels are free beside the last tile of each row."""

WIDEST_CHART_OF_AN_ODD_NUMBER = """() => {
    const first = document.querySelector('section:has(svg.chart)');
    first.style.display = 'none';
    const widths = [...document.querySelectorAll('svg.chart')].map(chart => chart.getBoundingClientRect().width);
    first.style.display = '';
    return Math.max(...widths);
}"""
"""Width of the chart that is alone in its row, in pixels."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with a limit that binds and some errors."""
    with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop running in the main one
        return thread.submit(make_report, tmp_path_factory.mktemp("report")).result()


def make_report(folder: Path) -> Path:
    """Run a map, and write its report into this folder."""
    reviews = [f"It lasted for {number} days." for number in range(400)]
    faults = {"overloaded": 0.02, "refusal": 0.02}
    with cp.simulator("build", latency_seconds=0.3, burst_seconds=0.5, faults=faults):
        out = cp.map(reviews, "Classify the tone: {}", journal=folder / "journal.sqlite3", progress=False)
    return run_of(out).report(folder / "run.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_report_opens_offline_and_fits(
    browser: Browser, report: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    """It asks the network for nothing, complains about nothing, and fits a desktop and a phone."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, device_scale_factor=2)
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    text = page.inner_text("body")
    overflow = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    gaps = page.evaluate(FREE_BESIDE_TILES)
    hidden = page.evaluate(
        "() => [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
    )
    broken = page.evaluate("() => [...document.querySelectorAll('td')].filter(one => one.clientWidth < 30).length")
    widest = page.evaluate(WIDEST_CHART_OF_AN_ODD_NUMBER)
    if TAKES_PICTURES and (width, scheme) == (1200, "light"):
        clip: FloatRect = {"x": 0, "y": 0, "width": 1200, "height": 900}
        page.screenshot(path=ROOT / "docs" / "images" / "report.png", clip=clip)
    page.close()

    assert complaints == []
    assert asked == [report.as_uri()]
    assert overflow <= 0
    assert max(gaps) < 2, "tiles fill their rows"
    assert widest <= 620, "letters of a chart that is alone in its row are no larger"
    assert (hidden > 0) == (width < 500), "wide tables scroll on a phone, and there only"
    assert broken == 0, "no column is so narrow that words break into letters"
    assert "400" in text
    assert "overloaded" in text
