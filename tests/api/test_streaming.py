"""A streamed Message is the Message: the same as in one piece, however it is cut, and whatever breaks on the way."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.api.answers import read_answer
from claude_parallel.api.reading import usage_of
from claude_parallel.api.streaming import MessageStream
from claude_parallel.records import Failure, Reply
from claude_parallel.simulation.streaming import first_event, later_events

BLOCKS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=80)}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.text(max_size=80), "signature": st.text()}),
    st.fixed_dictionaries(
        {
            "type": st.just("tool_use"),
            "id": st.just("toolu_1"),
            "name": st.just("tool"),
            "input": st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=30), max_size=3),
        }
    ),
    st.fixed_dictionaries({"type": st.just("web_search_tool_result"), "content": st.lists(st.text(max_size=5))}),
)
MESSAGES = st.fixed_dictionaries(
    {
        "id": st.just("msg_1"),
        "type": st.just("message"),
        "role": st.just("assistant"),
        "model": st.just("claude-haiku-5-5"),
        "content": st.lists(BLOCKS, max_size=4),
        "stop_reason": st.sampled_from(["end_turn", "max_tokens", "refusal", "pause_turn"]),
        "stop_sequence": st.none() | st.text(max_size=3),
        "stop_details": st.none() | st.just({"type": "refusal", "category": "cyber"}),
        "usage": st.fixed_dictionaries(
            {
                "input_tokens": st.integers(0, 9_999),
                "output_tokens": st.integers(0, 9_999),
                "cache_creation_input_tokens": st.integers(0, 9_999),
                "cache_read_input_tokens": st.integers(0, 9_999),
                "cache_creation": st.none() | st.just({"ephemeral_5m_input_tokens": 7}),
                "output_tokens_details": st.none() | st.just({"thinking_tokens": 3}),
                "service_tier": st.just("standard"),
            }
        ),
    }
)


def events(message: dict[str, Any]) -> bytes:
    """Return a Message as the events of a stream."""
    return (first_event(message) + "".join(later_events(message))).encode()


def read(raw: bytes, sizes: list[int] | None = None) -> tuple[Reply | Failure, int]:
    """Feed a stream in pieces of some sizes; return its result, and how often it began."""
    begun: list[None] = []
    stream = MessageStream(lambda: begun.append(None))
    for size in sizes or [len(raw)]:
        stream.feed(raw[:size])
        raw = raw[size:]
    stream.feed(raw)
    return stream.result({"request-id": "req_1"}), len(begun)


@given(MESSAGES, st.lists(st.integers(0, 60), max_size=30), st.sampled_from([b"\n", b"\r\n"]))
def test_a_stream_is_the_message_however_its_bytes_are_cut(
    message: dict[str, Any], sizes: list[int], line_end: bytes
) -> None:
    """Every block type, every length of piece, both line ends; comments and pings are passed over."""
    raw = b'event: ping\ndata: {"type": "ping"}\n\n: a comment\n' + events(message)
    result, begun = read(raw.replace(b"\n", line_end), sizes)
    assert isinstance(result, Reply)
    assert result.message == message
    assert (result.request_id, begun) == ("req_1", 1)


@given(MESSAGES, st.data())
def test_a_stream_that_is_cut_is_a_failure_that_may_have_been_billed(message: dict[str, Any], data: Any) -> None:
    """Wherever the cut is, up to the event that concludes the answer; after that nothing of it is missing."""
    raw = events(message)
    whole = raw.index(b"\n", raw.index(b'data: {"type": "message_delta"'))
    result, _ = read(raw[: data.draw(st.integers(0, whole))])
    assert isinstance(result, Failure)
    assert (result.kind, result.perhaps_billed) == ("server", True)

    result, _ = read(raw[: data.draw(st.integers(whole + 1, len(raw)))])
    assert isinstance(result, Reply)
    assert result.message == message


def test_an_error_in_the_middle_is_a_failure_of_its_kind() -> None:
    """It came after a 200, so the beginning may have been billed."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    start = first_event({"content": [], "type": "message", "usage": {"output_tokens": 1}})
    result, _ = read(f"{start}event: error\ndata: {json.dumps(error)}\n\n".encode())
    assert isinstance(result, Failure)
    assert (result.kind, result.perhaps_billed, result.request_id) == ("overloaded", True, "req_1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "index", "delta", "content_block", "message", "usage", "text", "content"]),
            inner | st.sampled_from(["text_delta", "message_start", "content_block_delta", "message_stop"]),
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=6), st.booleans())
def test_no_event_makes_the_reading_raise(odd: list[Any], has_start: bool) -> None:
    """An odd stream that came to its end was paid, and is kept as an odd answer."""
    start = first_event({"content": [], "type": "message", "usage": {"output_tokens": 1}}) if has_start else ""
    raw = start + "".join(f"data: {json.dumps(event)}\n\n" for event in odd)
    result, _ = read(raw.encode() + b'data: {"type": "message_stop"}\n\n')
    assert isinstance(result, Reply if has_start else Reply | Failure)


