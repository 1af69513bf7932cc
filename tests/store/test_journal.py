"""The journal on the real file: what it keeps, what it never keeps, and files and disks that fail."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import claude_parallel as cp
from claude_parallel.errors import InputError
from claude_parallel.frames.frame_map import FrameMap
from claude_parallel.records import Attempt, Failure, Outcome, Reply
from claude_parallel.simulation.clock import run_virtual
from claude_parallel.store.file import connect
from claude_parallel.store.journal import Journal
from claude_parallel.store.open_file import OpenFile
from claude_parallel.store.tables import SCHEMA_VERSION

from ..worlds import frame_of, world

HOST = "https://api.example"
KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal may lie, in a folder that is not there yet."""
    return tmp_path / "folder" / "journal.sqlite3"


def reply(text: str = "yes", request_id: str | None = "req_1") -> Reply:
    """Return an answer with this text."""
    usage = {"input_tokens": 7, "output_tokens": 3}
    content = [{"type": "text", "text": text}]
    message = {"model": "claude-haiku-5-5", "content": content, "stop_reason": "end_turn", "usage": usage}
    return Reply(message=message, request_id=request_id, rate_limits={})


def keep(journal: Journal, *keys: bytes, text: str = "yes") -> None:
    """Commit an answer under each key."""
    journal.keep_answers((key, HOST, reply(text), 1.0) for key in keys)


def count(path: Path, table: str) -> int:
    """Return the rows of a table, read by another connection than the journal's."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def everything_in(path: Path) -> bytes:
    """Return the bytes of the journal and its companions."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


# -- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_is_on_disk_when_keep_answer_returns(path: Path) -> None:
    """Durable before anybody looks at it: another connection sees it at once."""
    journal = Journal.open(path)

    async def main() -> int:
        await journal.keep_answer(KEY, HOST, reply(), 1.0)
        return count(path, "answers")

    assert asyncio.run(main()) == 1


def test_answers_of_one_turn_share_a_commit(path: Path) -> None:
    """A hundred answers that land together cost far fewer commits than a hundred."""
    journal = Journal.open(path)
    before = journal.query("PRAGMA data_version")
    commits: list[str] = []
    journal._file.connection.set_trace_callback(commits.append)

    async def main() -> None:
        await asyncio.gather(*(journal.keep_answer(bytes([n]) * 32, HOST, reply(), 1.0) for n in range(100)))

    asyncio.run(main())
    assert before is not None
    assert count(path, "answers") == 100
    assert sum(statement.startswith("COMMIT") for statement in commits) <= 3


@given(
    text=st.text(st.characters(), max_size=40),
    request_id=st.none() | st.text("abc_1", max_size=9),
)
def test_every_answer_comes_back_as_it_was(text: str, request_id: str | None) -> None:
    """Any text at all, lone surrogates and NUL included, survives the file unchanged."""
    journal = Journal(OpenFile(connect(None), Path("unused")))
    given_reply = reply(text, request_id)
    journal.keep_answers([(KEY, HOST, given_reply, 1.0)])
    assert journal.recall([KEY]) == {KEY: given_reply}


def test_recall_takes_any_number_of_keys(path: Path) -> None:
    """More keys than SQLite has parameters; unknown ones are simply not there."""
    keys = [number.to_bytes(32, "big") for number in range(1_300)]
    journal = Journal.open(path)
    keep(journal, *keys[::2])
    assert set(journal.recall(keys)) == set(keys[::2])
    assert journal.recall([]) == {}


def test_a_stored_answer_that_is_not_whole_costs_only_itself(path: Path) -> None:
    """One broken row is asked again; its neighbours are still found."""
    journal = Journal.open(path)
    keep(journal, b"a", b"b", b"c")
    journal.execute("UPDATE answers SET message = '{\"content\": [' WHERE fingerprint = ?", (b"b",))
    assert set(journal.recall([b"a", b"b", b"c"])) == {b"a", b"c"}


def test_without_a_file_runs_are_kept_and_answers_are_not() -> None:
    """``journal=False`` leaves nothing to resume from, but the run can still be looked at."""
    journal = Journal.open(None)
    journal.begin_run("r1", 1.0, HOST, {})
    asyncio.run(journal.keep_answer(KEY, HOST, reply(), 1.0))
    journal.close()
    assert journal.recall([KEY]) == {}
    assert journal.query("SELECT id FROM runs") == [("r1",)]


