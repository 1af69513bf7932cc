"""How long a limit is trusted that only refusals tell."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.doubt import STEP, TRUSTED_CALLS, TRUSTED_PAUSES, TRUSTED_SECONDS, Doubt


@given(st.lists(st.floats(0.0, 60.0), min_size=1, max_size=10), st.floats(1e-3, 60.0))
def test_a_look_costs_a_small_part_of_the_time(pauses: list[float], call: float) -> None:
    """The longer a refusal makes everybody wait, the longer its limit is trusted, and for enough calls."""
    doubt, now = Doubt(), 0.0
    for seconds in pauses:
        doubt.told(call, now)
        doubt.paused(seconds, now)
        assert doubt.factor == 1.0
        assert doubt.next_at - now >= 0.999 * max(TRUSTED_SECONDS, TRUSTED_CALLS * call, TRUSTED_PAUSES * seconds)
        now = doubt.next_at
        doubt.grow(now)
        assert doubt.factor == STEP


def test_a_pause_never_brings_a_look_nearer_nor_does_it_doubt_what_headers_tell() -> None:
    """Each refusal of an episode pauses, and an account with headers has nothing to look for."""
    doubt = Doubt()
    doubt.told(0.01, 0.0)
    doubt.paused(1.0, 0.0)
    doubt.paused(0.01, 0.5)
    assert doubt.next_at == TRUSTED_PAUSES
    doubt.end()
    doubt.paused(1.0, 1.0)
    assert doubt.next_at == math.inf
