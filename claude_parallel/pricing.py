"""What answers cost, in US dollars, from genai-prices.

The library's prices are the only source. Its own calculation takes about 0.15 ms a call, so the unit prices of a model
are read once into a :class:`RateCard`, and the cost of an answer is a dot product; a law in the tests holds both equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from .records import Usage

_PER_TOKEN = Decimal(1_000_000)
"""genai-prices states US dollars per million tokens."""
_PER_SEARCH = Decimal(1_000)
"""genai-prices states US dollars per thousand searches."""
_US_ONLY = Decimal("1.1")
"""Source: pricing of the Claude API, data residency: 1.1x on all tokens for ``inference_geo: "us"``."""

_PRICED_AS = {"claude-mythos-5": "claude-fable-5", "claude-mythos-5-1": "claude-fable-5-1"}
"""Models that genai-prices lacks, and the model at whose price they are sold (source: pricing of the Claude API)."""

UnitPrices = tuple[Decimal, Decimal, Decimal, Decimal, Decimal]
"""US dollars per token: input, output, cache write 5m, cache write 1h, cache read."""


@dataclass(frozen=True, slots=True)
class RateCard:
    """Unit prices of one model in one context (standard, batch, fast).

    Attributes
    ----------
    bands : tuple of (int, UnitPrices)
        Ascending; a band holds for prompts with more than so many input tokens, cached ones included, and then for
        all their tokens (Haiku 5.5 has a step at 100,000).
    per_search : Decimal
        US dollars per web search.
    """

    bands: tuple[tuple[int, UnitPrices], ...]
    per_search: Decimal

    def prices(self, total_input_tokens: int) -> UnitPrices:
        """Return the unit prices for a prompt of this size."""
        for start, prices in reversed(self.bands):
            if total_input_tokens > start:
                return prices
        return self.bands[0][1]

    def cost(self, usage: Usage) -> Decimal:
        """Return what an answer with this usage costs."""
        written_5m, written_1h, read = usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.cache_read_tokens
        cached = written_5m + written_1h + read
        per_input, per_output, per_write_5m, per_write_1h, per_read = self.prices(usage.input_tokens + cached)
        tokens = usage.input_tokens * per_input + usage.output_tokens * per_output
        if cached:  # most answers have none, and all of them are priced here
            tokens += written_5m * per_write_5m + written_1h * per_write_1h + read * per_read
        if usage.inference_geo == "us":
            tokens *= _US_ONLY
        return tokens + usage.web_searches * self.per_search if usage.web_searches else tokens


@dataclass(slots=True)
class PriceList:
    """Rate cards by model and context, each read once.

    Attributes
    ----------
    factor : Decimal
        What list prices are multiplied by on the platform that the calls go to.
    model_asked : str or None
        The model to price whatever an answer names: on Bedrock, only the id that was asked for tells the region.
    """

    factor: Decimal = Decimal(1)
    model_asked: str | None = None
    _cards: dict[tuple[str, bool, bool], RateCard | None] = field(default_factory=dict)

    def card(self, model: str, *, is_batch: bool = False, is_fast: bool = False) -> RateCard | None:
        """Return the rate card of a model; None where genai-prices knows no price."""
        key = (model, is_batch, is_fast)
        try:
            return self._cards[key]
        except KeyError:
            return self._cards.setdefault(key, _card_today(*key))

    def cost(self, model: str, usage: Usage, *, is_batch: bool = False) -> Decimal | None:
        """Return what an answer costs.

        Parameters
        ----------
        model : str
            The model that answered, as the Message names it.
        usage : Usage
            Its usage; service tier and speed decide the context.
        is_batch : bool
            True for a batch result, should its usage not say so itself.

        Returns
        -------
        Decimal or None
            US dollars; None where no price is known, or the usage is not; 0 for what is not billed.
        """
        if not usage.is_billed:
            return Decimal(0)
        if not usage.is_known:
            return None
        is_batch = is_batch or usage.service_tier == "batch"
        card = self.card(self.model_asked or model, is_batch=is_batch, is_fast=usage.speed == "fast")
        return card.cost(usage) * self.factor if card else None

    def worst_cost(
        self, fields: Mapping[str, Any], max_input_tokens: int, ttl: str | None, *, is_batch: bool = False
    ) -> Decimal | None:
        """Return the most that one call can cost: every input token written to the cache, every output token used.

        Parameters
        ----------
        fields : mapping
            The wire body; model, max_tokens, speed and inference_geo count.
        max_input_tokens : int
            Upper bound of the input tokens.
        ttl : str or None
            Lifetime of the run's own cache breakpoint; marks that stand in the body already are found by themselves.
        is_batch : bool
            True for half price.
        """
        ttl = dearest_lifetime(fields, ttl)
        is_fast = fields.get("speed") == "fast"
        card = self.card(fields["model"], is_batch=is_batch, is_fast=is_fast)
        if card is None:
            return None
        usage = Usage(
            input_tokens=max_input_tokens if ttl is None else 0,
            cache_write_5m_tokens=max_input_tokens if ttl == "5m" else 0,
            cache_write_1h_tokens=max_input_tokens if ttl == "1h" else 0,
            output_tokens=int(fields["max_tokens"]),
            # A workspace may be set to the US; then answers cost more although no request has asked for it.
            inference_geo="global" if fields.get("inference_geo") == "global" else "us",
        )
        return card.cost(usage) * self.factor

    def cache_savings(self, model: str, usage: Usage, *, is_batch: bool = False) -> Decimal:
        """Return what prompt caching saved on an answer against plain input tokens; parameters as in :meth:`cost`.

        Returns
        -------
        Decimal
            US dollars; negative where the write is not paid back yet, 0 where no price is known or nothing is billed.
        """
        plain_usage = usage._replace(
            input_tokens=usage.total_input_tokens, cache_write_5m_tokens=0, cache_write_1h_tokens=0, cache_read_tokens=0
        )
        paid, plain = (self.cost(model, each, is_batch=is_batch) for each in (usage, plain_usage))
        return Decimal(0) if paid is None or plain is None else plain - paid


def dearest_lifetime(part: Any, ttl: str | None = None) -> Literal["5m", "1h"] | None:
    """Return the dearest lifetime of the cache breakpoints in a part of a wire body, and of `ttl`; None without any."""
    lifetimes = {ttl, *_marked_lifetimes(part)}
    return "1h" if "1h" in lifetimes else "5m" if "5m" in lifetimes else None


def _marked_lifetimes(part: Any) -> Iterator[str]:
    """Yield the lifetimes of the cache breakpoints in a part of a wire body; five minutes where a mark names none."""
    if isinstance(part, Mapping):
        control = part.get("cache_control")
        if isinstance(control, Mapping):
            yield str(control.get("ttl") or "5m")
        for value in part.values():
            yield from _marked_lifetimes(value)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _marked_lifetimes(item)


_cards_today: tuple[Any, date | None, dict[tuple[str, bool, bool], RateCard | None]] = (None, None, {})
"""The library's data, the day (UTC) and what was read of them: prices have days from which they hold."""


