"""The journal's record of envelopes: which requests were handed to which batch, and how far that has come.

Knows the tables ``envelopes`` and ``envelope_rows``. An envelope is written before its batch is created and carries the
batch's id right after, so that a run killed at any moment leaves enough to find its batch again. What follows from a
state is decided in ``runner``.

A file that cannot be read knows of no envelope: a bad disk must not stop a run.

Writing may wait for a lock on the file, and reading for another thread of this process that writes: a run does both
beside its event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..store.answer_keys import newest
from ..store.journal import Journal
from ..store.statements import key_chunks
from ..warning import warn_and_go_on

EnvelopeState = Literal["prepared", "submitted", "unclear", "collected", "failed", "cancelled"]
"""``prepared``: about to be sent; ``submitted``: the batch's id is known; ``unclear``: sent, but no answer was seen;
``collected``: all answers are in the journal; ``failed``: nothing was created; ``cancelled``: given up by the user."""

_OPEN_STATES: tuple[EnvelopeState, ...] = ("prepared", "submitted", "unclear")
"""Those of an envelope whose requests are not to be sent again."""

_OPEN = f"({', '.join(map(repr, _OPEN_STATES))})"
_COLUMNS = "id, run, host, owner, created, requests, lease, batch_id, state"


@dataclass(frozen=True, slots=True)
class EnvelopeRecord:
    """One envelope, as the journal keeps it.

    Attributes
    ----------
    id, run : str
        Its own id, and the run that packed it.
    host, owner : str
        Where it goes and who pays (a short hash, never a key).
    created : float
        When it was packed, seconds since the epoch.
    requests : int
        How many requests it holds.
    lease : float
        Until then, in seconds since the epoch, its batch may still come into being; nobody judges it missing before.
    batch_id : str or None
        The API's id.
    state : str
        See :data:`EnvelopeState`.
    """

    id: str
    run: str
    host: str
    owner: str
    created: float
    requests: int
    lease: float
    batch_id: str | None = None
    state: EnvelopeState = "prepared"

    @property
    def is_open(self) -> bool:
        """True while its requests are not to be sent again, since a batch answers them or may come to."""
        return self.state in _OPEN_STATES


class EnvelopeBook:
    """Reads and writes envelopes.

    Parameters
    ----------
    journal : Journal
        An open journal; one in memory keeps envelopes for this run only.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._has_warned = False

    def __repr__(self) -> str:
        return f"<EnvelopeBook of {self._journal!r}>"

    # -- writing -----------------------------------------------------------------------------------------------------

    def prepare(self, record: EnvelopeRecord, fingerprints: Iterable[bytes]) -> None:
        """Keep an envelope that is about to be sent, with the fingerprints of its requests."""
        head = (record.id, record.run, record.host, record.owner, record.created, record.requests, record.lease)
        self._write(
            [
                (f"INSERT INTO envelopes VALUES ({', '.join('?' * 9)})", (*head, record.batch_id, record.state)),
                *(("INSERT INTO envelope_rows VALUES (?, ?)", (record.id, key)) for key in fingerprints),
            ]
        )

    def submitted(self, envelope_id: str, batch_id: str) -> None:
        """Keep the id of the batch that an envelope became."""
        self._write([("UPDATE envelopes SET state = 'submitted', batch_id = ? WHERE id = ?", (batch_id, envelope_id))])

    def unclear(self, envelope_id: str, lease: float) -> None:
        """Keep that an envelope was sent and its answer was lost."""
        self._write([("UPDATE envelopes SET state = 'unclear', lease = ? WHERE id = ?", (lease, envelope_id))])

    def extend(self, envelope_id: str, lease: float) -> None:
        """Keep that an envelope is still being sent; a lease never becomes shorter by that."""
        self._write([("UPDATE envelopes SET lease = max(lease, ?) WHERE id = ?", (lease, envelope_id))])

    def close(self, envelope_id: str, state: EnvelopeState) -> None:
        """Keep how an envelope ended; its requests are free to be sent again."""
        self._write(
            [
                ("UPDATE envelopes SET state = ? WHERE id = ?", (state, envelope_id)),
                ("DELETE FROM envelope_rows WHERE envelope = ?", (envelope_id,)),
            ]
        )

    def close_collected(self, envelope_id: str, answers: int) -> bool:
        """Close an envelope whose `answers` answers came, if they are all in the journal; say whether it was closed.

        Where the disk refused some of them, or cannot be read, it stays open: the next run reads the results again
        instead of paying again.
        """
        if self._journal.path is not None:
            query = f"SELECT count({newest('r.fingerprint')}) FROM envelope_rows r WHERE r.envelope = ?"
            kept = self._journal.look(query, (envelope_id,))
            if not kept or kept[0][0] < answers:
                return False
        self.close(envelope_id, "collected")
        return True

    # -- reading ----------------------------------------------------------------------------------------------------

    def get(self, envelope_id: str) -> EnvelopeRecord | None:
        """Return an envelope by its own id."""
        return self._one("id = ?", envelope_id)

    def of_batch(self, batch_id: str) -> EnvelopeRecord | None:
        """Return an envelope by the id of its batch."""
        return self._one("batch_id = ?", batch_id)

    def all(self) -> list[EnvelopeRecord]:
        """Return all envelopes, newest first."""
        rows = self._journal.look(f"SELECT {_COLUMNS} FROM envelopes ORDER BY created DESC, rowid DESC")
        return [_record(row) for row in rows]

    def batch_ids(self, host: str) -> set[str]:
        """Return the ids of all batches that are known to belong to an envelope."""
        query = "SELECT batch_id FROM envelopes WHERE host = ? AND batch_id IS NOT NULL"
        return {str(row[0]) for row in self._journal.look(query, (host,))}

    def has_any(self, host: str) -> bool:
        """Say whether an envelope was ever made for `host`, open or not."""
        return bool(self._journal.look("SELECT 1 FROM envelopes WHERE host = ? LIMIT 1", (host,)))

    def has_open(self, host: str) -> bool:
        """Say whether any envelope is open at `host`."""
        query = f"SELECT 1 FROM envelopes WHERE host = ? AND state IN {_OPEN} LIMIT 1"
        return bool(self._journal.look(query, (host,)))

    def holding(self, fingerprints: Sequence[bytes], host: str) -> dict[bytes, str]:
        """Return, of these requests, those that stand in an open envelope, and its id.

        Parameters
        ----------
        fingerprints : sequence of bytes
            Keys of requests; any number.
        host : str
            Where they would go.
        """
        found: dict[bytes, str] = {}
        for keys, marks in key_chunks(fingerprints):
            query = (
                "SELECT r.fingerprint, r.envelope FROM envelope_rows r JOIN envelopes e ON e.id = r.envelope "
                f"WHERE r.fingerprint IN {marks} AND e.host = ? "
                f"AND e.state IN {_OPEN} ORDER BY e.rowid DESC"
            )
            found.update((row[0], row[1]) for row in self._journal.look(query, (*keys, host)))
        return found

    def is_first(self, envelope_id: str) -> bool:
        """Say whether no earlier open envelope, of another process, asks any of the same.

        Writers of the file take turns, so of two envelopes written at once exactly one is the first.
        """
        query = (
            "SELECT 1 FROM envelope_rows mine JOIN envelopes e ON e.id = mine.envelope "
            "JOIN envelope_rows theirs ON theirs.fingerprint = mine.fingerprint AND theirs.envelope <> mine.envelope "
            "JOIN envelopes f ON f.id = theirs.envelope "
            f"WHERE mine.envelope = ? AND f.rowid < e.rowid AND f.host = e.host AND f.state IN {_OPEN} LIMIT 1"
        )
        return not self._journal.look(query, (envelope_id,))

    def _one(self, condition: str, value: str) -> EnvelopeRecord | None:
        rows = self._journal.look(f"SELECT {_COLUMNS} FROM envelopes WHERE {condition}", (value,))
        return _record(rows[0]) if rows else None

    def _write(self, statements: list[tuple[str, tuple[object, ...]]]) -> None:
        """Write, or say once that a batch cannot be found again should this process die."""
        try:
            self._journal.execute_many(statements)
        except sqlite3.Error as error:
            if not self._has_warned:
                self._has_warned = True
                warn_and_go_on(
                    f"THE JOURNAL CANNOT BE WRITTEN ({error}): should this run be interrupted, its batches can only be "
                    "found by cp.jobs(), and the same cell would pay for them again"
                )


def _record(row: tuple[object, ...]) -> EnvelopeRecord:
    return EnvelopeRecord(*row)  # type: ignore[arg-type]  # the columns are the fields
