"""What a Message says: text, usage, and whether it is a good answer."""

from __future__ import annotations

from typing import Any

import pytest

from claude_parallel.api.answers import read_answer, text_of, usage_of
from claude_parallel.records import Usage


def message(*blocks: Any, stop: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    """Return a Message with these content blocks."""
    usage = {"input_tokens": 5, "output_tokens": 7, **more.pop("usage", {})}
    return {"content": list(blocks), "stop_reason": stop, "usage": usage, **more}


def text(words: str | None) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words}


THINKING = {"type": "thinking", "thinking": "", "signature": "x"}
UNKNOWN = {"type": "hologram", "text": "not this"}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([text("a")], "a"),
        ([THINKING, text("a")], "a"),
        ([text("a"), UNKNOWN, text("b")], "ab"),
        ([text(None), text("a")], "a"),
        ([{"type": "text"}], ""),
        ([UNKNOWN], ""),
        ([], ""),
    ],
)
def test_the_text_is_all_text_blocks_joined(blocks: list[Any], expected: str) -> None:
    """By their type, never by their place; an unknown block is left out even if it has a text."""
    assert text_of(message(*blocks)) == expected


@pytest.mark.parametrize("missing", [{}, {"content": None}])
def test_a_message_without_content_has_no_text(missing: Any) -> None:
    """Nothing raises."""
    assert text_of(missing) == ""


GOOD = [
    message(text("a")),
    message(text("a"), stop="stop_sequence"),
    message(text("a"), stop="tool_use"),
    message(text("a"), stop="a brand new reason"),
    message(text("a"), stop=None),
]


@pytest.mark.parametrize("good", GOOD, ids=lambda m: str(m["stop_reason"]))
def test_a_good_answer_has_no_kind(good: Any) -> None:
    """Unknown stop reasons with text count as good."""
    answer = read_answer(good)
    assert (answer.text, answer.kind, answer.what) == ("a", None, "")


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (message(text("cut"), stop="max_tokens"), "max_tokens", "cut after 7 output tokens"),
        (
            message(THINKING, stop="max_tokens", usage={"output_tokens_details": {"thinking_tokens": 7}}),
            "max_tokens",
            "went into thinking",
        ),
        (message(text("x"), stop="refusal"), "refusal", "Claude refused"),
        (
            message(stop="refusal", stop_details={"category": "cyber", "explanation": "because"}),
            "refusal",
            "Claude refused (cyber): because",
        ),
        (message(stop="refusal", stop_details={"category": None, "explanation": None}), "refusal", "Claude refused"),
        (message(text("x"), stop="model_context_window_exceeded"), "context_window", "context window"),
        (message(text("x"), stop="pause_turn"), "unknown", "pause_turn"),
        (message(), "empty", "no text"),
        (message(text(" \n")), "empty", "no text"),
        (message({"type": "tool_use", "id": "x"}, stop="tool_use"), "empty", "tool_use"),
    ],
)
def test_a_bad_answer_has_its_kind_and_keeps_its_text(bad: Any, kind: str, words: str) -> None:
    """Stop reasons come before the text: a cut answer may read well."""
    answer = read_answer(bad)
    assert answer.kind == kind
    assert words in answer.what
    assert answer.text == text_of(bad)


USAGES = [
    ({"input_tokens": 1, "output_tokens": 2}, Usage(input_tokens=1, output_tokens=2)),
    (
        {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 20},
        Usage(input_tokens=1, output_tokens=2, cache_write_5m_tokens=10, cache_read_tokens=20),
    ),
    (
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        },
        Usage(input_tokens=1, output_tokens=2, cache_write_5m_tokens=10, cache_write_1h_tokens=20),
    ),
    (
        {"cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_1h_input_tokens": 30}},
        Usage(cache_write_1h_tokens=30),
    ),
    ({"cache_creation": {"ephemeral_5m_input_tokens": 4}}, Usage(cache_write_5m_tokens=4)),
    (
        {
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4},
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
            "service_tier": "batch",
            "speed": "fast",
            "inference_geo": "us",
        },
        Usage(
            output_tokens=9, thinking_tokens=4, web_searches=3, service_tier="batch", speed="fast", inference_geo="us"
        ),
    ),
    (
        dict.fromkeys(
            ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_creation", "output_tokens_details"]
        ),
        Usage(),
    ),
    (None, Usage()),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES)
def test_usage_is_read_into_kinds_that_exclude_each_other(usage: Any, expected: Usage) -> None:
    """Missing and null fields are zero; writes without a split are five-minute writes."""
    assert usage_of({"usage": usage}) == expected


def test_the_kinds_of_input_add_up() -> None:
    """What was processed is what follows the last mark, what was written, and what was read."""
    usage = Usage(input_tokens=1, cache_write_5m_tokens=2, cache_write_1h_tokens=4, cache_read_tokens=8)
    assert (usage.cache_write_tokens, usage.total_input_tokens) == (6, 15)
