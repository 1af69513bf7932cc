"""What every test gets: a home of its own, no account of the machine's user, and Hypothesis settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

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


# Tests of processes on the wall clock: a machine that stands still for a moment can fail one of them, a fault of ours
# fails it three times. Their bounds stay those of a calm machine; the report counts what was run again.
WALL_CLOCK = ("wall_clock", "kernel", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file in one process, and all browser tests in one: they share a JupyterLab."""
    for item in items:
        if any(item.get_closest_marker(name) for name in WALL_CLOCK):
            item.add_marker(pytest.mark.flaky(reruns=2))
        group = "browser" if "browser" in item.path.parts else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


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
