"""Envelopes: requests packed for the Message Batches API, within its limits and its alphabet.

Pure; knows bytes, numbers and custom ids. When an envelope is sent is decided in ``submitter``, what becomes of it in
``runner``. Source of the limits: Message Batches API, version 2026-10-21.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_REQUESTS = 100_000
"""Requests that one batch may hold."""

MAX_BYTES = 256_000_000
"""Bytes of one encoded batch; the stricter reading of the API's 256 MB."""

_OPENING = b'{"requests":['
_CLOSING = b"]}"
_PIECE_BYTES = 262_144
"""256 KB at a time: a piece fills a socket buffer, and a thousand pieces make the largest body."""
_CUSTOM_ID = re.compile(r"([a-zA-Z0-9]{1,20})-([a-zA-Z0-9_-]{43})")


def custom_id(envelope_id: str, fingerprint: bytes) -> str:
    """Return the id under which a request travels, whatever its row is called.

    It carries the key of the journal, so that the results of a batch tell by themselves which requests they answer, on
    any machine and without any record of the batch.

    Parameters
    ----------
    envelope_id : str
        1 to 20 letters and digits.
    fingerprint : bytes
        The request's key in the journal, 32 bytes.

    Returns
    -------
    str
        Fits the API's ``^[a-zA-Z0-9_-]{1,64}$``.
    """
    return f"{envelope_id}-{base64.urlsafe_b64encode(fingerprint).decode().rstrip('=')}"


def read_custom_id(text: str) -> tuple[str, bytes] | None:
    """Return envelope id and fingerprint of a request; None for an id that is not of our making."""
    found = _CUSTOM_ID.fullmatch(text)
    return (found[1], base64.urlsafe_b64decode(found[2] + "=")) if found else None


@dataclass(slots=True)
class Envelope:
    """One batch being packed: requests in, pieces of the encoded body out.

    Attributes
    ----------
    id : str
        Goes into every custom id.
    max_requests, max_bytes : int
        Limits of one batch; `max_bytes` holds for the whole body, punctuation included.
    rows : list of bytes
        The encoded requests, each once.
    size_bytes : int
        Size of the body as it would be sent now.
    """

    id: str
    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BYTES
    rows: list[bytes] = field(default_factory=list)
    size_bytes: int = len(_OPENING) + len(_CLOSING)

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, fingerprint: bytes, params: bytes) -> bool:
        """Put an encoded request in; False when it does not fit any more.

        A request that does not fit into an empty envelope is too large for any.
        """
        row = b'{"custom_id":"%s","params":%s}' % (custom_id(self.id, fingerprint).encode(), params)
        size_bytes = self.size_bytes + len(row) + (1 if self.rows else 0)
        if len(self.rows) >= self.max_requests or size_bytes > self.max_bytes:
            return False
        self.rows.append(row)
        self.size_bytes = size_bytes
        return True

    def pieces(self) -> Iterator[bytes]:
        """Yield the body piece by piece, so that it never lies in memory as a whole a second time."""
        piece, size = [_OPENING], 0
        for number, row in enumerate(self.rows):
            if size >= _PIECE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
            if number:
                piece.append(b",")
            piece.append(row)
            size += len(row)
        yield b"".join([*piece, _CLOSING])
