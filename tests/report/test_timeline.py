"""A run as series over time, and its counts: nothing is lost, nothing is counted twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.errors import HINTS
from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage
from claude_parallel.report import token_costs
from claude_parallel.report.record import RunData
from claude_parallel.report.timeline import peak, timeline
from claude_parallel.report.totals import failure_groups, latency, slowest, summarize, waits_by_reason

from ..run_records import BEGAN, MODEL, answered, busy_record, failed, record

SECONDS = st.floats(0.0, 500.0, allow_nan=False)
LENGTHS = st.floats(0.0, 60.0, allow_nan=False)
TOKENS = st.integers(0, 200_000)


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one call, answered or failed."""
    position, start, length = draw(st.integers(0, 30)), draw(SECONDS), draw(LENGTHS)
    if draw(st.booleans()):
        return failed(position, start, draw(st.sampled_from(["overloaded", "timeout"])), length)
    tokens = {
        name: draw(TOKENS) for name in ("input_tokens", "output_tokens", "cache_write_5m_tokens", "cache_read_tokens")
    }
    return answered(position, start, length, **tokens)


RUNS = st.lists(calls(), max_size=40).map(lambda found: record(found, ended=300.0))


@given(RUNS)
def test_calls_in_flight_integrate_to_the_busy_seconds(data: RunData) -> None:
    """Mean calls in flight times the length of the bins is the time that all calls together took."""
    line = timeline(data)
    busy = float((data.call_numbers.ended - data.call_numbers.started).sum())

    assert float((line.in_flight * line.bin_seconds).sum()) == pytest.approx(busy, abs=1e-4)
    assert (line.in_flight <= line.peak_in_flight + 1e-6).all()
    assert (line.busy_seconds >= -1e-6).all()


@given(RUNS)
def test_every_call_and_token_is_in_one_bin(data: RunData) -> None:
    """The bins add up to the calls and the tokens of the run."""
    line = timeline(data)
    ((calls, good, counted, output),) = data.calls(
        "count(*), coalesce(sum(kind IS NULL), 0), coalesce(sum(input_tokens + cache_write_5m_tokens), 0), "
        "coalesce(sum(output_tokens), 0)"
    )

    assert line.requests.sum() == calls
    assert line.answered.sum() == good
    assert line.failed.sum() == calls - good
    assert line.input_tokens.sum() == pytest.approx(float(counted))
    assert line.output_tokens.sum() == pytest.approx(float(output), abs=1e-3)


@given(RUNS)
def test_no_time_lies_outside_the_timeline(data: RunData) -> None:
    """The edges rise from 0 to the end of the run or of its last call, whichever is later."""
    line = timeline(data)
    end = max([300.0, *(data.call_numbers.ended - data.started)])

    assert line.edges[0] == 0.0
    assert line.edges[-1] == pytest.approx(end)
    assert (np.diff(line.edges) > 0).all()


@given(RUNS)
def test_a_minute_never_holds_more_than_the_run(data: RunData) -> None:
    """A sum over 60 seconds lies between nothing and everything, and in the first minute it is everything so far."""
    line = timeline(data)
    sums = line.last_minute(line.requests)

    assert (sums >= 0).all()
    assert (sums <= line.requests.sum() + 1e-6).all()
    early = line.edges[1:] <= 60.0
    assert sums[early] == pytest.approx(np.cumsum(line.requests)[early])


@pytest.mark.parametrize("seconds", [6.0, 30.0, 300.0, 3_600.0])
def test_a_steady_run_shows_its_rate_per_minute(seconds: float) -> None:
    """Two calls a second are 120 in every minute, and as many as there were so far in a shorter run."""
    count = int(seconds * 2)
    line = timeline(record([answered(n, n * 0.5, 0.1) for n in range(count)], ended=seconds))
    reached = np.minimum(line.edges[1:], 60.0) * 2

    assert line.last_minute(line.requests) == pytest.approx(reached, abs=2.1)
    assert line.per_second(line.answered).mean() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("spans", "most"),
    [([], 0), ([(0, 1)], 1), ([(0, 1), (1, 2)], 1), ([(0, 2), (1, 3), (2.5, 4)], 2), ([(1, 1)], 1), ([(0, 9)] * 5, 5)],
)
def test_the_peak_counts_calls_that_overlap(spans: list[tuple[float, float]], most: int) -> None:
    """A call that ends as another begins does not overlap it."""
    assert peak(np.array([a for a, _ in spans], float), np.array([b for _, b in spans], float)) == most


@pytest.mark.parametrize("ended", [None, 0.0, 10.0])
def test_a_run_without_calls_has_a_timeline(ended: float | None) -> None:
    """Nothing happened, but nothing breaks: one bin of zeros."""
    line = timeline(record(ended=ended))

    assert line.span_seconds > 0
    assert line.requests.tolist() == [0.0]
    assert line.in_flight.tolist() == [0.0]
    assert line.peak_in_flight == 0


