"""Which limit a 429 is about. It knows one failure; what it teaches is decided in ``gate``."""

from __future__ import annotations

from ..progress.waits import WaitReason
from ..records import Dimension, Failure

REASONS: dict[Dimension, WaitReason] = {
    "requests": WaitReason.REQUESTS,
    "input": WaitReason.INPUT_TOKENS,
    "output": WaitReason.OUTPUT_TOKENS,
}


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
