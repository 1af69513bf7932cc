"""Which limit a 429 is about. It knows one failure; what it teaches is decided in ``gate``."""

from __future__ import annotations

import re

from ..progress.waits import WaitReason
from ..records import DIMENSIONS, Dimension, Failure, RateLimitStatus, RateLimitStatuses

REASONS: dict[Dimension, WaitReason] = {
    "requests": WaitReason.REQUESTS,
    "input": WaitReason.INPUT_TOKENS,
    "output": WaitReason.OUTPUT_TOKENS,
}


_NAMED = re.compile(r"limit of ([\d,]+) (request|input token|output token)s per minute")
"""How the API's own message names the limit; gateways that drop the headers hand it on."""


def told_limits(failure: Failure) -> RateLimitStatuses:
    """Return the limits that a failure tells: by its headers, else the one in the message of a 429."""
    if failure.rate_limits or failure.kind != "rate_limit":
        return failure.rate_limits or {}
    found = _NAMED.search(failure.message)
    if found is None:
        return {}
    dimension = next(each for each in DIMENSIONS if found[2].startswith(each[:5]))
    return {dimension: RateLimitStatus(float(found[1].replace(",", "")), None)}


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
