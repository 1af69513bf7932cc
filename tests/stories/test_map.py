"""Whole maps on virtual time: what comes back, whatever the frame, the answers and the failures look like."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import claude_parallel as cp
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.frames.outputs import text_dtype
from claude_parallel.records import Failure
from claude_parallel.simulation.profile import Limits, Profile

from ..worlds import World, frame_of, world


def kinds(out: pd.DataFrame, name: str = "response_error") -> pd.Series[Any]:
    """Return the kind of error of each row, as users count them."""
    return out[name].str.partition(":")[0]


def asked(body: Any) -> str:
    """Return the text of the last message of a wire body."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def echo(**profile: Any) -> World:
    """Return an account that answers with what it was asked."""
    return world(Profile(**{"answer": lambda body: "re: " + asked(body), **profile}))


# -- frames ----------------------------------------------------------------------------------------------------------

FRAMES = {
    "plain": pd.DataFrame({"t": ["a", "b", "c"]}),
    "unsorted": pd.DataFrame({"t": ["a", "b", "c"]}, index=[9, -1, 4]),
    "duplicate labels": pd.DataFrame({"t": ["a", "b", "c"]}, index=["x", "y", "x"]),
    "MultiIndex": pd.DataFrame(
        {"t": ["a", "b"]}, index=pd.MultiIndex.from_tuples([("k", 2), ("k", 1)], names=["p", "q"])
    ),
    "dates": pd.DataFrame({"t": ["a", "b"]}, index=pd.DatetimeIndex(["2026-02-01", "2026-01-01"], name="day")),
    "missing labels": pd.DataFrame({"t": ["a", "b"]}, index=[None, float("nan")]),
    "categories": pd.DataFrame({"t": pd.Categorical(["a", "b", "a"])}, index=pd.CategoricalIndex(list("vwv"))),
    "other dtypes": pd.DataFrame(
        {
            "t": ["a", "b"],
            "whole": np.array([1, 2], dtype="int8"),
            "maybe": pd.array([1, None], dtype="Int64"),
            "when": pd.to_datetime(["2026-01-01", None]),
            "thing": [{"k": 1}, [1, 2]],
            "flag": pd.array([True, None], dtype="boolean"),
        }
    ),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_the_frame_comes_back_with_three_columns_more(frame: pd.DataFrame) -> None:
    """Same index, dtypes and row order; each answer stands beside its own question; the input is untouched."""
    before = frame.copy(deep=True)
    out = echo(latency_seconds=1.0, jitter_sigma=2.0).map(frame, "Say {t}")
    assert_frame_equal(frame, before)
    assert_frame_equal(out[frame.columns], before)
    assert list(out.columns) == [*frame.columns, "response", "response_error", "response_cost"]
    assert [str(text) for text in out["response"]] == [f"re: Say {cell}" for cell in frame["t"]]
    assert out["response_error"].isna().all()
    assert out["response"].dtype == text_dtype()
    assert out["response_error"].dtype == text_dtype()
    assert out["response_cost"].dtype == "float64"
    assert frame.attrs == {}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(st.sampled_from(["a", "b", "c", "", "  ", None, "{x}", "ü\n", "d", "e"]), max_size=25),
    labels=st.randoms(use_true_random=False),
    seed=st.integers(0, 999),
)
def test_order_index_and_skips_hold_for_any_column(cells: list[str | None], labels: Any, seed: int) -> None:
    """Latencies shuffle the answers, faults repeat the calls; the rows stay where they are."""
    index = [labels.choice("pqr") for _ in cells]
    frame = pd.DataFrame({"t": pd.Series(cells, index=index, dtype="object")})
    account = echo(latency_seconds=1.0, jitter_sigma=1.5, faults={"overloaded": 0.1, "reset": 0.1})
    account.seed = seed
    out = account.map(frame, "Say {t}!")
    assert list(out.index) == index
    for cell, text, error in zip(cells, out["response"], out["response_error"], strict=True):
        if cell is None or not cell.strip():
            assert pd.isna(text)
            assert error.startswith("skipped: ")
        else:
            assert text == f"re: Say {cell}!"
            assert pd.isna(error)


