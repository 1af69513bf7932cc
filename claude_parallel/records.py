"""The values that travel between the parts of the house: frozen, without behaviour.

What a row asks (:class:`Request`), what it weighs (:class:`Load`), what came back (:class:`Reply` or
:class:`Failure`), one try (:class:`Attempt`) and the row's fate (:class:`Outcome`). Who fills them and what they
mean for a run is decided elsewhere.

Values of which every row has one are named tuples: frozen dataclasses take three to seven times as long to make, some
20 microseconds a row, a third of what an answer from the journal takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from .errors import Kind, row_error

ZERO = Decimal(0)
"""No dollars."""

Body = Mapping[str, Any]
"""The wire body of POST /v1/messages, as plain JSON values."""

Dimension = Literal["requests", "input", "output"]
"""What the API limits per minute: requests, input tokens, output tokens."""

DIMENSIONS: tuple[Dimension, ...] = ("requests", "input", "output")

Source = Literal["api", "batch", "journal", "duplicate", "none"]
"""Where a row's answer came from; ``none`` where nothing was ever answered."""


class Load(NamedTuple):
    """What one request will weigh on the account's limits, estimated before it is sent.

    Attributes
    ----------
    input_tokens : float
        Input tokens that count against the limit (the API does not count cache reads).
    output_tokens : float
        Output tokens; 0 where nothing is known yet (the gate learns the mean).
    max_output_tokens : float
        ``max_tokens``: what a server may reserve until the answer is there (the API does not); 0 = not known.
    """

    input_tokens: float
    output_tokens: float = 0.0
    max_output_tokens: float = 0.0


class Request(NamedTuple):
    """One call to the Messages API.

    Attributes
    ----------
    body : mapping
        The wire body without cache breakpoints.
    fingerprint : bytes
        SHA-256 over host and body: the key of the journal (see ``prompt.request.fingerprint``).
    load : Load
        The estimate for the gate.
    prefix : bytes or None
        Key of the prompt prefix that this request shares with others and that is to be cached; None = not marked.
    max_input_tokens : int
        An upper bound of the input tokens, for the budget.
    unbounded : str or None
        What in it has a size that nobody knows before it is paid; None where `max_input_tokens` is a bound.
    """

    body: Body
    fingerprint: bytes
    load: Load
    prefix: bytes | None = None
    max_input_tokens: int = 0
    unbounded: str | None = None


class Usage(NamedTuple):
    """Tokens of one answer by kind, disjoint: their sum is what was processed.

    Source of the field names: ``usage`` of a Message (API version 2026-10-21). `thinking_tokens` is a part of
    `output_tokens`, all others exclude each other. `is_known` is False where the API sent no numbers, or some that make
    no sense: then nobody knows the cost. `is_billed` is False for a refusal before any output: tokens, but no cost.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    thinking_tokens: int = 0
    web_searches: int = 0
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    is_known: bool = True
    is_billed: bool = True

    @property
    def total_input_tokens(self) -> int:
        """All input tokens, cached or not."""
        return self.input_tokens + self.cache_write_tokens + self.cache_read_tokens

    @property
    def cache_write_tokens(self) -> int:
        """Tokens written to the prompt cache, whatever their lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """What one response's ``anthropic-ratelimit-*`` headers say about one dimension.

    Attributes
    ----------
    limit : float
        Requests or tokens per minute.
    remaining : float or None
        What was left when the server looked; tokens are rounded to 1,000, and it is stale under concurrency.
    """

    limit: float
    remaining: float | None


RateLimitStatuses = Mapping[Dimension, RateLimitStatus]


class Reply(NamedTuple):
    """A Message came back (HTTP 200). Whether it is a good answer is judged later.

    Attributes
    ----------
    message : mapping
        The Message as parsed JSON, exactly as the API sent it.
    request_id : str or None
        The ``request-id`` header.
    rate_limits : mapping of str to RateLimitStatus
        The limits as the headers tell them; empty where there are none.
    """

    message: Mapping[str, Any]
    request_id: str | None
    rate_limits: RateLimitStatuses


