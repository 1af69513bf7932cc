"""What a notebook shows, at 760 pixels: the bar on its way and at its end, reprs with dollars, a plot; and reopened.

With CLAUDE_PARALLEL_SCREENSHOTS set, the pictures of the README are taken anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernels.world import ROOT

from .lab import Lab, NotebookPage, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

TAKES_PICTURES = bool(os.environ.get("CLAUDE_PARALLEL_SCREENSHOTS"))
IMAGES = ROOT / "docs" / "images"
WIDTH = 760

BEGIN = """from typing import Literal
import claude_parallel as cp

tickets = cp.demo_tickets()  # 200 support tickets, written for this project
fields = {
    "topic": Literal["billing", "delivery", "damaged",
                     "returns", "account", "question"],
    "urgency": Literal["low", "normal", "high"],
    "reason": str,
}"""

MAP = """with cp.simulator(latency_seconds=1):  # leave this line out for Claude
    out = tickets.claude.map("Read this ticket: {text}", schema=fields)"""

SHOW = """out[["text", "topic", "urgency", "reason"]].head(3)"""

REPRS = """from IPython.display import HTML, display
display(HTML("<p class='control'>The control: $5 and $6.</p>"))
with cp.simulator(None, latency_seconds=0.01):
    for thing in (out.claude.cost, out.claude.errors, out.claude.run, cp.runs(), cp.spent(),
                  tickets.claude.estimate("Say $ {text}", model="claude-opus-5-5"),
                  tickets.claude.compare("{text}", {"haiku": {}, "opus": {"model": "claude-opus-5-5"}}, rows=20,
                                         gold="gold_topic", labels=["billing", "delivery"], progress=False),
                  tickets.claude.preview("Say: {text}", rows=10, progress=False).claude.run,
                  out.claude.audit("gold_topic", column="topic")):
        display(thing)
print("all shown")"""

PLOT = """figure = out.claude.run.plot()
print("plotted")"""


@pytest.fixture
def notebook(lab: Lab, browser: Browser) -> Iterator[NotebookPage]:
    """A notebook of five cells in a window of 760 pixels."""
    write_notebook(lab.folder / "screens.ipynb", ["# Support tickets", BEGIN, MAP, SHOW, REPRS, PLOT])
    page = lab.notebook(browser, "screens.ipynb", WIDTH)
    yield page
    page.close()


def measure(page: Any) -> dict[str, Any]:
    """Return where the bar's line stands in its output, and how wide the bar itself is."""
    found: dict[str, Any] = page.evaluate(
        """() => {
            const line = document.querySelector('.jp-OutputArea .claude-parallel');
            const [bar, words] = line.children;
            const area = line.closest('.jp-OutputArea-output').getBoundingClientRect();
            return {bar: bar.getBoundingClientRect().width, words: words.getBoundingClientRect().right - area.right,
                    text: words.textContent};
        }"""
    )
    return found


def test_bar_reprs_and_plot_are_what_they_should_be_and_stay_so(notebook: NotebookPage, lab: Lab, browser: Any) -> None:
    """One notebook from its first run to the day after."""
    page = notebook.page
    notebook.run_all()
    notebook.wait_until_bar_has(45.0)
    middle = measure(page)
    if TAKES_PICTURES:
        notebook.screenshot(IMAGES / "running.png", cells=3)
    notebook.wait_for_text("plotted")
    end = measure(page)
    if TAKES_PICTURES:
        page.wait_for_timeout(500)
        notebook.screenshot(IMAGES / "answers.png", cells=4)

    for found in (middle, end):
        assert found["bar"] == 122, "the bar keeps its width, 120 and its edge"
        assert found["words"] <= 0, "the words stay inside the cell"
    assert "rows/s" in middle["text"]
    assert end["text"].startswith("200 of 200 rows answered in ")

    page.wait_for_function("() => document.querySelector('.control mjx-container')", timeout=30_000)
    page.wait_for_timeout(500)
    typeset = page.locator(".jp-OutputArea mjx-container").count()
    assert typeset == page.locator(".control mjx-container").count(), "dollars are dollars, but in the control"
    assert "Traceback" not in (page.text_content(".jp-Notebook") or "")
    assert page.locator(".jp-RenderedImage img").count() == 1, "a plot is shown, though it was assigned"
    assert page.locator(".jp-RenderedImage img").first.evaluate("image => image.naturalWidth") > 500

    notebook.save()
    again = lab.notebook(browser, "screens.ipynb", WIDTH)
    try:
        assert measure(again.page)["text"] == end["text"]
        assert again.page.locator("text=VBox(").count() == 0
        assert again.page.locator("text=Error displaying widget").count() == 0
    finally:
        again.page.close()
