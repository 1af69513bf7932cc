"""One map, decided but not begun: what its rows share, what is cached, and how a row's request is made.

Pure preparation: it opens nothing and sends nothing, so an estimate works with the very plan that a run works with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..api.answers import read_answer
from ..api.reading import Reading
from ..errors import InputError
from ..options import Settings
from ..pricing import PriceList
from ..prompt.cache_breakpoints import TimeToLive, add_breakpoint, minimum_tokens
from ..prompt.request import Shared, body_fields, build, example_messages, key_of, share
from ..prompt.template import Content, RowProblem, Skipped
from ..records import Answer, Body, Request
from ..schema.reader import repair_request
from .pending import Pending

MOST_PAUSES = 10
"""How often one row's turn is continued: each time is paid, and the API itself pauses after ten rounds of its tools."""

_CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "memory_")
"""Beginnings of the types of tools that the client runs: they read nothing by themselves."""


class Rows(Protocol):
    """Where rows come from: a frame, a series, a list."""

    rows_at_once: int
    """How many rows to prepare at a time: few where each brings a file, many where it is text."""

    @property
    def total(self) -> int | None:
        """Rows in all; None where nobody knows before the last one."""
        ...

    def reach(self, start: int) -> int:
        """Return how far the rows reach that are at hand from `start` on, reading more if need be.

        `start` itself behind the last row.
        """
        ...

    def contents(self, start: int, stop: int) -> list[Content | Skipped | RowProblem]:
        """Return what the rows from `start` to `stop` ask."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One map, ready to be run or estimated.

    Attributes
    ----------
    rows : Rows
        What to ask.
    settings : Settings
        How.
    host : str
        Base URL of the API, a part of every key in the journal.
    shared : Shared
        What all requests have in common.
    ttl : "5m", "1h" or None
        Lifetime of the cache breakpoint at the end of the shared prefix; None where caching cannot pay.
    read : callable
        (Message, its Reading) -> Answer.
    bypass_cache : frozenset of bytes
        Fingerprints to ask again although the journal has an answer, since the user rejected it.
    not_asked : frozenset of int
        Positions that are left out, since the frame holds a good answer there.
    """

    rows: Rows
    settings: Settings
    host: str
    shared: Shared
    ttl: TimeToLive | None
    read: Callable[[Mapping[str, Any], Reading], Answer]
    bypass_cache: frozenset[bytes] = frozenset()
    not_asked: frozenset[int] = frozenset()

    @property
    def size(self) -> int | None:
        """Answers that are wanted: rows times samples; None where nobody knows."""
        return None if self.rows.total is None else self.rows.total * self.settings.sample

    def key_of(self, content: Content, sample: int) -> bytes:
        """Return the key of what a row asks: all that the journal has to know."""
        return key_of(self.shared, content, sample)

    def request_of(self, pending: Pending) -> Request | None:
        """Return the request of a row, made now; None when the row asks nothing any more, or something else.

        Who asks something else has another key: its answer would stand in the journal for a question it is not to.
        """
        row, sample = divmod(pending.position, self.settings.sample)
        if pending.content is not None:
            return self.request(pending.content, sample, pending.fingerprint)
        request = self.request(self.rows.contents(row, row + 1)[0], sample)
        return request if request is not None and request.fingerprint == pending.fingerprint else None

    def request(self, content: Content | Skipped | RowProblem, sample: int, key: bytes | None = None) -> Request | None:
        """Return what a row asks; None for a row that cannot or need not be sent."""
        if isinstance(content, Skipped | RowProblem):
            return None
        return build(self.shared, content, sample=sample, has_breakpoint=self.ttl is not None, key=key)

    def with_breakpoint(self, request: Request) -> Body:
        """Return the wire body of a request, with a cache breakpoint where it has a prefix."""
        if self.ttl is None or request.prefix is None:
            return request.body
        return add_breakpoint(request.body, self.shared.static_text, len(self.shared.examples), self.ttl)

    def repair(self, pending: Pending, answer: Answer) -> Request | None:
        """Return the request that asks to mend an answer which does not fit the schema; None where that is over."""
        if pending.repairs >= self.settings.repair:
            return None
        asked = pending.request or self.request_of(pending)
        return None if asked is None else repair_request(self.shared, asked, answer, self._sample_of(pending))

    def go_on(self, pending: Pending, paused: Mapping[str, Any]) -> Request | None:
        """Return the request that lets Claude finish a paused turn; None where that has gone on too long.

        The paused content goes back as it came, as an assistant turn, with the container that it works in (source:
        server tools of the Claude API, "pause_turn").
        """
        if len(pending.turns) >= MOST_PAUSES:
            return None
        asked = pending.request or self.request_of(pending)
        if asked is None:
            return None
        own = asked.body["messages"][len(self.shared.examples) :]
        turns = [*own, {"role": "assistant", "content": paused["content"]}]
        request = build(self.shared, turns, sample=self._sample_of(pending), has_breakpoint=asked.prefix is not None)
        container = paused.get("container")
        container_id = container.get("id") if isinstance(container, Mapping) else None
        return request._replace(body={**request.body, "container": container_id}) if container_id else request

    def _sample_of(self, pending: Pending) -> int:
        """Return the number of the row's sample: what follows one is asked for this one alone."""
        return pending.position % self.settings.sample


