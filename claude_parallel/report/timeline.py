"""A run as series over time: calls, tokens and calls in flight, in bins of equal length.

The journal adds up by bin, here is the arithmetic on the sums. What a run cost and what failed, ``totals`` and
``token_costs`` count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

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
        Input tokens that count against the limit (cache reads do not), in the bin where their call began.
        Source: Messages API, rate limits, read 2026-11-22.
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
    times = data.call_times
    begin, span = _span(data, times.started, times.ended)
    wanted = min(max_bins, len(times.started) // _CALLS_PER_BIN, int(span / _SHORTEST_BIN_SECONDS))
    edges = np.linspace(0.0, span, max(1, wanted) + 1)
    starts, ends = _Starts.of(data, begin, edges), _Ends.of(data, begin, edges)
    waits = data.waits("started, ended, reason", then="ORDER BY started, ended")
    pauses = (Pause(a - begin, b - begin, str(why)) for a, b, why in waits if b > a)
    return Timeline(
        edges=edges,
        answered=ends.answered,
        failed=ends.failed,
        requests=starts.calls,
        input_tokens=starts.input_tokens,
        output_tokens=_spread(starts.output_rate, ends.output_rate, edges) + ends.output_at_once,
        busy_seconds=_spread(starts.busy, ends.busy, edges),
        peak_in_flight=peak(times.started, times.ended),
        pauses=tuple(_merge(pauses, span)),
    )


_LENGTH = "(max(started, ended) - started)"
_RATE = f"CASE WHEN {_LENGTH} >= {_INSTANT_SECONDS} THEN coalesce(output_tokens, 0) / {_LENGTH} ELSE 0.0 END"
"""Output tokens per second of a call."""


class _Lines(NamedTuple):
    """For each bin, the sums of slopes and of slope times moment, of lines that begin (or end) in it."""

    slopes: FloatArray
    offsets: FloatArray


class _Starts(NamedTuple):
    """What began in each bin."""

    calls: FloatArray
    input_tokens: FloatArray
    output_rate: _Lines
    busy: _Lines

    @classmethod
    def of(cls, data: RunData, begin: float, edges: FloatArray) -> _Starts:
        moment = "(started - ?)"
        table = _by_bin(
            data,
            begin,
            edges,
            moment,
            "count(*)",
            "sum(coalesce(input_tokens, 0) + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0))",
            f"sum({_RATE})",
            f"sum(({_RATE}) * {moment})",
            f"sum({moment})",
        )
        calls, tokens, rates, rate_offsets, offsets = table
        return cls(calls, tokens, _Lines(rates, rate_offsets), _Lines(calls, offsets))


class _Ends(NamedTuple):
    """What ended in each bin."""

    answered: FloatArray
    failed: FloatArray
    output_at_once: FloatArray
    output_rate: _Lines
    busy: _Lines

    @classmethod
    def of(cls, data: RunData, begin: float, edges: FloatArray) -> _Ends:
        moment = "(max(started, ended) - ?)"
        table = _by_bin(
            data,
            begin,
            edges,
            moment,
            "sum(kind IS NULL)",
            "sum(kind IS NOT NULL)",
            f"sum(CASE WHEN {_LENGTH} >= {_INSTANT_SECONDS} THEN 0 ELSE coalesce(output_tokens, 0) END)",
            f"sum({_RATE})",
            f"sum(({_RATE}) * {moment})",
            f"sum({moment})",
        )
        answered, failed, at_once, rates, rate_offsets, offsets = table
        return cls(answered, failed, at_once, _Lines(rates, rate_offsets), _Lines(answered + failed, offsets))


def _by_bin(data: RunData, begin: float, edges: FloatArray, moment: str, *sums: str) -> FloatArray:
    """Return sums over the calls whose moment lies in each bin, one row of the array for each sum."""
    bins = len(edges) - 1
    number = f"CAST(max(0, min({bins - 1}, {moment} / {float(edges[1])!r})) AS INTEGER)"
    columns = ", ".join((f"{number} AS bin", *sums))
    found = data.calls(columns, then="GROUP BY bin", more=[begin] * columns.count("?"))
    table = np.zeros((len(sums), bins))
    for index, *values in found:
        table[:, index] = values
    return table


def _spread(starts: _Lines, ends: _Lines, edges: FloatArray) -> FloatArray:
    """Return the amounts that flow in each bin, where each call flows evenly from its start to its end.

    Until a moment t, a call that began at s with the rate r has brought r (t - s), and r (t - e) less once it has ended
    at e: so the sums of r and of r s by bin are all that has to be known.
    """
    inner = edges[1:]
    slopes = np.cumsum(starts.slopes - ends.slopes)
    offsets = np.cumsum(starts.offsets - ends.offsets)
    until = np.concatenate([[0.0], slopes * inner - offsets])
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
