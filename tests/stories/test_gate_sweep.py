"""The gate under servers that keep the same limits in different ways: a sample of the sweep in ``benchmarks``.

The whole sweep is ``python -m benchmarks.gate_sweep``; what it comes to stands in ``benchmarks/README.md``.
"""

from __future__ import annotations

import pytest

from benchmarks.gate_seeing import SeeingPlayer, seen_seconds
from benchmarks.gate_sweep import Played, is_named, play
from benchmarks.gate_worlds import PLAIN, World, sample
from claude_parallel.simulation.policy import LimitChange, LimitPolicy, Neighbour

CAPACITY = LimitPolicy(remaining_of="capacity")

QUOTED = [
    # Phantom neighbours: a full bucket that holds less than a minute loses refill.
    World("requests", 3_000, 1_500, 0.2, CAPACITY, 1.0),
    World("requests", 12_000, 4_000, 1.0, CAPACITY, 4.0, 0.2),
    World("requests", 3_000, 1_500, 2.0, CAPACITY, 4.0),
    World("output", 3_000, 1_500, 3.0, CAPACITY, 1.0),
    World("requests", 3_000, 1_500, 0.2, PLAIN, 1.0),
    World("requests", 3_000, 1_500, 3.0, PLAIN, 1.0),
    World("input", 1_000, 1_500, 10.0, LimitPolicy(headers_written="end"), 1.0, 0.77),
    World("input", 3_000, 1_500, 3.0, LimitPolicy(retry_after="whole"), 0.1),
    World("output", 3_000, 1_500, 1.0, LimitPolicy(output_counted="reserved", headers_written="end"), 1.0),
    World("requests", 1_000, 1_500, 60.0, PLAIN, 1.0),
    World("requests", 3_000, 1_500, 1.0, LimitPolicy(changes=(LimitChange(15.0, 10.0),)), 1.0),
    World("input", 3_000, 1_500, 3.0, PLAIN, 1.0, event="spread"),
    World("input", 3_000, 1_500, 1.0, PLAIN, 1.0, event="faults"),
]


def told(played: Played) -> str:
    """Return a world and its figures for the reader of a failure."""
    return f"{played.seconds:.1f} s of {played.target:.1f} s, {played.refused} refused: {played.world.name}"


@pytest.mark.parametrize("world", QUOTED, ids=lambda world: world.name)
def test_a_run_ends_near_its_bound_without_429s(world: World) -> None:
    """At most 1.05 times the bound and two latencies, 0.5 % of 429s, and no row lost."""
    played = play(world)
    assert played.is_met, told(played)


def test_a_neighbour_that_leaves_is_forgotten() -> None:
    """Who takes 30 % for 20 s out of a bucket of one second costs some refusals, and no time afterwards."""
    neighbour = LimitPolicy(neighbours=(Neighbour(10.0, 30.0, 0.3),))
    played = play(World("requests", 3_000, 1_500, 1.0, neighbour, 1.0))
    assert played.is_quick and not played.lost, told(played)
    assert played.refused <= 0.02 * played.calls


def test_an_outage_costs_little_more_than_itself() -> None:
    """Some twenty calls go into it beside those in flight, no row is lost, and the old level is soon back."""
    played = play(World("requests", 3_000, 3_000, 3.0, PLAIN, 1.0, event="outage"))
    assert played.is_quick and not played.lost, told(played)
    assert played.into_outage <= 20 + 60


def test_most_of_a_sample_of_servers_are_met() -> None:
    """Of forty servers drawn from the product: no row is lost, and four in five keep both targets."""
    found = [play(world) for world in sample(40, seed=5)]
    assert sum(played.lost for played in found) == 0
    missed = [told(played) for played in found if not played.is_met and not is_named(played.world)]
    assert len(missed) <= 8, "\n".join(missed)


# -- the bound where a bucket of output must lose refill -------------------------------------------------------------

SMALL = LimitPolicy(rounded_to=1)


def test_who_sees_the_books_is_never_refused_and_as_quick_as_arithmetic_allows() -> None:
    """Where the bucket holds many answers no refill is lost; the last calls may even leave a debt."""
    world = World("output", 3_000, 1_500, 10.0, SMALL, 1.0, 0.0)
    played = SeeingPlayer(world, 0.0).play()
    assert played.refused == played.lost == 0
    assert played.seconds <= 1.01 * world.bound_seconds()


def test_answers_larger_than_their_bucket_cost_a_latency_each() -> None:
    """A call has to land before the next may go: its debt is paid off, and the refill of its latency is lost.

    50 a minute, 1.56 s of refill an answer, a bucket of 0.2 s that is full again while the next one is on its way.
    """
    world = World("output", 50, 100, 0.2, SMALL, 1.0, 0.0)
    answer = world.sizes[1] / (world.limits[2] / 60)
    assert seen_seconds(world) == pytest.approx(100 * (1.0 + answer - 0.2), rel=0.02)
    assert world.bound_seconds() == pytest.approx(100 * answer, rel=0.02)
