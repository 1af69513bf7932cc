"""Answers and records that are hard to keep: none of them may keep another one from the disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_parallel.api.answers import read_answer
from claude_parallel.api.reading import usage_of
from claude_parallel.api.responses import read_response
from claude_parallel.records import Attempt, Failure, Outcome, Reply
from claude_parallel.store.journal import Journal
from claude_parallel.store.labels import LabelBook

from .test_journal import HOST, keep, reply

KEYS = [number.to_bytes(32, "big") for number in range(400)]


def message(**changes: Any) -> dict[str, Any]:
    """Return a Message with some fields changed."""
    return {**reply().message, **changes}


def nested(depth: int) -> Any:
    """Return a list in a list in a list ..."""
    inner: Any = []
    for _ in range(depth):
        inner = [inner]
    return inner


def arrived(body: str) -> Mapping[str, Any]:
    """Return the Message that the door makes of a body."""
    result = read_response(200, {}, body)
    assert isinstance(result, Reply)
    return result.message


HARD: dict[str, Mapping[str, Any]] = {
    "a stop reason that is an object": message(stop_reason={"a": 1}),
    "a model that is a list": message(model=["claude"]),
    "a count that no integer column takes": message(usage={"input_tokens": 10**30, "output_tokens": 1}),
    "a number that Python does not read": arrived(
        '{"type": "message", "usage": {"input_tokens": 1%s}}' % ("0" * 5_000)
    ),
    "half a letter": message(content=[{"type": "text", "text": "\ud83d"}], model="claude\ud83d"),
    "depth": message(content=nested(50_000)),
}


@pytest.mark.parametrize("hard", HARD.values(), ids=HARD)
def test_one_field_that_sqlite_cannot_take_keeps_nothing_else_from_the_disk(
    hard: Mapping[str, Any], tmp_path: Path
) -> None:
    """The odd answer and its attempt are kept too, and every later flush lands."""
    journal = Journal.open(tmp_path / "j.sqlite3")
    odd = Reply(hard, "req\ud83d", {})

    async def main() -> None:
        await journal.keep_answer(KEYS[0], HOST, odd, 1.0)
        journal.keep_attempt("r1", 0, Attempt(1, 1.0, 2.0, odd), usage_of(hard), Decimal(1))
        for key in KEYS[1:200]:
            await journal.keep_answer(key, HOST, reply(), 1.0)

    asyncio.run(main())
    journal.close()
    again = Journal.open(tmp_path / "j.sqlite3")
    assert set(again.recall(KEYS)) == set(KEYS[:200])
    assert again.query("SELECT count(*) FROM attempts") == [(1,)]
    again.close()


@given(st.data())
@settings(max_examples=100)
def test_whatever_the_api_sends_can_be_kept_and_judged_again(data: Any) -> None:
    """A law: any JSON value in any field of a Message, kept and read back, and the answer is judged as before."""
    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    )
    fields = st.sampled_from(["model", "stop_reason", "stop_details", "content", "usage", "id", "new"])
    sent = message(**data.draw(st.dictionaries(fields, json, max_size=3)))
    journal = Journal.open(None)
    odd = Reply(sent, None, {})
    journal.keep_attempt("r1", 0, Attempt(1, 1.0, 2.0, odd), usage_of(sent))
    journal.keep_answers([(KEYS[0], HOST, odd, 1.0), (KEYS[1], HOST, reply(), 1.0)])
    kept = journal.recall(KEYS[:2])
    assert set(kept) == set(KEYS[:2])
    assert read_answer(kept[KEYS[0]].message) == read_answer(sent)
    assert kept[KEYS[1]] == reply()


@pytest.mark.parametrize(
    "damage",
    ["CAST(x'7bff7d' AS TEXT)", "x'ff00'", "NULL", "17", "'{\"content\": ['", "''", "CAST(x'ff' AS TEXT)"],
)
@pytest.mark.parametrize("column", ["message", "request_id"])
def test_one_damaged_answer_costs_no_other_one(damage: str, column: str, tmp_path: Path) -> None:
    """Whatever stands in its place, the other 399 of its chunk are found."""
    journal = Journal.open(tmp_path / "j.sqlite3")
    keep(journal, *KEYS)
    journal.execute("CREATE TABLE loose AS SELECT * FROM answers")
    journal.execute("DROP TABLE answers")
    journal.execute("ALTER TABLE loose RENAME TO answers")
    journal.execute(f"UPDATE answers SET {column} = {damage} WHERE fingerprint = ?", (KEYS[7],))
    found = journal.recall(KEYS)
    assert set(found) >= set(KEYS) - {KEYS[7]}
    assert (KEYS[7] in found) == (column == "request_id")
    journal.close()


def test_what_can_never_be_kept_is_told_once_and_left_out(tmp_path: Path) -> None:
    """Even a record of nonsense from our own hands does not stop what comes after it."""
    journal = Journal.open(tmp_path / "j.sqlite3")
    nonsense: Any = {"no": "key"}
    with pytest.warns(UserWarning, match="1 records cannot be kept") as caught:
        journal.keep_rows("r1", [(0, nonsense, Outcome(cost=None, source="api"))])
        keep(journal, KEYS[1])
        journal.keep_rows("r1", [(0, nonsense, Outcome(cost=None, source="api"))])
    assert len(caught) == 1
    journal.close()
    assert set(Journal.open(tmp_path / "j.sqlite3").recall(KEYS)) == {KEYS[1]}


def test_answers_on_good_pages_of_a_damaged_file_are_carried_over(tmp_path: Path) -> None:
    """Some broken pages cost what lies on them; nothing else is paid again."""
    path = tmp_path / "j.sqlite3"
    journal = Journal.open(path)
    journal.begin_run("r1", 1.0, HOST, {})
    keep(journal, *KEYS, text="x" * 900)
    journal.keep_attempt("r1", 0, Attempt(1, 1.0, 2.0, Failure("server", "oh")))
    journal.close()
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    for page in range(pages // 2, pages // 2 + 5):
        data[page * 4096 : page * 4096 + 4096] = b"\xab" * 4096
    path.write_bytes(data)
    journal = Journal.open(path)
    with pytest.warns(UserWarning, match=r"damaged.*3\d\d answers that could still be read"):
        found = journal.recall(KEYS)
    assert len(found) > 350
    assert journal.query("SELECT id FROM runs") == [("r1",)]
    journal.close()
    assert len(Journal.open(path).recall(KEYS)) == len(found)


def test_labels_survive_a_damaged_file(tmp_path: Path) -> None:
    """They were given by hand, and can be bought nowhere."""
    path = tmp_path / "j.sqlite3"
    journal = Journal.open(path)
    book = LabelBook(journal, "tone")
    book.give(KEYS[0], "good", 1.0)
    keep(journal, *KEYS, text="x" * 900)
    journal.close()
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    data[pages // 2 * 4096 : (pages // 2 + 5) * 4096] = b"\xab" * (5 * 4096)
    path.write_bytes(data)
    journal = Journal.open(path)
    with pytest.warns(UserWarning, match="damaged"):
        journal.recall(KEYS)
    assert LabelBook(journal, "tone").read(KEYS) == {KEYS[0]: "good"}
    journal.close()


def test_rescue_of_a_file_without_a_header_finds_nothing(tmp_path: Path) -> None:
    """A file of rubbish is set aside as it is."""
    from claude_parallel.store.rescue import rescue

    (tmp_path / "rubbish").write_bytes(b"rubbish" * 999)
    target = sqlite3.connect(":memory:")
    assert rescue(tmp_path / "rubbish", target) == 0
    target.close()
