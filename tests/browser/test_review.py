"""The labelling panel in JupyterLab: buttons and keys label, and a restarted kernel goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.kernels.world import ROOT

from .lab import Lab, NotebookPage, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

TAKES_PICTURES = bool(os.environ.get("CLAUDE_PARALLEL_SCREENSHOTS"))

FRAME = """import pandas as pd
import claude_parallel as cp

out = pd.DataFrame({
    "review": [f"It lasted for {n} days, costs $5 or $6." for n in range(40)],
    "label": pd.Categorical(["good", "bad"] * 20),
})"""

REVIEW = """review = out.claude.review(rows=5, column="label", show="review")"""


@pytest.fixture
def notebook(lab: Lab, browser: Browser) -> Iterator[NotebookPage]:
    """A notebook that shows the panel."""
    write_notebook(lab.folder / "review.ipynb", ["# Label by hand", FRAME, REVIEW])
    page = lab.notebook(browser, "review.ipynb")
    yield page
    page.close()


def test_clicks_and_keys_label_rows_and_a_restart_goes_on(notebook: NotebookPage, lab: Lab, browser: Browser) -> None:
    """One click, two keys; after a restart of the kernel three rows are labelled; at the end a line is left."""
    page = notebook.page
    notebook.run_all()
    notebook.wait_for_text("0 of 5 labelled")
    page.click(".claude-review button:has-text('good (2)')")
    notebook.wait_for_text("1 of 5 labelled")
    page.click(".claude-review-keys input")
    page.keyboard.press("1")
    notebook.wait_for_text("2 of 5 labelled")
    page.keyboard.press("r")
    notebook.wait_for_text("3 of 5 labelled")
    if TAKES_PICTURES:
        notebook.screenshot(ROOT / "docs" / "images" / "review.png", cells=3)
    assert "$5 or $6" in (page.text_content(".claude-review") or "")

    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.wait_for_timeout(500)
    notebook.run_all()
    notebook.wait_for_text("3 of 5 labelled")
    page.click(".claude-review-keys input")
    page.keyboard.press("1")
    page.keyboard.press("2")
    notebook.wait_for_text("5 of 5 rows labelled; audit(review.labels)")
    page.wait_for_function("() => !document.querySelector('.claude-review')")
    assert "Traceback" not in (page.text_content(".jp-Notebook") or "")

    notebook.save()
    again = lab.notebook(browser, "review.ipynb")
    again.wait_for_text("5 of 5 rows labelled")
    text = again.page.text_content(".jp-Notebook") or ""
    again.page.close()
    assert "Error displaying widget" not in text
    assert "VBox(" not in text
