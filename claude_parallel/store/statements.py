"""What the journal writes: SQL, and parameters that SQLite can take whatever the API has sent.

Pure. Text may hold lone surrogates and numbers may be of any size; neither may keep a record, or those after it, from
the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from ..api.json_text import write_json
from ..api.reading import model_of, stop_reason_of, unreadable
from ..records import Attempt, Failure, Reply, Usage

INSERT_ANSWER = "INSERT INTO answers (fingerprint, host, message, request_id, created) VALUES (?, ?, ?, ?, ?)"
"""An earlier answer to the same stays; the last one counts."""
INSERT_ATTEMPT = f"INSERT INTO attempts VALUES ({', '.join('?' * 18)})"
INSERT_WAIT = "INSERT INTO waits VALUES (?, ?, ?, ?)"
INSERT_FOLLOW_UP = "INSERT OR REPLACE INTO follow_ups VALUES (?, ?, ?, ?)"

_KEYS_AT_ONCE = 500
"""SQLite takes 999 parameters in one query, or more, by its version; some of them are not keys."""

_DETAIL_LETTERS = 500
"""A proxy's page can be long; the first lines say what it is."""

Statement = tuple[str, tuple[Any, ...]]

Key = TypeVar("Key", str, bytes)


def key_chunks(keys: Sequence[Key]) -> Iterator[tuple[Sequence[Key], str]]:
    """Yield the keys, as many at a time as one query takes, each time with the table of marks that stands for them."""
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        chunk = keys[start : start + _KEYS_AT_ONCE]
        yield chunk, f"(VALUES {', '.join(['(?)'] * len(chunk))})"


def answer(fingerprint: bytes, host: str, reply: Reply, created: float) -> Statement:
    """Return the statement that keeps a paid answer.

    Inside JSON, the escape that stands for a lone surrogate is read back as the same. What JSON cannot hold again is
    kept as an answer that says so: it was paid, and must not be asked again silently.
    """
    try:
        message = write_json(reply.message)
    except (RecursionError, TypeError, ValueError) as error:
        message = json.dumps(unreadable(f"it cannot be written as JSON ({type(error).__name__})"))
    return INSERT_ANSWER, (fingerprint, host, storable(message), storable(reply.request_id), created)


def attempt(run: str, position: int, tried: Attempt, usage: Usage, cost: Decimal | None) -> Statement:
    """Return the statement that keeps what one try was like, and what its answer used and cost."""
    result = tried.result
    head = (run, position, tried.number, tried.started, tried.ended)
    if isinstance(result, Failure):
        detail = storable(result.message[:_DETAIL_LETTERS])
        return INSERT_ATTEMPT, (*head, result.kind, result.status, detail, storable(result.request_id), *(None,) * 9)
    return INSERT_ATTEMPT, (
        *head,
        None,
        200,
        None,
        storable(result.request_id),
        storable(model_of(result.message)),
        storable(stop_reason_of(result.message)),
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.cache_read_tokens,
        usage.thinking_tokens,
        None if cost is None else str(cost),
    )


def storable(text: str | None) -> str | None:
    """Return text that SQLite can take: lone surrogates as escapes."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()
