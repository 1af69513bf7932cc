"""Answers are found by their keys, whoever has kept them, and whether or not the index has these yet."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.store import open_file
from claude_parallel.store.file import connect
from claude_parallel.store.journal import Journal
from claude_parallel.store.rescue import copy_records
from claude_parallel.store.tables import _MIGRATIONS, SCHEMA_VERSION

from .test_journal import HOST, reply

ALIKE = bytes(8)
"""Keys that begin alike are told apart all the same."""
KEYS = [ALIKE + bytes([number]) * 24 for number in range(4)] + [bytes([number]) * 32 for number in range(1, 5)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal may lie."""
    return tmp_path / "j.sqlite3"


def keep(journal: Journal, *keys: bytes, text: str = "yes") -> None:
    """Keep an answer to each key."""
    journal.keep_answers([(key, HOST, reply(text), 1.0) for key in keys])


def texts(journal: Journal) -> dict[bytes, str]:
    """Return what the journal says to all keys."""
    return {key: found.message["content"][0]["text"] for key, found in journal.recall(KEYS).items()}


def indexed(journal: Journal) -> int:
    """Return how many keys are in the index."""
    return int(journal.query("SELECT count(*) FROM answer_keys")[0][0])


STEPS = st.lists(
    st.tuples(st.just("keep"), st.integers(0, 2), st.sets(st.sampled_from(KEYS), min_size=1))
    | st.tuples(st.sampled_from(["merge", "look", "open", "prune"]), st.integers(0, 2), st.none())
    | st.tuples(st.just("delete"), st.integers(0, 2), st.sampled_from(KEYS)),
    max_size=25,
)


