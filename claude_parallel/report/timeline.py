"""A run as series over time: calls, tokens and calls in flight, in bins of equal length.

Sums of the numbers that ``record`` reads. ``totals`` and ``token_costs`` count what failed and what it cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .record import FloatArray, RunData

MAX_BINS = 90
"""Bins of a curve: about as many as a figure of 640 pixels shows apart."""
_CALLS_PER_BIN = 3
"""With fewer calls in a bin the curve shows single calls and no rate."""
_SHORTEST_BIN_SECONDS = 1.0
"""A rate per second over less than a second says more about chance than about the run."""

_SHORTEST_SPAN_SECONDS = 0.001
"""A run that was answered wholly from the journal may begin and end at one reading of the clock."""
_INSTANT_SECONDS = 0.001
"""Calls shorter than this bring their output at their end: a rate over so little time loses all precision."""


class Pause(NamedTuple):
    """A time without a new call, in seconds since the run's start."""

    started: float
    ended: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A run in bins of equal length; all times in seconds since its start.

    Attributes
    ----------
    edges : array
        Edges of the bins, one more than there are bins.
    answered, failed : array
        Calls that ended in each bin, with a Message or without.
    requests : array
        Calls that began in each bin.
    input_tokens : array
        Input tokens that count against the limit, in the bin where their call began.
    output_tokens : array
        Output tokens, spread evenly over the time of their call.
    busy_seconds : array
        Seconds that all calls together were under way in each bin.
    peak_in_flight : int
        The most calls under way at one moment.
    pauses : tuple of Pause
        Pauses; neighbours with the same reason are one where the picture could not tell them apart.
    """

    edges: FloatArray
    answered: FloatArray
    failed: FloatArray
    requests: FloatArray
    input_tokens: FloatArray
    output_tokens: FloatArray
    busy_seconds: FloatArray
    peak_in_flight: int
    pauses: tuple[Pause, ...]

    @property
    def span_seconds(self) -> float:
        """Seconds from the first edge to the last."""
        return float(self.edges[-1])

    @property
    def bin_seconds(self) -> float:
        """Length of one bin."""
        return self.span_seconds / len(self.requests)

    def per_second(self, amounts: FloatArray) -> FloatArray:
        """Return a rate per second in each bin."""
        return amounts / self.bin_seconds

    def last_minute(self, amounts: FloatArray) -> FloatArray:
        """Return the sum over the 60 seconds before the end of each bin, or since the start where that is less."""
        until = np.concatenate([[0.0], np.cumsum(amounts)])
        before: FloatArray = np.interp(self.edges[1:] - 60.0, self.edges, until)
        sums: FloatArray = np.maximum(until[1:] - before, 0.0)
        return sums

    @property
    def in_flight(self) -> FloatArray:
        """Mean number of calls under way in each bin."""
        return self.busy_seconds / self.bin_seconds


def timeline(data: RunData, max_bins: int = MAX_BINS) -> Timeline:
    """Return a run as series over time.

    Parameters
    ----------
    data : RunData
        The run.
    max_bins : int
        The most bins; short runs get fewer, so that each is a second long at least and has something to show.
    """
    calls = data.call_numbers
    begin, span = _span(data, calls.started, calls.ended)
    wanted = min(max_bins, len(calls.started) // _CALLS_PER_BIN, int(span / _SHORTEST_BIN_SECONDS))
    edges = np.linspace(0.0, span, max(1, wanted) + 1)
    starts, ends = _Moments.of(calls.started - begin, edges), _Moments.of(calls.ended - begin, edges)
    seconds, output = calls.ended - calls.started, calls.output_tokens
    is_instant = seconds < _INSTANT_SECONDS
    rates = np.divide(output, seconds, out=np.zeros(len(output)), where=~is_instant)
    waits = data.waits("started, ended, reason", then="ORDER BY started, ended")
    pauses = (Pause(a - begin, b - begin, str(why)) for a, b, why in waits if b > a)
    return Timeline(
        edges=edges,
        answered=ends.sums(calls.is_answered),
        failed=ends.sums(~calls.is_answered),
        requests=starts.sums(np.ones(len(output))),
        input_tokens=starts.sums(calls.input_tokens),
        output_tokens=_spread(starts, ends, rates, edges) + ends.sums(np.where(is_instant, output, 0.0)),
        busy_seconds=_spread(starts, ends, np.ones(len(output)), edges),
        peak_in_flight=peak(calls.started, calls.ended),
        pauses=tuple(_merge(pauses, span)),
    )


class _Moments(NamedTuple):
    """Moments in seconds since the run's start, and the bin in which each lies."""

    at: FloatArray
    which: npt.NDArray[np.intp]
    bins: int

    @classmethod
    def of(cls, at: FloatArray, edges: FloatArray) -> _Moments:
        """Find the bins; they are of equal length."""
        bins = len(edges) - 1
        return cls(at, np.clip(at / edges[1], 0, bins - 1).astype(np.intp), bins)

    def sums(self, amounts: npt.NDArray[Any]) -> FloatArray:
        """Return the sum of the amounts in each bin."""
        return np.asarray(np.bincount(self.which, weights=amounts, minlength=self.bins), dtype=np.float64)


def _spread(starts: _Moments, ends: _Moments, rates: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the amounts that flow in each bin, where each call flows evenly from its start to its end.

    Until a moment t, a call that began at s with the rate r has brought r (t - s), and r (t - e) less once it has ended
    at e: so the sums of r and of r s by bin are all that has to be known.
    """
    slopes = np.cumsum(starts.sums(rates) - ends.sums(rates))
    offsets = np.cumsum(starts.sums(rates * starts.at) - ends.sums(rates * ends.at))
    until = np.concatenate([[0.0], slopes * edges[1:] - offsets])
    return np.maximum(np.diff(until), 0.0)


def peak(started: FloatArray, ended: FloatArray) -> int:
    """Return the most intervals that overlap at one moment; one that ends as another begins does not overlap it."""
    if not len(started):
        return 0
    moments = np.concatenate([started, ended])
    steps = np.concatenate([np.ones(len(started)), -np.ones(len(ended))])
    return max(1, int(np.cumsum(steps[np.lexsort((steps, moments))]).max()))


def _span(data: RunData, started: FloatArray, ended: FloatArray) -> tuple[float, float]:
    """Return when a run began, and how long it took: never so short that a call would lie outside."""
    begin = float(min(started.min(initial=data.started), data.started))
    end = float(max(ended.max(initial=begin), data.ended or begin))
    return begin, max(end - begin, _SHORTEST_SPAN_SECONDS)


def _merge(pauses: Iterable[Pause], span: float) -> list[Pause]:
    """Join pauses of one reason that lie closer together than a picture can show."""
    merged: list[Pause] = []
    for pause in pauses:
        last = merged[-1] if merged else None
        if last is not None and last.reason == pause.reason and pause.started - last.ended <= span / (2 * MAX_BINS):
            merged[-1] = Pause(last.started, max(last.ended, pause.ended), last.reason)
        else:
            merged.append(pause)
    return merged
