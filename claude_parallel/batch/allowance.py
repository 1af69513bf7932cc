"""What a budget lets through at once, when the rest is worth no batch, and what is said of it before the first call.

How much to reserve of a call is the rule in ``engine.budget``; who packs by it is ``packer``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from ..engine.budget import Budget
from ..records import ZERO
from ..text import format_usd, percent

_CRUMBS = Decimal("0.03")
"""The last part of a budget, as what is below one worst case, would go in ever smaller batches of an hour each."""

_LITTLE, _LEAST_PROGRESS = Decimal("0.1"), Decimal("0.005")
"""Nor is the last tenth of a budget worth its time, where another batch of up to an hour is likely to spend less than a
two-hundredth of it: that happens where a few answers are far dearer than the rest, since each may be one of them."""

_MOST_BATCHES = 100
"""A plan is played no further: so many batches, one after the other, are days, whatever their number."""

_SHARES = (Decimal("0.01"), Decimal("0.1"))
"""What a row may cost as a share of its worst case where nothing is known yet: a label and a page, under the default
``max_tokens``."""

_LEAST_MAX_TOKENS = 16
"""A smaller ``max_tokens`` is no advice: hardly a word fits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows that wait to be sent.

    Attributes
    ----------
    rows : int
        How many, at least 1.
    mean_worst : Decimal
        Mean of their worst cases, US dollars.
    ceiling : Decimal
        What of it a row can really cost, as a share.
    """

    rows: int
    mean_worst: Decimal
    ceiling: Decimal = Decimal(1)


def allowed(budget: Budget, waiting: Waiting) -> tuple[int, Decimal]:
    """Return how many rows may go at once, and what to reserve of each as a share of its worst case."""
    return budget.afford(waiting.rows, waiting.mean_worst, waiting.ceiling)


def is_used_up(budget: Budget, waiting: Waiting, most: int) -> bool:
    """Say whether what is left of a budget is worth no further batch of so many rows; never before the first answer."""
    if budget.cap is None or not budget.shares or most >= waiting.rows:
        return False
    likely = most * waiting.mean_worst * budget.mean_share
    is_little = budget.room < budget.cap * _LITTLE and likely < budget.cap * _LEAST_PROGRESS
    return is_little or budget.room < max(budget.cap * _CRUMBS, waiting.mean_worst * waiting.ceiling)


def worth_no_batch(budget: Budget, waiting: Waiting) -> str:
    """Say why what is left of a budget goes into no further batch."""
    worst = format_usd(waiting.mean_worst * waiting.ceiling)
    return f"{budget.left}, too little for another batch, of which each row could cost {worst}"


def count_batches(budget: Budget, waiting: Waiting, share: Decimal) -> int:
    """Return in how many batches, one after the other, a budget is used up or all rows are sent; at most 100.

    Parameters
    ----------
    budget : Budget
        As it is now.
    waiting : Waiting
        The rows.
    share : Decimal
        What a row costs in the mean, as a share of its worst case; rows are taken to cost between nothing and twice
        that, all alike often.
    """
    played = Budget(cap=budget.room, shares=list(budget.shares))
    batches, cost = 0, waiting.mean_worst * share
    while waiting.rows and batches < _MOST_BATCHES:
        most, reserved = allowed(played, waiting)
        if is_used_up(played, waiting, most) or most * reserved * waiting.mean_worst > played.room:
            break
        for place in range(most):
            played.learn(waiting.mean_worst, cost * (2 * place + 1) / most)
        played.spent += most * cost
        waiting = replace(waiting, rows=waiting.rows - most)
        batches += 1
    return batches


def what_fits(budget: Budget, waiting: Waiting, max_tokens: int, output_price: Decimal) -> str:
    """Return what a budget lets through of rows whose worst case is above it, in a sentence or three.

    Parameters
    ----------
    budget : Budget
        Before the first call.
    waiting : Waiting
        The rows.
    max_tokens : int
        Most output tokens of each.
    output_price : Decimal
        US dollars for one of them.
    """
    assert budget.cap is not None
    fits, share = allowed(budget, waiting)
    one = format_usd(waiting.mean_worst)
    if fits * share * waiting.mean_worst > budget.room:
        words = (
            f"not even one row is sent, since it could cost {one} with all its max_tokens; pass a lower max_tokens= or "
            "a higher budget="
        )
        return f"budget={budget.cap:f}: {words}"
    words = (
        f"{fits:,} of {waiting.rows:,} rows can go at once, since each may use all its max_tokens (the worst case of "
        f"all is {format_usd(waiting.rows * waiting.mean_worst)}); the rest goes as soon as their real cost is known: "
        f"{_batches(budget, waiting)}, one after the other, each of up to an hour or so"
    )
    if waiting.mean_worst > budget.cap * _CRUMBS:
        part = percent(float(waiting.mean_worst / budget.cap))
        words += f"; about {part} of the budget stays unused, since one row could cost that ({one})"
    return f"budget={budget.cap:f}: {words}. {_advice(budget, waiting, max_tokens, output_price)}"


def _batches(budget: Budget, waiting: Waiting) -> str:
    """Return how many batches it takes, by what is known of the real cost."""
    shares = [budget.mean_share] if budget.shares else _SHARES
    counts = [count_batches(budget, waiting, share) for share in shares]
    shown = [f"more than {_MOST_BATCHES}" if count == _MOST_BATCHES else f"{count}" for count in counts]
    if len(shown) == 1 or shown[0] == shown[1]:
        return f"{shown[0]} batches or so"
    return f"{shown[0]} batches or so if a row costs a hundredth of its worst case, {shown[1]} if a tenth"


def _advice(budget: Budget, waiting: Waiting, max_tokens: int, output_price: Decimal) -> str:
    """Return what would let all rows go at once, or at least more of them."""
    each = budget.room / waiting.rows - (waiting.mean_worst - max_tokens * output_price)
    enough = math.floor(each / output_price) if output_price > ZERO else 0
    if enough < _LEAST_MAX_TOKENS:
        return "A lower max_tokens= lets more go at once"
    return f"With max_tokens={enough} all would go at once"
