"""Interrupts in real kernels: whatever the moment, every answered row is in the frame and nothing is sent afterwards.

Counts are compared with what the API's own process saw.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from .api import Api, ApiProcess
from .kernel import Kernel
from .test_cells import MAPS, StartKernel, assert_complete, point

pytestmark = pytest.mark.kernel

ROWS = 600
"""Twice as many as are sent at the latest moment below: a test process that stands still must not come too late."""
IN_FLIGHT = 50
LATE_SECONDS = 0.05
"""Nothing may be sent later than this after an interrupt. What arrives later must have been begun in time, says the
journal: on a busy machine a call can be long on its way."""

CALL = f"claude.map('say {{text}}', max_concurrency={IN_FLIGHT})"
SYNC_CELL = f"out = texts({ROWS}).{CALL}"
AWAIT_CELL = f"await asyncio.sleep(0)\n{SYNC_CELL}"
AMAP_CELL = f"out = await texts({ROWS}).{CALL.replace('map', 'amap')}"
ALL_CELLS = {"sync": SYNC_CELL, "await": AWAIT_CELL, "amap": AMAP_CELL}

_rng = random.Random(104)
MOMENTS = [round(_rng.uniform(0.0, 1.3), 2) for _ in range(12)]
"""Seconds after the first request; an undisturbed run takes about 3.7 s."""

every_cell = pytest.mark.parametrize("code", ALL_CELLS.values(), ids=ALL_CELLS)


def assert_nothing_lost(kernel: Kernel, api: Api, interrupted: float) -> int:
    """Compare the frame `out` with the API's books; returns how many rows were answered."""
    facts, calls = kernel.value("facts(out)"), api.calls()
    answered = {call.text for call in calls if call.answered is not None}

    assert facts["rows"] == ROWS
    assert set(facts["answers"]) == answered
    assert facts["kinds"] == {"cancelled": ROWS - len(answered)}
    late = {call.text for call in calls if call.received > interrupted + LATE_SECONDS}
    assert late <= begun_before(kernel, interrupted + LATE_SECONDS)
    assert max(api.received().values()) == 1
    return len(answered)


def begun_before(kernel: Kernel, moment: float) -> set[str]:
    """Return what the kernel's last run had begun to send at a moment of ``time.monotonic()``, says its journal."""
    wall_clock = moment + time.time() - time.monotonic()
    query = (
        "SELECT position FROM attempts WHERE started <= ? AND run = (SELECT id FROM runs ORDER BY started DESC LIMIT 1)"
    )
    return {f"echo: say row {position}" for position in kernel.journal(query, wall_clock)}


def assert_next_cell_works(kernel: Kernel) -> None:
    """The kernel lives, and a map in the next cell answers every row."""
    kernel.run("after = texts(8).claude.map('then {text}', progress=False)")

    assert kernel.value("facts(after)") == {
        "rows": 8,
        "answers": [f"echo: then row {number}" for number in range(8)],
        "kinds": {},
    }


@pytest.mark.parametrize(
    ("code", "moment_seconds"),
    [
        *(pytest.param(SYNC_CELL, moment, id=f"sync-{moment}") for moment in MOMENTS[:5]),
        *(pytest.param(AWAIT_CELL, moment, id=f"await-{moment}") for moment in MOMENTS[5:10]),
        *(pytest.param(AMAP_CELL, moment, id=f"amap-{moment}") for moment in MOMENTS[10:]),
    ],
)
def test_an_interrupt_loses_no_answer_and_sends_nothing_more(
    kernel: Kernel, api_process: ApiProcess, code: str, moment_seconds: float
) -> None:
    """One interrupt at a random moment: what is in flight lands, the frame comes back, the kernel goes on."""
    api = api_process.serve(latency_seconds=0.3, jitter_sigma=0.25)
    point(kernel, api)

    cell = kernel.start(code)
    api.wait(received=1)
    time.sleep(moment_seconds)  # a moment that nothing announces is what is tested
    interrupted = kernel.interrupt()
    kernel.finish(cell)

    answered = assert_nothing_lost(kernel, api, interrupted)
    assert 0 < answered < ROWS
    assert cell.stream("stderr") == ""
    assert f"{answered} of {ROWS} rows answered" in cell.bars[-1]
    assert f"width:{100 * answered / ROWS:.1f}%" in cell.bars[-1]
    assert_next_cell_works(kernel)


