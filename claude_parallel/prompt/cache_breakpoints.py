"""Cache breakpoints: which prefix to cache, and how the body then looks.

Source: prompt caching of the Claude API, version 2026-10-21. Who goes first is decided by ``engine.cache_warmup``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ..records import Body

TimeToLive = Literal["5m", "1h"]
SECONDS: Mapping[TimeToLive, float] = {"5m": 300.0, "1h": 3600.0}
"""How long a cached prefix lives after its last use. Source: prompt caching page (September 2026)."""

MAX_BREAKPOINTS = 4
"""How many breakpoints one request may have; one more is a 400."""

_MINIMUM_TOKENS = (
    (("claude-sonnet-5-5",), 512),
    (("claude-haiku-4-5", "claude-opus-4-5", "claude-opus-4-6"), 4096),
    (("claude-opus-4-7", "claude-mythos-preview"), 2048),
    (("claude-opus-4-8", "claude-sonnet-5", "claude-sonnet-4"), 1024),
)
"""Parts of model names, and the shortest prefix that these models cache. The first match counts, so longer names
stand first."""


def minimum_tokens(model: str) -> int:
    """Return the shortest prefix that `model` caches, in tokens; shorter ones are silently not cached."""
    for names, minimum in _MINIMUM_TOKENS:
        if any(name in model for name in names):
            return minimum
    return 512


def add_breakpoint(body: Body, static_text: str, lead_messages: int, ttl: TimeToLive) -> Body:
    """Return `body` with a cache breakpoint at the end of what all rows share; unchanged where none fits.

    Parameters
    ----------
    body : mapping
        The wire body without breakpoints.
    static_text : str
        Text before the template's first placeholder; becomes a block of its own. The concatenated text of the
        message stays the same.
    lead_messages : int
        How many messages at the start are the same for every row (few-shot examples).
    ttl : "5m" or "1h"
        Lifetime of the entry; the other one where breakpoints of the user's own leave no room for it, since those of an
        hour have to come first (source: same place).
    """
    own = len(list(_lifetimes(body)))
    if own >= MAX_BREAKPOINTS:
        return body
    for lifetime in (ttl, *SECONDS):
        marked = _marked(body, static_text, lead_messages, {"type": "ephemeral", "ttl": lifetime})
        if not own or _is_in_order(marked):
            return marked
    return body


def _marked(body: Body, static_text: str, lead_messages: int, control: Mapping[str, str]) -> Body:
    """Return `body` with one more breakpoint, at the deepest place that all rows share; one that is there stays."""
    messages = list(body["messages"])
    last = messages[-1]["content"]
    if static_text.strip() and isinstance(last, str) and last.startswith(static_text) and len(messages) > lead_messages:
        messages[-1] = {**messages[-1], "content": _split(last, static_text, control)}
        return {**body, "messages": messages}
    if lead_messages and _takes_a_breakpoint(messages[lead_messages - 1]["content"]):
        shared = messages[lead_messages - 1]
        messages[lead_messages - 1] = {**shared, "content": _mark_last(shared["content"], control)}
        return {**body, "messages": messages}
    if body.get("system") and _takes_a_breakpoint(body["system"]):
        return {**body, "system": _mark_last(body["system"], control)}
    if body.get("tools"):
        return {**body, "tools": [*body["tools"][:-1], {"cache_control": control, **body["tools"][-1]}]}
    return body


def _split(text: str, static_text: str, control: Mapping[str, str]) -> list[dict[str, Any]]:
    rest = text[len(static_text) :]
    shared: dict[str, Any] = {"type": "text", "text": static_text, "cache_control": control}
    return [shared, {"type": "text", "text": rest}] if rest.strip() else [{**shared, "text": text}]


def _mark_last(content: str | list[dict[str, Any]], control: Mapping[str, str]) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return [*blocks[:-1], {"cache_control": control, **blocks[-1]}]


def _takes_a_breakpoint(content: str | list[dict[str, Any]]) -> bool:
    """Say whether the last block may be marked; the API refuses a breakpoint on empty text."""
    last = content if isinstance(content, str) else content[-1].get("text", "x")
    return bool(last and last.strip())


def _is_in_order(body: Body) -> bool:
    """Say whether no breakpoint of an hour comes after one of five minutes, which the API refuses."""
    lifetimes = list(_lifetimes(body))
    return lifetimes == sorted(lifetimes)  # "1h" is less than "5m"


def _lifetimes(body: Body) -> Iterator[str]:
    """Yield the lifetimes of the breakpoints in a body in the API's order; the automatic one is the last."""
    for name in ("tools", "system", "messages"):
        yield from _lifetimes_in(body.get(name))
    yield from _lifetimes_in({"cache_control": body.get("cache_control")})


def _lifetimes_in(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        control = part.get("cache_control")
        if isinstance(control, Mapping) and control.get("type") == "ephemeral":
            yield str(control.get("ttl") or "5m")
        for value in part.values():
            yield from _lifetimes_in(value)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _lifetimes_in(item)
