"""Prompt caching in whole runs: one write, everybody else reads."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_parallel.errors import InputError
from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage
from claude_parallel.simulation.profile import Profile, tier_limits

from ..worlds import frame_of, world

SYSTEM = "A rule that everybody shares. " * 800


def map_cached(profile: Profile, rows: int = 120, **options: Any) -> Any:
    """Run a map with a long system prompt on virtual time; returns the world."""
    here = world(profile)
    frame = here.map(frame_of(rows), "Say {t}", system=SYSTEM, max_tokens=100, **options)
    assert frame["response_error"].isna().all()
    return here


def writes_and_reads(here: Any) -> tuple[int, int]:
    """Count answers that wrote the cache, and that read it."""
    paid = here.brain.ledger.paid
    return sum(p.cache_write_5m_tokens > 0 for p in paid), sum(p.cache_read_tokens > 0 for p in paid)


def test_exactly_one_row_writes() -> None:
    """The first goes alone; the others wait for it and read."""
    here = map_cached(Profile(latency_seconds=1.0, limits=tier_limits("scale")))

    assert writes_and_reads(here) == (1, 119)
    assert here.session.stats.cache_hits == 119


def test_waiting_for_the_first_costs_one_latency() -> None:
    """Wall time is at most that of the same run without caching, and one latency."""
    profile = Profile(latency_seconds=1.0, limits=tier_limits("scale"))
    cached, plain = map_cached(profile), map_cached(profile, prompt_cache=False)

    assert cached.clock.seconds <= plain.clock.seconds + 1.0


def test_the_first_is_waited_for_until_its_answer_begins_not_until_it_ends() -> None:
    """An answer of nine seconds holds nobody up for longer than its first word takes."""
    profile = Profile(latency_seconds=2.4, seconds_per_output_token=0.09, output_tokens=100)
    cached, plain = map_cached(profile, rows=20), map_cached(profile, rows=20, prompt_cache=False)

    assert writes_and_reads(cached) == (1, 19)
    assert cached.clock.seconds <= plain.clock.seconds + 2.5


def test_after_a_first_answer_that_breaks_off_the_others_still_read() -> None:
    """What it has written can be read once it has begun; its own row is asked again."""
    here = map_cached(Profile(latency_seconds=1.0, seconds_per_output_token=0.05, script={1: "truncated"}), rows=20)
    ledger = here.brain.ledger

    assert sum(paid.cache_write_5m_tokens > 0 for paid in ledger.paid) == 1
    assert ledger.billed_but_lost == 1


def test_after_a_failed_first_row_another_leads() -> None:
    """Still only one write."""
    here = map_cached(Profile(latency_seconds=1.0, script={1: "overloaded"}))

    assert writes_and_reads(here) == (1, 119)


def test_a_long_pause_warms_up_again_before_the_rest() -> None:
    """An entry that went cold is written by one row, not by all that waited."""
    here = map_cached(Profile(latency_seconds=1.0, limits=tier_limits("tier-1")), rows=60, max_concurrency=2)

    assert writes_and_reads(here)[0] <= 2


@pytest.mark.parametrize("options", [{"prompt_cache": False}, {"system": "short"}])
def test_what_cannot_pay_is_not_marked(options: dict[str, Any]) -> None:
    """Caching turned off, or a prefix below the model's minimum."""
    here = world(Profile(latency_seconds=1.0))
    here.map(frame_of(10), "Say {t}", **{"system": SYSTEM, **options})

    assert writes_and_reads(here) == (0, 0)


def test_a_single_row_is_not_marked() -> None:
    """Nobody would read what it writes."""
    here = world(Profile())
    here.map(frame_of(1), "Say {t}", system=SYSTEM)

    assert writes_and_reads(here) == (0, 0)


def test_the_templates_static_text_is_cached_as_well() -> None:
    """It is a part of the shared prefix, up to the first placeholder."""
    here = world(Profile(latency_seconds=1.0))
    here.map(frame_of(20), SYSTEM.replace("{", "") + "Now: {t}")

    assert writes_and_reads(here) == (1, 19)


def test_the_price_is_right_to_the_cent() -> None:
    """Cost column, stats and the simulator's own ledger agree."""
    here = world(Profile(latency_seconds=1.0))
    out = here.map(frame_of(40), "Say {t}", system=SYSTEM)
    session = here.session
    assert session is not None
    paid = sum((PriceList().cost("claude-haiku-5-5", usage_paid(p)) or Decimal(0)) for p in here.brain.ledger.paid)

    assert session.stats.cost == paid
    assert out["response_cost"].sum() == pytest.approx(float(paid), abs=1e-12)


def usage_paid(paid: Any) -> Any:
    """Return a ledger entry as usage."""
    return Usage(
        input_tokens=paid.input_tokens,
        output_tokens=paid.output_tokens,
        cache_write_5m_tokens=paid.cache_write_5m_tokens,
        cache_write_1h_tokens=paid.cache_write_1h_tokens,
        cache_read_tokens=paid.cache_read_tokens,
    )


def test_a_single_call_writes_no_cache(tmp_path: Path) -> None:
    """Rows that the journal answers read nothing: what one call would write is waste."""
    here = world(Profile(latency_seconds=1.0))
    options = {"system": SYSTEM, "max_tokens": 100, "journal": tmp_path / "j.sqlite3"}
    here.map(frame_of(99), "Say {t}", **options)
    before = writes_and_reads(here)
    here.map(frame_of(100), "Say {t}", **options)

    assert before == (1, 98)
    assert writes_and_reads(here) == before


def test_calls_longer_than_the_lifetime_go_side_by_side() -> None:
    """The second call knows that caching cannot work, and the rest go at once, at the plain price."""
    with pytest.warns(UserWarning, match="or a call takes longer than an entry lives"):
        here = map_cached(Profile(latency_seconds=400.0), rows=20, timeout=900)

    assert writes_and_reads(here) == (1, 0)
    assert here.clock.seconds < 1_000


@pytest.mark.parametrize("cap", [0.03, 0.04])
def test_a_budget_is_used_to_the_end_with_a_cached_prefix(cap: float) -> None:
    """Once its size is known the prefix is not reserved as if each byte were a token."""
    here = world(Profile(latency_seconds=1.0, limits=tier_limits("scale")))
    with pytest.warns(UserWarning, match="stopped early"):
        out = here.map(frame_of(600), "Say {t}", system=SYSTEM, max_tokens=100, budget=cap)
    spent = float(out["response_cost"].sum())
    could_cost, left = (float(usd) for usd in re.findall(r"\$([\d.]+)", out["response_error"].dropna().iloc[-1]))

    assert 0.96 * cap < spent <= cap
    assert left < could_cost < 0.0011, "what is said of the next call is what it was refused for"


@pytest.mark.parametrize("kind", ["web_search_20250305", "web_fetch_20250910", "code_execution_20250825"])
def test_a_budget_is_refused_with_tools_that_the_api_runs(kind: str) -> None:
    """What they read is not bounded, so the cap could not be kept; a tool of the caller's own is."""
    here = world()
    with pytest.raises(InputError, match=f"budget= cannot be kept with {kind}"):
        here.map(frame_of(2), "Say {t}", budget=1.0, tools=[{"type": kind, "name": "tool"}])
