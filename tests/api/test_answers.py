"""What a Message says: text, usage, and whether it is a good answer."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.api.answers import read_answer
from claude_parallel.api.reading import is_message, model_of, oddity, stop_reason_of, text_of, usage_of
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
        (message({"type": "tool_use", "name": "find"}, stop="tool_use"), "unknown", "called the tool 'find' and waits"),
        (message(text("I look."), {"type": "tool_use", "name": 3}, stop="tool_use"), "unknown", "waits for a tool's"),
    ],
)
def test_a_bad_answer_has_its_kind_and_keeps_its_text(bad: Any, kind: str, words: str) -> None:
    """Stop reasons come before the text: a cut answer may read well."""
    answer = read_answer(bad)
    assert answer.kind == kind
    assert words in answer.what
    assert (answer.hint is None) == (bad["stop_reason"] != "tool_use")
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
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_1h_input_tokens": 30},
        },
        Usage(input_tokens=1, output_tokens=2, cache_write_1h_tokens=30),
    ),
    (
        {"input_tokens": 0, "output_tokens": 0, "cache_creation": {"ephemeral_5m_input_tokens": 4}},
        Usage(cache_write_5m_tokens=4),
    ),
    (
        {
            "input_tokens": 0,
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
        Usage(is_known=False),
    ),
    (None, Usage(is_known=False)),
    ({}, Usage(is_known=False)),
    ({"input_tokens": 5}, Usage(input_tokens=5, is_known=False)),
    ({"input_tokens": -5, "output_tokens": 2}, Usage(output_tokens=2, is_known=False)),
    ({"input_tokens": 1, "output_tokens": 10**30}, Usage(input_tokens=1, is_known=False)),
    (
        {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": "10"},
        Usage(input_tokens=1, output_tokens=2, is_known=False),
    ),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES)
def test_usage_is_read_into_kinds_that_exclude_each_other(usage: Any, expected: Usage) -> None:
    """Missing and null fields are zero; writes without a split are five-minute writes; nonsense is not known."""
    assert usage_of({"usage": usage}) == expected


def test_the_kinds_of_input_add_up() -> None:
    """What was processed is what follows the last mark, what was written, and what was read."""
    usage = Usage(input_tokens=1, cache_write_5m_tokens=2, cache_write_1h_tokens=4, cache_read_tokens=8)
    assert (usage.cache_write_tokens, usage.total_input_tokens) == (6, 15)


ODD = {
    "content is a text": {"content": "hi"},
    "content is null": {"content": None},
    "content is an object": {"content": {"type": "text", "text": "hi"}},
    "a block is a text": {"content": ["hi"]},
    "a block is null": {"content": [None]},
    "a block has no type": {"content": [{"text": "hi"}]},
    "a text is a number": {"content": [{"type": "text", "text": 5}]},
    "a text is null": {"content": [{"type": "text", "text": None}]},
    "usage is a text": {"usage": "10"},
    "usage is a list": {"usage": [10]},
    "tokens are a text": {"usage": {"input_tokens": "10", "output_tokens": 1}},
    "tokens are a fraction": {"usage": {"input_tokens": 10.5, "output_tokens": 1}},
    "tokens are an object": {"usage": {"input_tokens": {}, "output_tokens": 1}},
    "tokens are a boolean": {"usage": {"input_tokens": True, "output_tokens": 1}},
    "tokens are negative": {"usage": {"input_tokens": 1, "output_tokens": -1}},
    "tokens are beyond all numbers": {"usage": {"input_tokens": 10**30, "output_tokens": 1}},
    "a split is a text": {"usage": {"input_tokens": 1, "output_tokens": 1, "cache_creation": "5m"}},
    "searches are a list": {"usage": {"input_tokens": 1, "output_tokens": 1, "server_tool_use": [1]}},
    "stop_details is a text": {"stop_reason": "refusal", "stop_details": "no"},
    "stop_reason is an object": {"stop_reason": {"a": 1}},
    "model is an object": {"model": {"name": "claude"}},
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_an_odd_message_is_an_error_and_keeps_its_text(change: Any) -> None:
    """Nothing raises, whatever is asked of it; the error says what is odd and does not repeat it."""
    odd = {**message(text("a"), usage={"input_tokens": 1}), **change}
    assert is_message(odd)
    answer = read_answer(odd)
    assert answer.kind == "unknown"
    assert "not a Message as the API promises it" in answer.what
    assert answer.text == ("a" if "content" not in change else "")
    assert isinstance(model_of(odd), str | None)
    assert isinstance(stop_reason_of(odd), str | None)
    assert usage_of(odd).is_known == ("usage" not in change)


@pytest.mark.parametrize(
    "new",
    [
        {"content": [{"type": "text", "text": "a"}, {"type": "hologram", "data": None}]},
        {"tomorrow": {"deep": [1]}},
        {"stop_reason": "a brand new reason"},
        {"usage": {"input_tokens": 1, "output_tokens": 1, "brand_new_tokens": "many", "service_tier": "gold"}},
        {"usage": None},
    ],
)
def test_what_is_new_or_missing_is_not_odd(new: Any) -> None:
    """The API grows: new fields, blocks and reasons are no mistake, and a gateway may leave the usage out."""
    assert read_answer({**message(text("a")), **new}).kind is None


@pytest.mark.parametrize("other", [[], "text", 5, None, {}, {"type": "error"}, {"detail": "sign in"}, {"ok": True}])
def test_what_comes_from_elsewhere_is_no_message(other: Any) -> None:
    """A portal's JSON is not an answer of Claude: it may be asked again."""
    assert not is_message(other)


@pytest.mark.parametrize(
    ("refused", "is_billed"),
    [
        (message(stop="refusal"), False),
        (message(text("Well,"), stop="refusal"), True),
        (message(), True),
    ],
)
def test_a_refusal_before_any_output_is_not_billed(refused: Any, is_billed: bool) -> None:
    """Its tokens are counted all the same, for the limits."""
    usage = usage_of(refused)
    assert usage.is_billed is is_billed
    assert usage.output_tokens == 7


FIELDS = [
    *("type", "text", "content", "usage", "model", "stop_reason", "stop_details", "input_tokens", "output_tokens"),
    *("cache_creation", "ephemeral_1h_input_tokens", "thinking_tokens", "output_tokens_details", "server_tool_use"),
]
WORDS = ["text", "message", "refusal", "max_tokens", "pause_turn", "end_turn"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["content", "usage", "model", "stop_reason", "stop_details", "type"]), JSON))
def test_no_json_makes_the_reading_raise(anything: Any) -> None:
    """A law: any JSON object can be read, and is either a good answer with a text, or has a kind."""
    answer = read_answer(anything)
    assert answer.kind is not None or answer.text.strip()
    usage = usage_of(anything)
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens)
    assert all(0 <= number < 2**54 for number in counts)
    assert is_message(anything) in (True, False)


@given(st.dictionaries(st.sampled_from(["content", "usage", "model", "stop_reason", "stop_details", "type"]), JSON))
def test_the_quick_look_says_what_the_long_one_says(message: dict[str, Any]) -> None:
    """A law: a usage of another mapping type, which only the long look reads, is judged the same."""
    usage = message.get("usage")
    slow = {**message, "usage": MappingProxyType(usage)} if isinstance(usage, dict) else message
    assert usage_of(slow) == usage_of(message)
    assert oddity(slow) == oddity(message)
