"""What a Message says: its text, its usage, and whether it is a good answer.

A Message is an HTTP 200 and costs money, and may still be a refusal, cut off, or empty. Prices are computed in
``pricing``; typed values are read in ``schema``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Kind
from ..records import Answer, Usage


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text blocks of a Message, joined.

    The first block is often ``thinking`` and unknown block types exist, so only ``type == "text"`` counts.
    """
    return "".join(block.get("text") or "" for block in message.get("content") or () if block.get("type") == "text")


def usage_of(message: Mapping[str, Any]) -> Usage:
    """Return the usage of a Message, disjoint by kind of token.

    The API's ``input_tokens`` is what follows the last cache mark; cache writes and reads stand beside it. Where the
    split of the writes by lifetime is missing, they count as five-minute writes (the API's default).
    """
    usage = message.get("usage") or {}
    written = usage.get("cache_creation_input_tokens") or 0
    split = usage.get("cache_creation") or {}
    written_1h = split.get("ephemeral_1h_input_tokens") or 0
    return Usage(
        input_tokens=usage.get("input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        cache_write_5m_tokens=max(written - written_1h, split.get("ephemeral_5m_input_tokens") or 0),
        cache_write_1h_tokens=written_1h,
        cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
        thinking_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        web_searches=(usage.get("server_tool_use") or {}).get("web_search_requests") or 0,
        service_tier=usage.get("service_tier"),
        speed=usage.get("speed"),
        inference_geo=usage.get("inference_geo"),
    )


def read_answer(message: Mapping[str, Any]) -> Answer:
    """Return the text of a Message, and the kind of error where it is not a good answer."""
    text = text_of(message)
    problem = _problem(message, text)
    return Answer(text) if problem is None else Answer(text, kind=problem[0], what=problem[1])


def _problem(message: Mapping[str, Any], text: str) -> tuple[Kind, str] | None:
    """Return None for a good answer, else the kind of error and what happened.

    Stop reasons come first: a cut or refused answer may well contain text (source: stop reasons, API version
    2026-10-21; unknown ones are taken as good when there is text).
    """
    stop = message.get("stop_reason")
    if stop == "refusal":
        return "refusal", _refusal(message)
    if stop == "max_tokens":
        return "max_tokens", _cut(message, text)
    if stop == "model_context_window_exceeded":
        return "context_window", "the model's context window was full before the answer was finished"
    if stop == "pause_turn":
        return "unknown", "the turn was paused by a server tool (pause_turn) before the answer was finished"
    if not text.strip():
        return "empty", f"the answer holds no text (stop reason {stop})"
    return None


def _refusal(message: Mapping[str, Any]) -> str:
    details = message.get("stop_details") or {}
    category = details.get("category")
    explanation = details.get("explanation")
    return "Claude refused" + (f" ({category})" if category else "") + (f": {explanation}" if explanation else "")


def _cut(message: Mapping[str, Any], text: str) -> str:
    usage = usage_of(message)
    if not text and usage.thinking_tokens:
        return f"all {usage.output_tokens} output tokens went into thinking, none were left for the answer"
    return f"the answer was cut after {usage.output_tokens} output tokens"
