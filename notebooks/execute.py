"""Run every notebook in a real kernel on the simulator; with --write, keep the outputs in the files.

Without --write nothing is changed: a notebook that raises, or prints to stderr what it should not, fails the check.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
CELL_SECONDS = 180
AT_ONCE = 2
"""Kernels at a time: most cells wait for simulated answers, and more kernels would only wait for a core."""


async def execute(path: Path) -> nbformat.NotebookNode:
    """Return the notebook at `path` with fresh outputs; raises when a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": home}}
        )
        # The commands of this environment are found as they are in one that is activated.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        await client.async_execute(env={**os.environ, "CLAUDE_PARALLEL_HOME": home, "PATH": path})
    return notebook


async def check(path: Path, free: asyncio.Semaphore, *, is_written: bool) -> bool:
    """Execute one notebook, and say whether it passed."""
    async with free:
        try:
            notebook = await execute(path)
        except Exception as error:
            print(f"FAILED {path.name}\n{error}")
            return False
    if is_written:
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times of the run: noise in every diff
        nbformat.write(notebook, path)
    print(f"ok     {path.name}")
    return True


async def main() -> int:
    """Execute all notebooks (or those named), and return how many failed."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    chosen = [Path(argument) for argument in arguments] or sorted(FOLDER.glob("[0-9]*.ipynb"))
    free = asyncio.Semaphore(AT_ONCE)
    passed = sum(await asyncio.gather(*(check(path, free, is_written="--write" in sys.argv) for path in chosen)))
    print(f"{passed} notebooks passed, {len(chosen) - passed} failed")
    return len(chosen) - passed


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
