"""Enrich pandas DataFrames with Claude: one call per row, as many at once as the account allows.

>>> import claude_parallel as cp          # registers df.claude and series.claude
>>> with cp.simulator():
...     frame = cp.map(["Lovely!", "It broke."], "Is this good or bad? {}", progress=False)
>>> frame["response"].tolist()
['Simulated: good', 'Simulated: bad']
"""

from __future__ import annotations

import sys
import typing

from .accessor import ClaudeFrame
from .accessor import register as _register
from .bridge import stop_all as stop
from .config import configure
from .errors import (
    ClaudeParallelError,
    CredentialsError,
    InputError,
    JournalError,
    RowFailed,
    RunStopped,
)
from .limits.tiers import Limits
from .report.run import Run
from .report.run import find_run as run
from .report.run_list import runs, spent
from .retry import RetryPolicy
from .series import ClaudeSeries
from .series import map_items as map
from .simulation import simulator
from .store.maintenance import journal

if typing.TYPE_CHECKING:
    from .background.job import Job, jobs
    from .forecast.estimate import Estimate, estimate
    from .simulation.tickets import demo_tickets
    from .tables.map_file import map_file
    from .tables.result import TableResult

__version__ = "0.1.0"

__all__ = [
    "ClaudeFrame",
    "ClaudeParallelError",
    "ClaudeSeries",
    "CredentialsError",
    "Estimate",
    "InputError",
    "Job",
    "JournalError",
    "Limits",
    "RetryPolicy",
    "RowFailed",
    "Run",
    "RunStopped",
    "TableResult",
    "configure",
    "demo_tickets",
    "estimate",
    "jobs",
    "journal",
    "map",
    "map_file",
    "run",
    "runs",
    "simulator",
    "spent",
    "stop",
]

_LATER = {
    "Estimate": "forecast.estimate",
    "estimate": "forecast.estimate",
    "Job": "background.job",
    "jobs": "background.job",
    "demo_tickets": "simulation.tickets",
    "TableResult": "tables.result",
    "map_file": "tables.map_file",
}
"""Name -> module of what is imported at its first use, to keep ``import claude_parallel`` quick."""


def __getattr__(name: str) -> typing.Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


_register()
if "polars" in sys.modules:  # who works with Polars has its accessor at once; nobody else waits for Polars
    from . import polars as polars
if "dask.dataframe" in sys.modules:
    from . import dask as dask
