"""What a rehearsal plays: calls of known sizes, and the conditions that they meet.

Knows weights against limits. It is played in ``simulate``; the figures come from ``workload``, ``token_counts`` and
``assumptions``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..limits.gate import Limits
from ..limits.window import CEILING
from ..progress.waits import LIMITS
from ..prompt.cache_breakpoints import TimeToLive
from ..retry import RetryPolicy
from ..simulation.profile import Limits as AccountLimits
from .latency import Latency

FloatArray = npt.NDArray[np.float64]

ANSWERS = "the answers' own time"
_PLENTY = 1e12
"""Tokens a minute that no run can use."""

Knowledge = Literal["none", "given", "learnt"]


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """The calls to rehearse.

    Attributes
    ----------
    input_tokens : array
        All input tokens of each call, in the order in which they are sent.
    loads : array
        What the engine will take them for before it has seen an answer.
    output_tokens : float
        Output tokens of each call.
    cached_tokens : float
        Tokens of the shared prefix that is cached; 0 = no caching.
    """

    input_tokens: FloatArray
    loads: FloatArray
    output_tokens: float
    cached_tokens: float = 0.0

    def __len__(self) -> int:
        return len(self.input_tokens)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rehearsal takes place under.

    Attributes
    ----------
    limits : Limits
        Of the account, per minute.
    knowledge : str
        How far the gate knows the limits: ``none`` = it has to learn them from the first answers, ``given`` = the user
        named them, ``learnt`` = earlier answers told.
    latency : Latency
        How long calls take.
    max_in_flight : int
        The most calls at once.
    policy : RetryPolicy
        Of the run.
    ttl : "5m" or "1h"
        Lifetime of the prompt cache's entries.
    """

    limits: Limits
    knowledge: Knowledge
    latency: Latency
    max_in_flight: int = CEILING
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    ttl: TimeToLive = "5m"


def burst_of(script: Script, limits: Limits) -> tuple[float, str]:
    """Return how many calls the tightest limit lets through, and which limit that is.

    As many calls a minute as at once from a full bucket, which holds a minute's worth; 0 = no limit.
    """
    weight = {
        "requests": 1.0,
        "input": max(1.0, float(script.input_tokens.mean()) - script.cached_tokens),
        "output": max(1.0, script.output_tokens),
    }
    calls = {dimension: limit / weight[dimension] for dimension, limit in limits.by_dimension().items()}
    if not calls:
        return 0.0, ANSWERS
    tightest = min(calls, key=lambda dimension: calls[dimension])
    return calls[tightest], str(LIMITS[tightest])


def account_limits(limits: Limits) -> AccountLimits:
    """Return the limits as the simulated account has them.

    Where only one kind of token is limited the other gets plenty: the API names the sum of both, too, and a sum of one
    would be taken for a limit of its own.
    """
    tokens_in, tokens_out = limits.input_tokens_per_minute, limits.output_tokens_per_minute
    if tokens_in is not None or tokens_out is not None:
        tokens_in, tokens_out = tokens_in or _PLENTY, tokens_out or _PLENTY
    return AccountLimits(limits.requests_per_minute, tokens_in, tokens_out)
