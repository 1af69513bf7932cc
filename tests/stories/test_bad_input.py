"""What cannot work is a clear error before the first call."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel.errors import CredentialsError, InputError
from claude_parallel.frames.frame_map import FrameMap

from ..worlds import frame_of, world

FRAME = pd.DataFrame({"review": ["good", "bad"], "product": ["a", "b"], "n": [1, 2]})


def refused(frame: Any, prompt: Any, **options: Any) -> str:
    """Return the message with which a map is refused; nothing may have been sent."""
    account = world()
    with pytest.raises(InputError) as caught:
        account.map(frame, prompt, **options)
    assert account.brain.ledger.requests == 0
    return str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Tone of {reviw}?", ["'reviw'", "'review'"]),
        ("Tone of {Product}?", ["'Product'", "'product'"]),
        ("reviews", ["'review'", "neither a column nor a template"]),
        ("What is the capital of France?", ["every row would ask the same"]),
        ("{review.upper}", ["{review.upper}", "plain column name", "assign()"]),
        ("{review[0]}", ["{review[0]}", "plain column name"]),
        ("{review!x}", ["{review!x}", "!r, !s, !a"]),
        ("{review:.2f}", ["'review'", "first row", "format"]),
        ("{n:%Y}", ["'n'", "first row", "format"]),
        ("{n:{review}}", ["format"]),
        ('Answer as {"tone": "good"}: {review}', ["{{ and }}", "literal braces"]),
        ("Answer as {tone: good} for {review}", ["'tone'", "{{ and }}"]),
        ("{\n  tone\n} {review}", ["literal braces"]),
        ("{}", ["series", "{review}"]),
        ("{0}", ["'0'"]),
        ("Tone of {review", ["brace", "{{"]),
        ("Tone of review}", ["brace", "{{"]),
        ("{{review}}", ["every row would ask the same"]),
        ("", ["every row would ask the same"]),
        (42, ["column name, a template or a callable", "int"]),
        (None, ["NoneType"]),
        (["review"], ["list"]),
    ],
)
def test_a_prompt_that_cannot_be_filled_is_refused(prompt: Any, words: list[str]) -> None:
    """The message names what is wrong, and the nearest columns."""
    message = refused(FRAME, prompt)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "cells", [["text", 5], [5, 6], [1.5, 2.5], [b"bytes", "text"], [["list"], "text"], [True, False]]
)
def test_a_column_of_prompts_must_hold_text(cells: list[Any]) -> None:
    """Numbers as prompts are almost never meant; the message names the row and the way out."""
    message = refused(pd.DataFrame({"p": cells}), "p")
    assert "'p'" in message
    assert "not text" in message
    assert "astype" in message


def test_missing_cells_in_a_column_of_prompts_are_skipped() -> None:
    """They are no mistake."""
    out = world().map(pd.DataFrame({"p": ["text", None]}), "p")
    assert out["response"].notna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("out", "prompt"),
    [
        ("review", "Tone of {review}?"),
        ("review", "review"),
        ("x", "{x_error} {review}"),
        ("x", "{x_cost} {review}"),
    ],
)
def test_an_output_column_that_the_prompt_reads_is_refused(out: str, prompt: str) -> None:
    """It would be replaced by its own answer."""
    frame = FRAME.assign(x_error="e", x_cost="c")
    message = refused(frame, prompt, out=out)
    assert "read by the prompt" in message
    assert "choose another out=" in message


@pytest.mark.parametrize("out", ["", None, 3, ["response"], "\ud800"])
def test_out_must_be_a_name(out: Any) -> None:
    """One column name, as text."""
    assert "out must be the name of a column" in refused(FRAME, "{review}!", out=out)


def test_a_column_name_that_stands_twice_is_refused() -> None:
    """Which of the two is meant, nobody can know."""
    twice = pd.DataFrame([["a", "b"]], columns=["t", "t"])
    assert "2 columns named 't'" in refused(twice, "Say {t}")
    made = pd.DataFrame([["a", "b", "c"]], columns=["t", "response", "response"])
    assert "several columns 'response'" in refused(made, "Say {t}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": -3}, "max_concurrency"),
        ({"max_concurrency": "many"}, "max_concurrency"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"limits": "tier-9"}, "tier-9"),
        ({"limits": {"requests_per_minute": 0}}, "requests_per_minute"),
        ({"limits": {"input_tokens_per_minute": -1}}, "input_tokens_per_minute"),
        ({"limits": {"rpm": 5}}, "rpm"),
        ({"limits": 50}, "limits"),
        ({"budget": 0}, "budget"),
        ({"budget": -1.0}, "budget"),
        ({"budget": float("nan")}, "budget"),
        ({"budget": "2 dollars"}, "budget"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10.5}, "max_tokens"),
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"sample": 0}, "sample"),
        ({"on_error": "ignore"}, "on_error"),
        ({"prompt_cache": "10m"}, "prompt_cache"),
        ({"model": ""}, "model"),
        ({"system": "  "}, "system"),
        ({"thinking": 5}, "thinking"),
        ({"request": ["x"]}, "request"),
        ({"request": {"messages": []}}, "messages"),
        ({"request": {"stream": True}}, "stream"),
        ({"request": {"metadata": 1j}}, "JSON"),
        ({"request": {"metadata": float("nan")}}, "JSON"),
        ({"tools": {"name": "x"}}, "tools"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"stop_sequences": 5}, "stop_sequences"),
        ({"journal": 5}, "journal"),
        ({"temperature": 0.5}, "it is gone"),
        ({"top_p": 0.5}, "it is gone"),
        ({"max_workers": 8}, "did you mean 'max_concurrency'"),
        ({"concurrency": 8}, "did you mean 'max_concurrency'"),
        ({"n_jobs": -1}, "did you mean 'max_concurrency'"),
        ({"system_prompt": "x"}, "did you mean 'system'"),
        ({"rows": 10}, "df.head(10)"),
        ({"column": "t"}, "the prompt names its columns"),
        ({"labels": ["a", "b"]}, "classify"),
        ({"system": "You know {product}"}, "{product}"),
        ({"model": "haiku"}, "'claude-haiku-5-5'"),
        ({"tools": ["web_search"]}, "'type': 'web_search_"),
        ({"tools": ["my_tool"]}, "describe 'my_tool'"),
        ({"skip_missing": "no"}, "skip_missing"),
        ({"keep_text": 1}, "keep_text"),
        ({"max_token": 5}, "did you mean 'max_tokens'"),
        ({"images": "photo"}, "photo"),
        ({"images": 5}, "images"),
        ({"examples": [("only one",)]}, "pair (input, output)"),
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], words: str) -> None:
    """Each message names the option."""
    assert words in refused(FRAME, "Tone of {review}?", **options)


def test_limits_made_with_impossible_numbers_are_refused() -> None:
    """Also where they are made by hand."""
    for bad in (0, -5, float("nan"), "fast"):
        with pytest.raises(InputError, match="requests_per_minute"):
            cp.Limits(requests_per_minute=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [{"max_retries": -1}, {"base_seconds": -0.5}, {"cap_seconds": float("nan")}])
def test_a_retry_policy_with_impossible_numbers_is_refused(bad: dict[str, Any]) -> None:
    """A negative wait would be a storm."""
    with pytest.raises(InputError, match=next(iter(bad))):
        cp.RetryPolicy(**bad)


def test_configure_refuses_what_a_call_would_refuse() -> None:
    """A wrong default shows where it is set, not in the next cell."""
    with pytest.raises(InputError, match="did you mean 'model'"):
        cp.configure(modle="x")
    with pytest.raises(InputError, match="max_tokens"):
        cp.configure(max_tokens=-1)


def test_missing_credentials_name_the_key_and_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first call, and the journal is not even made."""
    monkeypatch.delenv("ANTHROPIC_CONFIG_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match=r"ANTHROPIC_API_KEY[\s\S]*simulator\(\)"):
        frame_of(1).claude.map("Say {t}", progress=False)
    assert not (tmp_path / "home").exists()


def test_a_function_that_fails_on_the_first_row_is_refused_with_its_cause() -> None:
    """A typo in the function must not mark a hundred thousand rows."""
    message = refused(FRAME, lambda row: row["reviw"])
    assert "KeyError" in message
    assert "first row" in message


@pytest.mark.parametrize(
    ("schema", "output", "words"),
    [
        (Literal["good", "bad"], "so-so", "Input should be 'good' or 'bad'"),
        ({"tone": str, "score": int}, {"tone": "good"}, "field 'score' is missing"),
        ({"tone": str, "score": int}, "good", "the answer is not JSON"),
        ({"tone": str}, '{"tone": "go', "Unterminated string starting at character 9"),
        (date, "tomorrow", "valid date"),
    ],
)
def test_an_example_that_does_not_fit_the_schema_is_refused(schema: Any, output: Any, words: str) -> None:
    """Every row would pay for being shown a wrong answer."""
    message = refused(FRAME, "Rate: {review}", schema=schema, examples=[("fine", output)])
    assert message.startswith("an example's output")
    assert words in message


def test_a_function_that_is_async_is_told_to_be_none() -> None:
    """And nobody complains of a coroutine that was never awaited."""

    async def ask(row: Any) -> str:
        return str(row["review"])

    assert "the prompt function is async; it must be a plain one" in refused(FRAME, ask)


@pytest.mark.parametrize("given", [pd.Series(["a", "b"]), np.array(["a", "b"]), FRAME])
def test_a_function_that_gives_a_whole_row_is_told_what_to_give(given: Any) -> None:
    """And not that lengths must match."""
    assert "it must give text" in refused(FRAME, lambda _row: given)


def test_a_frame_that_failed_to_run_can_be_run_again() -> None:
    """The mark of a run under way goes away with the run, however it ended."""
    frame = frame_of(2)
    with pytest.raises(cp.RunStopped):
        world().map(frame, "Say {t}", model="claude-of-the-past")
    assert world().map(frame, "Say {t}")["response"].notna().all()


def test_the_checks_need_no_environment() -> None:
    """They come before credentials, journal and network are touched."""
    with pytest.raises(InputError, match="'reviw'"):
        FrameMap(FRAME, "{reviw}!", "response", {})
