"""The tables of the journal, and how a file of an older version gets them."""

from __future__ import annotations

import sqlite3

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE answers (
        fingerprint BLOB NOT NULL PRIMARY KEY,
        host TEXT NOT NULL,
        message TEXT NOT NULL,
        request_id TEXT,
        created REAL NOT NULL
    );
    CREATE INDEX answers_created ON answers (created);
    CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY,
        started REAL NOT NULL,
        ended REAL,
        host TEXT NOT NULL,
        settings TEXT NOT NULL,
        totals TEXT
    );
    CREATE TABLE run_rows (
        run TEXT NOT NULL,
        position INTEGER NOT NULL,
        fingerprint BLOB,
        source TEXT NOT NULL,
        kind TEXT,
        error TEXT,
        cost TEXT,
        attempts INTEGER NOT NULL,
        PRIMARY KEY (run, position)
    ) WITHOUT ROWID;
    CREATE TABLE attempts (
        run TEXT NOT NULL,
        position INTEGER NOT NULL,
        number INTEGER NOT NULL,
        started REAL NOT NULL,
        ended REAL NOT NULL,
        kind TEXT,
        status INTEGER,
        detail TEXT,
        request_id TEXT,
        model TEXT,
        stop_reason TEXT,
        input_tokens INTEGER,
        output_tokens INTEGER,
        cache_write_5m_tokens INTEGER,
        cache_write_1h_tokens INTEGER,
        cache_read_tokens INTEGER,
        thinking_tokens INTEGER,
        cost TEXT
    );
    CREATE INDEX attempts_run ON attempts (run);
    CREATE TABLE waits (
        run TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX waits_run ON waits (run);
    CREATE TABLE envelopes (
        id TEXT NOT NULL PRIMARY KEY,
        run TEXT NOT NULL,
        host TEXT NOT NULL,
        owner TEXT NOT NULL,
        created REAL NOT NULL,
        requests INTEGER NOT NULL,
        lease REAL NOT NULL,
        batch_id TEXT,
        state TEXT NOT NULL
    );
    CREATE INDEX envelopes_run ON envelopes (run);
    CREATE TABLE envelope_rows (
        envelope TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        PRIMARY KEY (envelope, fingerprint)
    ) WITHOUT ROWID;
    CREATE INDEX envelope_rows_fingerprint ON envelope_rows (fingerprint);
    """,
    """
    CREATE TABLE claimants (
        id TEXT NOT NULL PRIMARY KEY,
        until REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE claims (
        fingerprint BLOB NOT NULL PRIMARY KEY,
        claimant TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX claims_claimant ON claims (claimant);
    """,
    # Rows that the journal had answered need no record each: their keys, end to end, say it all. `row_outcomes` is what
    # to read: it shows them as if each had its own.
    """
    CREATE TABLE recalled_rows (
        run TEXT NOT NULL,
        first INTEGER NOT NULL,
        fingerprints BLOB NOT NULL,
        PRIMARY KEY (run, first)
    );
    CREATE VIEW row_outcomes AS
        SELECT run, position, fingerprint, source, kind, error, cost, attempts FROM run_rows
        UNION ALL
        SELECT run, first + place, substr(fingerprints, 32 * place + 1, 32), 'journal', NULL, NULL, '0', 0
        FROM recalled_rows CROSS JOIN (
            WITH RECURSIVE places (place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM places WHERE place < 499)
            SELECT place FROM places
        ) WHERE 32 * place < length(fingerprints);
    """,
    # What a row asked after its first answer: the rest of a paused turn, or a better answer. Filed under the key of
    # what it asked first, so that rows which ask the same share it.
    """
    CREATE TABLE follow_ups (
        run TEXT NOT NULL,
        asked BLOB NOT NULL,
        number INTEGER NOT NULL,
        fingerprint BLOB NOT NULL,
        PRIMARY KEY (run, asked, number)
    );
    """,
    # Rows with a common fate need no record each either: their keys end to end, and their dollars as a JSON list, in
    # which `false` stands for a row that has a record elsewhere. Older versions go on with `recalled_rows`.
    """
    CREATE TABLE row_groups (
        run TEXT NOT NULL,
        first INTEGER NOT NULL,
        source TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        fingerprints BLOB NOT NULL,
        costs TEXT NOT NULL,
        PRIMARY KEY (run, first, source, attempts)
    );
    DROP VIEW row_outcomes;
    CREATE VIEW row_outcomes AS
        SELECT run, position, fingerprint, source, kind, error, cost, attempts FROM run_rows
        UNION ALL
        SELECT
            run, first + key, substr(fingerprints, 32 * key + 1, 32), source, NULL, NULL, CAST(value AS TEXT), attempts
        FROM row_groups CROSS JOIN json_each(costs) WHERE type != 'false'
        UNION ALL
        SELECT run, first + place, substr(fingerprints, 32 * place + 1, 32), 'journal', NULL, NULL, '0', 0
        FROM recalled_rows CROSS JOIN (
            WITH RECURSIVE places (place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM places WHERE place < 499)
            SELECT place FROM places
        ) WHERE 32 * place < length(fingerprints);
    """,
    # Answers in the order of their arrival, their keys in an index that is written in bulk: see `answer_keys`. Ids are
    # never given twice, so that none below `indexed_upto` is new.
    """
    ALTER TABLE answers RENAME TO answers_by_key;
    DROP INDEX answers_created;
    CREATE TABLE answers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint BLOB NOT NULL,
        host TEXT NOT NULL,
        message TEXT NOT NULL,
        request_id TEXT,
        created REAL NOT NULL
    );
    INSERT INTO answers (fingerprint, host, message, request_id, created)
        SELECT fingerprint, host, message, request_id, created FROM answers_by_key ORDER BY rowid;
    DROP TABLE answers_by_key;
    CREATE INDEX answers_created ON answers (created);
    CREATE TABLE answer_keys (prefix BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (prefix, id)) WITHOUT ROWID;
    INSERT INTO answer_keys SELECT substr(fingerprint, 1, 8) AS prefix, id FROM answers ORDER BY prefix;
    CREATE TABLE answers_indexed (indexed_upto INTEGER NOT NULL);
    INSERT INTO answers_indexed SELECT coalesce(max(id), 0) FROM answers
    """,
)
"""One script per schema version; a file moves forward one script at a time, each in one transaction."""

SCHEMA_VERSION = len(_MIGRATIONS)


class NewerFile(Exception):
    """The file was written by a newer version of this package."""


def check_version(connection: sqlite3.Connection) -> int:
    """Return the schema version of a file; raises :class:`NewerFile` for one that this package does not know."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise NewerFile(f"has schema version {version}, this package knows {SCHEMA_VERSION}")
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, or bring an older one up to date; every script in one transaction."""
    version = check_version(connection)
    for number in range(version, SCHEMA_VERSION):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have migrated while we waited for the lock.
            if connection.execute("PRAGMA user_version").fetchone()[0] == number:
                for statement in _MIGRATIONS[number].split(";"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
