"""The prompt cache of one workspace: which prefixes are stored, for how long, and who may read them.

It knows entries and how a body's input splits into read, written and plain tokens; limits and answers are for
others. Source of the rules: Claude docs, prompt caching, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from .digest import pack, without_breakpoint
from .tokens import BODY_TOKENS, MESSAGE_TOKENS, block_tokens, format_tokens, value_tokens

LOOKBACK = 20
"""How many positions before a breakpoint are searched for an entry."""

TTL_SECONDS = {"5m": 300.0, "1h": 3_600.0}
"""How long an entry lives after its last use. Source: prompt caching page (September 2026)."""


@dataclass(frozen=True, slots=True)
class Position:
    """One place where a prefix could end.

    Attributes
    ----------
    key : bytes
        Stands for everything up to here.
    tokens : int
        Input tokens up to here.
    ttl : str or None
        ``5m`` or ``1h`` where a breakpoint is.
    """

    key: bytes
    tokens: int
    ttl: str | None


@dataclass(frozen=True, slots=True)
class Split:
    """How the input of one call divides.

    Attributes
    ----------
    plain, read, written_5m, written_1h : int
        Input tokens, disjoint.
    hit : bytes or None
        The entry that is read.
    writes : tuple of (bytes, str)
        The entries to be written and their lifetimes.
    """

    plain: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0
    hit: bytes | None = None
    writes: tuple[tuple[bytes, str], ...] = ()

    @property
    def charged(self) -> int:
        """What counts against the input limit: all but the cache reads."""
        return self.plain + self.written_5m + self.written_1h


@dataclass(slots=True)
class _Entry:
    ttl_seconds: float
    expires_at: float
    begins_at: float
    begun: bool = False


class PromptCache:
    """The entries of one workspace."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<PromptCache {len(self)} entries>"

    def split(self, body: Mapping[str, Any], minimum: int, now: float, *, may_read: bool = True) -> Split:
        """Return what a call would read and write; nothing changes yet.

        Parameters
        ----------
        body : mapping
            A valid Messages body with at least one cache breakpoint.
        minimum : int
            Tokens below which the model does not cache a prefix.
        now : float
            When the call starts, in seconds.
        may_read : bool
            False plays a call that does not reach the entry (best effort in batches).
        """
        places = positions(body)
        total = places[-1].tokens if places else BODY_TOKENS + format_tokens(body)
        breakpoints = [at for at, place in enumerate(places) if place.ttl is not None and place.tokens >= minimum]
        found = self._deepest(places, breakpoints, minimum, now) if may_read else None
        read = 0 if found is None else places[found].tokens
        written = {"5m": 0, "1h": 0}
        writes: list[tuple[bytes, str]] = []
        reached = read
        for at in breakpoints:
            ttl = places[at].ttl
            if ttl is not None and (found is None or at > found):
                written[ttl] += places[at].tokens - reached
                reached = places[at].tokens
                writes.append((places[at].key, ttl))
        hit = None if found is None else places[found].key
        return Split(total - reached, read, written["5m"], written["1h"], hit, tuple(writes))

    def _deepest(self, places: list[Position], breakpoints: list[int], minimum: int, now: float) -> int | None:
        for end in reversed(breakpoints):
            for at in range(end, max(end - LOOKBACK, 0) - 1, -1):
                if places[at].tokens >= minimum and self._readable(places[at].key, now):
                    return at
        return None

    def _readable(self, key: bytes, now: float) -> bool:
        entry = self._entries.get(key)
        return entry is not None and now < entry.expires_at and (entry.begun or entry.begins_at < now)

    def commit(self, split: Split, now: float, begins_at: float) -> tuple[bytes, ...]:
        """Refresh the entry that is read and store those that are written.

        Parameters
        ----------
        split : Split
            From :meth:`split`, at the same `now`.
        now : float
            When the call started: lifetimes count from here.
        begins_at : float
            When its answer begins: written entries are readable after that.

        Returns
        -------
        tuple of bytes
            The written entries, for :meth:`begun`.
        """
        if split.hit is not None:
            entry = self._entries[split.hit]
            entry.expires_at = max(entry.expires_at, now + entry.ttl_seconds)
        for key, ttl in split.writes:
            self._store(key, TTL_SECONDS[ttl], now, begins_at)
        return tuple(key for key, _ in split.writes)

    def _store(self, key: bytes, ttl_seconds: float, now: float, begins_at: float) -> None:
        entry = self._entries.get(key)
        if entry is None or entry.expires_at <= now:
            self._entries[key] = _Entry(ttl_seconds, now + ttl_seconds, begins_at)
            return
        # A parallel writer pays for its own write, and both stand for the same prefix.
        entry.ttl_seconds = max(entry.ttl_seconds, ttl_seconds)
        entry.expires_at = max(entry.expires_at, now + ttl_seconds)
        entry.begins_at = min(entry.begins_at, begins_at)

    def begun(self, keys: tuple[bytes, ...]) -> None:
        """Make written entries readable: their writer's answer has begun."""
        for key in keys:
            if key in self._entries:
                self._entries[key].begun = True


def positions(body: Mapping[str, Any]) -> list[Position]:
    """Return every place of a body where a prefix could end: tools, then system, then messages.

    Output format, effort, thinking and the choice of tools are part of the prefix, and so is the model.
    """
    config = body.get("output_config") or {}
    head = [body.get("model"), config, body.get("thinking"), body.get("tool_choice"), body.get("speed")]
    running = blake2b(pack(head), digest_size=16)
    tokens = BODY_TOKENS + format_tokens(body)
    found: list[Position] = []
    for block, weight in _blocks(body):
        running.update(pack(without_breakpoint(block)))
        tokens += weight
        found.append(Position(running.digest(), tokens, _ttl(block)))
    automatic = _ttl(body)
    if automatic is not None and found and found[-1].ttl is None:
        found[-1] = Position(found[-1].key, found[-1].tokens, automatic)
    return found


def _ttl(block: Mapping[str, Any]) -> str | None:
    cache_control = block.get("cache_control")
    return None if cache_control is None else str(cache_control.get("ttl") or "5m")


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int]]:
    for tool in body.get("tools") or ():
        yield tool, value_tokens(tool)
    for block in as_blocks(body.get("system")):
        yield block, block_tokens(block)
    for message in body.get("messages") or ():
        extra = MESSAGE_TOKENS
        for block in as_blocks(message.get("content")):
            yield block, block_tokens(block) + extra
            extra = 0


def as_blocks(content: Any) -> list[Mapping[str, Any]]:
    """Return a content as a list of blocks."""
    if not content:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
