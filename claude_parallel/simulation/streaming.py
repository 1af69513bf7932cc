"""A Message as the events of a stream, as the API sends them with ``stream: true``.

Knows the form only; when they are sent is decided in ``http_frontend``. Source: streaming of the Claude API (version
2026-10-21). Written from there, and not from the reader in ``api.streaming`` that it tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE_CHARACTERS = 20
"""Length of a piece of text: some five tokens."""

_EMPTY: Mapping[str, Mapping[str, Any]] = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
"""How a block looks at its start, by its type; other types come whole."""


def first_event(message: Mapping[str, Any]) -> str:
    """Return the event with which an answer begins: the Message without content, one output token counted."""
    usage = {**message["usage"], "output_tokens": min(1, message["usage"]["output_tokens"])}
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    begun.pop("stop_details", None)
    return _event("message_start", message=begun)


def later_events(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield all events after the first."""
    for index, block in enumerate(message["content"]):
        start = {**block, **_EMPTY.get(block["type"], {})}
        if block["type"] == "tool_use":
            start["input"] = {}
        yield _event("content_block_start", index=index, content_block=start)
        for delta in _deltas(block):
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    ending = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    counts = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    usage = {name: message["usage"][name] for name in counts if name in message["usage"]}
    details = message["usage"].get("output_tokens_details")
    yield _event("message_delta", delta=ending, usage={**usage, "output_tokens_details": details})
    yield _event("message_stop")


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = block["type"]
    if kind == "text":
        for piece in _pieces(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif kind == "thinking":
        for piece in _pieces(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block.get("signature", "")}
    elif kind == "tool_use":
        for piece in _pieces(json.dumps(block["input"])):
            yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARACTERS):
        yield text[start : start + _PIECE_CHARACTERS]


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
