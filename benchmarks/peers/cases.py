"""The six cases: what the account does, and what is read off afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROWS = 2_000
"""Unless ``--rows`` says otherwise."""

LATENCY_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes
    ----------
    name, title : str
        Its letter, and what happens.
    profile : mapping
        The simulated account: fields of ``simulation.profile.Profile``, ``limits`` as a list, ``outage`` as the number
        of answers after which it begins and its length in seconds.
    bound_seconds : float
        What the account allows at best; 0 = not asked.
    timeout_seconds : float
        When a peer is stopped.
    prefix_characters : int
        Length of a system prompt that all rows share.
    is_killed : bool
        SIGKILL when half is answered, then the same again.
    """

    name: str
    title: str
    profile: Mapping[str, Any] = field(default_factory=dict)
    bound_seconds: float = 0.0
    timeout_seconds: float = 180.0
    prefix_characters: int = 0
    is_killed: bool = False


FIVE_WAYS = {"overloaded": 0.01, "server": 0.01, "rate_limit": 0.01, "reset": 0.01, "truncated": 0.01}


def cases(rows: int) -> tuple[Case, ...]:
    """Return the six cases for so many rows."""
    usual = {"latency_seconds": LATENCY_SECONDS}
    return (
        Case("a", "an account without limits that answers at once"),
        Case(
            "b",
            "3,000 requests a minute, policed in bursts of 2 s",
            {**usual, "limits": [3_000], "burst_seconds": 2.0},
            bound_seconds=(rows - 100) / 50 + LATENCY_SECONDS,
        ),
        Case("c", "5 % of the calls fail, in five ways", {**usual, "faults": FIVE_WAYS}),
        Case("d", "SIGKILL half way, and again", usual, is_killed=True),
        Case("e", "a system prompt of 5,000 tokens", usual, prefix_characters=20_000),
        Case("f", "an outage of 20 s after a third of the answers", {**usual, "outage": [rows // 3, 20.0]}),
    )