def is_success(status: int) -> bool:
    """Say whether an HTTP status is a success; proxies that touch an answer make 203 of the API's 200 (RFC 9110)."""
    return 200 <= status < 300


@dataclass(frozen=True, slots=True)
class Failure:
    """No Message came back.

    Attributes
    ----------
    kind : str
        One of ``errors.Kind``.
    message : str
        The API's or the network's own words, without secrets.
    status : int or None
        HTTP status; None where no response was seen.
    retry_after : float or None
        Seconds that the server asks to wait.
    should_retry : bool or None
        The server's ``x-should-retry`` header.
    error_type, error_code : str or None
        ``error.type`` and ``error.details.error_code`` of the body; no type where something on the way has answered.
    request_id : str or None
        The ``request-id`` header.
    rate_limits : mapping of str to RateLimitStatus
        The limits as the headers tell them.
    perhaps_billed : bool
        True where the API may have worked, and billed, without us seeing the answer.
    hint : str or None
        What to do about it, where the hint of its kind would mislead.
    """

    kind: Kind
    message: str
    status: int | None = None
    retry_after: float | None = None
    should_retry: bool | None = None
    error_type: str | None = None
    error_code: str | None = None
    request_id: str | None = None
    rate_limits: RateLimitStatuses | None = None
    perhaps_billed: bool = False
    hint: str | None = None

    @property
    def is_broken_answer(self) -> bool:
        """Whether the call came through, and no words of the API came back.

        A success without a Message may have been paid; or something on the way has answered in the API's place.
        """
        return self.status is not None and (is_success(self.status) or self.kind == "connection")


class Attempt(NamedTuple):
    """One try of one request.

    Attributes
    ----------
    number : int
        1 for the first try.
    started, ended : float
        Seconds since the epoch.
    result : Reply or Failure
        What came back.
    """

    number: int
    started: float
    ended: float
    result: Reply | Failure


class Answer(NamedTuple):
    """What a Message says, once read.

    Attributes
    ----------
    text : str
        All text blocks, joined; also of a cut or refused answer.
    values : Any
        Typed values where a schema asks for them.
    kind : str or None
        The kind of error; None for a good answer.
    what : str
        What happened, for the error column.
    hint : str or None
        What to do about it, where the hint of its kind would mislead.
    """

    text: str
    values: Any = None
    kind: Kind | None = None
    what: str = ""
    hint: str | None = None


class Outcome(NamedTuple):
    """A request's fate, the same for every row that asked the same.

    Attributes
    ----------
    text : str or None
        The answer's text, also where it is not a good answer; None without any answer.
    values : Any
        Typed values, with a schema.
    kind : str or None
        The kind of error; None for a good answer.
    error : str or None
        The text of the error column.
    cost : Decimal or None
        US dollars of all paid attempts in this run; None where no price is known.
    source : str
        Where the answer came from.
    attempts : int
        How many calls it took in this run.
    request_id : str or None
        The API's id of the last attempt.
    """

    text: str | None = None
    values: Any = None
    kind: Kind | None = None
    error: str | None = None
    cost: Decimal | None = ZERO
    source: Source = "none"
    attempts: int = 0
    request_id: str | None = None

    @classmethod
    def not_asked(cls, kind: Kind, why: str, hint: str | None = None) -> Outcome:
        """Return the fate of a row that was not sent: no answer, no cost, and the reason."""
        return cls(kind=kind, error=row_error(kind, why, hint))


@runtime_checkable
class TellingTransport(Protocol):
    """A transport that can say when an answer begins."""

    async def send_and_tell(self, body: Body, on_begin: Callable[[], object]) -> Reply | Failure:
        """Send one Messages request as :meth:`Transport.send` does, and call `on_begin` once its answer has begun."""
        ...


class Transport(Protocol):
    """The one door to the API: sends a request, and never raises for a row."""

    async def send(self, body: Body) -> Reply | Failure:
        """Send one Messages request; a failed call is a :class:`Failure`, never an exception."""
        ...

    async def count_tokens(self, body: Body) -> int | Failure:
        """Ask the free counting endpoint for the input tokens of `body`."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