def test_pauses_of_one_reason_close_together_are_one() -> None:
    """Many short waits become the few spans that a picture can show; other reasons stay apart."""
    short = [(n * 0.1, n * 0.1 + 0.09, "requests per minute") for n in range(20)]
    line = timeline(
        record([answered(0, 0, 100.0)], waits=[*short, (50.0, 60.0, "input tokens per minute")], ended=100.0)
    )

    assert [(round(one.started, 2), round(one.ended, 2), one.reason) for one in line.pauses] == [
        (0.0, 1.99, "requests per minute"),
        (50.0, 60.0, "input tokens per minute"),
    ]


def test_a_call_that_ends_before_it_began_takes_no_time() -> None:
    """A clock that was set back does no harm."""
    line = timeline(record([answered(0, 1.0, ended=BEGAN - 5.0), answered(2, 3.0)]))

    assert line.requests.sum() == 2
    assert line.busy_seconds.sum() == pytest.approx(1.0)


@given(RUNS)
def test_output_flows_evenly_from_the_start_of_a_call_to_its_end(data: RunData) -> None:
    """The sums by bin give what adding up each call's share of each bin gives."""
    line = timeline(data)
    expected = np.zeros(len(line.edges) - 1)
    for start, end, tokens in data.calls("started, ended, coalesce(output_tokens, 0)"):
        begin, length = start - data.started, max(end - start, 1e-9)
        until = np.clip((line.edges - begin) / length, 0.0, 1.0) * tokens
        until[-1] = tokens
        expected += np.diff(until)

    is_long = not data.calls("1", where="ended - started < 0.001", then="LIMIT 1")
    if is_long:
        assert line.output_tokens == pytest.approx(expected, abs=1e-2)


def test_a_bin_is_a_second_long_at_least() -> None:
    """Else a rate per second says more about chance than about the run."""
    line = timeline(record([answered(n, n * 0.01, 0.1) for n in range(500)], ended=5.0))
    assert line.bin_seconds >= 1.0


def cost_by_kind(data: RunData, prices: PriceList | None = None) -> token_costs.Costs:
    """Return what each kind of token cost."""
    return token_costs.cost_by_kind(token_costs.token_groups(data, prices or PriceList()))


def cache_use(data: RunData, prices: PriceList | None = None) -> token_costs.CacheUse | None:
    """Return what prompt caching did."""
    return token_costs.cache_use(data, token_costs.token_groups(data, prices or PriceList()))


# -- counts ----------------------------------------------------------------------------------------------------------


def test_totals_of_a_finished_run_come_from_its_record() -> None:
    """Rows, errors, skipped rows and dollars are those that the run wrote down."""
    found = summarize(busy_record())

    assert (found.rows, found.answered, found.skipped, dict(found.errors)) == (310, 307, 2, {"refusal": 1})
    assert (found.cost, found.saved) == (Decimal("1.25"), Decimal("0.50"))
    assert (found.calls, found.retries, found.from_journal, found.duplicates) == (315, 15, 8, 2)
    assert found.is_finished
    assert found.rows_per_second == pytest.approx(307 / 40)


def test_totals_of_a_killed_run_are_counted_from_its_calls() -> None:
    """Without totals and rows, the calls tell what was answered and paid, and how long it lasted."""
    attempts = [answered(0, 0.0), answered(1, 1.0), failed(2, 2.0, "overloaded")]
    found = summarize(record(attempts, ended=None, settings={"rows": 9}))

    assert (found.rows, found.answered, found.is_finished) == (9, 2, False)
    assert found.cost == Decimal("0.0012")
    assert found.seconds == pytest.approx(3.0)