def test_an_empty_frame_returns_at_once_with_the_right_columns() -> None:
    """Nothing is asked, not even for a key."""
    frame = pd.DataFrame({"t": pd.Series([], dtype="str")})
    out = frame.claude.map("Say {t}")
    assert list(out.columns) == ["t", "response", "response_error", "response_cost"]
    assert out["response"].dtype == text_dtype()
    assert out["response_cost"].dtype == "float64"
    assert len(out) == 0


def test_a_frame_of_skipped_rows_only_sends_nothing() -> None:
    """All cells missing: three columns, no call, no cost."""
    account = echo()
    out = account.map(pd.DataFrame({"t": [None, np.nan, pd.NA, pd.NaT, "", " \n"]}), "Say {t}")
    assert account.brain.ledger.requests == 0
    assert (kinds(out) == "skipped").all()
    assert out["response"].isna().all()
    assert (out["response_cost"] == 0.0).all()


def test_a_missing_cell_that_the_prompt_does_not_read_skips_nothing() -> None:
    """Only the columns of the placeholders count."""
    frame = pd.DataFrame({"t": ["a", "b"], "other": [None, "x"]})
    assert echo().map(frame, "Say {t}")["response"].notna().all()


def test_columns_of_an_earlier_run_are_replaced_as_assign_does() -> None:
    """Run the cell twice on its own output: no fourth column, and the place of the old ones stays."""
    account = echo()
    first = account.map(frame_of(2), "Say {t}")
    first["mine"] = 1
    second = account.map(first, "Shout {t}")
    assert list(second.columns) == list(first.columns)
    assert second["response"].str.startswith("re: Shout").all()


def test_out_names_the_columns() -> None:
    """Two maps of one frame stand side by side."""
    account = echo()
    out = account.map(account.map(frame_of(2), "Say {t}", out="said"), "{said}?", out="asked")
    assert list(out.columns) == ["t", "said", "said_error", "said_cost", "asked", "asked_error", "asked_cost"]
    assert out["asked"][1] == "re: re: Say row number 1 of the frame?"


def test_formats_and_index_levels_may_stand_in_a_template() -> None:
    """As Python formats them, whatever the index; a value that does not fit its format is its row's problem alone."""
    index = pd.MultiIndex.from_tuples([("x", 2), ("y", 1), ("z", 3)], names=["shelf", "n"])
    frame = pd.DataFrame({"price": [1.5, 2.25, "free"], "day": pd.to_datetime(["2026-01-02"] * 3)}, index=index)
    out = echo().map(frame, "{shelf}{n:03d}: {price:.2f} on {day:%d.%m.} {price!r}")
    assert out["response"].tolist()[:2] == ["re: x002: 1.50 on 02.01. 1.5", "re: y001: 2.25 on 02.01. 2.25"]
    assert out["response_error"].iloc[2].startswith("invalid: column 'price' cannot be filled in: ValueError")
    assert out.index.equals(index)


def test_index_levels_that_are_named_by_numbers_are_not_taken_for_their_places() -> None:
    """As ``set_index([1, 0])`` makes them of a file without a header; a series reads them, too."""
    frame = pd.DataFrame({0: ["zero"], 1: ["one"], "t": ["x"]}).set_index([1, 0])
    assert echo().map(frame, "{0} {1} {t}")["response"].tolist() == ["re: zero one x"]
    assert echo().map(frame["t"], "{0} {1} {t}").tolist() == ["re: zero one x"]


def test_a_cell_that_is_written_while_the_frame_is_mapped_is_asked_as_it_was() -> None:
    """``df.loc[0, "t"] = ...`` beside a job; pandas 2 writes into the cells that copies share."""
    frame = pd.DataFrame({"t": ["old"]})
    prepared = FrameMap(frame, "Say {t}", "response", {})
    frame.loc[0, "t"] = "new"
    assert prepared.rows.texts(0, 1) == ["Say old"]


def test_a_column_wins_over_an_index_level_of_the_same_name() -> None:
    """As everywhere in pandas, and over a format of the same look: ``{a:b}`` may be a column."""
    frame = pd.DataFrame({"a": ["column"], "a:b": ["colon"]}, index=pd.Index(["level"], name="a"))
    assert echo().map(frame, "{a} {a:b} {a:>8}")["response"].tolist() == ["re: column colon   column"]


