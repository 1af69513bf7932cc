"""What the gate gives to those who ask: leave to send, a wait, or what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..progress.waits import WaitReason
from ..records import Dimension

Amounts = tuple[float, float, float]
"""Requests, input tokens, output tokens."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The leave to send one request; hand it back with what came of it.

    Attributes
    ----------
    number : int
        1 for the first call of the gate.
    sent_at : float
        When it was given, in seconds of the gate's clock.
    amounts : tuple of float
        What was charged.
    counted : tuple of float
        What the server had counted of ours by then, this request included.
    """

    number: int
    sent_at: float
    amounts: Amounts
    counted: Amounts


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
        Seconds until the pause ends; 0 without a pause.
    pause_reason : WaitReason
        Why it pauses, or paused last.
    outage_seconds : float or None
        How long an outage has lasted; None without one.
    """

    window: int
    in_flight: int
    limits: Mapping[Dimension, float]
    pause_seconds: float
    pause_reason: WaitReason
    outage_seconds: float | None = None
