"""The documentation: its code runs as it stands, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

import claude_parallel as cp

ROOT = Path(cp.__file__).parent.parent
PAGES = ["README.md", "docs/index.md", "docs/tutorial/first-map.md", "docs/how-to/testing.md"]
"""Pages whose Python blocks are run, one after the other in one namespace, with the simulator where a key would be."""

PAGES_ON_YOUR_DATA = ["docs/how-to/any-size.md", "docs/how-to/limits.md", "docs/choosing.md"]
"""Pages whose Python blocks are run likewise, with the files and frames that they take for granted."""

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_as_it_stands(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From the first block on, which needs nothing before it."""
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, Any] = {}
    try:
        for number, block in enumerate(blocks, 1):
            exec(compile(block, f"{page}, block {number}", "exec"), names)
    finally:
        if "sim" in names:
            names["sim"].stop()


@pytest.mark.parametrize("page", PAGES_ON_YOUR_DATA)
def test_the_code_of_a_page_runs_on_your_data(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block after the other, as somebody does who tries the page out: no example is in the way of the next."""
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    reviews = pd.DataFrame({"review": ["Great sound!", "Broke after a week.", "Fine."]})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    reviews.to_parquet("reviews/0.parquet")
    reviews.to_csv("reviews.csv.gz", index=False)
    columns = reviews.to_dict("list")
    df = pl.DataFrame(columns) if "any-size" in page else reviews  # that page is about Polars
    names = {"cp": cp, "Literal": Literal, "df": df, "arrow_table": pa.table(columns), "prompt": "Tone: {review}"}
    with cp.simulator(latency_seconds=0):
        for number, block in enumerate(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")), 1):
            exec(compile(block, f"{page}, block {number}", "exec"), names)


def test_the_pytest_example_passes() -> None:
    """The file that the page on testing shows."""
    example = ROOT / "docs" / "how-to" / "test_reviews.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(example)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("page", ["README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))])
def test_links_to_files_lead_somewhere(page: str) -> None:
    """Pictures, pages, notebooks."""
    path = ROOT / page
    missing = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert missing == []


def test_every_error_kind_is_explained() -> None:
    """In the README and on the page about errors."""
    from claude_parallel.errors import KINDS

    for page in ("README.md", "docs/reference/errors.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


def test_every_public_name_has_a_place_in_the_reference() -> None:
    """The site shows what ``import claude_parallel`` promises."""
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    assert [name for name in cp.__all__ if f"claude_parallel.{name}" not in re.findall(r"[\w.]+", pages)] == []
