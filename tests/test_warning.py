"""Where a warning points: at the line that the user wrote, whatever stands between that line and ours."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel import warning

TEXTS = ["bread", "milk", "an apple", "salt"]
ONE_OF_THEM = 0.000_02
"""US dollars: less than the four cost."""


def of_a_series(_: Path) -> object:
    """Answers are missing in a series."""
    return pd.Series(TEXTS).claude.map("Say {}", max_tokens=1, progress=False)


def of_a_frame(_: Path) -> object:
    """The budget ends."""
    return pd.DataFrame({"t": TEXTS}).claude.map("Say {t}", max_tokens=8, budget=ONE_OF_THEM, progress=False)


def of_a_coroutine(_: Path) -> object:
    """On a loop of the user's."""

    async def main() -> object:
        return await pd.Series(TEXTS).claude.amap("Say {}", max_tokens=1, progress=False)

    return asyncio.run(main())


def of_a_file(folder: Path) -> object:
    """A file is read and written in parts."""
    source, target = folder / "in.csv", folder / "out.csv"
    pd.DataFrame({"t": TEXTS}).to_csv(source)
    return cp.map_file(source, target, "Say {t}", max_tokens=8, budget=ONE_OF_THEM, progress=False)


def of_polars(_: Path) -> object:
    """A series of Polars."""
    pl = pytest.importorskip("polars")
    pytest.importorskip("claude_parallel.polars")
    return pl.Series("t", TEXTS).claude.map("Say {}", max_tokens=1, progress=False)


def of_a_lazy_frame(folder: Path) -> object:
    """Streamed to a folder."""
    pl = pytest.importorskip("polars")
    pytest.importorskip("claude_parallel.polars")
    frame = pl.LazyFrame({"t": TEXTS})
    return frame.claude.map("Say {t}", into=folder / "o", max_tokens=8, budget=ONE_OF_THEM, progress=False)


@pytest.mark.parametrize("ask", [of_a_series, of_a_frame, of_a_coroutine, of_a_file, of_polars, of_a_lazy_frame])
def test_a_warning_points_at_the_users_line(ask: Callable[[Path], object], tmp_path: Path) -> None:
    """Python shows the same words of one line once, and a notebook forgets that for its own lines alone."""
    with cp.simulator(None, latency_seconds=0), pytest.warns(UserWarning) as caught:
        ask(tmp_path)
    assert {one.filename for one in caught} == {__file__}


def test_what_a_thread_of_ours_says_is_said_each_time() -> None:
    """No line of the user's leads there, and two runs may have the same trouble."""

    def say() -> Any:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for _ in range(2):
                thread = threading.Thread(target=warning.warn, args=("the disk is full",))
                thread.start()
                thread.join()
        return caught

    assert [str(one.message) for one in say()] == ["the disk is full"] * 2


def test_in_the_middle_of_a_run_a_filter_makes_no_error_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warning.warn_and_go_on("the disk is full")
        with pytest.raises(UserWarning):
            warning.warn("the disk is full")
    assert caplog.messages == ["the disk is full"]
