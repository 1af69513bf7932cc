"""What a Message says: text, usage, and whether it is a good answer."""

from __future__ import annotations

from typing import Any

import pytest

from claude_parallel.answers import read_answer, text_of, usage_of
from claude_parallel.records import Usage

TEXT = {"type": "text", "text": "hello"}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "x"}
STRANGE = {"type": "something_new", "text": None}


def message(*content: Any, stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    """Return a Message."""
    return {"content": list(content), "stop_reason": stop, "usage": {"input_tokens": 5, "output_tokens": 7}, **more}


@pytest.mark.parametrize(
    ("found", "kind", "text"),
    [
        (message(TEXT), None, "hello"),
        (message(THINKING, TEXT, TEXT), None, "hellohello"),
        (message(STRANGE, TEXT), None, "hello"),
        (message(TEXT, stop="stop_sequence"), None, "hello"),
        (message(TEXT, stop="a_reason_of_tomorrow"), None, "hello"),
        (message(TEXT, stop="max_tokens"), "max_tokens", "hello"),
        (message(THINKING, stop="max_tokens"), "max_tokens", ""),
        (message(TEXT, stop="model_context_window_exceeded"), "context_window", "hello"),
        (message(stop="refusal"), "refusal", ""),
        (message(TEXT, stop="refusal", stop_details={"category": "bio"}), "refusal", "hello"),
        (message(), "empty", ""),
        (message(THINKING), "empty", ""),
        (message({"type": "text", "text": "  "}), "empty", "  "),
        (message({"type": "tool_use", "name": "t", "input": {}}, stop="tool_use"), "empty", ""),
        (message(TEXT, stop="pause_turn"), "unknown", "hello"),
    ],
)
def test_a_message_is_read(found: dict[str, Any], kind: str | None, text: str) -> None:
    """Stop reasons decide before text does; what came is always kept."""
    answer = read_answer(found)

    assert (answer.kind, answer.text) == (kind, text)
    assert bool(answer.what) == (kind is not None)


def test_a_refusal_says_why() -> None:
    """Category and explanation are in the row's error."""
    details = {"type": "refusal", "category": "cyber", "explanation": "because"}

    assert "cyber" in read_answer(message(stop="refusal", stop_details=details)).what
    assert "because" in read_answer(message(stop="refusal", stop_details=details)).what


def test_thinking_that_ate_all_tokens_is_named() -> None:
    """The usual trap with a small max_tokens on a model that thinks."""
    usage = {"output_tokens": 64, "output_tokens_details": {"thinking_tokens": 64}}

    assert "thinking" in read_answer(message(THINKING, stop="max_tokens") | {"usage": usage}).what


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        ({}, Usage()),
        ({"input_tokens": 1, "cache_creation_input_tokens": 9, "cache_read_input_tokens": None}, Usage(1, 0, 9)),
        (
            {
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
            },
            Usage(0, 0, 4, 5),
        ),
        (
            {
                "server_tool_use": {"web_search_requests": 2},
                "service_tier": "batch",
                "speed": "fast",
                "inference_geo": "us",
            },
            Usage(web_searches=2, service_tier="batch", speed="fast", inference_geo="us"),
        ),
        ({"server_tool_use": None, "cache_creation": None, "output_tokens_details": None}, Usage()),
    ],
)
def test_usage_is_disjoint_by_kind(usage: dict[str, Any], expected: Usage) -> None:
    """Nulls and missing fields count as none."""
    assert usage_of({"usage": usage}) == expected


def test_text_of_nothing_is_empty() -> None:
    """A Message without content does no harm."""
    assert text_of({}) == text_of({"content": None}) == ""
