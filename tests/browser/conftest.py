"""One JupyterLab and one browser for all tests of this folder; skipped, with the reason, where one is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .lab import CHROMIUM_ARGUMENTS, Lab, chromium_path, running_lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of its own."""
    if importlib.util.find_spec("jupyterlab") is None:
        pytest.skip('jupyterlab is not installed: pip install -e ".[dev,browser]"')
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium of the machine; Playwright brings none.

    It ends with this folder's tests: while it lives, Playwright keeps an event loop running in this thread.
    """
    if importlib.util.find_spec("playwright") is None:
        pytest.skip('playwright is not installed: pip install -e ".[dev,browser]"')
    chromium = chromium_path()
    if chromium is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        yield running
        running.close()