def test_columns_of_a_multiindex_are_named_by_their_parts() -> None:
    """``{q/x}`` in a template, the tuple in a function; the answers stand at the top level and are replaced there."""
    frame = pd.DataFrame([["a", "b"]], columns=pd.MultiIndex.from_tuples([("q", "x"), ("q", "y")]))
    out = echo().map(frame, "{q/x} and {q/y}")
    assert out["response"].tolist() == ["re: a and b"]
    assert out.claude.cost.loc["response", "answered"] == 1
    again = echo().map(out, lambda row: row[("q", "y")])
    assert again["response"].tolist() == ["re: b"]
    assert again.columns.tolist() == out.columns.tolist()


def test_numbers_and_dates_are_written_as_python_writes_them() -> None:
    """A template takes any cell; braces inside data are data."""
    frame = pd.DataFrame({"n": [1, 2], "x": [0.5, 1e20], "d": pd.to_datetime(["2026-01-01", "2026-02-03"]), "b": "{n}"})
    out = echo().map(frame, "{n} {x} {d} {b} {{n}}")
    assert out["response"].tolist() == [
        "re: 1 0.5 2026-01-01 00:00:00 {n} {n}",
        "re: 2 1e+20 2026-02-03 00:00:00 {n} {n}",
    ]


# -- prompts by function ---------------------------------------------------------------------------------------------


def test_a_function_may_give_text_blocks_or_messages() -> None:
    """All three forms of content, row by row."""
    forms: list[Any] = [
        "plain text",
        [{"type": "text", "text": "one "}, {"type": "text", "text": "block"}],
        [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "second"},
            {"role": "user", "content": "third"},
        ],
        None,
        "",
    ]
    out = echo().map(pd.DataFrame({"n": range(5)}), lambda row: forms[row["n"]])
    assert out["response"].tolist()[:3] == ["re: plain text", "re: one block", "re: third"]
    assert kinds(out).tolist()[3:] == ["skipped", "skipped"]


BAD_CONTENT: list[Any] = [
    float("nan"),
    {"role": "user"},
    [{"type": "text", "text": float("nan")}],
    [{"type": "text", "text": np.float64(2.5), "n": np.int64(3)}],
    [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b"bytes"}}],
    [{"type": "document"}],
    [{"type": "document", "source": "not a mapping"}],
    [{"role": "user", "content": ["just text"]}],
    [{"role": "user", "content": {"type": "text"}}],
    [{"role": "user", "content": None}],
    [{1: 2, "type": "text", "text": "x"}],
    [{("a", "b"): 1}],
    ["text in a list"],
    [{"role": "user", "content": "x"}, {"type": "text", "text": "mixed"}],
    42,
    {"type": "text", "text": {1, 2}},
    [{"type": "text", "text": "surrogate \ud83d"}],
    "surrogate \ud83d",
]


@pytest.mark.parametrize("bad", BAD_CONTENT, ids=[repr(content)[:50] for content in BAD_CONTENT])
def test_a_function_that_gives_nonsense_for_one_row_costs_that_row_only(bad: Any) -> None:
    """Whatever it is, the other rows are answered and the run ends well."""
    account = echo()
    out = account.map(pd.DataFrame({"n": range(6)}), lambda row: bad if row["n"] == 3 else f"row {row['n']}")
    good = out.drop(index=3)
    assert good["response"].tolist() == [f"re: row {n}" for n in (0, 1, 2, 4, 5)]
    assert good["response_error"].isna().all()
    assert kinds(out)[3] in ("invalid", "skipped", "connection")


def test_a_function_that_raises_for_one_row_costs_that_row_only() -> None:
    """The error column says what it raised."""

    def prompt(row: Any) -> str:
        return f"{1 / int(row['n'])}"

    out = echo().map(pd.DataFrame({"n": [1, 0, 2]}), prompt)
    assert out["response_error"][1].startswith("invalid: the prompt function raised ZeroDivisionError")
    assert out["response"].notna().tolist() == [True, False, True]


# -- duplicates and samples --------------------------------------------------------------------------------------------


