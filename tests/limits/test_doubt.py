"""How long a limit is trusted that only refusals tell."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.limits.doubt import LONGEST_TRUSTED_SECONDS, STEP, TRUSTED_CALLS, TRUSTED_SECONDS, Doubt


@given(st.lists(st.booleans(), max_size=10), st.floats(1e-3, 60.0))
def test_a_limit_is_trusted_longer_each_time_it_is_found_to_be_the_same(outcomes: list[bool], call: float) -> None:
    """Within bounds, and for no fewer calls than a look is worth."""
    doubt, now, before = Doubt(), 0.0, 0.0
    doubt.refused(call, now, is_same=False)
    for is_same in outcomes:
        now = doubt.next_at
        doubt.grow(now)
        assert doubt.factor == STEP
        doubt.refused(call, now, is_same=is_same)
        assert doubt.factor == 1.0
        least = max(TRUSTED_SECONDS, TRUSTED_CALLS * call)
        assert least <= doubt.next_at - now + 1e-6 <= max(LONGEST_TRUSTED_SECONDS, least) + 1e-3
        assert not is_same or doubt.next_at - now >= before - 1e-6
        before = doubt.next_at - now


def test_refusals_that_are_no_answer_to_a_look_make_no_difference() -> None:
    """A bucket that runs dry refuses at the limit that is known."""
    doubt = Doubt()
    for now in (0.0, 1.0, 2.0):
        doubt.refused(0.01, now, is_same=True)
    assert doubt.next_at == 2.0 + TRUSTED_SECONDS
    doubt.end()
    assert doubt.next_at == math.inf
