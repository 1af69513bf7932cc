"""The dispatcher beside the event loop that it shares with the answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace

import pytest

from claude_parallel.engine.dispatcher import GRACE_SECONDS
from claude_parallel.errors import FateCounts
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Body, Failure, Reply
from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.transport import MemoryTransport

from ..worlds import frame_of, world


class CountingTransport(MemoryTransport):
    """Counts the calls that begin before the event loop comes to anything else."""

    def __init__(self, brain: Brain) -> None:
        super().__init__(brain, 600.0)
        self.stretches: list[int] = [0]

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request."""
        if not self.stretches[-1]:
            asyncio.get_running_loop().call_soon(self.stretches.append, 0)
        self.stretches[-1] += 1
        return await super().send(body)


def test_a_thousand_calls_are_begun_in_short_stretches() -> None:
    """The loop reads answers in between, however many calls may be in flight at once."""
    here = world(Profile(latency_seconds=5.0))
    transport = CountingTransport(here.brain)
    environment = replace(here.environment(), open_transport=lambda *_: transport)
    settings = {"journal": False, "progress": False, "max_concurrency": 1_000}

    out = run_virtual(FrameMap(frame_of(2_000), "Say {t}", "response", settings, environment=environment).arun)

    assert out["response_error"].isna().all()
    assert here.clock.seconds < 16.0
    assert max(transport.stretches) <= 100


class HangingTransport(MemoryTransport):
    """Answers the first call after 39 seconds, and the second never."""

    def __init__(self, brain: Brain) -> None:
        super().__init__(brain, 600.0)
        self.seconds = iter((39.0, 10_000.0))

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request."""
        await asyncio.sleep(next(self.seconds))
        return await super().send(body)


def test_after_an_interrupt_no_call_has_longer_to_land_than_the_grace() -> None:
    """Each call that landed gave the others as long once more."""
    here = world(Profile(latency_seconds=0.1))
    transport = HangingTransport(here.brain)
    environment = replace(here.environment(), open_transport=lambda *_: transport)
    settings = {"journal": False, "progress": False}
    session = FrameMap(frame_of(2), "Say {t}", "response", settings, environment=environment).session()

    async def main() -> None:
        asyncio.get_running_loop().call_later(10.0, session.control.request_stop)
        await session.arun()

    run_virtual(main)
    assert session.stats.fates == FateCounts(answered=1, cancelled=1)
    assert here.clock.seconds == pytest.approx(10.0 + GRACE_SECONDS, abs=0.5)


_FIRST_OF_A_PROCESS = """
import asyncio, random, sys, time
import pandas as pd
from claude_parallel.engine.environment import Environment
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.limits.gate import Gate
from claude_parallel.records import Reply

class Answering:
    async def send(self, body):
        latest = time.monotonic() + 5.0
        while "genai_prices" not in sys.modules and time.monotonic() < latest:
            await asyncio.sleep(0.01)
        print("genai_prices" in sys.modules)
        message = {"content": [{"type": "text", "text": "yes"}], "model": "m", "stop_reason": "end_turn", "usage": {}}
        return Reply(message, None, {})

    async def aclose(self):
        pass

here = Environment("memory://", lambda *_: Answering(), Gate(), time.monotonic, time.time, random.Random(1))
frame = pd.DataFrame({"text": ["a row"]})
FrameMap(frame, "text", "out", {"journal": False, "progress": False}, environment=here).run()
"""


def test_prices_are_loaded_while_the_first_call_is_on_its_way() -> None:
    """It takes a quarter of a second; later, the event loop would stand still with answers to read."""
    done = subprocess.run([sys.executable, "-c", _FIRST_OF_A_PROCESS], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True"], done.stderr
