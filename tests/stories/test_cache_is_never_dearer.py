"""The law of ``prompt_cache="auto"``: whatever the calls are like, it costs no more than no caching does."""

from __future__ import annotations

import tempfile
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage
from claude_parallel.simulation.ledger import Ledger
from claude_parallel.simulation.profile import Profile, tier_limits

from .. import batch_worlds
from ..worlds import frame_of, world

SYSTEM = "A rule that everybody shares. " * 200
PRICES = PriceList()


def billed(ledger: Ledger, *, is_batch: bool = False) -> Decimal:
    """Return what all that the simulator bills costs."""
    return sum(
        (
            PRICES.cost(
                paid.model,
                Usage(
                    input_tokens=paid.input_tokens,
                    output_tokens=paid.output_tokens,
                    cache_write_5m_tokens=paid.cache_write_5m_tokens,
                    cache_write_1h_tokens=paid.cache_write_1h_tokens,
                    cache_read_tokens=paid.cache_read_tokens,
                ),
                is_batch=is_batch,
            )
            or Decimal(0)
            for paid in ledger.paid
        ),
        Decimal(0),
    )


def one_write() -> Decimal:
    """Return more than what one useless write costs beyond plain input."""
    card = PRICES.card("claude-haiku-5-5")
    assert card is not None
    per_input, _, per_write, _, _ = card.prices(0)
    return (per_write - per_input) * len(SYSTEM)


def live(rows: int, known: int, prompt_cache: Any, profile: Profile, max_concurrency: Any) -> Decimal:
    """Map a frame of which some rows are in the journal; return what the rest is billed."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"journal": Path(folder) / "j.sqlite3", "system": SYSTEM, "timeout": 2_000}
        earlier = world()
        if known:
            earlier.map(frame_of(rows)[:known], "Say {t}", prompt_cache=False, max_tokens=100, **options)
        here = world(profile)
        out = here.map(
            frame_of(rows),
            "Say {t}",
            prompt_cache=prompt_cache,
            max_tokens=100,
            max_concurrency=max_concurrency,
            **options,
        )
        assert out["response_error"].isna().all()
    return billed(here.brain.ledger)


@settings(max_examples=40)
@given(
    rows=st.integers(1, 30),
    known_share=st.sampled_from([0.0, 0.5, 0.97, 1.0]),
    begin=st.sampled_from([0.05, 2.0, 290.0, 400.0]),
    per_token=st.sampled_from([0.0, 0.05, 6.0]),
    max_concurrency=st.sampled_from([1, 5, "auto"]),
)
def test_live_calls(rows: int, known_share: float, begin: float, per_token: float, max_concurrency: Any) -> None:
    """Strictly where calls follow each other in time; else by the price of two writes at most, however many rows."""
    profile = Profile(
        latency_seconds=begin, seconds_per_output_token=per_token, output_tokens=60, limits=tier_limits("scale")
    )
    known = int(rows * known_share)
    auto = live(rows, known, "auto", profile, max_concurrency)
    off = live(rows, known, False, profile, max_concurrency)
    is_in_time = begin < 290 and (per_token < 1 or max_concurrency != 1)
    assert auto <= off + (0 if is_in_time else 2 * one_write())


@pytest.mark.parametrize("hits", [0.3, 0.5, 0.8, 0.98])
def test_batches(hits: float) -> None:
    """Over all hit rates that the API promises."""
    costs = []
    for prompt_cache in ("auto", False):
        here = batch_worlds.batch_world(Profile(batch_seconds=60.0, batch_cache_hits=hits))
        here.map(batch_worlds.frame_of(300), system=SYSTEM, max_tokens=100, prompt_cache=prompt_cache)
        costs.append(billed(here.brain.ledger, is_batch=True))
    assert costs[0] < costs[1]


@pytest.mark.parametrize(("rows", "known"), [(1, 0), (3, 0), (60, 58), (60, 60)])
def test_a_batch_too_small_for_the_cache_is_not_marked(rows: int, known: int, tmp_path: Path) -> None:
    """What counts are the requests that are sent, not the rows of the frame."""
    here = batch_worlds.batch_world(Profile(batch_seconds=60.0))
    options: dict[str, Any] = {"system": SYSTEM, "max_tokens": 100, "journal": tmp_path / "j.sqlite3"}
    if known:
        here.map(batch_worlds.frame_of(known), prompt_cache=False, **options)
    here.map(batch_worlds.frame_of(rows), **options)
    assert here.brain.ledger.total("cache_write_5m_tokens") == 0
    assert len(here.brain.ledger.paid) == rows
