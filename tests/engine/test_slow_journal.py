"""A journal that is slow or breaks: nobody waits for its disk who need not, and no place at the gate is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Failure, Reply
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.store.journal import Journal

from ..worlds import Outage, World, frame_of, world


class Slow(Journal):
    """Takes ten seconds to write an answer."""

    async def keep_answer(self, fingerprint: bytes, host: str, reply: Reply, ended: float) -> None:
        """Wait."""
        await asyncio.sleep(10.0)


class Broken(Journal):
    """Fails in a way that nobody has foreseen."""

    async def keep_answer(self, fingerprint: bytes, host: str, reply: Reply, ended: float) -> None:
        """Fail."""
        raise ZeroDivisionError


def run_with(here: World, kind: type[Journal], rows: int, **options: Any) -> None:
    """Run a map with another journal."""
    settings = {"journal": False, "progress": False, **options}
    session = FrameMap(frame_of(rows), "Say {t}", "response", settings, environment=here.environment()).session()
    session.journal.__class__ = kind
    run_virtual(session.arun)


def test_who_waits_for_a_cached_prefix_does_not_wait_for_the_disk() -> None:
    """Where answers come in one piece, the first has begun when it has arrived, whatever happens to it then."""
    here = world(Profile(latency_seconds=1.0))
    here.outage = Outage(1e9, 2e9, Failure("overloaded", "never"))  # a transport that does not tell when answers begin
    run_with(here, Slow, rows=20, system="A rule that everybody shares. " * 800, max_tokens=100)
    assert sum(paid.cache_read_tokens > 0 for paid in here.brain.ledger.paid) == 19
    assert here.clock.seconds < 15.0


def test_a_mistake_of_ours_while_an_answer_is_kept_costs_no_place_at_the_gate() -> None:
    """The run ends with it; those of other runs go on with all of their calls in flight."""
    here = world(Profile(latency_seconds=1.0))
    with pytest.raises(ZeroDivisionError):
        run_with(here, Broken, rows=20)
    assert here.gate.status(here.clock.seconds).in_flight == 0
