"""The hard cap: its arithmetic, and whole runs that never pass it, whatever happens to the calls."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import genai_prices
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_parallel.bridge import Control
from claude_parallel.engine.budget import Budget
from claude_parallel.engine.group import SessionGroup
from claude_parallel.engine.plan import is_server_tool
from claude_parallel.errors import InputError, RunStopped
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.pricing import PriceList
from claude_parallel.prompt.request import build, share
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.simulation.ledger import Ledger
from claude_parallel.simulation.profile import Profile, tier_limits

from ..batch_worlds import batch_world
from ..worlds import frame_of, world

DOLLAR = Decimal(1)
SHARED = share("https://api.anthropic.com", {"model": "claude-haiku-5-5", "max_tokens": 100}, [], "")
PROMPTS = ("Say {t}", "A long beginning that all rows share. " * 120 + "{t}")
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5")


def billed(ledger: Ledger) -> Decimal:
    """Return what everything that the simulator bills costs, by genai-prices itself."""
    return sum((_price(paid) for paid in ledger.paid), Decimal(0))


def _price(paid: Any) -> Decimal:
    writes = paid.cache_write_5m_tokens + paid.cache_write_1h_tokens
    usage = genai_prices.Usage(
        input_tokens=paid.input_tokens + writes + paid.cache_read_tokens,
        cache_write_tokens=writes,
        cache_write_1h_tokens=paid.cache_write_1h_tokens,
        cache_read_tokens=paid.cache_read_tokens,
        output_tokens=paid.output_tokens,
    )
    return genai_prices.calc_price(usage, paid.model, provider_id="anthropic").total_price


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Let runs say that they stopped early."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the run stopped early")
        warnings.filterwarnings("ignore", "prompt caching is on")
        yield


# -- arithmetic ------------------------------------------------------------------------------------------------------


def test_a_reservation_that_fits_exactly_is_granted() -> None:
    """The cap may be reached, not passed."""
    budget = Budget(cap=DOLLAR)
    assert budget.reserve(DOLLAR)
    assert not budget.reserve(Decimal("0.000001"))


def test_a_settled_call_frees_what_it_did_not_need() -> None:
    """The worst case is set aside, the real cost stays."""
    budget = Budget(cap=DOLLAR)
    assert budget.reserve(DOLLAR)
    budget.settle(DOLLAR, Decimal("0.25"))
    assert budget.reserve(Decimal("0.75"))


def test_a_failed_call_is_free_unless_it_may_have_been_billed() -> None:
    """A lost answer may be on the bill: it counts in full."""
    budget = Budget(cap=DOLLAR)
    assert budget.reserve(DOLLAR)
    budget.release(DOLLAR, perhaps_billed=False)
    assert budget.reserve(DOLLAR)
    budget.release(DOLLAR, perhaps_billed=True)
    assert not budget.reserve(Decimal("0.01"))


def test_what_is_kept_for_lost_answers_is_told() -> None:
    """What was spent and what is left would not add up to the cap otherwise, also where others share the money."""
    money = Budget(cap=DOLLAR)
    assert money.left == "$1.00 of the budget is left"
    assert money.beside().reserve(Decimal("0.75"))
    money.beside().release(Decimal("0.75"), perhaps_billed=True)
    told = "$0.25 of the budget is left (and $0.75 kept for calls whose answer was lost, which may have been billed)"
    assert money.left == money.beside().left == told


def test_runs_on_the_same_money_learn_for_themselves() -> None:
    """What one spends the other has not; what one's answers are like says nothing about the other's."""
    money = Budget(cap=DOLLAR)
    cheap, dear = money.beside(), money.beside().beside()
    assert cheap.reserve(Decimal("0.6"))
    assert not dear.reserve(Decimal("0.5"))
    cheap.settle(Decimal("0.6"), Decimal("0.3"))
    assert money.room == cheap.room == dear.room == Decimal("0.7")
    for _ in range(1_000):
        cheap.learn(DOLLAR, Decimal("0.001"))
    cheap.prefix_tokens = 700
    assert cheap.afford(100, Decimal("0.1"))[0] == 100
    assert dear.afford(100, Decimal("0.1")) == (7, DOLLAR)
    assert dear.prefix_tokens is None
    assert dear.reserve(Decimal("0.7"))
    dear.release(Decimal("0.7"), perhaps_billed=True)
    assert money.room == cheap.room == 0


def test_without_a_cap_everything_is_granted() -> None:
    """No cap, no refusal."""
    assert Budget().reserve(Decimal(10) ** 9)


# -- whole runs ------------------------------------------------------------------------------------------------------

CHANCES = st.sampled_from((0.0, 0.02, 0.1, 0.3))
FAULTS = st.fixed_dictionaries({"reset": CHANCES, "truncated": CHANCES, "not_json": st.sampled_from((0.0, 0.1))}).map(
    lambda losing: {**losing, "overloaded": 0.05, "gateway_timeout": 0.02, "hang": 0.02, "refusal": 0.02}
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    model=st.sampled_from(MODELS),
    prompt=st.sampled_from(PROMPTS),
    prompt_cache=st.sampled_from(("auto", "1h", False)),
    max_tokens=st.sampled_from((64, 1_000, 8_192)),
    calls=st.floats(0.5, 120.0),
    latency=st.sampled_from((0.0, 0.5, 20.0)),
    jitter=st.sampled_from((0.0, 1.0)),
    timeout=st.sampled_from((5.0, 60.0)),
    faults=FAULTS,
    max_concurrency=st.sampled_from(("auto", 1, 50)),
)
def test_what_is_billed_never_passes_the_cap(
    seed: int,
    model: str,
    prompt: str,
    prompt_cache: Any,
    max_tokens: int,
    calls: float,
    latency: float,
    jitter: float,
    timeout: float,
    faults: Any,
    max_concurrency: Any,
) -> None:
    """For any seed, latencies and faults: answers that were billed and lost on the way are on the bill as well."""
    profile = Profile(latency_seconds=latency, jitter_sigma=jitter, faults=faults, thinking_share=0.3)
    account = world(profile, seed=seed)
    cap = _worst_call(model, prompt, max_tokens) * Decimal(repr(calls))
    options = {"prompt_cache": prompt_cache, "timeout": timeout, "max_concurrency": max_concurrency}
    try:
        out = account.map(frame_of(150), prompt, model=model, max_tokens=max_tokens, budget=cap, **options)
    except RunStopped:  # where every answer takes longer than the timeout, the run gives up with nothing
        assert latency > timeout
        assert billed(account.brain.ledger) <= cap
        return
    assert billed(account.brain.ledger) <= cap
    assert len(out) == 150
    assert Decimal(repr(float(out["response_cost"].sum()))) <= cap * Decimal("1.0000001")


def _worst_call(model: str, prompt: str, max_tokens: int) -> Decimal:
    tokens = len(prompt) // 3 + 100
    usage = genai_prices.Usage(input_tokens=tokens, cache_write_tokens=tokens, output_tokens=max_tokens)
    return genai_prices.calc_price(usage, model, provider_id="anthropic").total_price


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    latency=st.sampled_from((0.0, 1.0, 5.0)),
    max_concurrency=st.sampled_from(("auto", 7)),
    prompt_cache=st.sampled_from(("auto", False)),
    prompt=st.sampled_from(PROMPTS),
)
def test_nearly_all_of_the_cap_is_used_when_rows_are_small_against_it(
    seed: int, latency: float, max_concurrency: Any, prompt_cache: Any, prompt: str
) -> None:
    """At least 96 % of the cap, when no answer is lost and no call can cost more than a fiftieth of it."""
    account = world(Profile(latency_seconds=latency, jitter_sigma=0.5, output_tokens=(20, 60)), seed=seed)
    cap = _bound(prompt, 64) * 50
    out = account.map(
        frame_of(1_500),
        prompt,
        max_tokens=64,
        budget=cap,
        max_concurrency=max_concurrency,
        prompt_cache=prompt_cache,
    )
    assert out["response_error"].notna().any(), "the cap was not reached, so this case says nothing"
    assert cap * Decimal("0.96") <= billed(account.brain.ledger) <= cap


@pytest.mark.parametrize(("cap", "is_tight"), [(None, False), (0.4, False), (0.1, True)])
def test_a_cached_prefix_and_100_in_flight(cap: float | None, is_tight: bool) -> None:
    """A cap into which 100 worst cases fit slows nothing down; one that ends the run is used to 96 %."""
    account = world(Profile(latency_seconds=2.0, output_tokens=100, limits=tier_limits("scale")))
    system = "A rule that everybody shares. " * 800
    out = account.map(frame_of(1_500), "Say {t}", system=system, max_tokens=200, budget=cap, max_concurrency=100)
    if is_tight:
        assert out["response_error"].notna().any()
        assert Decimal("0.096") <= billed(account.brain.ledger) <= Decimal("0.1")
    else:
        assert account.brain.ledger.max_in_flight == 100
        assert account.clock.seconds < 36


def _bound(prompt: str, max_tokens: int) -> Decimal:
    """Return the most that a call can cost when each byte is a token: what has to be set aside."""
    tokens = len(prompt) + 700
    usage = genai_prices.Usage(input_tokens=tokens, cache_write_tokens=tokens, output_tokens=max_tokens)
    return genai_prices.calc_price(usage, "claude-haiku-5-5", provider_id="anthropic").total_price


def test_the_rest_says_budget_and_costs_nothing() -> None:
    """What is done is returned, the rest is marked and the run says so once."""
    account = world()
    with pytest.warns(UserWarning, match=r"stopped early \(budget.*spent"):
        out = account.map(frame_of(200), "Say {t}", max_tokens=100, budget=0.001)
    assert (
        out["response_error"]
        .dropna()
        .str.fullmatch(
            r"budget: not sent: the next call could cost \$0\.000\d+, and \$0\.000\d+ of the budget is left; "
            r"run the cell again with a higher budget=, or a lower max_tokens="
        )
        .all()
    )
    kinds = out["response_error"].str.split(":").str[0].value_counts(dropna=False)
    assert kinds["budget"] + out["response_error"].isna().sum() == 200
    assert 0 < kinds["budget"] < 200
    rest = out[out["response_error"].notna()]
    assert rest["response"].isna().all()
    assert (rest["response_cost"] == 0).all()


def test_a_budget_too_small_for_one_call_sends_nothing() -> None:
    """No call can be sure to stay below it: the frame comes back, all marked."""
    account = world()
    out = account.map(frame_of(5), "Say {t}", budget=1e-9)
    assert account.brain.ledger.requests == 0
    assert out["response_error"].str.startswith("budget: ").all()


@pytest.mark.parametrize(("batch", "cap"), [(False, 0.01), (True, 0.07)], ids=["live", "in batches"])
def test_what_another_run_has_set_aside_of_shared_money_is_waited_for(batch: bool, cap: float) -> None:
    """The worst cases of the first calls take all of it; once they are answered, most is there again for both."""
    here = batch_world() if batch else world()
    control, money = Control(), Budget(cap=Decimal(str(cap)))
    options = {"journal": False, "progress": False, "budget": cap, "batch": batch}
    sessions = [
        FrameMap(frame_of(30, text), "Say {t}", "response", options, environment=here.environment()).session(
            control=control, budget=money.beside()
        )
        for text in ("one {}", "two {}")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a batch says how many rows fit at once
        run_virtual(SessionGroup(sessions).arun)

    assert [session.stats.fates.answered for session in sessions] == [30, 30]
    assert money.cap is not None
    assert money.spent < money.cap / 2


def test_the_next_run_goes_on_where_the_budget_ended(tmp_path: Any) -> None:
    """The same cell with a higher budget asks only what is missing, and pays for nothing again."""
    path, account, frame = tmp_path / "j.sqlite3", world(), frame_of(200)
    account.map(frame, "Say {t}", max_tokens=100, budget=0.001, journal=path)
    asked = account.brain.ledger.answered
    out = account.map(frame, "Say {t}", max_tokens=100, budget=10.0, journal=path)
    assert 0 < asked < 200
    assert account.brain.ledger.answered == 200
    assert account.brain.ledger.paid_twice == 0
    assert out["response_error"].isna().all()


def test_rows_in_the_journal_come_back_also_when_the_budget_is_used_up(tmp_path: Any) -> None:
    """They cost nothing, so no budget holds them back, wherever in the frame they are."""
    path, account = tmp_path / "j.sqlite3", world()
    frame = frame_of(300)
    account.map(frame[150:], "Say {t}", journal=path)
    out = account.map(frame, "Say {t}", journal=path, budget=1e-9)
    assert out["response_error"][:150].str.startswith("budget: ").all()
    assert out["response"][150:].notna().all()


@pytest.mark.parametrize("how", [{"model": "claude-unheard-of"}, {"request": {"model": "claude-unheard-of"}}])
def test_a_model_without_a_known_price_and_a_budget_is_refused_before_the_first_call(how: Any) -> None:
    """A cap that cannot be kept is an error, however the model was named."""
    account = world()
    with pytest.raises(InputError, match="no price is known"):
        account.map(frame_of(3), "Say {t}", budget=1.0, **how)
    assert account.brain.ledger.requests == 0


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_marks_that_the_user_set_are_reserved_at_the_price_of_a_write(ttl: str) -> None:
    """A mark of the user's own makes a write dearer than plain input, also with prompt_cache=False."""
    system = [{"type": "text", "text": "shared words " * 400, "cache_control": {"type": "ephemeral", "ttl": ttl}}]
    account = world()
    options: dict[str, Any] = {"request": {"system": system}, "prompt_cache": False, "max_tokens": 1}
    account.map(pd.DataFrame({"t": ["one"]}), "Say {t}", **options)
    cost = billed(account.brain.ledger)
    fields = {"model": "claude-haiku-5-5", "max_tokens": 1, "system": system}
    tokens = account.brain.ledger.total("input_tokens") + account.brain.ledger.total(f"cache_write_{ttl}_tokens")
    worst = PriceList().worst_cost(fields, tokens, None)
    assert account.brain.ledger.total(f"cache_write_{ttl}_tokens") > 0
    assert worst is not None
    assert worst >= cost


