"""What the answers of a sample took: seconds, tokens and US dollars, whenever they were bought.

A row that the journal answered cost nothing now, and an identical row never does; what they would cost is what the next
rows will cost. So these are priced by their tokens, the way the run travels: live, or in batches at half price.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ..api.reading import model_of, usage_of
from ..engine.session import Session
from ..errors import fate_of
from ..records import Outcome, Reply
from ..statistics.agreement import BoolArray
from ..statistics.intervals import FloatArray
from ..store.journal import Journal
from ..store.statements import key_chunks

_TOKENS = "coalesce(input_tokens, 0) + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)"
_BOUGHT = f"""SELECT position, count(*), CASE WHEN count(request_id) = count(*) THEN sum(ended - started) END,
        sum({_TOKENS} + coalesce(cache_read_tokens, 0)), sum(coalesce(output_tokens, 0))
    FROM attempts WHERE run = ? AND kind IS NULL GROUP BY position"""
"""The answers that a run bought, by position; those that came in a batch have no request id, and no seconds."""
_LATER = "SELECT asked, fingerprint FROM follow_ups WHERE run = ? ORDER BY asked, number"
_SECONDS = "SELECT request_id, ended - started FROM attempts WHERE kind IS NULL AND request_id IN"


@dataclass(frozen=True, slots=True)
class Used:
    """What one answer took.

    Attributes
    ----------
    seconds : float or None
        How long it took live; None for one that came in a batch.
    input_tokens, output_tokens : float
        Tokens, cached ones included; NaN where no record of them could be kept.
    usd : float or None
        US dollars; None without a known price.
    """

    seconds: float | None
    input_tokens: float
    output_tokens: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class _Bought:
    """The answers that a run bought for one position: how many, and their seconds and tokens together."""

    calls: int
    seconds: float | None
    input_tokens: int
    output_tokens: int

    def used(self, outcome: Outcome) -> Used:
        """Return what they took: to the cent, repeated tries included."""
        return Used(self.seconds, self.input_tokens, self.output_tokens, _usd(outcome.cost))


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


def rows_reached(session: Session, samples: int) -> BoolArray:
    """Say of each row whether the run came to all of its draws; an interrupt or the end of the budget leaves others."""
    fates = [fate_of(None if one is None else one.kind) for one in session.results.outcomes]
    return np.array(
        ["cancelled" not in fates[start : start + samples] for start in range(0, len(fates), samples)], dtype=bool
    )


def rows_usd(used: Sequence[Used | None]) -> FloatArray:
    """Return dollars by row: a row that is skipped costs nothing; NaN without a known price."""
    return np.array([0.0 if one is None else math.nan if one.usd is None else one.usd for one in used])


def _draws_used(session: Session) -> list[Used | None]:
    results = session.results
    with _readable(session.journal) as journal:
        bought = {place: _Bought(*found) for place, *found in journal.look(_BOUGHT, (session.run_id,))}
        recalled = _recalled(session, journal, bought)
    found: dict[int, Used] = {}
    by_key: dict[bytes, Used] = {}
    for place, (key, outcome) in enumerate(zip(results.fingerprints, results.outcomes, strict=True)):
        if key is None or outcome is None or outcome.source == "duplicate":
            continue
        calls = recalled.get(place, [])
        if place in bought:
            calls = [*calls, bought[place].used(outcome)]
        if calls or outcome.source != "none":
            found[place] = by_key[key] = _in_turn(calls) if calls else _not_on_record(outcome)
    return [found.get(place) or by_key.get(key or b"") for place, key in enumerate(results.fingerprints)]


def _recalled(session: Session, journal: Journal, bought: Mapping[int, _Bought]) -> dict[int, list[Used]]:
    """Return, for each position, its calls that the journal answered, priced as this run travels.

    A row needs several calls where a paused turn goes on, or an answer did not fit and was mended. The last ones of
    them may be from this run and the first ones from the journal, never the other way round.
    """
    later: dict[bytes, list[bytes]] = {}
    for first, key in journal.look(_LATER, (session.run_id,)):
        later.setdefault(first, []).append(key)
    results = session.results
    keys_of = {
        place: [key, *later.get(key, ())]
        for place, (key, outcome) in enumerate(zip(results.fingerprints, results.outcomes, strict=True))
        if key is not None and outcome is not None and (outcome.source == "journal" or key in later)
    }
    known = journal.recall(sorted({key for keys in keys_of.values() for key in keys}))
    earlier: dict[int, list[Reply]] = {}
    for place, keys in keys_of.items():
        replies = [known[key] for key in keys if key in known]
        now = bought[place].calls if place in bought else 0
        earlier[place] = replies[: max(0, len(replies) - now)]
    seconds = _seconds(journal, sorted({str(one.request_id) for replies in earlier.values() for one in replies}))
    return {place: [_known(session, one, seconds) for one in replies] for place, replies in earlier.items()}


def _known(session: Session, reply: Reply, seconds: Mapping[str, float]) -> Used:
    """Return what an answer of the journal would take now."""
    usage = usage_of(reply.message)
    as_asked = usage._replace(service_tier="batch" if session.carrier.is_batch else "standard")
    usd = session.tariff.cost(model_of(reply.message) or session.plan.settings.model, as_asked)
    took = seconds.get(str(reply.request_id))
    return Used(took, usage.total_input_tokens, usage.output_tokens, _usd(usd))


def _not_on_record(outcome: Outcome) -> Used:
    """Return what an answer took of which a full or broken disk has no record: its dollars, if it was bought now."""
    return Used(None, math.nan, math.nan, None if outcome.source == "journal" else _usd(outcome.cost))


def _in_turn(calls: Sequence[Used]) -> Used:
    """Return what the calls of one answer took, which follow one another."""
    seconds = [one.seconds for one in calls if one.seconds is not None]
    usd = [one.usd for one in calls if one.usd is not None]
    return Used(
        sum(seconds) if len(seconds) == len(calls) else None,
        sum(one.input_tokens for one in calls),
        sum(one.output_tokens for one in calls),
        sum(usd) if len(usd) == len(calls) else None,
    )


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
    for keys, marks in key_chunks(ids):
        for key, seconds in journal.look(f"{_SECONDS} {marks}", keys):
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
