"""How much of each limit a run used, against what the limit's bucket allowed it.

A limit per minute is a bucket: it holds a minute's worth at most, refills evenly, and a rested account may empty it at
once. So the last minute is laid beside what the bucket held when that minute began, and what it gained since. Drawing
is for others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..progress.waits import LIMITS, WaitReason
from .record import FloatArray, RunData
from .timeline import Timeline
from .totals import waits_by_reason

_HELD_SHARE = 0.1
"""A limit that held a run back for less than a tenth of its time was not what set the pace."""


@dataclass(frozen=True, slots=True, eq=False)
class LimitUse:
    """One limit and its use, at the end of each bin of the run.

    Attributes
    ----------
    name : str
        ``requests``, ``input`` or ``output``.
    used : array
        Requests or tokens of the last 60 seconds, or since the start.
    allowed : array or None
        The most that the limit allowed in that time, never below what was used; None where no limit is known.
    limit : float or None
        Per minute.
    """

    name: str
    used: FloatArray
    allowed: FloatArray | None
    limit: float | None

    @property
    def words(self) -> str:
        """What is limited: ``requests``, ``input tokens``, ``output tokens``."""
        return self.name if self.name == "requests" else f"{self.name} tokens"

    @property
    def share(self) -> FloatArray:
        """What was used of what was allowed, 0 to 1; 0 where no limit is known."""
        if self.allowed is None:
            return np.zeros(len(self.used))
        return np.divide(self.used, self.allowed, out=np.zeros(len(self.used)), where=self.allowed > 0)


def limit_uses(data: RunData, line: Timeline) -> tuple[LimitUse, ...]:
    """Return the use of requests, input tokens and output tokens."""
    found = data.totals.get("limits") or {}
    limits = {str(name): float(limit) for name, limit in found.items() if 0 < float(limit) < math.inf}
    series = {"requests": line.requests, "input": line.input_tokens, "output": line.output_tokens}
    held = _held(data, line, limits, series)
    return tuple(
        LimitUse(
            name,
            line.last_minute(amounts),
            allowance(line, amounts, limits[name], is_held=name in held) if name in limits else None,
            limits.get(name),
        )
        for name, amounts in series.items()
    )


def allowance(line: Timeline, amounts: FloatArray, limit: float, *, is_held: bool) -> FloatArray:
    """Return the most that a limit allowed in the minute before the end of each bin.

    Parameters
    ----------
    line : Timeline
        The bins.
    amounts : array
        What was used in each.
    limit : float
        Per minute.
    is_held : bool
        True where this limit held the run back: then the run took all that it was given, and the bucket held no more
        than that (the API polices short bursts, so an account does not always get a minute's worth at once).
    """
    rate = limit / 60.0
    capacity = limit
    if is_held:
        excess = np.cumsum(amounts) - rate * line.edges[1:]
        capacity = min(limit, max(float(excess.max()), 0.0))
    levels = [capacity]
    for amount in amounts:
        levels.append(max(0.0, min(capacity, levels[-1] + rate * line.bin_seconds - float(amount))))
    begins = np.maximum(line.edges[1:] - 60.0, 0.0)
    allowed: FloatArray = np.interp(begins, line.edges, levels) + rate * (line.edges[1:] - begins)
    return np.maximum(allowed, line.last_minute(amounts))  # the API let more through than the limit said


def _held(
    data: RunData, line: Timeline, limits: Mapping[str, float], series: Mapping[str, FloatArray]
) -> frozenset[str]:
    """Return the limits that held the run back; an even pace is that of the limit of which most is used."""
    seconds = {part.reason: part.seconds for part in waits_by_reason(data)}
    least = _HELD_SHARE * line.span_seconds
    held: set[str] = {name for name, reason in LIMITS.items() if name in limits and seconds.get(reason, 0.0) > least}
    if limits and seconds.get(WaitReason.PACE, 0.0) > least:
        held.add(max(limits, key=lambda name: float(series[name].sum()) / limits[name]))
    return frozenset(held)
