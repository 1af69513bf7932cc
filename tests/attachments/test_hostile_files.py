"""Files that would hang a run, fill the memory or take minutes: each is one quick error of its row."""

from __future__ import annotations

import os
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.attachments.blocks import AttachmentError, document_blocks, image_blocks
from claude_parallel.attachments.sniffing import is_encrypted, pdf_pages

from ..worlds import frame_of, world
from .test_attachments import pdf

both = pytest.mark.parametrize("blocks_of", [image_blocks, document_blocks])

OBJECT = b"5 0 obj << /Type /ObjStm /N 9 >>\nstream\n"
BOMB = zlib.compress(b"\0" * 2**24, 9)
"""16 MB in 16 kB."""


@both
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_an_error_and_nobody_waits_for_it(blocks_of: Any, tmp_path: Path) -> None:
    """Nobody writes into it, so reading it would never end; it is not even opened for that."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(AttachmentError, match="not a regular file"):
        blocks_of(pipe)


@both
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "file:///dev/zero", {"path": "/dev/zero"}])
def test_a_device_is_an_error(blocks_of: Any, device: Any) -> None:
    """It has no end."""
    with pytest.raises(AttachmentError, match="not a regular file"):
        blocks_of(device)


@both
def test_a_folder_is_an_error(blocks_of: Any, tmp_path: Path) -> None:
    """As a path that lost its file name is."""
    with pytest.raises(AttachmentError):
        blocks_of(tmp_path)


@both
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a list of open files")
def test_a_folder_costs_no_open_file(blocks_of: Any, tmp_path: Path) -> None:
    """A column of them would use up all that the process may open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(AttachmentError):
            blocks_of(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@both
@pytest.mark.parametrize("size", [3 * 2**30, 33 * 2**20])
def test_the_size_of_a_file_is_known_before_it_is_read(blocks_of: Any, size: int, tmp_path: Path) -> None:
    """Three gigabytes of holes: refused at once, and not one of them in memory."""
    path = tmp_path / "huge.pdf"
    with path.open("wb") as file:
        file.write(b"%PDF-1.7")
        file.truncate(size)
    tracemalloc.start()
    with pytest.raises(AttachmentError, match="MB can be sent"):
        blocks_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


HOSTILE = {
    "streams without an end": b"%PDF-1.7\n" + OBJECT * 200_000,
    "streams that share one end": b"%PDF-1.7\n" + OBJECT * 200_000 + b"endstream",
    "dictionaries without an end": b"%PDF-1.7\n" + b"/ObjStm >" * 500_000,
    "bombs": b"%PDF-1.7\n" + (OBJECT + BOMB + b"\nendstream\n") * 500,
    "blanks": b"%PDF-1.7\n/Type" + b" " * 4_000_000 + b"/Encrypt" + b" " * 4_000_000 + b"/Count" + b" " * 4_000_000,
    "a number of a million digits": b"%PDF-1.7\n/Type /Page /Count " + b"9" * 1_000_000,
    "numbers before nothing": b"%PDF-1.7\n" + (b"/Encrypt " + b"1" * 1_000) * 2_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_no_pdf_takes_longer_or_more_memory_than_its_size_allows(data: bytes) -> None:
    """Seconds of CPU and 200 MB at most, where it took minutes and gigabytes."""
    began = time.process_time()
    tracemalloc.start()
    pages, encrypted = pdf_pages(data), is_encrypted(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pages <= 1
    assert not encrypted
    assert peak < 200 * 2**20
    assert time.process_time() - began < 10


def test_pages_behind_junk_are_still_counted() -> None:
    """Broken and unfinished streams before them do not hide them, and many good ones add up."""
    packed = zlib.compress(b"<< /Type /Page >>" * 3)
    streams = (OBJECT + packed + b"\nendstream\n") * 20
    junk = b"/ObjStm /ObjStm >> " + OBJECT + b"not packed\nendstream\n"
    assert pdf_pages(b"%PDF-1.7\n" + junk + streams) == 60


@given(st.binary(max_size=300), st.integers(0, 4))
def test_no_bytes_make_the_counting_raise(junk: bytes, at: int) -> None:
    """A law: whatever stands in a PDF, the answer is a number, and at least 0."""
    parts = [b"%PDF-1.7", OBJECT, zlib.compress(junk), b"endstream", b"/Type /Page /Count 3"]
    parts.insert(at, junk)
    assert pdf_pages(b"\n".join(parts)) >= 0


def test_a_hostile_file_is_its_rows_error_and_the_neighbours_are_answered(tmp_path: Path) -> None:
    """In a whole run: one row says what is wrong, the others are fine."""
    good = tmp_path / "good.pdf"
    good.write_bytes(pdf())
    frame = frame_of(3)
    frame["file"] = [str(good), os.devnull, str(good)]
    out = world().map(frame, "Say {t}", documents="file")
    assert out["response"].notna().tolist() == [True, False, True]
    assert out["response_error"][1].startswith("invalid: ")
