"""Whether a Message is a good answer.

It may be a refusal, cut off, empty, or not of the form that the API promises. Typed values are read in ``schema``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Kind
from ..records import Answer, Usage
from .reading import Reading, as_mapping, as_text, blocks_of, read_message

_TOOL_HINT = (
    "a map runs no tools of your own: ask for fields with schema=, or give a tool that the API runs (web search)"
)


def read_answer(message: Mapping[str, Any], reading: Reading | None = None) -> Answer:
    """Return the text of a Message, and the kind of error where it is not a good answer.

    Parameters
    ----------
    message : mapping
        The Message.
    reading : Reading, optional
        What :func:`read_message` gives, where it was asked before.
    """
    text, usage, odd = reading or read_message(message)
    if odd is not None:
        return Answer(text, kind="unknown", what=f"the answer is not a Message as the API promises it: {odd}")
    if message.get("stop_reason") == "tool_use":
        return Answer(text, kind="unknown", what=_unanswered_call(message), hint=_TOOL_HINT)
    problem = _problem(message, text, usage)
    return Answer(text) if problem is None else Answer(text, kind=problem[0], what=problem[1])


def _problem(message: Mapping[str, Any], text: str, usage: Usage) -> tuple[Kind, str] | None:
    """Return None for a good answer, else the kind of error and what happened.

    Stop reasons come first: a cut or refused answer may well contain text (source: stop reasons, API version
    2026-10-21; unknown ones are taken as good when there is text).
    """
    stop = message.get("stop_reason")
    if stop == "refusal":
        return "refusal", _refusal(message)
    if stop == "max_tokens":
        return "max_tokens", _cut(text, usage)
    if stop == "model_context_window_exceeded":
        return "context_window", "the model's context window was full before the answer was finished"
    if stop == "pause_turn":
        return "unknown", "a server tool paused the turn (pause_turn) again and again, so the answer is not finished"
    if not text.strip():
        return "empty", f"the answer holds no text (stop reason {stop})"
    return None


def _unanswered_call(message: Mapping[str, Any]) -> str:
    """Say what Claude waits for: what text it has written before the call is not its answer."""
    names = (as_text(block.get("name")) for block in blocks_of(message) if block.get("type") == "tool_use")
    name = next((name for name in names if name), None)
    return f"Claude called the tool {name!r} and waits for its result" if name else "Claude waits for a tool's result"


def _refusal(message: Mapping[str, Any]) -> str:
    details = as_mapping(message.get("stop_details"))
    category, explanation = as_text(details.get("category")), as_text(details.get("explanation"))
    return "Claude refused" + (f" ({category})" if category else "") + (f": {explanation}" if explanation else "")


def _cut(text: str, usage: Usage) -> str:
    if not text and usage.thinking_tokens:
        return f"all {usage.output_tokens} output tokens went into thinking, none were left for the answer"
    return f"the answer was cut after {usage.output_tokens} output tokens"