def test_identical_rows_are_sent_once_and_paid_once() -> None:
    """All of them get the answer; one carries the cost."""
    account = echo(latency_seconds=1.0)
    out = account.map(pd.DataFrame({"t": ["same"] * 50 + ["other"]}), "Say {t}")
    assert account.brain.ledger.requests == 2
    assert out["response"].tolist() == ["re: Say same"] * 50 + ["re: Say other"]
    assert (out["response_cost"] > 0).sum() == 2
    assert math.isclose(out["response_cost"].sum(), float(account.session.stats.cost))  # type: ignore[union-attr]


def test_identical_rows_share_a_failure_too() -> None:
    """One refusal, told for each of them."""
    account = world(Profile(script={1: "refusal"}))
    out = account.map(pd.DataFrame({"t": ["same"] * 3}), "Say {t}")
    assert account.brain.ledger.requests == 1
    assert (kinds(out) == "refusal").all()


def test_sample_asks_for_independent_draws() -> None:
    """``response``, ``response_2``, ...: one call for each draw of each row, errors and costs included."""
    account = echo()
    out = account.map(frame_of(4), "Say {t}", sample=3)
    assert account.brain.ledger.requests == 12
    made = [name + end for name in ("response", "response_2", "response_3") for end in ("", "_error", "_cost")]
    assert list(out.columns) == ["t", *made]
    assert out[made[::3]].notna().all().all()


# -- answers that are not good ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "has_text"),
    [("refusal", "refusal", False), ("empty", "empty", False), ("unknown_block", None, True)],
)
def test_an_odd_answer_is_marked_and_costs_the_others_nothing(fault: Any, kind: str | None, has_text: bool) -> None:
    """The text that came stays, the kind says what it was, and nothing is sent again."""
    account = world(Profile(script={2: fault}))
    out = account.map(frame_of(5), "Say {t}", max_concurrency=1)
    assert account.brain.ledger.requests == 5
    assert out["response_error"].drop(index=1).isna().all()
    found = kinds(out)[1]
    assert (found == kind) if kind else pd.isna(found)
    assert bool(out["response"].fillna("").str.strip().astype(bool)[1]) is has_text


def test_a_cut_answer_keeps_its_text_and_says_what_to_do() -> None:
    """``max_tokens``: the cut text stands in the column, the error names the option, the cost is counted."""
    out = world(Profile(output_tokens=200)).map(frame_of(3), "Say {t}", max_tokens=20)
    assert (kinds(out) == "max_tokens").all()
    assert out["response"].str.len().gt(0).all()
    assert out["response_error"].str.contains(r"retry\(max_tokens=").all()
    assert (out["response_cost"] > 0).all()


def test_thinking_that_eats_all_tokens_says_so() -> None:
    """A thinking block only: no text, and a message that explains it."""
    out = world(Profile(thinking_share=1.0, thinking_tokens=500)).map(frame_of(1), "Say {t}", max_tokens=100)
    assert kinds(out)[0] == "max_tokens"
    assert "thinking" in out["response_error"][0]


def test_text_after_thinking_is_found() -> None:
    """The first block is not the answer."""
    out = world(Profile(thinking_share=1.0, answer=lambda body: "the text")).map(frame_of(3), "Say {t}")
    assert out["response"].tolist() == ["the text"] * 3


# -- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["overloaded", "server", "gateway_timeout", "html_502", "rate_limit", "reset", "truncated", "not_json"],
)
def test_what_may_pass_is_tried_again(fault: Any) -> None:
    """Every passing failure ends in an answer, and the number of calls is the number of tries."""
    account = world(Profile(script={2: fault, 4: fault, 5: fault}, latency_seconds=1.0))
    out = account.map(frame_of(10), "Say {t}")
    assert out["response_error"].isna().all()
    assert account.brain.ledger.requests == 13


def test_a_silent_server_is_left_at_the_timeout() -> None:
    """The row is tried again, and the run ends in virtual minutes instead of an hour."""
    account = world(Profile(script={1: "hang"}, latency_seconds=1.0))
    out = account.map(frame_of(3), "Say {t}", timeout=30)
    assert out["response_error"].isna().all()
    assert account.clock.seconds < 120


@pytest.mark.parametrize(
    ("fault", "kind"), [("overloaded", "overloaded"), ("reset", "connection"), ("server", "server")]
)
def test_a_row_that_finally_fails_costs_the_others_nothing(fault: Any, kind: str) -> None:
    """After the last retry the kind stands in its row, and all others are answered."""
    account = world(Profile(script=dict.fromkeys(range(2, 5), fault), answer=lambda body: "fine"))
    out = account.map(frame_of(5), "Say {t}", retries=0, max_concurrency=1)
    assert kinds(out).tolist()[1:4] == [kind] * 3
    assert out["response"].notna().tolist() == [True, False, False, False, True]
    assert account.brain.ledger.requests == 5


