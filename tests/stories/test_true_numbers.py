"""True numbers, the same in every place: frame, bar, run, list of runs, ``cost``, report and job."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.errors import fate_of
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from tests.worlds import world

FATES = ("answered", "failed", "skipped", "cancelled")


@dataclass(frozen=True)
class Figures:
    """What a run came to, as one place says it; dollars as that place writes them."""

    answered: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0


def of_frame(frame: pd.DataFrame) -> Figures:
    """Count the rows themselves."""
    errors = [None if not isinstance(error, str) else error.partition(":")[0] for error in frame["response_error"]]
    return Figures(**{fate: sum(fate_of(kind) == fate for kind in errors) for fate in FATES})


def of_words(text: str) -> Figures:
    """Read the words of bars and runs; what is not said is none."""
    found = {fate: re.search(rf"([\d,]+) {fate}", text) for fate in FATES[1:]}
    found["answered"] = re.search(r"([\d,]+) of [\d,]+ (?:rows )?answered", text)
    return Figures(**{fate: int(match[1].replace(",", "")) if match else 0 for fate, match in found.items()})


def of_tiles(page: str) -> Figures:
    """Read the tiles of a report."""
    tiles = dict(re.findall(r"<b>([^<]*)</b><span>([^<]*)</span>", page))
    named = {label: number for number, label in tiles.items()}
    named |= {label: number for number, label in re.findall(r"<b>([^<]*)</b><span>([^<]*)</span>", page)}
    return Figures(**{fate: int(named.get(fate, "0").replace(",", "")) for fate in FATES})


def of_line(line: Any) -> Figures:
    """Read a line of a table."""
    return Figures(**{fate: int(line[fate]) for fate in FATES})


def dollars(text: str) -> str:
    """Return the first amount in a text."""
    found = re.search(r"\$[\d,]*\d(?:\.\d+)?", text)
    assert found is not None, text
    return found[0]


def check_agreement(frame: pd.DataFrame, bar: str, journal: Path, report: Path) -> Figures:
    """Compare all places with the rows of the frame, and return what these say."""
    truth, run = of_frame(frame), frame.claude.run
    line = cp.runs(journal).loc[run.id]
    page = run.report(report).read_text()
    total = frame.claude.cost.loc["total"]
    assert of_words(bar) == truth
    assert of_words(repr(run)) == truth
    assert of_words(re.sub(r"<[^>]*>", " ", run._repr_html_())) == truth
    assert of_line(line) == truth
    assert of_line(total) == truth
    assert of_tiles(page) == truth
    assert line["rows"] == total["rows"] == len(frame)
    assert line["cost_usd"] == pytest.approx(frame["response_cost"].sum())
    assert total["total_usd"] == pytest.approx(frame["response_cost"].sum())
    assert dollars(bar) == dollars(repr(run)) == dollars(run._repr_html_()) == dollars(page)
    return truth


@given(
    rows=st.integers(1, 30),
    missing=st.integers(2, 9),
    same=st.integers(2, 9),
    refused=st.sampled_from([0.0, 0.2]),
    budget=st.sampled_from([None, 0.001, 0.02]),
    stop_after=st.sampled_from([None, 0.4, 1.5]),
    cancels=st.booleans(),
    again=st.booleans(),
)
@settings(max_examples=25)
def test_every_place_says_the_same(
    rows: int,
    missing: int,
    same: int,
    refused: float,
    budget: float | None,
    stop_after: float | None,
    cancels: bool,
    again: bool,
) -> None:
    """With missing cells, equal rows, refusals, a budget that ends, a stop in the middle, and answers on record."""
    texts = [None if n % missing == 1 else f"row {n // 2 if n % same == 0 else n}" for n in range(rows)]
    frame = pd.DataFrame({"t": texts})
    faults = {"refusal": refused, "overloaded": refused}
    account = world(Profile(latency_seconds=1.0, faults=faults))
    options = {"budget": budget, "max_concurrency": 4, "retries": 0, "max_tokens": 64}
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.sqlite3"
        if again:
            account.map(frame.iloc[: rows // 2], "Say {t}", journal=journal, **options)
        prepared = FrameMap(
            frame, "Say {t}", "response", {**options, "journal": journal}, environment=account.environment()
        )
        session = prepared.session()

        async def run() -> None:
            task = asyncio.ensure_future(session.arun())
            if stop_after is not None:
                await asyncio.sleep(stop_after)
                for _time in range(1 + cancels):
                    session.control.request_stop()
            await task

        said = io.StringIO()
        with contextlib.redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the budget ended, which the rows say as well
            run_virtual(run, start=account.clock.seconds)
        out = prepared.result(session)
        truth = check_agreement(out, said.getvalue().splitlines()[-1], journal, Path(folder) / "run.html")
    assert truth.skipped == frame["t"].isna().sum()
    if stop_after is None and budget is None:
        assert truth.cancelled == 0


def test_a_job_that_was_stopped_says_what_its_frame_says(tmp_path: Path) -> None:
    """Its status, its bar and its frame; what was sent and cancelled is neither "not sent" nor an error."""
    frame = pd.DataFrame({"t": [None, *(f"row {n}" for n in range(199))]})
    said = io.StringIO()
    with cp.simulator(latency_seconds=0.2), contextlib.redirect_stderr(said):
        job = frame.claude.submit("Say {t}", max_concurrency=5, journal=tmp_path / "journal.sqlite3")
        while job.status().done < 12:
            job.wait(0.02)
        job.cancel()
        out = job.result()
    status = job.status()
    truth = check_agreement(out, of_last_line(said), tmp_path / "journal.sqlite3", tmp_path / "run.html")
    assert (status.state, status.rows, status.errors) == ("stopped", 200, truth.failed)
    assert status.done == truth.answered + truth.failed + truth.skipped
    assert f"{truth.answered} of 200 rows answered, " in repr(status)
    assert f"{truth.cancelled} cancelled, {truth.skipped} skipped" in repr(status)
    assert "simulated" in repr(status)
    assert truth.cancelled == 200 - status.done
    assert truth.failed == 0


def of_last_line(said: io.StringIO) -> str:
    """Return the last line of a bar, which another thread writes at the job's end."""
    for _try in range(100):
        lines = said.getvalue().splitlines()
        if lines and "answered in" in lines[-1]:
            return lines[-1]
        import time

        time.sleep(0.05)
    raise AssertionError(said.getvalue())