@given(steps=STEPS)
def test_every_connection_finds_the_last_answer_to_every_key(steps: list[tuple[str, int, object]]) -> None:
    """However answers, merges, deletions and looks of three processes follow one another."""
    expected: dict[bytes, str] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "j.sqlite3"
        journals = [stack.enter_context(closing(Journal.open(path))) for _ in range(3)]
        for number, (step, who, what) in enumerate(steps):
            journal = journals[who]
            if step == "keep":
                assert isinstance(what, set)
                keep(journal, *what, text=f"answer {number}")
                expected |= dict.fromkeys(what, f"answer {number}")
            elif step == "merge":
                journal._file._index(0)
                assert journal._file.keys.merging(0) == []
            elif step == "open":
                journals[who] = stack.enter_context(closing(Journal.open(path)))
            elif step == "delete":
                assert isinstance(what, bytes)
                journal.delete_answers("fingerprint = ?", (what,))
                expected.pop(what, None)
            elif step == "prune":
                assert journal.delete_answers() >= len(expected)
                expected.clear()
            else:
                assert texts(journal) == expected
        assert all(texts(journal) == expected for journal in journals)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the index be written after a few answers."""
    monkeypatch.setattr(open_file, "MOST_RECENT", 3)
    monkeypatch.setattr(open_file, "MOST_LEFT", 1)
    yield


def test_the_index_is_written_in_bulk(path: Path, few: None) -> None:
    """After so many answers, and at the end of a run, if it is worth it."""
    journal = Journal.open_for_run(path)
    keep(journal, *KEYS[:3])
    assert indexed(journal) == 0
    keep(journal, KEYS[3])
    assert indexed(journal) == 4
    keep(journal, KEYS[4])
    journal.close()
    assert indexed(journal) == 4
    keep(journal, KEYS[5])
    journal.close()
    assert indexed(journal) == 6


def test_an_index_that_cannot_be_written_is_no_failure_of_an_answer(path: Path, few: None) -> None:
    """Nothing is told, nothing is written twice, and all is found; the index is tried again later."""
    journal = Journal.open(path)
    journal.execute("CREATE TRIGGER full BEFORE INSERT ON answer_keys BEGIN SELECT RAISE(ABORT, 'full'); END")
    keep(journal, *KEYS)
    assert journal.query("SELECT count(*) FROM answers") == [(len(KEYS),)]
    assert [*texts(journal)] == KEYS
    journal.execute("DROP TRIGGER full")
    keep(journal, KEYS[0], text="again")
    assert indexed(journal) == len(KEYS) + 1
    assert texts(journal)[KEYS[0]] == "again"


def test_an_id_is_never_given_twice(path: Path) -> None:
    """A new answer with the id of a deleted one would count as indexed, and be paid again."""
    with closing(Journal.open(path)) as journal, closing(Journal.open(path)) as other:
        keep(journal, *KEYS[:4])
        journal._file._index(0)
        assert len(texts(other)) == 4
        journal.delete_answers()
        keep(journal, KEYS[5])
        assert texts(other) == texts(journal) == {KEYS[5]: "yes"}


def test_a_file_of_the_version_before_keeps_its_answers(path: Path) -> None:
    """They move into the new table, each once, and are found at once."""
    old = sqlite3.connect(path)
    for script in _MIGRATIONS[: SCHEMA_VERSION - 1]:
        old.executescript(script)
    message = '{"content": [{"type": "text", "text": "old"}]}'
    old.executemany("INSERT INTO answers VALUES (?, 'h', ?, 'req', 1.0)", [(key, message) for key in KEYS[::-1]])
    old.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    old.commit()
    old.close()
    with closing(Journal.open(path)) as journal:
        assert texts(journal) == dict.fromkeys(KEYS, "old")
        assert indexed(journal) == len(KEYS)
        keep(journal, KEYS[0], text="new")
        assert texts(journal) == {**dict.fromkeys(KEYS, "old"), KEYS[0]: "new"}


def test_copying_gives_a_file_what_it_lacks_and_no_older_answer(path: Path) -> None:
    """A journal that was deleted in use may be begun anew by another run before its records come back."""
    with closing(Journal.open(path)) as source, closing(Journal.open(path.with_name("new.sqlite3"))) as target:
        keep(source, *KEYS, text="first")
        keep(source, KEYS[1], text="second")
        keep(target, KEYS[0], text="newer")
        expected = {**dict.fromkeys(KEYS, "first"), KEYS[0]: "newer", KEYS[1]: "second"}
        for _ in range(2):
            copy_records(source._file.connection, target._file.connection)
            assert texts(target) == expected
        assert target.query("SELECT count(*) FROM answers") == [(len(KEYS) + 1,)]


@pytest.mark.parametrize("damage", ["UPDATE answers_indexed SET indexed_upto = 'x'", "DELETE FROM answers_indexed"])
def test_a_file_that_does_not_say_what_is_in_the_index_is_damaged(path: Path, damage: str) -> None:
    """A bad page can look sound to SQLite; the answers are saved, as from any damaged file."""
    with closing(Journal.open(path)) as journal:
        keep(journal, *KEYS)
        journal.execute(damage)
    with closing(Journal.open(path)) as journal:
        with pytest.warns(UserWarning, match="is damaged.*the 8 answers that could still be read"):
            assert texts(journal) == dict.fromkeys(KEYS, "yes")
        keep(journal, KEYS[0], text="new")
        assert texts(journal)[KEYS[0]] == "new"


def test_an_id_beyond_all_reason_costs_its_answer_and_no_hour(path: Path) -> None:
    """A damaged page can name any number; all of those below were to be read, 500 at a time."""
    with closing(Journal.open(path)) as source, closing(Journal.open(path.with_name("new.sqlite3"))) as target:
        keep(source, *KEYS)
        source.execute("UPDATE answers SET id = ? WHERE fingerprint = ?", (1 << 62, KEYS[-1]))
        assert copy_records(source._file.connection, target._file.connection) == len(KEYS) - 1


def test_keys_are_looked_up_by_the_index(path: Path) -> None:
    """No look goes through all answers, in whatever order SQLite would like to join."""
    with closing(connect(path)) as connection:
        journal = Journal(open_file.OpenFile(connection, path))
        said: list[str] = []
        connection.set_trace_callback(said.append)
        journal.recall(KEYS)
        asked = next(sql for sql in said if "asked" in sql)
        plan = " ".join(str(step[-1]) for step in connection.execute(f"EXPLAIN QUERY PLAN {asked}"))
        assert "SCAN answers" not in plan
        assert "SCAN answer_keys" not in plan
        assert "SCAN there" not in plan
        assert "SEARCH answer_keys USING PRIMARY KEY (prefix=?)" in plan
