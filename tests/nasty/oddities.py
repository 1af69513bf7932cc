"""The table of odd answers: each is a 200 that was paid, and none of them is what the API promises."""

from __future__ import annotations

import json
from typing import Any

from .server import Saying, message


def odd(**changes: Any) -> Saying:
    """Return a Message with odd fields."""
    return Saying(json.dumps(message(**changes)))


def with_usage(**changes: Any) -> Saying:
    """Return a Message with odd numbers."""
    return odd(usage={"input_tokens": 10, "output_tokens": 5, **changes})


DEEP = "[" * 20_000 + "]" * 20_000

ODDITIES: dict[str, Saying] = {
    "usage is a text": odd(usage="10"),
    "usage is a list": odd(usage=[10, 5]),
    "usage is a number": odd(usage=10),
    "tokens are a text": with_usage(input_tokens="10"),
    "tokens are a fraction": with_usage(output_tokens=10.5),
    "tokens are an object": with_usage(input_tokens={}),
    "tokens are a list": with_usage(cache_read_input_tokens=[1]),
    "tokens are true": with_usage(output_tokens=True),
    "tokens are negative": with_usage(input_tokens=-1_000_000),
    "tokens are infinite": Saying(json.dumps(message(usage={"input_tokens": float("inf"), "output_tokens": 1}))),
    "tokens are beyond SQLite": with_usage(input_tokens=10**30),
    "tokens are beyond Python": Saying(
        json.dumps(message()).replace('"input_tokens": 10', '"input_tokens": 1' + "0" * 6_000)
    ),
    "cache split is a text": with_usage(cache_creation="5m"),
    "thinking is a text": with_usage(output_tokens_details="much"),
    "searches are a list": with_usage(server_tool_use=[1]),
    "content is null": odd(content=None),
    "content is a text": odd(content="hi"),
    "content is an object": odd(content={"type": "text", "text": "hi"}),
    "a block is a text": odd(content=["hi"]),
    "a block is null": odd(content=[None]),
    "a block is a list": odd(content=[[]]),
    "a block without type": odd(content=[{"text": "hi"}]),
    "a text that is a number": odd(content=[{"type": "text", "text": 5}]),
    "a text that is an object": odd(content=[{"type": "text", "text": {"a": 1}}]),
    "stop_details is a text": odd(stop_reason="refusal", stop_details="no"),
    "stop_details is a list": odd(stop_reason="refusal", stop_details=["no"]),
    "stop_reason is an object": odd(stop_reason={"a": 1}),
    "stop_reason is a list": odd(stop_reason=["end_turn"]),
    "model is an object": odd(model={"name": "claude"}),
    "model is a number": odd(model=5),
    "id is a list": odd(id=[1]),
    "a body nested 20,000 deep": Saying('{"type": "message", "content": ' + DEEP + "}"),
    "a block nested 300 deep": Saying(json.dumps(message()).replace('"fine"', "[" * 300 + "]" * 300)),
    "half a letter in its model": odd(model=["claude\ud83d"]),
    "no content": Saying('{"type": "message", "usage": {"input_tokens": 1, "output_tokens": 1}}'),
    "only a type": Saying('{"type": "message"}'),
}
