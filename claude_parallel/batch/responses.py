"""What the Message Batches API answers: the state of a batch, and the lines of its results.

Pure. Source: Message Batches API, version 2026-10-21. How the bytes travel is the business of ``api``; what they mean
for a run is decided in ``runner`` and ``collector``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from ..api.json_text import UnreadableJson, parse_json
from ..api.reading import as_mapping, is_count, is_message, unreadable
from ..api.responses import read_batch_error, read_result_message
from ..records import Failure, Reply

_CUSTOM_ID = re.compile(r'"custom_id"\s*:\s*"([a-zA-Z0-9_-]{1,64})"')
"""Source of the form: Message Batches API, version 2026-10-21."""

RESULTS_SECONDS = 29 * 24 * 3_600.0
"""How long results can be read, from the creation of the batch."""

COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as the API shows it.

    Attributes
    ----------
    id : str
        Such as ``msgbatch_...``.
    status : str
        ``"in_progress"``, ``"canceling"`` or ``"ended"``.
    counts : mapping of str to int
        Requests by what became of them; all of them are ``processing`` until the whole batch has ended. What the API
        counts under a name that is new counts as well.
    created, expires, ended : float or None
        Seconds since the epoch.
    results_url : str or None
        Where the results lie; None before the end, and once they are archived.
    is_archived : bool
        True when the results can be read no more.
    """

    id: str
    status: str
    counts: Mapping[str, int]
    created: float
    expires: float | None = None
    ended: float | None = None
    results_url: str | None = None
    is_archived: bool = False

    @property
    def requests(self) -> int:
        """How many requests it holds; 0 where the API does not say."""
        return sum(self.counts.values())

    @property
    def has_ended(self) -> bool:
        """True when all results are there."""
        return self.status == "ended"


@dataclass(frozen=True, slots=True)
class BatchPage:
    """One page of the list of batches, newest first; `last_id` is None on the last page.

    `is_whole` is False where something on it cannot be read: nobody can say then that a batch is not in the list.
    """

    batches: tuple[BatchState, ...]
    last_id: str | None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one request.

    Attributes
    ----------
    custom_id : str
        The id under which it travelled.
    fate : Reply, Failure, "canceled" or "expired"
        Only a reply is billed.
    is_damaged : bool
        True where the line is no result: damaged on its way, or at the API. Its fate is then an answer that cannot be
        read, for it may have been paid; another reading, which is free, may find the line whole.
    """

    custom_id: str
    fate: Reply | Failure | Literal["canceled", "expired"]
    is_damaged: bool = False


def read_batch(data: Any) -> BatchState | Failure:
    """Return the state that a parsed response body describes; a failure where it describes none."""
    try:
        told = as_mapping(data.get("request_counts"))
        counts = dict.fromkeys(COUNTS, 0) | {name: count for name, count in told.items() if is_count(count)}
        created = read_time(data["created_at"])
        if created is None:
            raise ValueError("created_at")
        return BatchState(
            id=str(data["id"]),
            status=str(data["processing_status"]),
            counts=counts,
            created=created,
            expires=read_time(data.get("expires_at")),
            ended=read_time(data.get("ended_at")),
            results_url=data.get("results_url"),
            is_archived=data.get("archived_at") is not None,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return Failure(kind="server", message="the answer is not a message batch", perhaps_billed=True)


def read_page(data: Any) -> BatchPage | Failure:
    """Return one page of the list of batches; a failure where the body is none."""
    if not isinstance(data, Mapping) or not isinstance(data.get("data"), list):
        return Failure(kind="server", message="the answer is not a list of message batches")
    states = [read_batch(item) for item in data["data"]]
    batches = tuple(state for state in states if isinstance(state, BatchState))
    has_more, last_id = bool(data.get("has_more")), data.get("last_id")
    is_whole = len(batches) == len(states) and (isinstance(last_id, str) or not has_more)
    return BatchPage(batches, last_id if has_more and isinstance(last_id, str) else None, is_whole)


def read_result(line: bytes | str) -> BatchResult | None:
    """Return what one line of the results says; None for an empty line.

    A line that cannot be understood is damaged; it belongs to a request where its id can still be read.
    """
    if not line.strip():
        return None
    try:
        data = parse_json(line)
        name, result = str(data["custom_id"]), data["result"]
        kind = result["type"]
    except UnreadableJson as unreadable_json:
        return _unreadable_result(line, str(unreadable_json))
    except (KeyError, TypeError, ValueError):
        damaged = _unreadable_result(line, "its line in the batch's results is damaged")
        return replace(damaged, is_damaged=True)
    if kind == "succeeded":
        return BatchResult(name, read_result_message(result.get("message")))
    if kind == "errored":
        error = result.get("error")
        return BatchResult(name, read_batch_error(error if isinstance(error, Mapping) else {}))
    if kind in ("canceled", "expired"):
        return BatchResult(name, kind)
    if is_message(result.get("message")):  # whatever a new type means, who has answered is paid
        return BatchResult(name, read_result_message(result["message"]))
    return BatchResult(name, Failure(kind="unknown", message=f"the batch gives a result of the unknown type {kind!r}"))


def _unreadable_result(line: bytes | str, why: str) -> BatchResult:
    """Return the result in a line that cannot be read, as an answer: it may have been paid."""
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    name = _CUSTOM_ID.search(text)
    return BatchResult(name[1] if name else "", read_result_message(unreadable(why, text)))


def read_time(text: Any) -> float | None:
    """Return an RFC 3339 time as seconds since the epoch; None for anything else."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None