def test_retries_counts_the_tries_after_the_first() -> None:
    """``retries=2``: three calls, then the row gives up."""
    account = world(Profile(faults={"overloaded": 1.0}))
    out = account.map(frame_of(1), "Say {t}", retries=2)
    assert account.brain.ledger.requests == 3
    assert kinds(out)[0] == "overloaded"


def test_retry_after_is_obeyed_however_long_it_is() -> None:
    """A 429 pauses everybody for exactly as long as the server says."""
    profile = Profile(limits=Limits(requests_per_minute=10), burst_seconds=60.0)
    account = world(profile)
    out = account.map(frame_of(30), "Say {t}")
    assert out["response_error"].isna().all()
    assert account.brain.ledger.statuses[429] <= 2
    assert account.clock.seconds >= 60.0


class Quota:
    """A transport that answers some calls, and then asks everybody to stay away."""

    def __init__(self, inner: Any, answers: int, seconds: float) -> None:
        self._inner = inner
        self._left = answers
        self._seconds = seconds

    async def send(self, body: Any) -> Any:
        """Answer, or refuse."""
        self._left -= 1
        if self._left >= 0:
            return await self._inner.send(body)
        return Failure(kind="rate_limit", message="quota used up", status=429, retry_after=self._seconds)

    async def aclose(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("seconds", "told"), [(1e18, "a time beyond the calendar"), (86_400.0 * 40, r"20\d\d-\d\d-")])
def test_a_server_that_wants_to_be_left_alone_for_long_ends_the_run(seconds: float, told: str) -> None:
    """What was answered is returned, the others say until when; the next run asks again at once."""
    account = world()
    environment = account.environment()
    quotas = iter([Quota(environment.open_transport(1, 1.0), 5, seconds), environment.open_transport(1, 1.0)])
    changed = replace(environment, open_transport=lambda _most, _timeout: next(quotas))
    account.environment = lambda: changed  # type: ignore[method-assign]
    with pytest.warns(UserWarning, match=f"rate_limit: quota used up; the server wants no call before {told}"):
        out = account.map(frame_of(300), "Say {t}")
    assert out["response_error"].isna().sum() == 5
    assert set(kinds(out).dropna()) == {"rate_limit"}
    assert out["response_error"].dropna().str.endswith("; run the cell again then").all()
    assert account.clock.seconds < 60.0
    assert account.map(frame_of(10), "Say {t}")["response_error"].isna().all()
    assert account.clock.seconds < 60.0


FATAL = [
    (Profile(spend_limit_after=0), "spend_limit"),
    (Profile(credit_after=0), "billing"),
    (Profile(api_keys=frozenset({"another key"})), "auth"),
]


@pytest.mark.parametrize(("profile", "kind"), FATAL, ids=[kind for _, kind in FATAL])
def test_a_fatal_answer_before_any_other_raises(profile: Profile, kind: str) -> None:
    """Nothing was answered, so there is nothing to return; only what was in flight was sent."""
    account = world(profile)
    with pytest.raises(cp.RunStopped, match=f"^{kind}: ") as caught:
        account.map(frame_of(500), "Say {t}")
    assert caught.value.kind == kind
    assert account.brain.ledger.requests <= 25


def test_an_unknown_model_stops_the_run() -> None:
    """A 404 is the same for every row."""
    account = world()
    with pytest.raises(cp.RunStopped, match=r"not_found.*check model="):
        account.map(frame_of(500), "Say {t}", model="claude-of-the-past")
    assert account.brain.ledger.requests <= 25


@pytest.mark.parametrize(("limit", "kind"), [("spend_limit_after", "spend_limit"), ("credit_after", "billing")])
def test_a_fatal_answer_later_on_returns_what_there_is(limit: str, kind: str) -> None:
    """One warning; answered rows stay, the rest says why, and nothing more is sent."""
    account = world(Profile(**{limit: 40}, latency_seconds=1.0))  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match=f"stopped early \\({kind}") as caught:
        out = account.map(frame_of(500), "Say {t}")
    assert len(caught) == 1
    assert out["response"].notna().sum() == 40
    assert (kinds(out).dropna() == kind).sum() == 460
    assert account.brain.ledger.requests <= 40 + 60