# -- what has no bound -----------------------------------------------------------------------------------------------

REMOTE = {
    "URL": {"type": "document", "source": {"type": "url", "url": "https://example.com/report.pdf"}},
    "file_id": {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    "pages": {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjcK"},
    },
}


@pytest.mark.parametrize("cell", ["https://example.com/report.pdf", REMOTE["URL"], [REMOTE["file_id"]]])
def test_a_column_of_remote_documents_and_a_budget_is_refused_before_the_first_call(cell: Any) -> None:
    """Nobody knows how many pages they have, and a guess is no bound."""
    account = world()
    frame = pd.DataFrame({"t": ["one", "two"], "doc": [None, cell]}, dtype=object)
    with pytest.raises(InputError, match=r"budget= cannot be kept with the column 'doc'.*pass the file itself"):
        account.map(frame, "Sum up {t}", documents="doc", budget=1.0)
    assert account.brain.ledger.requests == 0


@pytest.mark.parametrize(("label", "name"), [(0, "0"), (("a", "b"), "a/b")])
def test_a_budget_finds_documents_by_the_name_that_a_prompt_has_for_them(label: Any, name: str) -> None:
    """A number, or the parts of a label below a MultiIndex."""
    account = world()
    frame = pd.DataFrame([[b"a text"]], columns=pd.Index([label]))
    out = account.map(frame, "Sum up", documents=name, budget=1.0)
    assert out["response_error"].isna().all()


@pytest.mark.parametrize("words", REMOTE)
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_row_without_a_bound_is_not_sent_under_a_budget(words: str, is_nested: bool) -> None:
    """It is that row's error; the others go on."""
    block = REMOTE[words]
    nested = {"type": "document", "source": {"type": "content", "content": [block]}}

    def prompt(row: Any) -> list[dict[str, Any]]:
        attached = [nested if is_nested else block] if row["t"].startswith("row number 3 ") else []
        return [*attached, {"type": "text", "text": row["t"]}]

    account = world()
    out = account.map(frame_of(10), prompt, budget=1.0)
    assert list(out.index[out["response_error"].notna()]) == [3]
    assert words in out["response_error"][3]
    assert account.brain.ledger.requests == 9


def test_images_inside_tool_results_weigh_as_images_do() -> None:
    """Their base64 is no text, and what they cost is set aside wherever they stand."""
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    plain, nested = (
        build(SHARED, [{"role": "user", "content": content}])
        for content in ([image], [{"type": "tool_result", "tool_use_id": "t", "content": [image]}])
    )
    assert nested.max_input_tokens >= plain.max_input_tokens > 5_000


@pytest.mark.parametrize("name", ["mcp_servers", "container"])
def test_what_lets_the_api_work_by_itself_is_refused_with_a_budget(name: str) -> None:
    """Servers and containers of the API read what nobody knows before."""
    account = world()
    with pytest.raises(InputError, match=f"budget= cannot be kept with {name}"):
        account.map(frame_of(2), "Say {t}", budget=1.0, request={name: [{"type": "url"}]})


def test_a_kind_of_tool_that_is_new_counts_as_the_apis() -> None:
    """Only tools that are known as the caller's own read nothing."""
    account = world()
    with pytest.raises(InputError, match="advisor_20261101"):
        account.map(frame_of(2), "Say {t}", budget=1.0, tools=[{"type": "advisor_20261101", "name": "advisor"}])
    assert not is_server_tool({"type": "bash_20250124", "name": "bash"})
    assert not is_server_tool({"name": "mine", "input_schema": {"type": "object"}})
