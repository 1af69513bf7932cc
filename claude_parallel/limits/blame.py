"""Which limit a 429 is about, and by how much.

It knows one failure; what that comes to is decided in ``refusals``, and what a bucket learns from it in ``bucket``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..records import DIMENSIONS, Dimension, Failure, RateLimitStatus, RateLimitStatuses

_NAMED = re.compile(r"limit of ([\d,]+) (request|input token|output token)s per minute")
"""How the API's own message names the limit; gateways that drop the headers hand it on."""


def told_limits(failure: Failure) -> RateLimitStatuses:
    """Return the limits that a failure tells: by its headers, else the one in the message of a 429."""
    if failure.rate_limits or failure.kind != "rate_limit":
        return failure.rate_limits or {}
    found = _NAMED.search(failure.message)
    limit = float(found[1].replace(",", "") or 0) if found else 0.0
    if found is None or not limit:  # a limit of 0, for a model that is not the account's own: no rate keeps that
        return {}
    dimension = next(each for each in DIMENSIONS if found[2].startswith(each[:5]))
    return {dimension: RateLimitStatus(limit, None)}


def blamed_limit(failure: Failure) -> Dimension | None:
    """Return the limit that a 429 is about: the one that its message names, else the emptiest by its headers."""
    text = failure.message.lower()
    words: tuple[tuple[str, Dimension], ...] = (
        ("input token", "input"),
        ("output token", "output"),
        ("requests per", "requests"),
    )
    for word, dimension in words:
        if word in text:
            return dimension
    left = {d: r.remaining / r.limit for d, r in (failure.rate_limits or {}).items() if r.remaining is not None}
    return min(left, key=lambda dimension: left[dimension], default=None)


def lacking(retry_after: float | None, call_seconds: float) -> float:
    """Return the seconds that were missing: as the server says, or a call's worth where it rounds or says nothing."""
    if retry_after is None:
        return call_seconds
    return min(retry_after, call_seconds) if retry_after == int(retry_after) else retry_after


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that a bucket has refused.

    Attributes
    ----------
    status : RateLimitStatus or None
        What its headers say of that limit.
    needed : float
        What was missing at most, in requests or tokens.
    owed_then : float
        What was owed when it was sent, itself included, in seconds of refill.
    retry_after : float or None
        When it would fit, as the server says, in seconds.
    pause_seconds : float
        How long nobody sends.
    sent_at : float
        When it was sent.
    """

    status: RateLimitStatus | None
    needed: float
    owed_then: float
    retry_after: float | None
    pause_seconds: float
    sent_at: float
