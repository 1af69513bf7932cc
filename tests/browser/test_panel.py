"""The live panel of a background job in JupyterLab, and its Stop button.

With CLAUDE_PARALLEL_SCREENSHOTS set, its picture for the docs is taken anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.kernels.world import ROOT

from .lab import Lab, NotebookPage, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

TAKES_PICTURES = bool(os.environ.get("CLAUDE_PARALLEL_SCREENSHOTS"))

START = """import pandas as pd
import claude_parallel as cp

sim = cp.simulator(latency_seconds=0.6).start()
reviews = pd.DataFrame({"review": [f"It lasted for {number} days." for number in range(300)]})"""

SUBMIT = """job = reviews.claude.submit("Classify the tone: {review}", max_concurrency=20)"""

WAIT = """out = job.result()
print(f"{job.status().state}, rows: {len(out)} answered: {out.response.notna().sum()}.")"""


@pytest.fixture
def notebook(lab: Lab, browser: Browser) -> Iterator[NotebookPage]:
    """A notebook whose second cell starts a job of about ten seconds, and whose last one waits for it."""
    write_notebook(lab.folder / "job.ipynb", ["# A job in the background", START, SUBMIT, WAIT])
    page = lab.notebook(browser, "job.ipynb")
    yield page
    page.close()


def test_the_stop_button_of_the_panel_ends_the_job_while_a_cell_waits_for_it(notebook: NotebookPage) -> None:
    """One panel is shown; Stop, pressed while the kernel is busy waiting, returns the frame with what was answered."""
    notebook.run_all()
    notebook.wait_until_bar_has(30.0)
    if TAKES_PICTURES:
        notebook.screenshot(ROOT / "docs" / "images" / "panel.png", cells=3)
    bars = notebook.page.locator(".jp-OutputArea .claude-parallel-share").count()
    notebook.page.click("button.jupyter-button:has-text('Stop')")
    notebook.wait_for_text("rows: 300 answered: ")
    found = re.search(r"(\w+), rows: 300 answered: (\d+)\.", notebook.page.text_content(".jp-Notebook") or "")

    assert found is not None
    assert found[1] == "stopped"
    assert 60 <= int(found[2]) < 300
    assert bars == 1
    assert notebook.page.locator("button.jupyter-button:has-text('Stop')").count() == 0
