"""JupyterLab in headless Chromium: starts both, opens a notebook, runs it, reads what the page shows.

What is expected of the page is for the tests. The call is that of ``docs/decisions/0004``.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kernels.world import clean_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_SECONDS = 60.0
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
IS_IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def chromium_path() -> str | None:
    """Return where Chromium or Chrome is, if anywhere."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook; cells that begin with ``#`` are Markdown."""
    made: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": cell}
        if cell.startswith("#")
        else {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": cell,
        }
        for number, cell in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))


class Lab:
    """A running JupyterLab.

    Attributes
    ----------
    folder : Path
        Where notebooks lie.
    """

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder = folder
        self._url = url
        self._token = token

    def notebook(self, browser: Browser, name: str, width: int = 1000) -> NotebookPage:
        """Open a notebook of the folder in a fresh page of this width; returns when its kernel is ready."""
        page = browser.new_page(viewport={"width": width, "height": 900}, device_scale_factor=2)
        page.goto(f"{self._url}/lab/tree/{name}?token={self._token}&reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=START_SECONDS * 1000)
        page.wait_for_function(IS_IDLE, timeout=START_SECONDS * 1000)
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        return NotebookPage(page)


class NotebookPage:
    """A notebook in the browser.

    Attributes
    ----------
    page : playwright.sync_api.Page
        For what is not below.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def command(self, name: str) -> None:
        """Run one of JupyterLab's commands, as its menus and buttons do; does not wait for its end."""
        self.page.evaluate(f"() => {{ window.jupyterapp.commands.execute({json.dumps(name)}); }}")

    def run_all(self) -> None:
        """Run every cell; returns at once."""
        self.command("notebook:run-all-cells")

    def interrupt(self) -> None:
        """Press the stop button of the notebook's toolbar."""
        self.page.click('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]')

    def wait_until_bar_has(self, percent: float) -> float:
        """Return the width of the progress bar, in per cent, as soon as it has this one."""
        handle = self.page.wait_for_function(
            """least => {
                const bar = document.querySelector('.jp-OutputArea .claude-parallel-share');
                const width = parseFloat(bar?.style.width);
                return width >= least ? width : false;
            }""",
            arg=percent,
            timeout=START_SECONDS * 1000,
        )
        return float(handle.json_value())

    def wait_for_text(self, text: str) -> None:
        """Return as soon as an output of the notebook shows this text."""
        self.page.wait_for_function(
            "text => [...document.querySelectorAll('.jp-OutputArea')].some(area => area.textContent.includes(text))",
            arg=text,
            timeout=START_SECONDS * 1000,
        )

    def bar(self) -> dict[str, str]:
        """Return the classes of the bar and the words beside it."""
        found: dict[str, str] = self.page.evaluate(
            """() => {
                const share = document.querySelector('.jp-OutputArea .claude-parallel-share');
                return {classes: share.className, words: share.closest('.claude-parallel').textContent};
            }"""
        )
        return found

    def screenshot(self, path: Path, cells: int) -> None:
        """Save a picture of the first cells of the notebook."""
        first = self.page.query_selector_all(".jp-Notebook .jp-Cell")[:cells]
        boxes = [box for cell in first if (box := cell.bounding_box())]
        left, top = min(box["x"] for box in boxes), min(box["y"] for box in boxes)
        right = max(box["x"] + box["width"] for box in boxes)
        bottom = max(box["y"] + box["height"] for box in boxes)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(
            path=path, clip={"x": left, "y": top, "width": right - left, "height": min(bottom, 900) - top}
        )

    def save(self) -> None:
        """Save the notebook, and wait until that is done."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def close(self) -> None:
        """End the kernel and close the page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Run JupyterLab in a world of its own for the length of a block."""
    environment = clean_environment(folder)
    settings = Path(environment["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    notebooks, token, port = folder / "notebooks", secrets.token_hex(8), _free_port()
    notebooks.mkdir()
    arguments = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={notebooks}",
        "--LabApp.expose_app_in_browser=True",
    ]
    with (folder / "lab.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments],
            env=environment,
            cwd=notebooks,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/api?token={token}", process)
        yield Lab(notebooks, url, token)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            opener.open(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, "JupyterLab has ended"
            assert time.monotonic() < deadline, f"JupyterLab is not up after {START_SECONDS} seconds"
            time.sleep(0.2)