def test_an_event_that_is_not_json_makes_an_odd_answer() -> None:
    """Not a guess at what it may have said."""
    message = {"content": [{"type": "text", "text": "fine"}], "type": "message", "usage": {"output_tokens": 1},
               "stop_reason": "end_turn"}  # fmt: skip
    raw = events(message).replace(b'"text_delta"', b'"text_delta', 1)
    result, _ = read(raw)
    assert isinstance(result, Reply)
    assert "unreadable" in result.message


def test_an_odd_event_costs_an_answer_neither_its_text_nor_its_price() -> None:
    """What was understood stands, with the counts of the end; without an end nobody knows what it cost."""
    message = {"content": [{"type": "text", "text": "fine"}], "type": "message", "model": "claude-haiku-5-5",
               "usage": {"input_tokens": 3, "output_tokens": 1}, "stop_reason": "end_turn"}  # fmt: skip
    raw = events(message)
    end = raw.index(b"event: message_delta")
    odd = b'data: {"type": "content_block_delta", "index": 9}\n\n'
    result, _ = read(raw[:end] + odd + raw[end:])
    assert isinstance(result, Reply)
    assert read_answer(result.message).text == "fine"
    assert read_answer(result.message).kind == "unknown"
    assert usage_of(result.message).is_known
    without_end, _ = read(raw[:end] + odd + b'data: {"type": "message_stop"}\n\n')
    assert isinstance(without_end, Reply)
    assert not usage_of(without_end.message).is_known


@given(MESSAGES, st.lists(st.integers(0, 60), max_size=30), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_a_stream_may_end_its_lines_and_break_its_data_as_the_standard_says(
    message: dict[str, Any], sizes: list[int], line_end: str, is_spread: bool
) -> None:
    """A bare CR ends a line, too; data in several lines is joined again; a comment inside an event is none of it."""
    raw = events(message).decode()
    if is_spread:
        lines = raw.splitlines() if raw.isascii() else raw.split("\n")
        raw = "\n".join(_spread(line) if line.startswith("data: ") else line for line in lines) + "\n\n"
    result, begun = read(raw.replace("\n", line_end).encode(), sizes)
    assert isinstance(result, Reply)
    assert result.message == message
    assert begun == 1


def _spread(line: str) -> str:
    """Return the data of one line, in several lines with a comment between them."""
    text = json.dumps(json.loads(line.removeprefix("data: ")), indent=1)
    return ":\n".join(f"data: {part}\n" for part in text.split("\n")).rstrip("\n")


def test_data_that_is_no_json_is_odd_and_costs_no_other_event() -> None:
    """The event ends where it ends; the next one is read as ever."""
    message = {"type": "message", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}, "stop_reason": None}
    raw = first_event(message).encode() + b"event: odd\ndata: {not\ndata: json}\n\n"
    result, _ = read(raw + "".join(later_events({**message, "stop_reason": "end_turn"})).encode())
    assert isinstance(result, Reply)
    assert result.message["stop_reason"] == "end_turn"
    assert "odd" in str(read_answer(result.message).what)
