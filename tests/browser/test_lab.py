"""The bar and the stop button in JupyterLab."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .lab import Lab, NotebookPage, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

VERDICTS = (
    "Stopped working after {} days.",
    "The best I had in {} years!",
    "Does what it says, {} of 5 stars.",
    "Support answered after {} hours.",
    "Bought {} more for my family.",
)
PRODUCTS = ("kettle", "desk lamp", "headphones", "backpack")

READ = """import pandas as pd
import claude_parallel as cp

reviews = pd.read_csv("reviews.csv")
reviews.head()"""

MAP = """with cp.simulator(latency_seconds=0.6):  # leave this line out to ask Claude
    out = reviews.claude.map("Classify the tone of this review of a {product}: {review}",
                             max_concurrency=20)"""

SHOW = """print(f"rows: {len(out)} answered: {out.response.notna().sum()}.")
out[["product", "review", "response", "response_cost"]].head(3)"""


@pytest.fixture
def notebook(lab: Lab, browser: Browser) -> Iterator[NotebookPage]:
    """A notebook that maps 200 product reviews on the simulator, which takes about six seconds."""
    with (lab.folder / "reviews.csv").open("w", newline="") as file:
        rows = itertools.product(range(2, 12), PRODUCTS, VERDICTS)
        csv.writer(file).writerows(
            [("product", "review"), *((product, verdict.format(number)) for number, product, verdict in rows)]
        )
    write_notebook(lab.folder / "reviews.ipynb", ["# Product reviews", READ, MAP, SHOW])
    page = lab.notebook(browser, "reviews.ipynb")
    yield page
    page.close()


def test_the_bar_moves_and_ends_full(notebook: NotebookPage) -> None:
    """The widget bar is seen in the middle of a run and at 100 %, and the frame follows."""
    notebook.run_all()
    middle = notebook.wait_until_bar_has(45.0)
    notebook.wait_for_text("rows: 200 answered: 200")
    end = notebook.wait_until_bar_has(100.0)

    assert middle < 80.0
    assert end == 100.0
    assert "good" in notebook.bar()["classes"].split()
    assert "200 of 200 rows" in notebook.bar()["words"]


def test_the_stop_button_returns_the_frame(notebook: NotebookPage) -> None:
    """Stop in the middle: the cell ends without an error, and the cells behind it show what was answered."""
    notebook.run_all()
    notebook.wait_until_bar_has(30.0)
    notebook.interrupt()
    notebook.wait_for_text("rows: 200 answered: ")
    text = notebook.page.text_content(".jp-Notebook") or ""
    found = re.search(r"rows: 200 answered: (\d+)\.", text)

    assert found is not None
    assert 40 <= int(found[1]) < 200
    assert "Traceback" not in text
    assert "bad" in notebook.bar()["classes"].split()
    assert f"{found[1]} of 200 rows" in notebook.bar()["words"]
