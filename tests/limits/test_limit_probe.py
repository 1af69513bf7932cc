"""How long a limit is trusted that only refusals tell."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.limit_probe import STEP, TRUSTED_CALLS, TRUSTED_PAUSES, TRUSTED_SECONDS, LimitProbe


@given(st.lists(st.floats(0.0, 60.0), min_size=1, max_size=10), st.floats(1e-3, 60.0))
def test_a_look_costs_a_small_part_of_the_time(pauses: list[float], call: float) -> None:
    """The longer a refusal makes everybody wait, the longer its limit is trusted, and for enough calls."""
    probe, now = LimitProbe(), 0.0
    for seconds in pauses:
        probe.told(call, now)
        probe.paused(seconds, now)
        assert probe.factor == 1.0
        assert probe.next_at - now >= 0.999 * max(TRUSTED_SECONDS, TRUSTED_CALLS * call, TRUSTED_PAUSES * seconds)
        now = probe.next_at
        probe.grow(now)
        assert probe.factor == STEP


def test_a_pause_never_brings_a_look_nearer_nor_does_it_doubt_what_headers_tell() -> None:
    """Each refusal of an episode pauses, and an account with headers has nothing to look for."""
    probe = LimitProbe()
    probe.told(0.01, 0.0)
    probe.paused(1.0, 0.0)
    probe.paused(0.01, 0.5)
    assert probe.next_at == TRUSTED_PAUSES
    probe.end()
    probe.paused(1.0, 1.0)
    assert probe.next_at == math.inf
