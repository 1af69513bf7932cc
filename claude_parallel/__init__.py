"""Enrich pandas DataFrames with Claude: one call per row, as many at once as the account allows.

>>> import claude_parallel as cp          # registers df.claude and series.claude
>>> with cp.simulator():
...     frame = cp.map(["What is a DataFrame?"], progress=False)
>>> frame["response_error"].isna().all()
np.True_
"""

from __future__ import annotations

from .accessor import ClaudeFrame, ClaudeSeries, register
from .accessor import map_items as map
from .bridge import stop_all as stop
from .client import configure
from .errors import (
    ClaudeParallelError,
    CredentialsError,
    InputError,
    JournalError,
    RowFailed,
    RunStopped,
)
from .estimate import Estimate, estimate
from .jobs import Job, jobs
from .keeping import journal
from .limits import Limits
from .retry import RetryPolicy
from .runs import Run, runs
from .runs import find_run as run
from .simulator import simulator

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
    "configure",
    "estimate",
    "jobs",
    "journal",
    "map",
    "run",
    "runs",
    "simulator",
    "stop",
]

register()