@every_cell
def test_a_second_interrupt_cancels_what_is_in_flight(kernel: Kernel, api_process: ApiProcess, code: str) -> None:
    """Against answers of 8 seconds the first interrupt says how to go on, and the second is back at once."""
    api = api_process.serve(latency_seconds=8.0)
    point(kernel, api)

    cell = kernel.start(code)
    api.wait(received=IN_FLIGHT)
    first = kernel.interrupt()
    kernel.pump(lambda: f"finishing {IN_FLIGHT} in flight, interrupt again" in cell.words)
    second = kernel.interrupt()
    kernel.finish(cell)

    assert time.monotonic() - second < 2.0
    assert assert_nothing_lost(kernel, api, first) == 0
    assert cell.stream("stderr") == ""
    assert len(api.calls()) == IN_FLIGHT


def test_the_interrupted_sync_cell_run_again_asks_only_for_the_rest(kernel: Kernel, api_process: ApiProcess) -> None:
    """The journal has every answer of the interrupted run: the same cell again pays for the other rows only."""
    api = api_process.serve(latency_seconds=0.2)
    point(kernel, api)

    cell = kernel.start(SYNC_CELL)
    api.wait(answered=60)
    kernel.interrupt()
    kernel.finish(cell)
    kernel.run(SYNC_CELL)

    assert kernel.value("facts(out)")["kinds"] == {}
    assert set(api.answered().values()) == {1}
    assert len(api.calls()) == ROWS


def test_stop_in_another_thread_ends_a_sync_map_like_an_interrupt(
    kernel: Kernel, api_process: ApiProcess, tmp_path: Path
) -> None:
    """cp.stop() from a thread: the frame comes back with every answer."""
    api = api_process.serve(latency_seconds=0.3)
    point(kernel, api)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    kernel.run(
        f"stops = []\n"
        f"def stop_when_told():\n"
        f"    open({str(gate)!r}).read()\n"
        f"    stops.extend([time.monotonic(), cp.stop()])\n"
        f"threading.Thread(target=stop_when_told, daemon=True).start()"
    )

    cell = kernel.start(SYNC_CELL)
    api.wait(answered=30)
    gate.write_text("now")
    kernel.finish(cell)

    stopped, runs = kernel.value("stops")
    assert 0 < assert_nothing_lost(kernel, api, stopped) < ROWS
    assert runs == 1


def test_stop_in_a_subshell_ends_a_sync_map_like_an_interrupt(kernel: Kernel, api_process: ApiProcess) -> None:
    """cp.stop() from a second console on the same kernel, where an interrupt cannot reach."""
    if not kernel.has_subshells:
        pytest.skip("this ipykernel has no subshells")
    api = api_process.serve(latency_seconds=0.3)
    point(kernel, api)

    cell = kernel.start(SYNC_CELL)
    api.wait(answered=30)
    kernel.run_beside("stopped = time.monotonic()\ncp.stop()")
    kernel.finish(cell)

    assert 0 < assert_nothing_lost(kernel, api, kernel.value("stopped")) < ROWS


@pytest.mark.parametrize("patch", ["nest_asyncio", "nest_asyncio2"])
def test_maps_and_interrupts_work_after_the_user_patched_the_loop(
    start_kernel: StartKernel, api_process: ApiProcess, patch: str
) -> None:
    """nest_asyncio, applied as thousands of answers on the web tell it, makes no difference in any kind of cell."""
    kernel = start_kernel()
    kernel.run(f"import {patch}\n{patch}.apply()")

    for code in MAPS.values():
        api = api_process.serve(latency_seconds=0.05)
        point(kernel, api)
        kernel.run(code)
        assert_complete(kernel, api, 40)
    for code in ALL_CELLS.values():
        api = api_process.serve(latency_seconds=0.3)
        point(kernel, api)
        cell = kernel.start(code)
        api.wait(answered=20)
        interrupted = kernel.interrupt()
        kernel.finish(cell)
        assert 0 < assert_nothing_lost(kernel, api, interrupted) < ROWS
    assert_next_cell_works(kernel)
