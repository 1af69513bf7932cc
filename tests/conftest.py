"""What every test gets: a home of its own, no account of the machine's user, and Hypothesis settings."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import claude_parallel as cp
from claude_parallel.frames import calls
from claude_parallel.report import recent_runs

# The same cases every time, so that a failure is the fault of the commit that is tested. New cases are searched for by
# `pytest --hypothesis-profile=search`.
settings.register_profile("default", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("search", max_examples=300, deadline=None)
settings.load_profile("default")


# A shell that starts the tests in the background has them ignore Ctrl-C, and all processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Thousands of modules and tests come into being while tests are collected, and nearly all of them stay.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from here on, and leave alone what is there."""
    gc.freeze()
    gc.enable()


# Tests of processes on the wall clock: a machine that stands still for a moment can fail one of them, a fault of ours
# fails it three times. Their bounds stay those of a calm machine; the report counts what was run again.
WALL_CLOCK = ("wall_clock", "kernel", "browser")


SHARING = ("browser", "kernels")
"""Rooms whose tests share a JupyterLab, or a kernel and an API process: each room is one group."""

LONGEST = (
    *SHARING, "dask", "tables", "stories", "forecast", "trust", "engine", "batch",
    "test_polars.py", "test_documentation.py", "test_public.py",
)  # fmt: skip
"""Rooms and files that start first, those that wait for processes before those that compute: short ones end a run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests on the wall clock run again, and the longest rooms start first."""
    for item in items:
        if any(item.get_closest_marker(name) for name in WALL_CLOCK):
            item.add_marker(pytest.mark.flaky(reruns=2))
    items.sort(key=lambda item: min(_place(item.path.parent.name), _place(item.path.name)))


def _place(name: str) -> int:
    """Return when a room or a file starts."""
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each test that was run again, and why: the next one to be mended."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_line(f"RERUN {report.nodeid} - {_reason(report)}", yellow=True)


def _reason(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr).partition("\n")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file in one process, and a room that shares something, in the order of collection.

    Not by ``--dist loadgroup``: pytest-xdist 3.8 writes the group into an attribute that pytest 9.2 no longer reads, so
    that every test is a group of its own, and each process starts a kernel, a Dask cluster and a browser.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            return str(file.parent if file.parent.name in SHARING else file)

    config.option.loadscopereorder = False  # by number of tests: the longest groups have few
    return Rooms(config, log)


@pytest.fixture(autouse=True)
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep tests away from the user's key, journal, profile and proxy, and from each other's defaults."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "CLAUDE_PARALLEL_")) or name.lower() in ("http_proxy", "https_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "no-profile"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    recent_runs._places.clear()
    calls._calls.clear()
    yield
    cp.configure()
