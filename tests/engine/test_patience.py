"""How long a run goes on asking an API that answers nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.engine.patience import Patience
from claude_parallel.records import Failure

REFUSED = Failure("rate_limit", "429", status=429)
WAITING = Failure("rate_limit", "429", status=429, retry_after=3.0)
OVERLOADED = Failure("overloaded", "529", status=529)


@given(st.lists(st.integers(0, 2_000), min_size=1).map(sorted))
def test_refusals_alone_end_it_once_they_have_lasted(moments: list[int]) -> None:
    patience = Patience(900.0)
    assert [patience.ends(REFUSED, None, now) for now in moments] == [now - moments[0] >= 900.0 for now in moments]


@given(st.sampled_from(["answer", "wait"]), st.integers(0, 899), st.integers(0, 899))
def test_an_answer_or_a_refusal_that_says_when_begins_anew(between: str, first: int, later: int) -> None:
    patience = Patience(900.0)
    assert not patience.ends(REFUSED, None, 0.0)
    if between == "answer":
        patience.answered()
    else:
        assert not patience.ends(WAITING, None, first)
    assert not patience.ends(REFUSED, None, first + 1)
    assert not patience.ends(REFUSED, None, first + 1 + later)
    assert patience.ends(REFUSED, None, first + 901)


def test_an_outage_is_waited_for_as_long_and_other_failures_for_ever() -> None:
    patience = Patience(900.0)
    assert not patience.ends(OVERLOADED, 899.0, 5_000.0)
    assert patience.ends(OVERLOADED, 900.0, 5_000.0)
    assert not patience.ends(OVERLOADED, None, 50_000.0)
