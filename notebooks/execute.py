"""Run every notebook in a real kernel on the simulator; with --write, keep the outputs in the files.

Without --write nothing is changed: a notebook that raises, or prints to stderr what it should not, fails the check.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
CELL_SECONDS = 180


def execute(path: Path) -> nbformat.NotebookNode:
    """Return the notebook at `path` with fresh outputs; raises when a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        os.environ["CLAUDE_PARALLEL_HOME"] = home
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": home}}
        )
        client.execute()
    return notebook


def main() -> int:
    """Execute all notebooks (or those named), and return how many failed."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    chosen = [Path(argument) for argument in arguments] or sorted(FOLDER.glob("[0-9]*.ipynb"))
    failed = 0
    for path in chosen:
        try:
            notebook = execute(path)
        except Exception as error:
            failed += 1
            print(f"FAILED {path.name}\n{error}")
            continue
        if "--write" in sys.argv:
            for cell in notebook.cells:
                cell.metadata.pop("execution", None)  # times of the run: noise in every diff
            nbformat.write(notebook, path)
        print(f"ok     {path.name}")
    print(f"{len(chosen) - failed} notebooks passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