def test_on_error_raise_stops_at_the_first_row_that_finally_fails() -> None:
    """The exception names row and kind; what is in flight is not thrown away, the rest is never sent."""
    account = world(Profile(script={7: "refusal"}, latency_seconds=1.0))
    with pytest.raises(cp.RowFailed, match=r"^row \d+: refusal: .*request id req_") as caught:
        account.map(frame_of(500), "Say {t}", on_error="raise", max_concurrency=5)
    assert caught.value.position == 6
    assert account.brain.ledger.requests <= 12


def test_on_error_raise_does_not_take_a_skipped_row_for_a_failure() -> None:
    """A missing cell is no error of the run."""
    out = world().map(pd.DataFrame({"t": ["a", None]}), "Say {t}", on_error="raise")
    assert kinds(out)[1] == "skipped"


def test_an_unknown_price_is_nan_and_told_once() -> None:
    """A model that genai-prices does not know answers all the same."""
    account = world()
    with pytest.warns(UserWarning, match="no price is known") as caught:
        out = account.map(frame_of(3), "Say {t}", model="claude-mythos-preview")
    assert len(caught) == 1
    assert out["response"].notna().all()
    assert out["response_cost"].isna().all()


# -- money -----------------------------------------------------------------------------------------------------------


def test_the_costs_of_the_rows_add_up_to_what_was_billed() -> None:
    """Answers that were lost on the way are not in the frame; without them, both sums are equal to the cent."""
    account = world(Profile(faults={"overloaded": 0.1}, thinking_share=0.3))
    out = account.map(frame_of(200), "Say {t}")
    ledger = account.brain.ledger
    paid = Decimal(ledger.total("input_tokens")) * Decimal("0.1") + Decimal(ledger.total("output_tokens")) * Decimal(
        "0.5"
    )
    assert math.isclose(out["response_cost"].sum(), float(paid / 1_000_000), rel_tol=1e-9)


# -- size ------------------------------------------------------------------------------------------------------------


def test_ten_thousand_calls_hold() -> None:
    """Answers in order, and never more calls in flight than the cap."""
    account = echo(latency_seconds=0.5)
    out = account.map(frame_of(10_000, "{}"), "{t}.", max_concurrency=400)
    assert out["response"].tolist() == [f"re: {number}." for number in range(10_000)]
    assert account.brain.ledger.max_in_flight <= 400


@pytest.mark.parametrize(
    "examples",
    [
        pd.DataFrame({"t": ["one", "two"], "tone": ["good", "bad"]}),
        [("one", "good"), ("two", "bad")],
        [{"t": "one", "tone": "good"}, {"t": "two", "tone": "bad"}],
        {"one": "good", "two": "bad"},
    ],
    ids=["frame", "pairs", "dicts", "dict"],
)
def test_examples_of_every_form_ask_the_same(examples: Any) -> None:
    """As the documentation of ``map`` names them, from the frame to the wire."""
    account = world()
    account.map(frame_of(2), "Say {t}", examples=[("one", "good"), ("two", "bad")])
    bodies = set(account.brain.ledger.answered_bodies)
    account.map(frame_of(2), "Say {t}", examples=examples)
    assert set(account.brain.ledger.answered_bodies) == bodies
    assert account.brain.ledger.requests == 4


def test_a_hundred_thousand_rows_hold() -> None:
    """A frame of any length, here with few different questions; every row has the answer to its own."""
    account = echo(latency_seconds=0.5)
    frame = pd.DataFrame({"n": np.arange(100_000) % 997})
    out = account.map(frame, "{n}?")
    assert account.brain.ledger.requests == 997
    assert (out["response"] == "re: " + frame["n"].astype(str) + "?").all()


def test_no_more_calls_are_in_flight_than_the_cap() -> None:
    """``max_concurrency`` is a hard cap."""
    account = echo(latency_seconds=1.0)
    account.map(frame_of(300), "Say {t}", max_concurrency=7)
    assert account.brain.ledger.max_in_flight == 7
