"""How many requests of a batch read the prompt cache: measured on earlier batches of the model, else what is promised.

Knows one share and its bounds. What follows from it in dollars is computed in ``strategies``.
"""

from __future__ import annotations

from ..engine.seeding import FEWEST_HITS
from ..store.journal import Journal
from ..text import percent
from .latency import DATED
from .token_counts import Interval

_MOST_HITS = 0.98
_LIKELY_HITS = 0.65
"""Half-way between the bounds: in dollars, it is wrong by the same factor where either of them comes true."""

PROMISED_HITS = Interval(
    float(FEWEST_HITS),
    _LIKELY_HITS,
    _MOST_HITS,
    "best effort: 30 to 98 % of a batch's rows read the cache; 65 % are assumed until a batch of this model has told",
)
"""Source of the bounds: Message Batches docs, prompt caching, read 2026-11-22. They name no figure for a batch whose
cache one row has filled before."""

_LEAST_ANSWERS = 20
"""Fewer cached answers say too little: of twenty, a share of a half is known to within a fifth."""

_MOST_ANSWERS = 20_000
"""The latest batches say what the API does today."""

_MEASURED = """
    SELECT count(*), sum(read), sum(read + written) FROM (
        SELECT
            coalesce(attempts.cache_read_tokens, 0) AS read,
            coalesce(attempts.cache_write_5m_tokens, 0) + coalesce(attempts.cache_write_1h_tokens, 0) AS written
        FROM attempts JOIN runs ON runs.id = attempts.run
        WHERE attempts.kind IS NULL AND runs.host = ? AND (attempts.model = ? OR attempts.model GLOB ?)
            AND json_extract(runs.settings, '$.batch') IS NOT NULL
        ORDER BY attempts.rowid DESC LIMIT ?
    ) WHERE read + written > 0
"""


def batch_hits(journal: Journal, host: str, model: str) -> Interval:
    """Return the share of a batch's requests that read the cache.

    Parameters
    ----------
    journal : Journal
        Where runs are kept.
    host : str
        Base URL; a simulator's batches must not pass for real ones.
    model : str
        As asked for; its dated names count, too.
    """
    rows = list(journal.query(_MEASURED, (host, model, f"{model}{DATED}", _MOST_ANSWERS)))
    answers, read, cached = rows[0] if rows else (0, 0, 0)
    if answers < _LEAST_ANSWERS:
        return PROMISED_HITS
    share = read / cached
    source = f"{percent(share)} of the cached tokens were read in earlier batches of this model (promised: 30 to 98 %)"
    return Interval(min(float(FEWEST_HITS), share), share, max(_MOST_HITS, share), source)
