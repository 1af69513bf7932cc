"""Prices: hand-computed cases, and the library as the judge of the rate cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot, set_custom_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel import pricing
from claude_parallel.pricing import PriceList, RateCard
from claude_parallel.records import Usage

PRICES = PriceList()


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        # Source of the unit prices: pricing of the Claude API as of 2026-11, US dollars per million tokens.
        ("claude-sonnet-4-6", Usage(input_tokens=2_000, output_tokens=500), "0.0135"),
        ("claude-sonnet-4-6", Usage(input_tokens=100, output_tokens=10, cache_write_5m_tokens=4_000), "0.01545"),
        ("claude-sonnet-4-6", Usage(input_tokens=100, output_tokens=10, cache_write_1h_tokens=4_000), "0.02445"),
        ("claude-sonnet-4-6", Usage(input_tokens=100, output_tokens=10, cache_read_tokens=4_000), "0.00165"),
        ("claude-sonnet-5-5", Usage(cache_read_tokens=1_000_000), "0.10"),
        ("claude-sonnet-4-6", Usage(input_tokens=2_000, output_tokens=500, service_tier="batch"), "0.00675"),
        ("claude-haiku-5-5", Usage(input_tokens=100_000, output_tokens=1_000), "0.0105"),
        ("claude-haiku-5-5", Usage(input_tokens=100_001, output_tokens=1_000), "0.0525005"),
        ("claude-haiku-5-5", Usage(input_tokens=1, output_tokens=1_000, cache_read_tokens=100_000), "0.0075005"),
        ("claude-opus-5-5", Usage(input_tokens=1_000, output_tokens=1_000, speed="fast"), "0.048"),
        ("claude-opus-5-5", Usage(input_tokens=1_000, output_tokens=1_000, inference_geo="us"), "0.0264"),
        ("claude-haiku-5-5", Usage(input_tokens=1_000, web_searches=3), "0.0301"),
        ("claude-mythos-5", Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=1_000), "0.016"),
        ("claude-mythos-5-1", Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=1_000), "0.01525"),
    ],
)
def test_hand_computed_costs(model: str, usage: Usage, dollars: str) -> None:
    """Every kind of token, batch, fast, US-only, the price step of Haiku 5.5, web searches."""
    assert PRICES.cost(model, usage) == Decimal(dollars)


def test_a_batch_result_that_does_not_say_so_is_priced_as_one() -> None:
    """The caller knows that it came from a batch."""
    assert PRICES.cost("claude-sonnet-4-6", Usage(input_tokens=1_000_000), is_batch=True) == Decimal("1.5")


def test_an_unknown_model_has_no_price() -> None:
    """None, not zero."""
    assert PRICES.cost("claude-unheard-of-9", Usage(input_tokens=1)) is None
    assert PRICES.worst_cost({"model": "claude-unheard-of-9", "max_tokens": 1}, 1, None) is None


def test_caching_saves_against_plain_input() -> None:
    """A read saves nine tenths, a write costs a quarter more."""
    assert PRICES.cache_savings("claude-sonnet-4-6", Usage(cache_read_tokens=1_000_000)) == Decimal("2.7")
    assert PRICES.cache_savings("claude-sonnet-4-6", Usage(cache_write_5m_tokens=1_000_000)) == Decimal("-0.75")


def test_a_refusal_that_is_not_billed_saves_nothing() -> None:
    """Without a cache it would have cost nothing either."""
    assert PRICES.cache_savings("claude-sonnet-4-6", Usage(cache_read_tokens=1_000_000, is_billed=False)) == 0


def test_caching_in_a_batch_saves_at_its_prices() -> None:
    """Also where the usage does not say that it was one."""
    read = Usage(cache_read_tokens=1_000_000)
    assert PRICES.cache_savings("claude-sonnet-4-6", read, is_batch=True) == Decimal("1.35")


def _models() -> list[str]:
    snapshot = get_snapshot()
    anthropic = next(provider for provider in snapshot.providers if provider.id == "anthropic")
    return [model.id for model in anthropic.models]


counts = st.integers(min_value=0, max_value=300_000)


@settings(max_examples=100)
@given(st.sampled_from(_models()), counts, counts, counts, counts, counts, st.sampled_from([None, "batch", "fast"]))
def test_a_rate_card_agrees_with_the_library(
    model: str, plain: int, out: int, write_5m: int, write_1h: int, read: int, context: str | None
) -> None:
    """For every model it knows, every context and any usage, the dot product is what genai-prices computes."""
    wanted: dict[str, Any] = {"batch": {"processing": "batch"}, "fast": {"speed": "fast"}}.get(context or "", {})
    price = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=plain + write_5m + write_1h + read,
            output_tokens=out,
            cache_write_tokens=write_5m + write_1h,
            cache_write_1h_tokens=write_1h,
            cache_read_tokens=read,
        ),
        model,
        provider_id="anthropic",
        price_context=wanted or None,
    )
    usage = Usage(
        input_tokens=plain,
        output_tokens=out,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        cache_read_tokens=read,
        service_tier="batch" if context == "batch" else None,
        speed="fast" if context == "fast" else None,
    )

    assert PRICES.cost(model, usage) == price.total_price


@given(counts, counts, st.sampled_from([None, "5m", "1h"]))
def test_the_worst_case_bounds_every_answer(tokens: int, out: int, ttl: str | None) -> None:
    """No split of the input into plain, written and read costs more than the worst case."""
    worst = PRICES.worst_cost({"model": "claude-haiku-5-5", "max_tokens": out}, tokens, ttl)
    assert worst is not None
    kind = {"5m": "cache_write_5m_tokens", "1h": "cache_write_1h_tokens"}.get(ttl or "", "input_tokens")
    for written in (0, tokens // 2, tokens):
        usage = Usage(**{"input_tokens": 0, kind: written, "cache_read_tokens": tokens - written, "output_tokens": out})
        cost = PRICES.cost("claude-haiku-5-5", usage)
        assert cost is not None
        assert cost <= worst


def test_a_breakpoint_without_a_lifetime_is_one_of_five_minutes_in_the_worst_case() -> None:
    """Also where the request says null."""
    fields = {"model": "claude-haiku-5-5", "max_tokens": 1}
    marks = ({"type": "ephemeral"}, {"type": "ephemeral", "ttl": None})
    worst = {PRICES.worst_cost({**fields, "cache_control": mark}, 1_000, None) for mark in marks}
    assert worst == {PRICES.worst_cost(fields, 1_000, "5m")}


@pytest.mark.parametrize("geo", [None, "us"])
def test_the_worst_case_covers_answers_that_a_workspace_keeps_in_the_us(geo: str | None) -> None:
    """They cost 1.1 times as much, and no request has to ask for it; one that says "global" cannot be kept there."""
    fields = {"model": "claude-haiku-5-5", "max_tokens": 100, **({"inference_geo": geo} if geo else {})}
    answered = PRICES.cost("claude-haiku-5-5", Usage(input_tokens=1_000, output_tokens=100, inference_geo="us"))
    assert PRICES.worst_cost(fields, 1_000, None) == answered
    elsewhere = PRICES.worst_cost({**fields, "inference_geo": "global"}, 1_000, None)
    assert elsewhere is not None
    assert elsewhere * Decimal("1.1") == answered


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(is_known=False), None),
        (Usage(input_tokens=1_000, output_tokens=5, is_billed=False), Decimal(0)),
        (Usage(is_known=False, is_billed=False), Decimal(0)),
    ],
)
def test_what_is_not_known_has_no_price_and_what_is_not_billed_costs_nothing(
    usage: Usage, cost: Decimal | None
) -> None:
    """None is not 0: it becomes NaN in the column."""
    assert PRICES.cost("claude-haiku-5-5", usage) == cost


def test_a_price_is_read_once_a_day_and_anew_from_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of one row ask again and again; a kernel may live longer than a price."""
    reads: list[str] = []
    days = [datetime(2026, 11, 26, tzinfo=UTC)]

    class Today(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return days[-1]

    def read(model: str, **context: bool) -> RateCard | None:
        reads.append(model)
        return read_card(model, **context)

    read_card = pricing._read_card
    monkeypatch.setattr(pricing, "datetime", Today)
    monkeypatch.setattr(pricing, "_read_card", read)
    monkeypatch.setattr(pricing, "_cards_today", (None, None, {}))
    cards = [PriceList().card("claude-haiku-5-5") for _ in range(3)]
    assert reads == ["claude-haiku-5-5"]
    assert cards[0] is cards[2] is not None
    days.append(datetime(2026, 11, 27, tzinfo=UTC))
    PriceList().card("claude-haiku-5-5")
    assert len(reads) == 2
    set_custom_snapshot(replace(get_snapshot()))
    try:
        PriceList().card("claude-haiku-5-5")
    finally:
        set_custom_snapshot(None)
    assert len(reads) == 3
