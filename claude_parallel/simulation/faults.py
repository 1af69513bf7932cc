"""What befalls one call: which fault strikes it, how slow it is, whether it thinks first.

It knows how chance (numbers handed in) becomes a fate, and what each refusing fault says; who samples the
numbers and who plays the fate is for others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import TypeVar

from .profile import Fault, Profile
from .wire import Problem

T = TypeVar("T", bound=str)

_NORMAL = NormalDist()

REFUSING: Mapping[Fault, Problem] = MappingProxyType(
    {
        "overloaded": Problem(529, "Overloaded"),
        "server": Problem(500, "Internal server error"),
        "gateway_timeout": Problem(504, "Request timed out"),
        "rate_limit": Problem(429, "Number of requests has exceeded your rate limit.", retry_after=1.0),
        "html_502": Problem(502, "Bad gateway"),
    }
)
"""The faults that refuse a call before any work was done."""

LOSING: frozenset[Fault] = frozenset({"reset", "truncated", "not_json"})
"""The faults that lose an answer after it was worked for: it is billed."""

HTML_502 = (
    "<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center><hr><center>simulated proxy</center></body></html>"
)
"""The page that a proxy before the API sends."""

NOT_JSON = "<html><body>simulated proxy: please sign in to the network</body></html>"
"""A page with status 200 that is no answer."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls one call.

    Attributes
    ----------
    fault : str or None
        Which fault strikes.
    pace : float
        What its latency is multiplied with.
    thinking_roll, length_roll, cache_roll, answer_roll : float
        Chance in [0, 1) left for the answer.
    """

    fault: Fault | None
    pace: float
    thinking_roll: float
    length_roll: float
    cache_roll: float
    answer_roll: float


def draw_fate(profile: Profile, number: int, chances: Iterator[float]) -> Fate:
    """Return the fate of the call with this `number`.

    Parameters
    ----------
    profile : Profile
        Probabilities and the script.
    number : int
        Counts Messages calls from 1; 0 = no script (rows of batches).
    chances : iterator of float
        At least six numbers in [0, 1).
    """
    fault_roll, pace_roll = next(chances), next(chances)
    fault = profile.script.get(number) or pick(profile.faults, fault_roll)
    pace = 1.0
    if profile.jitter_sigma:
        # Open interval: the normal distribution has no quantile at 0.
        pace = math.exp(profile.jitter_sigma * _NORMAL.inv_cdf(min(max(pace_roll, 1e-9), 1 - 1e-9)))
    if fault == "slow":
        pace *= profile.slow_factor
    return Fate(fault, pace, next(chances), next(chances), next(chances), next(chances))


def pick(shares: Mapping[T, float], roll: float) -> T | None:
    """Return the name into whose share `roll` falls; None when it falls beside them all."""
    for name, share in shares.items():
        if roll < share:
            return name
        roll -= share
    return None
