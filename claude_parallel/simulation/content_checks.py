"""Whether the messages, the system prompt and the cache breakpoints of a body are well formed.

It knows the shape of content only; fields that hang on the model are for :mod:`checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_MESSAGES = 100_000
"""Messages in one request. Source: Messages API reference."""
MAX_BREAKPOINTS = 4
"""Breakpoints in one request. Source: prompt caching page."""

BLOCKS = frozenset(
    {
        "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use",
        "tool_result", "server_tool_use", "web_search_tool_result", "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result", "text_editor_code_execution_tool_result",
        "tool_search_tool_result", "container_upload", "mcp_tool_use", "mcp_tool_result",
    }
)  # fmt: skip


def content_problem(body: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the messages and the system prompt of a body, or None."""
    messages = body.get("messages")
    if messages is None:
        return "messages: Field required"
    if not isinstance(messages, list | tuple):
        return "messages: Input should be a valid list"
    if not messages:
        return "messages: at least one message is required"
    if len(messages) > MAX_MESSAGES:
        return f"messages: at most {MAX_MESSAGES} messages are allowed"
    for at, message in enumerate(messages):
        what = _message_problem(message)
        if what is not None:
            return f"messages.{at}.{what}"
    return _system_problem(body.get("system")) or _tools_problem(body.get("tools"))


def _tools_problem(tools: Any) -> str | None:
    if tools is None:
        return None
    if not isinstance(tools, list | tuple):
        return "tools: Input should be a valid list"
    for at, tool in enumerate(tools):
        if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
            return f"tools.{at}.name: Field required"
    return None


def _message_problem(message: Any) -> str | None:
    if not isinstance(message, Mapping):
        return "Input should be a valid dictionary"
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant", "system"):
        return "role: Input should be 'user', 'assistant' or 'system'"
    if isinstance(content, str):
        return None if content.strip() else f"content: {role} messages must have non-empty content"
    if not isinstance(content, list | tuple):
        return "content: Input should be a valid string or list"
    if not content:
        return f"content: {role} messages must have non-empty content"
    for at, block in enumerate(content):
        what = _block_problem(block, str(role))
        if what is not None:
            return f"content.{at}: {what}"
    return None


def _block_problem(block: Any, role: str) -> str | None:
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        return "Input should be a valid content block"
    kind = block["type"]
    if kind == "text":
        return _text_problem(block, role)
    if kind not in BLOCKS:
        return f"Input tag '{kind}' found using 'type' does not match any of the expected tags"
    if kind == "document" and role == "assistant":
        return "document blocks are not allowed in assistant messages"
    if kind in ("image", "document"):
        source = block.get("source")
        if not isinstance(source, Mapping) or not isinstance(source.get("type"), str):
            return f"{kind}.source: Field required"
        if source["type"] == "base64" and not (source.get("data") and source.get("media_type")):
            return f"{kind}.source.base64: data and media_type are required"
    return None


def _text_problem(block: Mapping[str, Any], role: str) -> str | None:
    text = block.get("text")
    if not isinstance(text, str):
        return "text.text: Input should be a valid string"
    if not text:
        if "cache_control" in block:
            return "cache_control cannot be set for empty text blocks"
        return "text content blocks must be non-empty"
    if not text.strip():
        return "text content blocks must contain non-whitespace text"
    if role == "user" and block.get("citations"):
        return "text.citations: not allowed in user messages"
    return None


def _system_problem(system: Any) -> str | None:
    if system is None or isinstance(system, str):
        return None
    if not isinstance(system, list | tuple):
        return "system: Input should be a valid string or list"
    for at, block in enumerate(system):
        if not isinstance(block, Mapping) or block.get("type") != "text":
            return f"system.{at}: Input should be a text block"
        what = _text_problem(block, "system")
        if what is not None:
            return f"system.{at}: {what}"
    return None


def has_breakpoints(body: Mapping[str, Any]) -> bool:
    """Return whether a body asks for prompt caching anywhere."""
    return "cache_control" in body or next(_breakpoints(body), None) is not None


def breakpoints_problem(body: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the cache breakpoints of a body, or None."""
    found = list(_breakpoints(body))
    automatic = body.get("cache_control")
    if automatic is not None:
        found.append(automatic)
    if len(found) > MAX_BREAKPOINTS:
        return f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(found)}."
    short_before = False
    for cache_control in found:
        if not isinstance(cache_control, Mapping) or cache_control.get("type") != "ephemeral":
            return "cache_control.type: Input should be 'ephemeral'"
        ttl = cache_control.get("ttl") or "5m"
        if ttl not in ("5m", "1h"):
            return "cache_control.ttl: Input should be '5m' or '1h'"
        if ttl == "1h" and short_before:
            return "cache_control: a ttl='1h' block must not come after a ttl='5m' block"
        short_before = short_before or ttl == "5m"
    return None


def _breakpoints(body: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the breakpoints in the order tools, system, messages."""
    places: list[Any] = [body.get("tools"), body.get("system")]
    places += [message.get("content") for message in body.get("messages") or ()]
    for place in places:
        if place is not None and not isinstance(place, str):
            for block in place:
                cache_control = block.get("cache_control")
                if cache_control is not None:
                    yield cache_control
