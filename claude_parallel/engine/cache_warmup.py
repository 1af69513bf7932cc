"""Which of the requests that share a cached prefix goes first.

An entry of the prompt cache can be read only once the first response has begun (source: prompt caching of the Claude
API, version 2026-10-21), so of all requests that share a prefix one leads, and the others hold until its answer begins.
What is marked is decided by ``prompt.cache_breakpoints``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Turn = Literal["lead", "follow", "hold", "plain"]
"""Goes first and fills the cache; reads what is there; waits for the first; goes without the cache."""


_MOST_UNREAD = 2
"""One may be bad luck: a pause that came in between."""


@dataclass(slots=True)
class Prefixes:
    """Who may go, among requests that share a marked prefix.

    Attributes
    ----------
    ttl_seconds : float
        Lifetime of an entry, counted from the start of the request that wrote or read it last.
    warm_until : dict
        When each prefix goes cold again, in seconds of the engine's clock.
    leaders : set
        Prefixes whose leader is under way, its answer not begun.
    unread : dict
        How many entries of a prefix in a row were written and read by nobody. After two, calls follow each other too
        slowly for the cache: other writes would be as useless.
    is_too_short : bool
        True once an answer took longer to begin than an entry lives: nobody could read what it wrote, and waiting for
        it would send one call after the other.
    """

    ttl_seconds: float
    warm_until: dict[bytes, float] = field(default_factory=dict)
    leaders: set[bytes] = field(default_factory=set)
    unread: dict[bytes, int] = field(default_factory=dict)
    is_too_short: bool = False

    def turn(self, prefix: bytes, now: float) -> Turn:
        """Return whether a request with this prefix leads, follows at once, has to hold, or goes without the cache."""
        if self.is_too_short:
            return "plain"
        if self.warm_until.get(prefix, now) > now:
            return "follow"
        if prefix in self.leaders:
            return "hold"
        return "plain" if self.unread.get(prefix, 0) >= _MOST_UNREAD else "lead"

    def sent(self, prefix: bytes, turn: Turn, now: float) -> None:
        """Take note that a request was sent; a read refreshes the entry for free."""
        if turn == "lead":
            self.leaders.add(prefix)
            self.unread[prefix] = self.unread.get(prefix, 0) + 1
        elif turn == "follow":
            self.warm_until[prefix] = now + self.ttl_seconds
            self.unread.pop(prefix, None)

    def began(self, prefix: bytes, started: float, now: float) -> None:
        """Take note that the answer of a leader has begun: from now on its entry can be read."""
        self.leaders.discard(prefix)
        self.warm_until[prefix] = max(self.warm_until.get(prefix, now), started + self.ttl_seconds)
        self.is_too_short = self.is_too_short or now - started >= self.ttl_seconds

    def ended(self, prefix: bytes, turn: Turn, started: float, now: float, *, is_answered: bool) -> None:
        """Take note that a request ended; after a leader that failed before its answer began, another one leads."""
        if turn != "lead" or prefix not in self.leaders:
            return
        if is_answered:
            self.began(prefix, started, now)
        else:
            self.unread.pop(prefix, None)
        self.leaders.discard(prefix)