def make_plan(
    rows: Rows,
    settings: Settings,
    host: str,
    *,
    static_text: str = "",
    read: Callable[[Mapping[str, Any], Reading], Answer] = read_answer,
    output_format: Mapping[str, Any] | None = None,
    examples: tuple[tuple[str, str], ...] = (),
    bypass_cache: frozenset[bytes] = frozenset(),
) -> Plan:
    """Return the plan of a map.

    Parameters
    ----------
    rows, settings, host, read, bypass_cache
        As in :class:`Plan`.
    static_text : str
        Text that every row's message begins with.
    output_format : mapping, optional
        ``output_config.format`` of a schema.
    examples : tuple of pairs
        Few-shot pairs of texts.

    Raises
    ------
    InputError
        For what can be known to fail before the first call.
    """
    check_budget(settings)
    check_batch(settings)
    fields = body_fields(
        model=settings.model,
        max_tokens=settings.max_tokens,
        system=settings.system,
        thinking=settings.thinking,
        effort=settings.effort,
        output_format=output_format,
        tools=settings.tools,
        stop_sequences=settings.stop_sequences,
        request=settings.request,
    )
    shared = share(host, fields, example_messages(examples), static_text)
    ttl = choose_ttl(settings, shared, rows.total)
    return Plan(rows, settings, host, shared, ttl, read, bypass_cache)


def choose_ttl(settings: Settings, shared: Shared, rows: int | None) -> TimeToLive | None:
    """Return the lifetime of the shared prefix in the prompt cache; None where caching cannot pay.

    A prefix below the model's minimum is not cached, and one that a single request uses costs a quarter more. Five
    minutes are the choice for batches as well: written for 1.25 and read for 0.1 of the plain price, the prefix pays
    from 22 % hits on, where an hour (written for 2) needs 53 %. The API promises 30 to 98 % for batches (source: batch
    processing, "prompt caching"), so five minutes are never dearer than no caching.
    """
    wanted = settings.prompt_cache
    is_single = rows is not None and rows * settings.sample < 2
    if wanted is None or is_single or shared.prefix_tokens < minimum_tokens(settings.model):
        return None
    if wanted != "auto":
        return wanted
    return "5m"


def check_budget(settings: Settings) -> None:
    """Refuse a budget that cannot be kept.

    Raises
    ------
    InputError
        When no price is known for the model, or when the API runs tools of its own, whose reading is not bounded.
    """
    if settings.budget is None:
        return
    request = settings.request or {}
    tools = [*(settings.tools or ()), *(request.get("tools") or ())]
    unbounded = sorted({str(tool["type"]) for tool in tools if is_server_tool(tool)})
    unbounded += [name for name in ("mcp_servers", "container") if request.get(name)]
    if unbounded:
        raise InputError(
            f"budget= cannot be kept with {', '.join(unbounded)}: nobody knows before how much the tool will read; "
            "leave out budget=, or the tool"
        )
    if PriceList().card(settings.model) is None:
        raise InputError(
            f"no price is known for {settings.model!r}, so budget= cannot be kept; leave it out, or choose a model "
            "with a known price"
        )


_NOT_IN_BATCHES = ("speed", "store", "cache_hint", "context_hint")
"""Fields that the API refuses row by row, once the whole batch has ended. Source: message batches, "not allowed"."""


def check_batch(settings: Settings) -> None:
    """Refuse what no batch takes, which its rows would say an hour later.

    Raises
    ------
    InputError
        When ``request=`` holds such a field.
    """
    refused = not_in_batches(settings)
    if settings.batch and refused is not None:
        raise InputError(f"batches take no {refused!r}; leave it out of request=, or leave out batch=")


def not_in_batches(settings: Settings) -> str | None:
    """Return a field of ``request=`` that no batch takes; None where there is none."""
    return next((name for name in _NOT_IN_BATCHES if name in (settings.request or {})), None)


def without_bound(what: str) -> str:
    """Say why a row is not sent: its worst case is not known, so no budget can be kept."""
    return f"budget= cannot be kept with {what}: its size is known only afterwards; pass the file itself, or no budget"


def is_server_tool(tool: object) -> bool:
    """Say whether the API may run a tool by itself: all that have a ``type`` and are not known as the client's own.

    Source: tool use overview, "server tools" and "client tools". A kind that is new counts as the API's.
    """
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    is_clients = not isinstance(kind, str) or kind == "custom" or kind.startswith(_CLIENT_TOOLS)
    return not is_clients