def test_the_record_of_a_run_takes_text_that_utf8_cannot_say(path: Path) -> None:
    """A lone surrogate in an error text must not cost the run at its very end."""
    journal = Journal.open(path)
    odd = "cell \ud83d"
    journal.begin_run("r1", 1.0, HOST, {"out": odd})
    journal.keep_attempt("r1", 0, Attempt(1, 1.0, 2.0, Failure(kind="invalid", message=odd)))
    journal.keep_rows("r1", [(0, KEY, Outcome(text=odd, kind="invalid", error=odd))])
    journal.end_run("r1", 2.0, {"what": odd})
    journal.close()
    assert count(path, "run_rows") == count(path, "attempts") == 1


def test_a_failed_transaction_leaves_nothing_behind(path: Path) -> None:
    """``execute_many`` is all or nothing, and the connection works on."""
    journal = Journal.open(path)
    insert = "INSERT INTO waits VALUES (?, ?, ?, ?)"
    with pytest.raises(sqlite3.Error):
        journal.execute_many([(insert, ("r1", 1.0, 2.0, "x")), ("INSERT INTO nowhere VALUES (1)", ())])
    assert journal.query("SELECT * FROM waits") == []
    journal.execute_many([(insert, ("r1", 1.0, 2.0, "x"))])
    assert len(journal.query("SELECT * FROM waits")) == 1


# -- private ---------------------------------------------------------------------------------------------------------


