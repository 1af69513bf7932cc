"""Whether a rehearsal takes as long as the limits and the latencies say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.forecast.latency import Latency, fit, given_latency, measured_latency
from claude_parallel.forecast.scenario import Conditions, Knowledge, Script
from claude_parallel.forecast.simulate import rehearse
from claude_parallel.limits.gate import Limits
from claude_parallel.simulation.profile import Profile
from claude_parallel.store.journal import Journal
from tests.worlds import HOST, frame_of, world

SECOND = given_latency(1.0)


def script(calls: int, input_tokens: float = 100, output_tokens: float = 20, cached: float = 0) -> Script:
    sizes = np.full(calls, float(input_tokens))
    return Script(sizes, sizes, output_tokens, cached)


def conditions(
    limits: Limits, latency: Latency = SECOND, knowledge: Knowledge = "given", cap: int = 1_000
) -> Conditions:
    return Conditions(limits, knowledge, latency, cap)


@pytest.mark.parametrize(
    ("limits", "bound_by"),
    [
        (Limits(requests_per_minute=600), "requests per minute"),
        (Limits(input_tokens_per_minute=600_000), "input tokens per minute"),
        (Limits(output_tokens_per_minute=120_000), "output tokens per minute"),
    ],
)
@pytest.mark.parametrize("knowledge", ["given", "learnt", "none"])
def test_a_run_takes_as_long_as_its_tightest_limit_refills(limits: Limits, bound_by: str, knowledge: Knowledge) -> None:
    """600 calls a minute: the first 600 at once, the other 1,400 in 140 seconds; and it says what binds."""
    found = rehearse(script(2_000, 1_000, 200), conditions(limits, knowledge=knowledge))
    assert found.seconds == pytest.approx(141, rel=0.05)
    assert found.bound_by == bound_by
    assert found.played == found.calls == 2_000


def test_without_limits_the_cap_of_calls_in_flight_decides() -> None:
    """400 calls of one second, ten at once: forty seconds."""
    found = rehearse(script(400), conditions(Limits(), knowledge="learnt", cap=10))
    assert found.seconds == pytest.approx(40, rel=0.03)
    assert found.bound_by == "the answers' own time"


def test_what_is_not_played_follows_at_the_pace_reached() -> None:
    """12,000 calls at 1,000 a minute: 1,000 at once, then eleven minutes; fewer than half of them are played."""
    found = rehearse(script(12_000), conditions(Limits(requests_per_minute=1_000)))
    assert found.played < 6_000
    assert found.seconds == pytest.approx(661, rel=0.03)


def test_a_burst_larger_than_what_is_played_is_not_taken_for_the_pace() -> None:
    """No pace can beat the refill, even if all that was played came out of the full bucket."""
    found = rehearse(script(200_000), conditions(Limits(requests_per_minute=30_000), given_latency(0.1), "learnt"))
    assert found.seconds == pytest.approx(340, rel=0.05)


def test_cached_tokens_do_not_count_against_the_input_limit() -> None:
    """Nine tenths of the input cached: ten times the pace, after a first call that fills the cache alone."""
    limits = Limits(input_tokens_per_minute=60_000)
    plain = rehearse(script(1_000, input_tokens=1_000), conditions(limits))
    cached = rehearse(script(1_000, input_tokens=1_000, cached=900), conditions(limits))
    assert plain.seconds == pytest.approx(941, rel=0.05)
    assert cached.seconds == pytest.approx(42, rel=0.1)
    assert cached.data is not None
    assert cached.data.calls("count(*)", where="cache_write_5m_tokens > 0") == [(1,)]


def test_a_rehearsal_is_the_same_each_time() -> None:
    """Time and chance are virtual: nothing depends on the machine."""
    latency = Latency(1.0, 0.01, 0.4, "test")
    limits = Limits(requests_per_minute=300)
    first, second = (rehearse(script(500), conditions(limits, latency, "none")) for _ in range(2))
    assert first.seconds == second.seconds


def test_nothing_to_send_takes_no_time() -> None:
    """An empty script is no error."""
    assert rehearse(script(0), conditions(Limits(requests_per_minute=1))).seconds == 0


def test_it_rehearses_inside_a_running_event_loop() -> None:
    """A notebook's loop runs already; the rehearsal has a thread and a loop of its own."""

    async def main() -> float:
        return rehearse(script(100), conditions(Limits(requests_per_minute=600))).seconds

    assert asyncio.run(main()) > 0


@given(
    begin=st.floats(0.05, 5),
    slope=st.floats(0.001, 0.05),
    tokens=st.lists(st.integers(1, 2_000), min_size=20, max_size=60, unique=True),
)
@settings(max_examples=50)
def test_the_fit_finds_the_line_that_calls_lie_on(begin: float, slope: float, tokens: list[int]) -> None:
    """Seconds that are a straight line of the output tokens give this line, without scatter."""
    outputs = np.asarray(tokens, dtype=np.float64)
    found = fit(begin + slope * outputs, outputs)
    # A line whose part before the first token is next to nothing is cut at 5 % of the mean.
    if begin > 0.1 * (slope * float(outputs.mean())):
        assert found.begin_seconds == pytest.approx(begin, rel=0.01)
        assert found.seconds_per_output_token == pytest.approx(slope, rel=0.01)
        assert found.sigma < 0.01


def test_outputs_of_one_length_tell_no_slope() -> None:
    """Equal lengths give a constant, not a line through noise."""
    found = fit(np.asarray([0.9, 1.0, 1.1, 1.0]), np.asarray([50.0, 50.0, 50.0, 50.0]))
    assert found.seconds_per_output_token == 0
    assert found.begin_seconds == pytest.approx(1.0, rel=0.02)


def test_latencies_are_measured_on_earlier_runs_of_this_host_and_model(tmp_path: Path) -> None:
    """A run in the journal tells the latency; another host or model does not, and neither do a few calls."""
    path = tmp_path / "journal.sqlite3"
    place = world(Profile(latency_seconds=2.0, seconds_per_output_token=0.01, output_tokens=(50, 400)))
    place.map(frame_of(60), "{t}", journal=path)
    journal = Journal.open(path)
    found = measured_latency(journal, HOST, "claude-haiku-5-5")
    assert found is not None
    assert found.begin_seconds == pytest.approx(2.0, rel=0.01)
    assert found.seconds_per_output_token == pytest.approx(0.01, rel=0.01)
    assert measured_latency(journal, "https://api.anthropic.com", "claude-haiku-5-5") is None
    assert measured_latency(journal, HOST, "claude-sonnet-5-5") is None
    assert measured_latency(journal, HOST, "claude-haiku-5") is None  # another model, whose name begins alike
    journal.execute("UPDATE attempts SET model = 'claude-haiku-4-5-20251001'")
    assert measured_latency(journal, HOST, "claude-haiku-4-5") == found
    journal.close()
