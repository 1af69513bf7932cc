"""What travels between the brain and the frontends that play it: exchanges, responses and error bodies.

It knows shapes only; what an exchange holds is decided in :mod:`brain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from .profile import Fault

EPOCH = 1_795_392_000.0
"""Wall-clock seconds at which a simulator's time is 0 unless told otherwise: 2026-11-23T00:00:00Z."""

REFUSAL_SECONDS = 0.05
"""How long a refusal takes at most: no model runs for it."""

MEMORY_HEADERS: Mapping[str, str] = {"authorization": "Bearer simulator", "anthropic-version": "2026-10-21"}
"""Headers of the calls that the transports in memory make."""

Cut = Literal["reset", "truncated"]
"""How a connection breaks: before any byte, or in the middle of the body."""

ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status -> ``error.type``. Source: Claude API, errors, read 2026-11-22."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused.

    Attributes
    ----------
    status : int
        The HTTP status.
    message : str
        The sentence in the body.
    error_code : str or None
        ``error.details.error_code``.
    retry_after : float or None
        Seconds for the ``retry-after`` header.
    """

    status: int
    message: str
    error_code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What an accepted Messages call will answer, known when it is admitted.

    Attributes
    ----------
    digest : bytes
        Which body it was (see ``digest.body_digest``).
    model : str
        The model id as asked for.
    group : str
        The model group whose limits pay for it.
    message : dict
        The Message as it will be sent.
    output_tokens : int
        What is charged to the output limit when it ends.
    max_tokens : int
        What a server that reserves output reserves for it.
    written : tuple of bytes
        The prompt cache entries that become readable once it has begun.
    """

    digest: bytes
    model: str
    group: str
    message: dict[str, Any]
    output_tokens: int
    max_tokens: int
    written: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that the brain has looked at; a frontend waits, then closes it.

    Attributes
    ----------
    number : int
        Counts all requests from 1.
    status : int
        The HTTP status that the response will have (200 also where a fault breaks the connection).
    begin_seconds, end_seconds : float
        Seconds from now until the answer begins and until it is complete.
    headers : dict
        The response's headers; limits as they are at admission.
    body : dict, str or None
        The response's body where it is known already; None where `work` makes it.
    fault : str or None
        Which fault strikes.
    work : Work or None
        What has to be settled at the end.
    lines : iterator of str or None
        A body that is made line by line (batch results).
    """

    number: int
    status: int
    begin_seconds: float
    end_seconds: float
    headers: dict[str, str]
    body: dict[str, Any] | str | None = None
    fault: Fault | None = None
    work: Work | None = None
    lines: Iterator[str] | None = None

    @property
    def can_stream(self) -> bool:
        """True where an answer begins: some faults break the connection, or the answer, before that."""
        return self.work is not None and self.fault not in ("reset", "hang", "not_json")


@dataclass(frozen=True, slots=True)
class Response:
    """What the frontend says.

    Attributes
    ----------
    status : int
        The HTTP status.
    headers : dict
        Lower-case names.
    body : dict or str
        JSON value, or text as it is (an HTML page, for one).
    cut : str or None
        ``"reset"``: break the connection instead of answering; ``"truncated"``: break it after half the body.
    lines : iterator of str or None
        Where set, the body is these lines, each with its line end, instead of `body`.
    """

    status: int
    headers: dict[str, str]
    body: dict[str, Any] | str
    cut: Cut | None = None
    lines: Iterator[str] | None = None


def error_body(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the API's JSON body for a refused request."""
    error: dict[str, Any] = {
        "type": ERROR_TYPES.get(problem.status, "api_error"),
        "message": problem.message,
    }
    if problem.error_code is not None:
        error["details"] = {"error_code": problem.error_code}
    return {"type": "error", "error": error, "request_id": request_id}


def rfc3339(seconds: float) -> str:
    """Return a moment (seconds since the epoch) as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_exact(seconds: float) -> str:
    """Return a moment (seconds since the epoch) as RFC 3339 in UTC, to the microsecond."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