def test_cost_by_kind_adds_up_to_what_the_price_list_says() -> None:
    """Kinds, models, batches and bands of price together cost what each call costs alone."""
    prices = PriceList()
    usages = [
        (0, MODEL, Usage(1_000, 200, 300, 400, 5_000)),
        (1, "claude-haiku-5-5", Usage(90_000, 50)),
        (2, "claude-haiku-5-5", Usage(90_000, 50, cache_read_tokens=20_000)),
        (3, MODEL, Usage(700, 70)),
    ]
    names = ("input_tokens", "output_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
    attempts, paid = [], Decimal(0)
    for position, model, usage in usages:
        cost = prices.cost(model, usage, is_batch=position == 3)
        assert cost is not None
        paid += cost
        tokens = {name: getattr(usage, name) for name in names}
        attempts.append(answered(position, 0.0, model=model, cost=float(cost), **tokens))
    found = cost_by_kind(record(attempts, [{"position": 3, "source": "batch"}]), prices)

    assert sum(part.cost for part in found.parts) == paid
    assert {part.kind: part.tokens for part in found.parts} == {
        "input": 181_700,
        "output": 370,
        "cache write, 5 minutes": 300,
        "cache write, 1 hour": 400,
        "cache read": 25_000,
    }
    assert (found.other, found.unpriced) == (Decimal(0), 0)


def test_tokens_that_are_not_billed_have_no_price() -> None:
    """A refusal before any output counts tokens and costs nothing."""
    refused = answered(1, 0.0, stop_reason="refusal", input_tokens=5_000, output_tokens=0, cost=0.0)
    with_refusal = cost_by_kind(record([answered(0, 0.0), refused]))
    assert with_refusal == cost_by_kind(record([answered(0, 0.0)]))


def test_money_beyond_tokens_and_unknown_models_are_told() -> None:
    """Web searches and the like are the rest of what was paid; answers without a price are counted."""
    dear = cost_by_kind(record([answered(0, 0.0, cost=0.5006)]))
    unknown = cost_by_kind(record([answered(0, 0.0, model="somebody-else", cost=None)]))

    assert float(dear.other) == pytest.approx(0.5)
    assert (unknown.unpriced, unknown.parts[0].cost) == (1, Decimal(0))


def test_prompt_caching_is_weighed_against_plain_tokens() -> None:
    """Hits, misses, the share of tokens read, and dollars as the price list counts them."""
    data = busy_record(100)
    prices = PriceList()
    wrote, read = Usage(100, 20, 2_000), Usage(100, 20, cache_read_tokens=2_000)
    found = cache_use(data, prices)

    assert found is not None
    assert (found.hits, found.misses) == (99, 1)
    assert found.read_share == pytest.approx(99 * 2_000 / (100 * 2_100))
    assert found.saved == prices.cache_savings(MODEL, wrote) + 99 * prices.cache_savings(MODEL, read)
    assert cache_use(record([answered(0, 0.0)])) is None


def test_the_run_s_own_cache_totals_go_first() -> None:
    """What the run wrote down about its cache is shown as it is."""
    found = cache_use(record([answered(0, 0.0)], totals={"cache": {"hits": 3, "misses": 1, "saved_usd": "0.25"}}))

    assert found is not None
    assert (found.hits, found.misses, found.saved, found.hit_rate) == (3, 1, Decimal("0.25"), 0.75)


def test_troubles_name_example_and_advice() -> None:
    """Kinds with lost rows stand first with their hint; what was only retried asks for nothing."""
    refusal, overloaded, skipped = sorted(
        failure_groups(busy_record()),
        key=lambda one: ("refusal", "overloaded").index(one.kind) if one.kind != "skipped" else 9,
    )

    assert (refusal.calls, refusal.rows, refusal.example) == (0, 1, "Claude refused; rephrase")
    assert refusal.advice == HINTS["refusal"]
    assert (overloaded.calls, overloaded.rows, overloaded.example) == (15, 0, "overloaded happened")
    assert overloaded.advice.startswith("nothing")
    assert (skipped.rows, skipped.example) == (2, "")


def test_the_hint_of_an_error_is_not_told_twice() -> None:
    """An example from the error column comes without the kind and the hint that stand beside it."""
    error = f"invalid: prompt is too odd; {HINTS['invalid']}"

    assert failure_groups(record(rows=[{"kind": "invalid", "error": error}]))[0].example == "prompt is too odd"


def test_slowest_rows_count_from_first_call_to_last_answer() -> None:
    """Retries and the waits between them belong to the row; the request id is the last call's."""
    attempts = [
        failed(7, 0.0, "overloaded"),
        answered(1, 0.0, 3.0),
        answered(7, 5.0, 1.0, request_id="req_last", number=2),
    ]
    found = slowest(record(attempts))

    assert [(row.position, round(row.seconds, 3), row.calls, row.request_id) for row in found] == [
        (7, 6.0, 2, "req_last"),
        (1, 3.0, 1, "req_1"),
    ]
    assert len(slowest(busy_record())) == 10


@given(st.lists(LENGTHS, min_size=1, max_size=60))
def test_the_histogram_holds_every_answered_call(lengths: list[float]) -> None:
    """Its counts add up, and the percentiles rise."""
    found = latency(record([failed(0, 0.0, "timeout", 99.0), *(answered(0, 0.0, length) for length in lengths)]))

    assert found is not None
    assert found.counts.sum() == found.calls == len(lengths)
    assert found.p50 <= found.p90 <= found.p99 <= found.longest
    assert latency(record([failed(0, 0.0, "timeout")])) is None


def test_waits_come_from_the_totals_else_from_the_pauses() -> None:
    """The totals know waits too short to be pauses; a killed run has only its pauses."""
    assert [(part.reason, part.seconds) for part in waits_by_reason(busy_record())][:2] == [
        ("an even pace", 9.5),
        ("requests per minute", 4.0),
    ]
    assert waits_by_reason(record(waits=[(1.0, 2.0, "a"), (3.0, 5.0, "a")]))[0].seconds == pytest.approx(3.0)
    assert waits_by_reason(record()) == ()
