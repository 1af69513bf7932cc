"""What the package promises to the outside: its names, and a quick and silent import."""

from __future__ import annotations

import inspect
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

import claude_parallel as cp
from claude_parallel import errors

HEAVY = ("anthropic", "aiohttp", "httpx2", "IPython", "ipywidgets", "matplotlib", "tqdm.auto", "tqdm", "PIL", "polars")

_TIMED = """
import json, sys, time
start = time.process_time()
import pandas
middle = time.process_time()
import claude_parallel
end = time.process_time()
loaded = [name for name in sys.argv[1:] if name in sys.modules]
print(json.dumps({"pandas": middle - start, "ours": end - middle, "loaded": loaded}))
"""


def measure(bytecode: Path) -> dict[str, Any]:
    """Import pandas, then us, in a fresh interpreter; seconds of the processor, which other processes do not change.

    Both from compiled modules, wherever this machine keeps them or whether it does at all.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", _TIMED, *HEAVY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_import_is_quick_and_silent(tmp_path: Path) -> None:
    """At most a third of pandas' own time on top of it (median of five), and nothing heavy is loaded."""
    measure(tmp_path)  # compiles the modules, and warms the disk cache
    runs = [measure(tmp_path) for _ in range(5)]
    assert runs[0]["loaded"] == []
    share = statistics.median(run["ours"] / run["pandas"] for run in runs)
    assert share <= 1 / 3, f"{share:.2f} of pandas' own import time"


def test_all_is_the_promise() -> None:
    """Every public name is in ``__all__``, and everything in ``__all__`` is there; modules are no promise."""
    public = set(cp._LATER) | {
        name
        for name, value in vars(cp).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name not in ("annotations", "register")
    }
    assert public == set(cp.__all__)
    assert len(cp.__all__) == len(set(cp.__all__))
    assert cp.__all__ == sorted(cp.__all__)


@pytest.mark.parametrize("name", cp.__all__)
def test_every_public_name_is_explained(name: str) -> None:
    """A docstring of its own: ``help()`` and ``?`` are where analysts look."""
    value = getattr(cp, name)
    assert len(inspect.getdoc(value) or "") > 20


def test_all_exceptions_that_reach_users_are_public() -> None:
    """They can be caught by name."""
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert ours <= set(cp.__all__)


def test_the_accessors_are_registered() -> None:
    """By the import alone."""
    assert isinstance(pd.DataFrame().claude, cp.ClaudeFrame)
    assert isinstance(pd.Series(dtype="str").claude, cp.ClaudeSeries)


def test_the_star_import_takes_no_builtin_name_away_unasked() -> None:
    """``map`` is the only one, and it is meant."""
    import builtins

    assert set(cp.__all__) & set(dir(builtins)) == {"map"}


def test_the_version_is_text() -> None:
    """And of three numbers."""
    assert [part.isdigit() for part in cp.__version__.split(".")] == [True] * 3
