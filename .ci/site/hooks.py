"""Hooks of the documentation site: notebooks join the pages, and links into the repository lead there.

mkdocs takes pages from ``docs/`` alone. The notebooks are copied there while a site is built; folders in the navigation
(``notebooks/``, ``decisions/``) become one entry per file.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COPIES = ROOT / "docs" / "notebooks"


def on_config(config: Any) -> Any:
    """Copy the notebooks, and list the folders of the navigation."""
    shutil.rmtree(COPIES, ignore_errors=True)
    COPIES.mkdir()
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        shutil.copy(path, COPIES)
    config["nav"] = [_expanded(entry) for entry in config["nav"]]
    return config


def _expanded(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {
            title: [page for part in value for page in _pages(part)] if isinstance(value, list) else value
            for title, value in entry.items()
        }
    return entry


def _pages(part: Any) -> list[Any]:
    if not (isinstance(part, str) and part.endswith("/")):
        return [part]
    paths = sorted((ROOT / "docs" / part).glob("[0-9]*"))
    return [{_title(path): f"{part}{path.name}"} for path in paths]


def _title(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "".join(json.loads(text)["cells"][0]["source"])
    return re.sub(r"^#\s*(\d{4}\s)?", "", text.splitlines()[0]).strip()


def on_page_markdown(markdown: str, page: Any, **_more: Any) -> str:
    """Point links of pages that also stand in the repository to the site's own pages."""
    up = "../" * page.file.src_uri.count("/")
    markdown = re.sub(r"\]\((?:\.\./)*notebooks/", f"]({up}notebooks/", markdown)
    return re.sub(r"\]\((?:\.\./)*benchmarks/README\.md", f"]({up}explanation/benchmarks.md", markdown)


def on_page_content(html: str, **_more: Any) -> str:
    """Show a name of a docstring as a name; its role (``:meth:``) is for Sphinx."""
    return re.sub(r":(?:attr|class|data|func|meth|mod):(?=<code>)", "", html)


def on_post_build(**_more: Any) -> None:
    """Leave nothing behind."""
    shutil.rmtree(COPIES, ignore_errors=True)
