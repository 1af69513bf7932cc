"""What the answers of a sample took: seconds, tokens and US dollars, whenever they were bought.

A row that the journal answered cost nothing now, and an identical row never does; what they would cost is what the next
rows will cost. So these are priced by their tokens, the way the run travels: live, or in batches at half price.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from ..api.answers import model_of, usage_of
from ..engine.session import Session
from ..engine.tariff import Tariff
from ..records import Outcome, Reply
from ..statistics.intervals import FloatArray
from ..store.journal import Journal

_TOKENS = "coalesce(input_tokens, 0) + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)"
_BOUGHT = f"""SELECT position, sum({_TOKENS} + coalesce(cache_read_tokens, 0)), sum(coalesce(output_tokens, 0))
    FROM attempts WHERE run = ? AND kind IS NULL GROUP BY position"""
_SECONDS = "SELECT request_id, ended - started FROM attempts WHERE kind IS NULL AND request_id IN"
_CHUNK = 500
"""Keys in one SELECT; SQLite takes 999 at least."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one answer took.

    Attributes
    ----------
    seconds : float or None
        How long it took live; None for one that came in a batch.
    input_tokens, output_tokens : int
        Tokens, cached ones included.
    usd : float or None
        US dollars; None without a known price.
    """

    seconds: float | None
    input_tokens: int
    output_tokens: int
    usd: float | None


def rows_used(session: Session, samples: int) -> list[Used | None]:
    """Return what the answers of each row took, its draws together; None for a row without any.

    Parameters
    ----------
    session : Session
        After its run.
    samples : int
        Draws per row.
    """
    draws = _draws_used(session)
    return [_sum(draws[start : start + samples]) for start in range(0, len(draws), samples)]


def rows_usd(used: Sequence[Used | None]) -> FloatArray:
    """Return dollars by row: a row that was never sent costs nothing; NaN without a known price."""
    return np.array([0.0 if one is None else math.nan if one.usd is None else one.usd for one in used])


def _draws_used(session: Session) -> list[Used | None]:
    results = session.results
    asked = list(zip(results.fingerprints, results.outcomes, strict=True))
    ids = sorted({str(one.request_id) for _key, one in asked if one is not None and one.request_id})
    keys = sorted({key for key, one in asked if key is not None and one is not None and one.source == "journal"})
    with _readable(session.journal) as journal:
        seconds = _seconds(journal, ids)
        bought = {int(place): (int(i), int(o)) for place, i, o in journal.query(_BOUGHT, (session.run_id,))}
        known = journal.recall(keys)
    tariff = session.tariff
    found: dict[int, Used] = {}
    by_key: dict[bytes, Used] = {}
    for place, (key, outcome) in enumerate(asked):
        if key is None or outcome is None or outcome.source == "duplicate":
            continue
        used = _bought(outcome, bought.get(place), seconds)
        if outcome.source == "journal":
            used = _known(session, tariff, outcome, known.get(key), seconds)
        if used is not None:
            found[place] = by_key[key] = used
    return [found.get(place) or by_key.get(key or b"") for place, (key, _outcome) in enumerate(asked)]


def _bought(outcome: Outcome, tokens: tuple[int, int] | None, seconds: dict[str, float]) -> Used | None:
    """Return what an answer of this run took: to the cent, repeated tries included."""
    if outcome.source == "none" and not outcome.cost:
        return None
    asked, answered = tokens or (0, 0)
    took = seconds.get(str(outcome.request_id)) if outcome.source == "api" else None
    return Used(took, asked, answered, _usd(outcome.cost))


def _known(
    session: Session, tariff: Tariff, outcome: Outcome, reply: Reply | None, seconds: dict[str, float]
) -> Used | None:
    """Return what an answer of the journal would take now; None where the journal has it no more."""
    if reply is None:
        return None
    usage = usage_of(reply.message)
    as_asked = replace(usage, service_tier="batch" if session.carrier.is_batch else "standard")
    usd = tariff.cost(model_of(reply.message) or session.plan.settings.model, as_asked)
    took = seconds.get(str(outcome.request_id))
    return Used(took, usage.total_input_tokens, usage.output_tokens, _usd(usd))


@contextmanager
def _readable(journal: Journal) -> Iterator[Journal]:
    """Give the journal of a run that has ended; one on disk is opened anew, since its run has closed it."""
    if journal.path is None:
        yield journal
        return
    with closing(Journal.open(journal.path)) as opened:
        yield opened


def _seconds(journal: Journal, ids: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for start in range(0, len(ids), _CHUNK):
        keys = ids[start : start + _CHUNK]
        for key, seconds in journal.query(f"{_SECONDS} ({', '.join('?' * len(keys))})", keys):
            found[key] = float(seconds)
    return found


def _usd(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost)


def _sum(parts: Sequence[Used | None]) -> Used | None:
    """Return what all draws of a row took; they travel side by side, so the slowest one counts."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    usd = [part.usd for part in known if part.usd is not None]
    return Used(
        max((part.seconds for part in known if part.seconds is not None), default=None),
        sum(part.input_tokens for part in known),
        sum(part.output_tokens for part in known),
        sum(usd) if len(usd) == len(known) else None,
    )
