"""A kernel that is killed in the middle of a run, and the same cell in a new one."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from .api import ApiProcess
from .kernel import Kernel
from .test_cells import point

pytestmark = pytest.mark.kernel

ROWS = 200
IN_FLIGHT = 40
LANDING_SECONDS = 0.25
"""Time from the moment an answer leaves the API until it is on disk, generously."""

RUN = f"out = texts({ROWS}).claude.map('say {{text}}', max_concurrency={IN_FLIGHT})"


def test_after_a_kernel_restart_only_calls_in_flight_are_asked_again(
    start_kernel: Callable[..., Kernel], api_process: ApiProcess
) -> None:
    """The journal outlives the process: all that had landed before the kill is not paid for a second time."""
    api = api_process.serve(latency_seconds=0.4, jitter_sigma=0.3)
    kernel = start_kernel()
    point(kernel, api)

    kernel.start(RUN)
    api.wait(answered=70)
    killed = time.monotonic()
    kernel.restart()
    first_calls = {call.text: call for call in api.calls()}
    point(kernel, api)
    kernel.run(RUN)

    asked_twice = {text for text, times in api.received().items() if times > 1}
    landed = {
        call.text
        for call in first_calls.values()
        if call.answered is not None and call.answered < killed - LANDING_SECONDS
    }
    assert kernel.value("facts(out)")["kinds"] == {}
    assert kernel.value("len(facts(out)['answers'])") == ROWS
    assert landed
    assert not asked_twice & landed
    assert len(asked_twice) <= IN_FLIGHT + 10  # a kill takes some milliseconds, in which a few calls come and go
    assert max(api.received().values()) <= 2
    assert (kernel.value("out.response_cost.eq(0).sum().item()")) >= len(landed)
