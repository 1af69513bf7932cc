"""Maps in plain Python processes: Ctrl-C, a terminal's bar, inside a coroutine, after a fork."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .api import Api, ApiProcess
from .world import clean_environment

pytestmark = pytest.mark.kernel

PRELUDE = """
import asyncio, os, sys
import pandas as pd
import claude_parallel as cp
cp.configure(base_url=sys.argv[1], api_key="simulator")
df = pd.DataFrame({"text": [f"row {number}" for number in range(int(sys.argv[2]))]})
"""

INTERRUPTED = """
out = df.claude.map("say {text}", max_concurrency=30)
print("went on with", out["response"].notna().sum())
"""

IN_COROUTINE = """
async def main():
    first = df.claude.map("say {text}")
    second = df.claude.map("sing {text}")
    return first["response"].notna().sum(), second["response"].notna().sum()
print(*asyncio.run(main()))
"""

AFTER_FORK = """
before = df.claude.map("say {text}")
child = os.fork()
if child == 0:
    again, new = df.claude.map("say {text}"), df.claude.map("sing {text}")
    complete = again["response"].notna().all() and new["response"].notna().all()
    os._exit(0 if complete and again["response_cost"].sum() == 0 else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

ENDS_WITH_A_JOB = """
import time
job = df.claude.submit("say {text}", max_concurrency=30, progress=False)
while job.status().done < 40:
    time.sleep(0.01)
"""

MAPPED = """
out = df.claude.map("say {text}", progress=False)
print(out["response"].notna().sum())
"""


@contextmanager
def started(
    tmp_path: Path, api: Api, code: str, rows: int, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Start a script against this API, with a journal in `tmp_path`; it does not outlive the block."""
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + code)
    process = subprocess.Popen(
        [sys.executable, str(script), api.url, str(rows)],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def run(tmp_path: Path, api: Api, code: str, rows: int) -> tuple[str, str]:
    """Run a script to its end; returns stdout and stderr."""
    with started(tmp_path, api, code, rows) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def open_terminal() -> tuple[int, int]:
    """Return both ends of a terminal of the usual size: ours and the script's."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 160))
    return controller, terminal


def read_until(controller: int, words: str) -> str:
    """Return what a terminal showed up to and with these words, or until nobody writes to it any more."""
    shown = ""
    while words not in shown:
        try:
            shown += os.read(controller, 65_536).decode(errors="replace")
        except OSError:  # how Linux says that the other end is closed
            break
    return shown


def test_ctrl_c_ends_a_script_and_the_next_run_resumes(tmp_path: Path, api_process: ApiProcess) -> None:
    """What is in flight lands in the journal, KeyboardInterrupt ends the script, and nothing is paid twice."""
    api = api_process.serve(latency_seconds=0.3, jitter_sigma=0.2)

    with started(tmp_path, api, INTERRUPTED, 200) as process:
        api.wait(answered=60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    interrupted_at = len(api.calls())

    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert out == ""
    assert 60 <= interrupted_at < 200
    assert sum(api.answered().values()) == interrupted_at

    out, _ = run(tmp_path, api, INTERRUPTED, 200)

    assert out == "went on with 200\n"
    assert len(api.calls()) == 200
    assert set(api.answered().values()) == {1}


def test_two_ctrl_c_end_a_script_that_waits_for_slow_answers(tmp_path: Path, api_process: ApiProcess) -> None:
    """The second Ctrl-C does not wait for answers of a minute."""
    api = api_process.serve(latency_seconds=60.0)
    controller, terminal = open_terminal()

    with started(tmp_path, api, INTERRUPTED, 100, stderr=terminal) as process:
        os.close(terminal)
        api.wait(received=30)
        process.send_signal(signal.SIGINT)
        shown = read_until(controller, "interrupt again to cancel")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    os.close(controller)

    assert "finishing 30 in flight" in shown
    assert process.returncode == -signal.SIGINT
    assert out == ""
    assert len(api.calls()) == 30


def test_a_terminal_shows_a_text_bar(tmp_path: Path, api_process: ApiProcess) -> None:
    """In a terminal the bar is text, is drawn again and again in its line, and ends at 100 %."""
    api = api_process.serve(latency_seconds=0.1)
    controller, terminal = open_terminal()

    with started(tmp_path, api, 'df.claude.map("say {text}", max_concurrency=10)', 60, stderr=terminal) as process:
        os.close(terminal)
        shown = read_until(controller, "60 of 60 rows answered")
        process.communicate(timeout=30)
    os.close(controller)

    assert process.returncode == 0
    assert "100%" in shown
    assert shown.count("\r") > 2


def test_a_sync_map_inside_a_coroutine_works_and_advises_amap(tmp_path: Path, api_process: ApiProcess) -> None:
    """Inside asyncio.run() every row is answered, and one warning names amap."""
    api = api_process.serve(latency_seconds=0.05)

    out, err = run(tmp_path, api, IN_COROUTINE, 30)

    assert out == "30 30\n"
    assert err.count("amap") == 1
    assert set(api.answered().values()) == {1}


def test_a_forked_child_maps_on_its_own(tmp_path: Path, api_process: ApiProcess) -> None:
    """After os.fork() the child has the parent's answers from the journal and asks new ones itself."""
    api = api_process.serve(latency_seconds=0.05)

    out, _ = run(tmp_path, api, AFTER_FORK, 30)

    assert out == "0\n"
    assert len(api.calls()) == 60
    assert set(api.answered().values()) == {1}


def test_a_script_that_ends_lets_the_calls_of_its_job_land(tmp_path: Path, api_process: ApiProcess) -> None:
    """Calls in flight are billed: the end of a script, or of a kernel, is no reason to pay for them twice."""
    api = api_process.serve(latency_seconds=0.4)
    run(tmp_path, api, ENDS_WITH_A_JOB, rows=200)
    first = api.received()
    out, _ = run(tmp_path, api, MAPPED, rows=200)

    assert 40 < len(first) < 200
    assert out.split() == ["200"]
    assert set(api.received().values()) == {1}
