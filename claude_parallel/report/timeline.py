"""A run as series over time: calls, tokens and calls in flight, in bins of equal length.

Knows :class:`RunData`, the record that a report begins with, and arithmetic on it. What it cost and what failed,
``breakdown`` counts; who samples it, is for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

MAX_BINS = 90
_CALLS_PER_BIN = 3
_SHORTEST_SPAN_SECONDS = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class RunData:
    """Everything that reports and plots know of a run.

    Attributes
    ----------
    run_id : str
        Its name in the journal.
    started : float
        Seconds since the epoch.
    ended : float or None
        Seconds since the epoch; None for a run that never came to its end.
    settings : mapping
        What was set, without prompts and keys.
    totals : mapping
        ``rows``, ``errors`` (by kind), ``cost_usd``, ``saved_usd``, ``from_journal``, ``duplicates``,
        ``waited_seconds`` (by reason), ``limits`` (per minute, by dimension), ``cache``; any may be absent.
    attempts : DataFrame
        One row per call: position, number, started, ended, kind (missing when answered), status, detail,
        request_id, model, stop_reason, input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
        cache_read_tokens, thinking_tokens, cost_usd.
    rows : DataFrame
        One row per row: position, source, kind, error, cost_usd, attempts.
    waits : DataFrame
        One row per pause: started, ended, reason.
    """

    run_id: str
    started: float
    ended: float | None
    settings: Mapping[str, Any]
    totals: Mapping[str, Any]
    attempts: pd.DataFrame
    rows: pd.DataFrame
    waits: pd.DataFrame


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

    @property
    def window_seconds(self) -> float:
        """Length of the window of :meth:`per_minute`: a minute, and in a run shorter than that a sixth of the run."""
        return 60.0 if self.span_seconds >= 60.0 else self.span_seconds / 6.0

    def per_minute(self, amounts: FloatArray) -> FloatArray:
        """Return the rate per minute over the window before the end of each bin.

        Where the window is a minute, this is the sum of the last 60 seconds, which a limit per minute is about.
        """
        until = np.concatenate([[0.0], np.cumsum(amounts)])
        before: FloatArray = np.interp(self.edges[1:] - self.window_seconds, self.edges, until)
        rates: FloatArray = np.maximum(until[1:] - before, 0.0) * (60.0 / self.window_seconds)
        return rates

    def mean_per_minute(self, amounts: FloatArray) -> float:
        """Return the rate per minute over the whole run."""
        return float(amounts.sum()) * 60.0 / self.span_seconds

    @property
    def in_flight(self) -> FloatArray:
        """Mean number of calls under way in each bin."""
        return self.busy_seconds / self.bin_seconds


def numbers(column: pd.Series[Any]) -> FloatArray:
    """Return a column as floats; whatever is missing or no number is NaN."""
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def amounts(column: pd.Series[Any]) -> FloatArray:
    """Return a column as floats; whatever is missing is 0."""
    return np.nan_to_num(numbers(column), nan=0.0, posinf=0.0, neginf=0.0)


def timeline(data: RunData, max_bins: int = MAX_BINS) -> Timeline:
    """Return a run as series over time.

    Parameters
    ----------
    data : RunData
        The run; calls without a start are left out.
    max_bins : int
        The most bins; short runs get fewer, so that each has something to show.
    """
    calls = data.attempts[np.isfinite(numbers(data.attempts["started"]))]
    started, ended = numbers(calls["started"]), numbers(calls["ended"])
    ended = np.where(np.isfinite(ended), np.maximum(ended, started), started)
    waits = [wait for wait in _waits(data.waits) if wait.ended > wait.started]
    begin, span = _span(data, started, ended)
    started, ended = started - begin, ended - begin
    edges = np.linspace(0.0, span, max(1, min(max_bins, len(calls) // _CALLS_PER_BIN)) + 1)
    is_answered = calls["kind"].isna().to_numpy(dtype=bool)
    counted_input = sum(amounts(calls[f"{kind}_tokens"]) for kind in ("input", "cache_write_5m", "cache_write_1h"))
    return Timeline(
        edges=edges,
        answered=count(ended[is_answered], edges),
        failed=count(ended[~is_answered], edges),
        requests=count(started, edges),
        input_tokens=count(started, edges, np.asarray(counted_input)),
        output_tokens=spread(started, ended, amounts(calls["output_tokens"]), edges),
        busy_seconds=spread(started, ended, ended - started, edges),
        peak_in_flight=peak(started, ended),
        pauses=tuple(_merge((Pause(a - begin, b - begin, why) for a, b, why in waits), span)),
    )


def count(times: FloatArray, edges: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return how many `times` lie in each bin, or the sum of their weights; times outside go to the nearest bin."""
    inside = np.clip(times, edges[0], edges[-1])
    return np.histogram(inside, bins=edges, weights=weights)[0].astype(np.float64)


def spread(started: FloatArray, ended: FloatArray, weights: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the part of each weight that falls into each bin when it is spread evenly from start to end.

    The parts add up to the weights; what lies outside the edges goes to the first and the last bin.
    """
    lengths = np.maximum(ended - started, 1e-9)
    until = np.array([float(np.clip((edge - started) / lengths, 0.0, 1.0) @ weights) for edge in edges])
    until[0], until[-1] = 0.0, float(weights.sum())
    return np.diff(until)


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


def _waits(waits: pd.DataFrame) -> list[Pause]:
    columns = (numbers(waits["started"]), numbers(waits["ended"]), waits["reason"])
    return sorted(Pause(float(a), float(b), str(why)) for a, b, why in zip(*columns, strict=True))


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
