"""What a failure means for its row and for the run: again after a wait, give up, or stop everything.

The table follows section "Errors" of the Claude API, version 2026-10-21. This is the only owner of retries (the SDK's
own are off); how fast calls go out again is the gate's business, in ``limits``.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from .errors import InputError, Kind
from .given_numbers import whole_number
from .records import Failure

_FATAL: frozenset[Kind] = frozenset({"auth", "billing", "spend_limit", "not_found"})
_TRANSIENT: frozenset[Kind] = frozenset({"rate_limit", "overloaded", "server", "timeout", "connection"})
_NEVER_AGAIN_STATUSES = frozenset({501})
"""Not implemented: the one status above 499 that says something about the request and not about the moment."""
_NAMES_A_FILE = re.compile(r"\bfile", re.IGNORECASE)
"""At the beginning of a word, as in ``file_011...``: an inference profile is the model of all rows."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a row is tried again.

    Attributes
    ----------
    max_retries : int
        Tries after the first for failures on the way or on the server; 0 = never.
    max_rate_limit_retries : int
        Tries after the first for plain 429 answers, which are not the row's fault and cost nothing.
    max_broken_retries : int
        The same where the last try brought a 200 that held no Message: it may have been billed. What cuts off one
        answer in ten does so three times in a row with one row in a thousand; what cuts off all of them shall not be
        paid seven times. Also where something on the way, such as a firewall, has answered instead of the API.
    base_seconds, cap_seconds : float
        The nth backoff is drawn from ``U(0.5, 1) * min(cap, base * 2**n)`` seconds.
    patience_seconds : float
        The longest wait that a server may ask for; beyond it the run ends with what it has. Limits refill within
        minutes, so a longer wait is a quota that the user should know of.
    outage_patience : float
        For how many seconds an outage (every call fails, or is refused with a 429 that names no wait) is waited for;
        what fails in it is no row's fault and is not counted as a retry. After that the run ends, and the rows that are
        left are marked.

    Raises
    ------
    InputError
        For a number below 0, or what is no number.
    """

    max_retries: int = 6
    max_rate_limit_retries: int = 60
    max_broken_retries: int = 2
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    patience_seconds: float = 3_600.0
    outage_patience: float = 900.0

    def __post_init__(self) -> None:
        for name in ("max_retries", "max_rate_limit_retries", "max_broken_retries"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 0))
        for name in ("base_seconds", "cap_seconds", "patience_seconds", "outage_patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (isinstance(value, Real) and 0 <= float(value) < math.inf):
                raise InputError(f"{name} must be seconds, at least 0, not {value!r}")
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True, slots=True)
class Again:
    """Send the request again, `wait_seconds` from now."""

    wait_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The row has failed for good; the others go on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """No other row can do better; send nothing more.

    Attributes
    ----------
    wait_seconds : float or None
        How long the server wants us to stay away, where that is why.
    """

    wait_seconds: float | None = None


Verdict = Again | GiveUp | Stop


def judge_failure(failure: Failure, earlier: Sequence[Kind], policy: RetryPolicy, rng: random.Random) -> Verdict:
    """Return what to do after `failure`.

    Parameters
    ----------
    failure : Failure
        The attempt that has just failed.
    earlier : sequence of str
        Kinds of the failures of this request before this one.
    policy : RetryPolicy
        How often to try.
    rng : random.Random
        The source of jitter.

    Returns
    -------
    Again, GiveUp or Stop
        A server's ``retry-after`` is never undercut; one beyond the policy's patience stops the run.
    """
    if _is_fatal(failure):
        return Stop()
    if not _may_go_again(failure):
        return GiveUp()
    same_class = [kind for kind in earlier if (kind == "rate_limit") == (failure.kind == "rate_limit")]
    allowed = policy.max_rate_limit_retries if failure.kind == "rate_limit" else policy.max_retries
    if failure.is_broken_answer:
        allowed = min(allowed, policy.max_broken_retries)
    if policy.max_retries == 0 or len(same_class) >= allowed:
        return GiveUp()
    if failure.retry_after is not None:
        is_too_long = failure.retry_after > policy.patience_seconds
        return Stop(failure.retry_after) if is_too_long else Again(failure.retry_after)
    return Again(backoff_seconds(len(same_class), policy, rng))


def backoff_seconds(earlier: int, policy: RetryPolicy, rng: random.Random) -> float:
    """Return the jittered exponential backoff after `earlier` failures of the same class, in seconds."""
    ceiling = min(policy.cap_seconds, policy.base_seconds * 2.0 ** min(earlier, 60))
    return ceiling * rng.uniform(0.5, 1.0)


def _is_fatal(failure: Failure) -> bool:
    """Say whether the failure is about the account, the model or the way there, not about the row.

    A missing *file* is the row's own trouble, though it is a 404 as well. No row gets through where the door has found
    that a connection can never be made.
    """
    if failure.kind == "connection" and failure.should_retry is False:
        return True
    if failure.kind == "not_found" and failure.status == 404 and _NAMES_A_FILE.search(failure.message):
        return False
    return failure.kind in _FATAL


def _may_go_again(failure: Failure) -> bool:
    if failure.should_retry is not None:
        return failure.should_retry
    return failure.kind in _TRANSIENT and failure.status not in _NEVER_AGAIN_STATUSES
