"""What a call costs by the way it travels: live or in a batch, with a cached prefix or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from ..pricing import PriceList
from ..prompt.cache_breakpoints import TimeToLive
from ..records import ZERO, Request, Usage


class Tariff(Protocol):
    """Prices of one way to travel, in US dollars."""

    def cost(self, model: str, usage: Usage) -> Decimal | None:
        """Return what an answer costs; None where no price is known."""
        ...

    def cache_savings(self, model: str, usage: Usage) -> Decimal | None:
        """Return what the prompt cache saved on an answer; None where caching was not asked for."""
        ...

    def worst_cost(self, request: Request) -> Decimal:
        """Return the most that a call can cost; 0 where no budget asks."""
        ...

    def output_price(self, fields: Mapping[str, Any]) -> Decimal:
        """Return what one output token costs at most; 0 where no budget asks."""
        ...


@dataclass(frozen=True, slots=True)
class ListedTariff:
    """Prices from the list.

    Attributes
    ----------
    prices : PriceList
        The list.
    ttl : "5m", "1h" or None
        Lifetime of the run's own cache breakpoint; None = no breakpoint.
    is_batch : bool
        True for Message Batches.
    has_budget : bool
        True when the worst case of a call has to be known before it is sent.
    """

    prices: PriceList
    ttl: TimeToLive | None
    is_batch: bool
    has_budget: bool

    def cost(self, model: str, usage: Usage) -> Decimal | None:
        """Return what an answer costs; None where no price is known."""
        return self.prices.cost(model, usage, is_batch=self.is_batch)

    def cache_savings(self, model: str, usage: Usage) -> Decimal | None:
        """Return what the prompt cache saved on an answer; None where caching was not asked for."""
        return None if self.ttl is None else self.prices.cache_savings(model, usage, is_batch=self.is_batch)

    def worst_cost(self, request: Request) -> Decimal:
        """Return the most that a call can cost; 0 where no budget asks."""
        if not self.has_budget:
            return ZERO
        worst = self.prices.worst_cost(request.body, request.max_input_tokens, self.ttl, is_batch=self.is_batch)
        return worst or ZERO

    def output_price(self, fields: Mapping[str, Any]) -> Decimal:
        """Return what one output token costs at most; 0 where no budget asks."""
        one = {**fields, "max_tokens": 1}
        price = self.prices.worst_cost(one, 0, None, is_batch=self.is_batch) if self.has_budget else None
        return price or ZERO


MOST_USAGES = 100_000
"""The mean of so many answers is as good as the mean of all."""


@dataclass(frozen=True, slots=True)
class FreeTariff:
    """Everything is free, and what was used is noted: for estimates and rehearsals.

    Attributes
    ----------
    usages : list of Usage
        What the first answers have used, in order.
    """

    usages: list[Usage] = field(default_factory=list)

    def cost(self, _model: str, usage: Usage) -> Decimal | None:
        """Return nothing to pay."""
        if len(self.usages) < MOST_USAGES:
            self.usages.append(usage)
        return ZERO

    def cache_savings(self, _model: str, _usage: Usage) -> Decimal | None:
        """Return that caching is not looked at."""
        return None

    def worst_cost(self, _request: Request) -> Decimal:
        """Return nothing to set aside."""
        return ZERO

    def output_price(self, _fields: Mapping[str, Any]) -> Decimal:
        """Return nothing to pay."""
        return ZERO
