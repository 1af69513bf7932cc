"""The share of a batch that reads the cache: what earlier batches have shown goes before what is promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from claude_parallel.forecast.estimate import Estimate, estimate_frame
from claude_parallel.forecast.hits import PROMISED_HITS, batch_hits
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.simulation.profile import Profile
from claude_parallel.store.journal import Journal

from ..batch_worlds import BatchWorld, batch_world, frame_of
from ..worlds import HOST

OPTIONS: dict[str, Any] = {"system": "A rule that everybody shares. " * 800, "max_tokens": 100, "batch": True}


def estimate(world: BatchWorld, journal: Path, rows: int) -> Estimate:
    """Return the estimate of rows that no batch has answered yet."""
    settings = {"journal": journal, "progress": False, **OPTIONS}
    frame = frame_of(rows, start=1_000)
    prepared = FrameMap(frame, "Say {t}", "response", settings, environment=world.environment())
    return estimate_frame(prepared, 20, 1.0)


@pytest.mark.parametrize("hits", [0.3, 0.9])
def test_after_one_batch_the_estimate_of_the_next_is_right(hits: float, tmp_path: Path) -> None:
    """Whatever share the API gives; before, the bounds hold it."""
    world, journal = batch_world(Profile(batch_seconds=60.0, batch_cache_hits=hits, output_tokens=20)), tmp_path / "j"
    low, _, high = estimate(world, journal, 300).strategies[3].usd or ()
    world.map(frame_of(300), journal=journal, **OPTIONS)
    figures = estimate(world, journal, 300)
    paid = world.map(frame_of(300, start=1_000), journal=journal, **OPTIONS)["response_cost"].sum()

    assert figures.strategies[3].usd is not None
    assert float(low) <= paid <= float(high)
    assert float(figures.strategies[3].usd[1]) == pytest.approx(paid, rel=0.12)
    assert "of the cached tokens were read in earlier batches of this model" in figures.notes[-1]


def test_without_a_batch_of_this_model_and_host_the_promise_counts(tmp_path: Path) -> None:
    """Live calls say nothing of batches, nor does another host."""
    world, journal = batch_world(), tmp_path / "j"
    world.map(frame_of(30), journal=journal, **{**OPTIONS, "batch": False})
    with_live = Journal.open(journal)
    assert batch_hits(with_live, HOST, "claude-haiku-5-5") == PROMISED_HITS
    with_live.close()
    world.map(frame_of(30, start=50), journal=journal, **OPTIONS)
    with_batch = Journal.open(journal)
    assert batch_hits(with_batch, HOST, "claude-haiku-5-5") != PROMISED_HITS
    assert batch_hits(with_batch, "https://elsewhere.example", "claude-haiku-5-5") == PROMISED_HITS
    assert batch_hits(with_batch, HOST, "claude-sonnet-5-5") == PROMISED_HITS
    assert batch_hits(with_batch, HOST, "claude-haiku-5") == PROMISED_HITS  # another model, whose name begins alike
    with_batch.close()
