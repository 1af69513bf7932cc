"""A real Jupyter kernel: starts it in a world of its own, runs cells, reads what they put out, interrupts it.

What the cells do is for the tests.
"""

from __future__ import annotations

import ast
import json
import queue
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from .world import clean_environment

CELL_SECONDS = 60.0
"""How long a cell may take before the test fails."""

NUDGE_SECONDS = 1.0
"""How long a kernel may be silent before it is nudged: ipykernel 7.0 to 7.3 does not see a request that comes while it
sends a reply, nor any later one, until the next client connects (https://github.com/ipython/ipykernel/issues/1554)."""

LAUNCHER = ("-m", "ipykernel_launcher")

Message = dict[str, Any]

PRELUDE = """
import asyncio, json, threading, time
import pandas as pd
import claude_parallel as cp

def texts(rows):
    return pd.DataFrame({"text": [f"row {number}" for number in range(rows)]})

def facts(frame):
    kinds = frame["response_error"].dropna().str.split(":").str[0].value_counts()
    return {"rows": len(frame), "answers": frame["response"].dropna().tolist(),
            "kinds": {kind: int(count) for kind, count in kinds.items()}}
"""


@dataclass
class Cell:
    """One executed cell and every message that names it as its parent."""

    message_id: str
    messages: list[Message] = field(default_factory=list)
    is_idle: bool = False

    def contents(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the contents of its messages of these types, in order."""
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    def stream(self, name: str = "stdout") -> str:
        """Return what was written to stdout or stderr."""
        return "".join(content["text"] for content in self.contents("stream") if content["name"] == name)

    @property
    def error(self) -> str | None:
        """Name of the exception that ended the cell, if any."""
        errors = self.contents("error")
        return errors[0]["ename"] if errors else None

    @property
    def bars(self) -> list[str]:
        """Every state of the progress bar, as HTML, in order."""
        shown = (
            content["data"].get("text/html", "") for content in self.contents("display_data", "update_display_data")
        )
        return [markup for markup in shown if "claude-parallel-share" in markup]

    @property
    def bars_shown(self) -> int:
        """How many progress bars the cell shows: each is drawn anew in its place."""
        shown = (content["data"].get("text/html", "") for content in self.contents("display_data"))
        return sum("claude-parallel-share" in markup for markup in shown)

    @property
    def words(self) -> str:
        """Every text that a progress bar of the cell showed, and what was written to stderr."""
        return "\n".join([*self.bars, self.stream("stderr")])


class Kernel:
    """A kernel process and a client of it.

    Parameters
    ----------
    folder : Path
        Its world: journal, Jupyter files, working directory.
    launcher : sequence of str
        Arguments of Python that start a kernel.
    prelude : str
        Run first, with :data:`PRELUDE` after it.
    """

    def __init__(self, folder: Path, *, launcher: Sequence[str] = LAUNCHER, prelude: str = "") -> None:
        self.folder = folder
        self._prelude = prelude
        specs = folder / "specs"
        (specs / "tested").mkdir(parents=True, exist_ok=True)
        spec = {
            "argv": [sys.executable, *launcher, "-f", "{connection_file}"],
            "display_name": "tested",
            "language": "python",
        }
        (specs / "tested" / "kernel.json").write_text(json.dumps(spec))
        self._manager = KernelManager(
            kernel_name="tested",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False),
            connection_file=str(folder / "connection.json"),
        )
        self._cells: dict[str, Cell] = {}
        self._start()

    def _start(self) -> None:
        with (self.folder / "kernel.log").open("a") as log:
            self._manager.start_kernel(env=clean_environment(self.folder), cwd=str(self.folder), stdout=log, stderr=log)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._nudger = self._manager.blocking_client()
        self._client.wait_for_ready(timeout=CELL_SECONDS)
        self._info = self._reply(self._client.kernel_info())
        self.run(self._prelude + PRELUDE)

    # -- cells -------------------------------------------------------------------------------------------------------

    def start(self, code: str, *, stops_on_error: bool = True) -> Cell:
        """Send a cell, and return as soon as it runs; at once where another one is running."""
        is_queued = self.is_busy
        cell = Cell(self._client.execute(code, stop_on_error=stops_on_error))
        self._cells[cell.message_id] = cell
        if not is_queued:
            self.pump(lambda: bool(cell.messages))
        return cell

    def finish(self, cell: Cell, *, expects_error: bool = False) -> Cell:
        """Wait until a cell has ended; an exception in it fails the test unless it is expected."""
        self.pump(lambda: cell.is_idle)
        assert expects_error or cell.error is None, "\n".join(cell.contents("error")[0]["traceback"])
        return cell

    def run(self, code: str, *, expects_error: bool = False) -> Cell:
        """Run a cell to its end."""
        return self.finish(self.start(code), expects_error=expects_error)

    def value(self, expression: str) -> Any:
        """Return what an expression is worth in the kernel; it must be fit for JSON."""
        wanted = {"value": f"__import__('json').dumps({expression})"}
        reply = self._reply(self._client.execute("", silent=True, user_expressions=wanted))
        found = reply["user_expressions"]["value"]
        assert found["status"] == "ok", found
        return json.loads(ast.literal_eval(found["data"]["text/plain"]))

    def completions(self, code: str) -> set[str]:
        """Return what Tab offers behind this code."""
        return set(self._reply(self._client.complete(code))["matches"])

    def _reply(self, message_id: str) -> dict[str, Any]:
        """Return the content of the reply to a request on the shell channel."""
        deadline = time.monotonic() + CELL_SECONDS
        while True:
            assert time.monotonic() < deadline, f"no reply within {CELL_SECONDS} seconds"
            try:
                reply = self._client.get_shell_msg(timeout=NUDGE_SECONDS)
            except queue.Empty:
                self._nudge()
                continue
            if reply["parent_header"].get("msg_id") == message_id:
                content: dict[str, Any] = reply["content"]
                return content

    def _nudge(self) -> None:
        """Make a living kernel look for requests: connect one more client. See :data:`NUDGE_SECONDS`."""
        assert self.is_alive, f"the kernel process has ended: {(self.folder / 'kernel.log').read_text()}"
        self._nudger.stop_channels()
        self._nudger = self._manager.blocking_client()
        self._nudger.start_channels(iopub=False, stdin=False, hb=False, control=False)

    def pump(self, is_reached: Callable[[], bool], timeout_seconds: float = CELL_SECONDS) -> None:
        """Read messages until something is so."""
        deadline = time.monotonic() + timeout_seconds
        while not is_reached():
            assert time.monotonic() < deadline, f"still waiting after {timeout_seconds} seconds"
            try:
                message = self._client.get_iopub_msg(timeout=NUDGE_SECONDS)
            except queue.Empty:
                self._nudge()
                continue
            cell = self._cells.get(message["parent_header"].get("msg_id", ""))
            if cell is None:
                continue
            cell.messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                cell.is_idle = True

    @property
    def has_subshells(self) -> bool:
        """True where the kernel can run a second shell beside a busy one (ipykernel 7 and newer)."""
        return "kernel subshells" in self._info.get("supported_features", ())

    def journal(self, query: str, *parameters: Any) -> list[Any]:
        """Return the first column of what its journal on disk has now; nothing before there is one."""
        path = self.folder / "claude_parallel_home" / "simulated.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as journal:
            return [first for (first, *_) in journal.execute(query, parameters)]

    # -- the process -------------------------------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        """True while the process runs."""
        return bool(self._manager.is_alive())

    @property
    def is_busy(self) -> bool:
        """True while a cell has not been seen to end."""
        return not all(cell.is_idle for cell in self._cells.values())

    def interrupt(self) -> float:
        """Do what the stop button does; returns the moment on ``time.monotonic()``."""
        self._manager.interrupt_kernel()
        return time.monotonic()

    def run_beside(self, code: str) -> None:
        """Run code in a subshell, beside the cell that is running (ipykernel 7 and newer)."""
        session = self._client.session
        request = session.msg("create_subshell_request")
        self._client.control_channel.send(request)
        reply = self._client.get_control_msg(timeout=CELL_SECONDS)
        message = session.msg("execute_request", {"code": code, "silent": True, "allow_stdin": False})
        message["header"]["subshell_id"] = reply["content"]["subshell_id"]
        self._client.shell_channel.send(message)

    def kill(self) -> None:
        """End the process for good, whatever it is doing."""
        self._client.stop_channels()
        self._nudger.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def restart(self) -> None:
        """Kill the process as the restart button does, and start a new one in the same world."""
        self._client.stop_channels()
        self._nudger.stop_channels()
        self._manager.shutdown_kernel(now=True, restart=True)
        self._cells.clear()
        self._start()
