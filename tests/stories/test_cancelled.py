"""A cancelled ``await df.claude.amap(...)`` pays for nothing twice: what is in flight lands before it ends."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.profile import Profile

from ..worlds import World, frame_of, world

ROWS, IN_FLIGHT, LATENCY = 200, 20, 5.0


def prepare(here: World, journal: Path, prompt: str = "Say {t}") -> FrameMap:
    """Return a map that takes some ten latencies."""
    settings = {"journal": journal, "progress": False, "max_concurrency": IN_FLIGHT}
    return FrameMap(frame_of(ROWS), prompt, "response", settings, environment=here.environment())


def cancelled(here: World, journal: Path, *moments: float) -> float:
    """Begin a map, cancel it at some moments, in seconds, and return when it had ended."""
    prepared = prepare(here, journal)

    async def main() -> float:
        task = asyncio.ensure_future(prepared.arun())
        for moment in moments:
            await asyncio.sleep(moment - here.clock())
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return here.clock()

    return run_virtual(main)


def test_calls_in_flight_land_and_are_not_paid_again(tmp_path: Path) -> None:
    here = world(Profile(latency_seconds=LATENCY))

    ended = cancelled(here, tmp_path / "j.sqlite3", 12.0)

    sent = len(here.brain.ledger.paid)
    assert 0 < sent < ROWS
    assert ended < 12.0 + 2 * LATENCY
    out = here.map(frame_of(ROWS), "Say {t}", journal=tmp_path / "j.sqlite3")
    assert out["response_error"].isna().all()
    assert len(here.brain.ledger.paid) == ROWS


@pytest.mark.parametrize("has_heard_ctrl_c", [False, True])
def test_a_timeout_is_told_as_one_and_costs_no_call(has_heard_ctrl_c: bool, tmp_path: Path) -> None:
    """Nor does one, or the end of ``asyncio.run``, while calls land after a Ctrl-C: it is no second one."""
    here = world(Profile(latency_seconds=LATENCY))
    prepared = prepare(here, tmp_path / "j.sqlite3")

    async def main() -> None:
        async with asyncio.timeout(12.5):
            if has_heard_ctrl_c:
                asyncio.get_running_loop().call_later(12.0, signal.raise_signal, signal.SIGINT)
            await prepared.arun()

    with pytest.raises(TimeoutError):
        run_virtual(main)
    here.map(frame_of(ROWS), "Say {t}", journal=tmp_path / "j.sqlite3")
    assert len(here.brain.ledger.paid) == ROWS


def test_a_second_cancellation_waits_for_nothing(tmp_path: Path) -> None:
    here = world(Profile(latency_seconds=LATENCY))
    assert cancelled(here, tmp_path / "j.sqlite3", 12.0, 12.1) < 12.2


def test_ctrl_c_costs_none_of_several_runs_what_it_has_in_flight(tmp_path: Path) -> None:
    """The KeyboardInterrupt of the one that was ready first ended the loop, and with it the calls of the others."""
    here, before = world(Profile(latency_seconds=LATENCY)), signal.getsignal(signal.SIGINT)
    first, second = (prepare(here, tmp_path / "j.sqlite3", prompt) for prompt in ("Say {t}", "Tell {t}"))

    async def main() -> None:
        async def later() -> None:
            await asyncio.sleep(2.5)
            await second.arun()

        asyncio.get_running_loop().call_later(12.0, signal.raise_signal, signal.SIGINT)
        await asyncio.gather(first.arun(), later())

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main)
    sent = len(here.brain.ledger.paid)
    assert 2 * IN_FLIGHT < sent < ROWS
    assert signal.getsignal(signal.SIGINT) is before
    for prompt in ("Say {t}", "Tell {t}"):
        here.map(frame_of(ROWS), prompt, journal=tmp_path / "j.sqlite3")
    assert len(here.brain.ledger.paid) == 2 * ROWS
