"""Use of a limit, against what its bucket allowed: never more than all of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.progress.waits import WaitReason
from claude_parallel.report.limit_use import limit_uses
from claude_parallel.report.record import RunData
from claude_parallel.report.timeline import timeline
from tests.run_records import answered, record


def shares(data: RunData) -> np.ndarray:
    """Return the use of the limit of requests over time."""
    return limit_uses(data, timeline(data))[0].share


def of_times(times: list[float], limit: float, seconds: float, waited: dict[str, float] | None = None) -> RunData:
    """Return a run whose calls began at these times."""
    totals = {"limits": {"requests": limit}, "waited_seconds": waited or {}}
    return record([answered(n, time, 0.1) for n, time in enumerate(times)], totals=totals, ended=seconds)


@given(
    st.lists(st.floats(0, 300), min_size=1, max_size=200),
    st.floats(1, 1_000),
    st.sampled_from([None, WaitReason.PACE, WaitReason.REQUESTS]),
)
def test_never_more_than_all_of_it(times: list[float], limit: float, reason: WaitReason | None) -> None:
    """Whatever the run did and the limit was."""
    found = shares(of_times(times, limit, 301.0, {reason: 100.0} if reason else None))
    assert (found >= 0).all()
    assert (found <= 1 + 1e-9).all()


def test_a_rested_account_that_sends_everything_at_once_uses_all() -> None:
    """A minute's worth in the first second; half of it is half, and says nothing of a rate of thousands per cent."""
    assert shares(of_times([0.0] * 100, 100.0, 1.2)).max() == pytest.approx(1.0, abs=0.03)
    assert shares(of_times([0.0] * 50, 100.0, 1.2)).max() == pytest.approx(0.5, abs=0.03)


def test_a_steady_run_at_the_limit_uses_all_of_it() -> None:
    """After a burst that emptied the bucket; and a third of that is a third of the flow, once the bucket counts too."""
    full = [0.0] * 60 + [float(n) for n in range(180)]
    assert shares(of_times(full, 60.0, 180.0))[-60:] == pytest.approx(1.0, abs=0.03)
    third = shares(of_times([3.0 * n for n in range(60)], 60.0, 180.0))
    assert third[-30:].max() < 0.4


def test_a_run_that_its_limit_held_back_took_all_that_it_was_given() -> None:
    """Where bursts are policed the account gives no minute's worth at once; the run says by its waits that it tried."""
    even = [n / 4 for n in range(80)]
    assert shares(of_times(even, 240.0, 20.0, {WaitReason.PACE: 15.0}))[5:].min() > 0.9
    assert shares(of_times(even, 240.0, 20.0)).max() < 0.5


def test_without_a_limit_there_is_no_share() -> None:
    """Nor for a limit that is no number."""
    for limit in (0.0, float("inf")):
        use = limit_uses(data := of_times([0.0, 1.0], limit, 5.0), timeline(data))[0]
        assert use.allowed is None
        assert use.limit is None
        assert use.share.max() == 0.0
        assert use.used[-1] == 2
