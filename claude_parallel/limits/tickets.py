"""What the gate says: go, wait, and how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..progress.waits import WaitReason
from ..records import Dimension

Amounts = tuple[float, float, float, float]
"""Requests, input tokens, output tokens, and the output tokens that a server may reserve for a call."""


SHORTEST_WAIT_SECONDS = 1e-6
"""A wait that short is none: timers may fire a clock tick early, and sums of floats miss by less."""

TOGETHER_SECONDS = 0.005
"""Calls that are due within so long go together: to wait for each costs a third of all its work (a row, 60 us). Below
12,000 a minute no two are due; far below the smallest bucket of the sweep (0.2 s)."""


def settled(seconds: float) -> float:
    """Return a wait in seconds, and 0 for one that is too short to be real."""
    return seconds if seconds > SHORTEST_WAIT_SECONDS else 0.0


def together(seconds: float, call: float, patience: float) -> float:
    """Return a wait in seconds, a longer one where calls follow so closely that several may go at once then.

    Parameters
    ----------
    seconds : float
        How long the next call has to wait.
    call : float
        What a call takes, in seconds of refill.
    patience : float
        For how long no rate is lost if nobody comes back, in seconds; may be below 0.
    """
    if seconds <= SHORTEST_WAIT_SECONDS:
        return 0.0
    return max(seconds, min(TOGETHER_SECONDS, patience)) if call < TOGETHER_SECONDS else seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """The leave to send one request; hand it back with what came of it.

    Attributes
    ----------
    number : int
        Counts the calls of this gate from 1.
    sent_at : float
        When it was given, in seconds of the gate's clock.
    amounts : tuple of float
        What was charged.
    owed : tuple of float
        What was owed to each bucket by then, in seconds of refill, this request included.
    """

    number: int
    sent_at: float
    amounts: Amounts
    owed: Amounts


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ask again in `seconds`, because of `reason`."""

    seconds: float
    reason: WaitReason


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What the gate knows, for progress and reports.

    Attributes
    ----------
    window : int
        Calls that may be in flight.
    in_flight : int
        Calls that are.
    limits : mapping of str to float
        Limits per minute in force by dimension.
    pause_seconds : float
        Seconds until the pause ends, or until the next probe of an outage; 0 without either.
    pause_reason : WaitReason
        Why it pauses.
    outage_seconds : float or None
        For how long the API has been out; None while it is not.
    """

    window: int
    in_flight: int
    limits: Mapping[Dimension, float]
    pause_seconds: float
    pause_reason: WaitReason
    outage_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a later run may begin with, once its first answer has confirmed the limits.

    Attributes
    ----------
    limits : mapping of str to float
        Limits per minute as the server told them.
    bursts : mapping of str to float
        How much may be owed at once, in seconds of these limits' refill.
    ends : tuple of str
        The limits among `bursts` whose buckets refused more.
    """

    limits: Mapping[Dimension, float]
    bursts: Mapping[Dimension, float]
    ends: tuple[Dimension, ...]