def _card_today(model: str, is_batch: bool, is_fast: bool) -> RateCard | None:
    """Return the rate card of a model, read once a day: a call of one row asks twice, each time for 0.15 ms."""
    from genai_prices.data_snapshot import get_snapshot

    global _cards_today
    data, today = get_snapshot(), datetime.now(UTC).date()
    if _cards_today[0] is not data or _cards_today[1] != today:
        _cards_today = data, today, {}
    cards, key = _cards_today[2], (model, is_batch, is_fast)
    if key not in cards:
        cards[key] = _read_card(model, is_batch=is_batch, is_fast=is_fast)
    return cards[key]


def _read_card(model: str, *, is_batch: bool, is_fast: bool) -> RateCard | None:
    import genai_prices

    context: dict[str, str] = {}
    if is_batch:
        context["processing"] = "batch"
    if is_fast:
        context["speed"] = "fast"
    for provider in ("anthropic", None, "aws"):  # ids on Bedrock, us.anthropic.claude-..., are known to aws alone
        try:
            found = genai_prices.calc_price(
                genai_prices.Usage(input_tokens=1),
                _PRICED_AS.get(model, model),
                provider_id=provider,
                price_context=context or None,
            )
        except LookupError:
            continue
        return _card_of(found.model_price)
    return None


def _card_of(price: Any) -> RateCard:
    starts = {0}
    for value in vars(price).values():
        starts.update(tier.start for tier in getattr(value, "tiers", ()))
    return RateCard(
        bands=tuple((start, _unit_prices(price, start)) for start in sorted(starts)),
        per_search=(price.web_searches_kcount or Decimal(0)) / _PER_SEARCH,
    )


def _unit_prices(price: Any, start: int) -> UnitPrices:
    """Return the unit prices above `start` tokens; a missing cache price falls back to the nearest wider kind."""
    per_input = _at(price.input_mtok, start) or Decimal(0)
    per_output = _at(price.output_mtok, start) or Decimal(0)
    per_write_5m = _at(price.cache_write_mtok, start) or per_input
    per_write_1h = _at(price.cache_write_1h_mtok, start) or per_write_5m
    per_read = _at(price.cache_read_mtok, start) or per_input
    return per_input, per_output, per_write_5m, per_write_1h, per_read


def _at(value: Any, start: int) -> Decimal | None:
    """Return a price per token; of a tiered price the one that holds just above `start` tokens."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return value / _PER_TOKEN
    found = value.base
    for tier in value.tiers:
        if start >= tier.start:
            found = tier.price
    return Decimal(found) / _PER_TOKEN
