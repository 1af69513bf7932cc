"""How long a call takes: measured on earlier runs of the model, else assumed.

Knows one straight line, seconds over output tokens, and its scatter. It is played with in ``simulate``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..store.journal import Journal

FloatArray = npt.NDArray[np.float64]

LEAST_CALLS = 10
"""Fewer measured calls than this say too little."""

_MOST_CALLS = 2_000
"""The latest calls say how quick the model is today; more of them would not move the line."""
_WIDEST_SIGMA = 1.0
"""Widest spread of the factor that chance puts on a latency: at 1, every twentieth call takes five times the median.
What is wider in the journal comes from outages, which a forecast must not expect."""
_LEAST_SPREAD = 0.1
"""Output lengths that vary by less than this share of their mean cannot tell the slope."""

DATED = f"-{'[0-9]' * 8}*"
"""What follows a model's name in its dated ones, such as claude-haiku-4-5-20251001, as SQLite matches it; other models
have names that begin alike, as claude-sonnet-5-5 does with claude-sonnet-5."""

_MEASURED = """
    SELECT attempts.ended - attempts.started, attempts.output_tokens
    FROM attempts JOIN runs ON runs.id = attempts.run
    WHERE attempts.kind IS NULL AND runs.host = ? AND (attempts.model = ? OR attempts.model GLOB ?)
        AND attempts.output_tokens IS NOT NULL AND json_extract(runs.settings, '$.batch') IS NULL
    ORDER BY attempts.rowid DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one call: ``begin_seconds + seconds_per_output_token * output tokens``, with lognormal scatter.

    Attributes
    ----------
    begin_seconds : float
        Seconds until an answer begins.
    seconds_per_output_token : float
        Seconds for each output token after that.
    sigma : float
        Of the logarithm of the scatter; 0 = none.
    source : str
        Where the figures come from, for people.
    """

    begin_seconds: float
    seconds_per_output_token: float
    sigma: float
    source: str

    @property
    def text(self) -> str:
        """The figures and their source, for people."""
        each = self.seconds_per_output_token
        more = f" and {each * 1_000:.3g} ms per output token" if each else ""
        return f"{self.begin_seconds:.2g} s{more} a call ({self.source})"


ASSUMED = Latency(1.0, 0.012, 0.3, f"assumed: fewer than {LEAST_CALLS} calls of this model are in the journal")
"""An assumption for every model, not a measurement: one second to begin, then about 80 tokens a second. Neither the
API's documentation nor its Models API names speeds (read 2026-11-22), so a table by model would be invented; ten calls
of a model in the journal, or ``latency_seconds=``, replace it."""


def given_latency(seconds: float) -> Latency:
    """Return a latency that the user names: every call takes so many seconds."""
    return Latency(seconds, 0.0, 0.0, "as given")


def measured_latency(journal: Journal, host: str, model: str) -> Latency | None:
    """Return the latency of earlier live calls to this host and model; None where there are too few.

    Parameters
    ----------
    journal : Journal
        Where runs are kept.
    host : str
        Base URL; a simulator's calls must not pass for real ones.
    model : str
        As asked for; its dated names count, too.
    """
    found = journal.query(_MEASURED, (host, model, f"{model}{DATED}", _MOST_CALLS))
    calls = np.asarray([row for row in found if row[0] > 0], dtype=np.float64).reshape(-1, 2)
    if len(calls) < LEAST_CALLS:
        return None
    return fit(calls[:, 0], calls[:, 1])


def fit(seconds: FloatArray, output_tokens: FloatArray) -> Latency:
    """Return the line through measured calls, by least squares; neither part of it is negative."""
    mean_tokens, mean_seconds = float(output_tokens.mean()), float(seconds.mean())
    slope = 0.0
    if float(output_tokens.std()) > _LEAST_SPREAD * max(mean_tokens, 1.0):
        covariance = float(((output_tokens - mean_tokens) * (seconds - mean_seconds)).mean())
        slope = min(max(covariance / float(output_tokens.var()), 0.0), 0.95 * mean_seconds / mean_tokens)
    begin = mean_seconds - slope * mean_tokens
    ratios = np.log(seconds / (begin + slope * output_tokens))
    sigma = min(float(ratios.std()), _WIDEST_SIGMA)
    # The mean of a lognormal factor with median 1 is exp(sigma^2 / 2): take it out, so that the mean stays measured.
    scale = float(np.exp(-(sigma**2) / 2))
    return Latency(begin * scale, slope * scale, sigma, f"measured on {len(seconds):,} earlier calls")
