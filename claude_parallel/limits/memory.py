"""What a gate takes over from an earlier run, once its first answer has checked it, and what it leaves to the next.

It knows the buckets of one gate; where a memory lies between runs is the business of ``store.learnt_limits``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bucket import Bucket
from .tickets import Remembered

TRIED_SECONDS = 3.0
"""A belief below this is found anew within a second (see ``burst.CALLS_SLOPE``), and is kept only where a refusal ended
it (case: 3,000 requests a minute, bursts of 0.2 s policed, second run)."""


def take_over(remembered: Remembered, buckets: Sequence[Bucket]) -> None:
    """Take over what the first answer confirms: the limits are the same, so what they lend is probably, too."""
    told = {bucket.dimension: bucket for bucket in buckets if bucket.server_limit != math.inf}
    if any(told[name].server_limit != limit for name, limit in remembered.limits.items() if name in told):
        return
    for name, seconds in remembered.bursts.items():
        if name in told:
            told[name].burst.recall(seconds / _part(told[name]), is_end=name in remembered.ends)


def learnt(buckets: Sequence[Bucket]) -> Remembered | None:
    """Return what a later run may begin with; None where no limit was told."""
    told = [bucket for bucket in buckets if bucket.server_limit != math.inf]
    if not told:
        return None
    return Remembered(
        limits={bucket.dimension: bucket.server_limit for bucket in told},
        bursts={bucket.dimension: bucket.burst.seconds * _part(bucket) for bucket in told if _is_tried(bucket)},
        ends=tuple(bucket.dimension for bucket in told if bucket.burst.is_refused),
    )


def _part(bucket: Bucket) -> float:
    """Return the part of the server's limit that we keep below: seconds of a smaller limit are worth less."""
    return bucket.limit / bucket.server_limit


def _is_tried(bucket: Bucket) -> bool:
    return bucket.burst.is_refused or bucket.burst.seconds * _part(bucket) >= TRIED_SECONDS