def test_the_file_and_its_folder_are_the_users_alone(path: Path) -> None:
    """0600 for the file and its companions, 0700 for the folder, whatever the umask."""
    before = os.umask(0)
    try:
        journal = Journal.open(path)
        keep(journal, KEY)
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(files) >= {path.name, f"{path.name}-wal"}
    assert set(files.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_neither_key_nor_prompt_ever_reaches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grep the bytes: the key, prompt, system prompt, examples and cells are not in them; the answers are."""
    secret, path = "sk-ant-very-secret-1234567890", tmp_path / "j.sqlite3"
    frame = pd.DataFrame({"t": ["cellular secret one", "cellular secret two"]})
    with cp.simulator(latency_seconds=0.0, answer=lambda body: "the public answer") as sim:
        cp.configure(api_key=secret)
        monkeypatch.setenv("ANTHROPIC_API_KEY", secret)
        client = anthropic.AsyncAnthropic(api_key=secret, base_url=sim.url)
        out = frame.claude.map(
            "Prompting secretly: {t}",
            system="systemic secret",
            stop_sequences=["stopping secret"],
            request={"metadata": {"user_id": "requested secret"}},
            examples=[("asked secret", "answered secret")],
            client=client,
            journal=path,
            progress=False,
        )
    assert list(out["response"]) == ["the public answer"] * 2
    data = everything_in(path)
    assert b"the public answer" in data
    for word in (secret, "secret", "Prompting", "cellular"):
        assert word.encode() not in data, word


# -- damaged, newer, out of reach ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [b"this is not a database, but it is long enough to look like one" * 99, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["no database", "broken header"],
)
def test_a_damaged_file_is_set_aside_and_not_deleted(path: Path, damage: bytes) -> None:
    """The run goes on with a new file; the old one is there under another name, byte for byte."""
    path.parent.mkdir()
    path.write_bytes(damage)
    with pytest.warns(UserWarning, match="damaged.*renamed to journal.damaged-1.sqlite3"):
        journal = Journal.open(path)
    keep(journal, KEY)
    journal.close()
    assert (path.parent / "journal.damaged-1.sqlite3").read_bytes() == damage
    assert set(Journal.open(path).recall([KEY])) == {KEY}


def test_a_second_damaged_file_does_not_replace_the_first(path: Path) -> None:
    """Every damaged file keeps a name of its own."""
    path.parent.mkdir()
    for number in (1, 2):
        path.write_bytes(b"rubbish %d" % number * 999)
        with pytest.warns(UserWarning, match=f"damaged-{number}"):
            Journal.open(path).close()
    assert (path.parent / "journal.damaged-1.sqlite3").read_bytes().startswith(b"rubbish 1")


@pytest.mark.parametrize("is_error", [False, True], ids=["a warning", "an error"])
def test_damage_found_in_the_middle_of_a_run_sets_the_file_aside_too(
    is_error: bool, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file with a good head and broken pages must not stay in use, or no answer would ever be kept again.

    Where warnings are made errors, the run goes on with the new file all the same.
    """
    keys = [number.to_bytes(32, "big") for number in range(2_000)]
    journal = Journal.open(path)
    keep(journal, *keys, text="x" * 200)
    journal.close()
    data = bytearray(path.read_bytes())
    for page in range(40, len(data) // 4096 - 1):  # behind all that tells the tables
        data[page * 4096 : page * 4096 + 2000] = b"\xab" * 2000
    path.write_bytes(data)
    journal = Journal.open(path)
    with warnings.catch_warnings(record=not is_error) as warned:
        warnings.simplefilter("error" if is_error else "always")
        journal.recall(keys)
    told = caplog.text if warned is None else "".join(str(each.message) for each in warned)
    assert "damaged-1" in told
    keep(journal, KEY)
    journal.close()
    assert (path.parent / "journal.damaged-1.sqlite3").exists()
    assert set(Journal.open(path).recall([KEY])) == {KEY}


def test_a_look_in_the_middle_of_a_run_mends_a_damaged_file_and_raises_for_none(path: Path) -> None:
    """What can still be read is found, and what is written from then on is kept; what cannot be read is told."""
    keys = [number.to_bytes(32, "big") for number in range(2_000)]
    journal = Journal.open(path)
    keep(journal, *keys, text="x" * 200)
    journal.close()
    data = bytearray(path.read_bytes())
    for page in range(40, len(data) // 4096 - 1, 3):
        data[page * 4096 : page * 4096 + 2000] = b"\xab" * 2000
    path.write_bytes(data)
    journal = Journal.open(path)
    with pytest.warns(UserWarning, match="damaged-1"):
        found = journal.look("SELECT fingerprint, message FROM answers")
    assert 0 < len(found) < 2_000
    journal.execute_many([("INSERT INTO waits VALUES ('r', 1, 2, 'x')", ())])
    assert journal.look("SELECT reason FROM waits") == [("x",)]
    with pytest.warns(UserWarning, match="cannot be read"):
        assert journal.look("SELECT reason FROM no_such_table") == []
    journal.close()


def test_a_newer_file_is_left_alone(path: Path) -> None:
    """Another file beside it is used, with a message that says so; not one byte of the newer one changes."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE answers (fingerprint, host, message, tomorrow)")
    connection.execute("CREATE TABLE runs (id, tomorrow)")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.warns(UserWarning, match="newer|version.*left alone"):
        journal = Journal.open(path)
    keep(journal, KEY)
    journal.close()
    assert path.read_bytes() == before
    assert journal.path == path.parent / f"journal.v{SCHEMA_VERSION}.sqlite3"
    with pytest.warns(UserWarning, match="left alone"):
        assert set(Journal.open(path).recall([KEY])) == {KEY}


def test_a_folder_that_cannot_be_written_costs_the_journal_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One loud warning, and the frame is complete."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path / "file" / "home"))
    with pytest.warns(UserWarning, match="goes on WITHOUT it") as caught:
        out = world().map(frame_of(5), "Say {t}", journal=True)
    assert len(caught) == 1
    assert out["response"].notna().all()


def test_an_explicit_file_that_cannot_be_made_is_the_callers_mistake(tmp_path: Path) -> None:
    """Named on purpose, so it is an error before anything is paid."""
    (tmp_path / "file").write_text("no folder")
    account = world()
    with pytest.raises(InputError, match="cannot be used"):
        account.map(frame_of(1), "Say {t}", journal=tmp_path / "file" / "j.sqlite3")
    assert account.brain.ledger.requests == 0


def test_a_folder_as_journal_is_the_callers_mistake(tmp_path: Path) -> None:
    """The message says to name a file in it; nothing was sent."""
    account = world()
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        account.map(frame_of(1), "Say {t}", journal=tmp_path)
    assert account.brain.ledger.requests == 0


def test_a_file_of_an_empty_size_is_a_new_journal(path: Path) -> None:
    """A crash right after the file was made leaves an empty one; that is no damage."""
    path.parent.mkdir()
    path.touch()
    journal = Journal.open(path)
    keep(journal, KEY)
    assert set(journal.recall([KEY])) == {KEY}


@pytest.fixture
def limited_run(tmp_path: Path) -> Iterator[Any]:
    """Return a function that maps with a journal that was changed before the run begins."""

    def run(frame: pd.DataFrame, *pragmas: str) -> tuple[pd.DataFrame, Path]:
        path = tmp_path / "j.sqlite3"
        prepared = FrameMap(
            frame, "Say {t}", "response", {"journal": path, "progress": False}, environment=world(seed=1).environment()
        )
        session = prepared.session()
        for pragma in pragmas:
            session.journal.query(pragma)
        run_virtual(session.arun)
        return prepared.result(session), path

    yield run


@pytest.mark.parametrize(
    "pragmas",
    [("PRAGMA max_page_count = 30",), ("PRAGMA max_page_count = 1",), ("PRAGMA query_only = ON",)],
    ids=["full after a while", "full from the start", "read-only"],
)
def test_a_disk_that_takes_no_more_is_told_once_and_loses_no_answer(limited_run: Any, pragmas: tuple[str, ...]) -> None:
    """One loud warning, the run goes on, and the returned frame has every answer and every cost."""
    with pytest.warns(UserWarning, match="THE JOURNAL CANNOT BE WRITTEN") as caught:
        out, _ = limited_run(frame_of(1_000), *pragmas)
    assert len(caught) == 1
    assert out["response"].notna().all()
    assert out["response_error"].isna().all()
    assert (out["response_cost"] > 0).all()


def test_what_a_full_disk_did_not_take_is_written_once_there_is_room(path: Path) -> None:
    """Room comes back in the middle of the run: nothing stays lost."""
    journal = Journal.open(path)
    keep(journal, b"first")
    pages = journal.query("PRAGMA page_count")[0][0]
    journal.query(f"PRAGMA max_page_count = {pages}")
    many = [number.to_bytes(32, "big") for number in range(200)]
    with pytest.warns(UserWarning, match="CANNOT BE WRITTEN"):
        keep(journal, *many, text="x" * 500)
    journal.query("PRAGMA max_page_count = 1000000")
    keep(journal, b"last")
    journal.close()
    assert len(Journal.open(path).recall([*many, b"first", b"last"])) == 202


# -- several at once -------------------------------------------------------------------------------------------------

_WRITERS = """
    import os, sys, warnings
    from pathlib import Path
    from claude_parallel.store.journal import Journal
    from claude_parallel.records import Reply
    warnings.simplefilter("error")

    def write(name):
        journal = Journal.open(Path(sys.argv[1]))
        for number in range(60):
            journal.begin_run(f"{name}{number}", 1.0, "host", {})
            journal.keep_answers([(f"{name} {number}".encode(), "host", Reply({"content": []}, None, {}), 1.0)])
        journal.close()

    ready, go = os.pipe()
    children = []
    for name in "abcdef":
        child = os.fork()
        if not child:
            os.close(go)
            os.read(ready, 1)  # all begin together, when the parent closes its end
            write(name)
            os._exit(0)
        children.append(child)
    os.close(go)
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def test_several_processes_open_and_write_one_new_file_at_once(path: Path) -> None:
    """They begin together on a file that is not there yet; everybody's answers are there in the end."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_WRITERS), str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert count(path, "answers") == 6 * 60


def test_two_runs_on_one_file_share_their_answers(tmp_path: Path) -> None:
    """What one run was answered, another one with the same file and host never asks."""
    path, account = tmp_path / "j.sqlite3", world()
    first = account.map(frame_of(20), "Say {t}", journal=path)
    second = account.map(frame_of(30), "Say {t}", journal=str(path))
    assert account.brain.ledger.requests == 30
    assert list(second["response"][:20]) == list(first["response"])
    assert (second["response_cost"][:20] == 0).all()
    assert (second["response_cost"][20:] > 0).all()


def test_the_settings_on_record_are_json_without_secrets(tmp_path: Path) -> None:
    """A run's record names what was set, and not what was said."""
    path = tmp_path / "j.sqlite3"
    world().map(frame_of(2), "Say {t}", journal=path, system="be kind", budget=1.5, retries=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        journal = Journal.open(path)
    ((text, totals),) = journal.query("SELECT settings, totals FROM runs")
    settings = json.loads(text)
    assert settings["model"] == "claude-haiku-5-5"
    assert settings["system"] is True
    assert settings["rows"] == 2
    assert json.loads(totals)["rows"] == 2


def test_a_full_disk_holds_no_answer_up_where_warnings_are_errors(path: Path) -> None:
    """Nobody waits for ever, nothing is lost: what could not be written is written as soon as there is room."""
    journal = Journal.open(path)
    journal.execute("PRAGMA max_page_count = 1")  # no larger than it is
    long = "x" * 200_000

    async def keep_all() -> None:
        kept = []
        for key in (bytes([number]) * 32 for number in range(4)):
            kept.append(asyncio.create_task(journal.keep_answer(key, HOST, reply(long), 1.0)))
            for _ in range(3):  # the first group is on its way to the disk when the next answers arrive
                await asyncio.sleep(0)
        await asyncio.gather(*kept)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(asyncio.wait_for(keep_all(), 20))
    assert count(path, "answers") == 0
    journal.execute("PRAGMA max_page_count = 1000000")
    journal.close()
    assert count(path, "answers") == 4
