"""The limits that an account may have: given by hand, by the name of a tier, and shared by groups of models.

How they are kept is the business of ``gate``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields

from ..errors import InputError, nearest
from ..given_numbers import positive
from ..records import DIMENSIONS, Dimension


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits per minute; None = not limited, or not known.

    Parameters
    ----------
    requests_per_minute, input_tokens_per_minute, output_tokens_per_minute : float, optional
        As the Limits page of the Claude Console shows them.

    Raises
    ------
    InputError
        For a limit that is not above zero.
    """

    requests_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is not None:
                checked = positive(field.name, value)
                object.__setattr__(self, field.name, value if isinstance(value, int | float) else checked)

    def by_dimension(self) -> dict[Dimension, float]:
        """Return the known limits by dimension."""
        values = (self.requests_per_minute, self.input_tokens_per_minute, self.output_tokens_per_minute)
        return {dimension: value for dimension, value in zip(DIMENSIONS, values, strict=True) if value is not None}


class GivenLimits:
    """The limits that runs, and the lease of this process, ask a gate to keep: the tightest of them holds."""

    def __init__(self) -> None:
        self._by_owner: dict[Hashable, dict[Dimension, float]] = {}

    def give(self, limits: Limits | None, owner: Hashable) -> None:
        """Replace what an owner gave before; None = nothing any more."""
        self._by_owner.pop(owner, None)
        if limits is not None:
            self._by_owner[owner] = limits.by_dimension()

    def tightest(self, dimension: Dimension) -> float:
        """Return the limit per minute to keep; infinite where nobody gave one."""
        return min((given.get(dimension, math.inf) for given in self._by_owner.values()), default=math.inf)


TIERS: Mapping[str, Limits] = {
    "start": Limits(1_000, 2_000_000, 400_000),
    "build": Limits(5_000, 5_000_000, 1_000_000),
    "scale": Limits(10_000, 10_000_000, 2_000_000),
    "tier-1": Limits(50, 40_000, 40_000),
    "tier-2": Limits(1_000, 80_000, 80_000),
    "tier-3": Limits(2_000, 160_000, 160_000),
    "tier-4": Limits(4_000, 400_000, 400_000),
}
"""Published limits by tier. Source: rate limits of the Claude API as of 2026-10 (Haiku 5.5, Opus, Sonnet); the
numbered tiers are the older table, which still circulates: requests and tokens a minute."""


def resolve_limits(limits: Limits | str | Mapping[str, float] | None) -> Limits | None:
    """Return the limits that a user's argument means: a :class:`Limits`, a tier name, a mapping, or None."""
    if limits is None or isinstance(limits, Limits):
        return limits
    if isinstance(limits, str):
        if limits not in TIERS:
            raise InputError(f"no tier {limits!r}; there are {', '.join(TIERS)}, or give cp.Limits(...)")
        return TIERS[limits]
    if isinstance(limits, Mapping):
        names = [field.name for field in fields(Limits)]
        unknown = [name for name in limits if name not in names]
        if unknown:
            raise InputError(f"limits has no {unknown[0]!r}; {nearest(str(unknown[0]), names)}")
        return Limits(**limits)
    raise InputError(f"limits must be cp.Limits(...), a tier name or None, not {type(limits).__name__}")


_SHARED_GROUPS = (
    (re.compile(r"claude-opus-4-[5-8]"), "opus-4"),
    (re.compile(r"claude-sonnet-4-[56]"), "sonnet-4"),
    (re.compile(r"claude-fable-5"), "fable-5"),
)


def model_group(model: str) -> str:
    """Return the name of the group of models that share one limit.

    Source: rate limits of the Claude API as of 2026-10 (Opus 4.5 to 4.8, Sonnet 4.5 and 4.6, and Fable 5.x are
    shared); every other model stands for itself.
    """
    for pattern, group in _SHARED_GROUPS:
        if pattern.search(model):
            return group
    return model
