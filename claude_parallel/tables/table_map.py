"""One map over a table of any size: one run, one record, one budget, chunk by chunk from a source to a target.

Puts source, prompt, stream, session and outlet together. Files are opened by ``map_file``.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..batch.carrier import BatchCarrier, BatchEnvironment, choose_carrier
from ..batch.open_rows import check_open_batches
from ..config import is_simulating, resolve_settings
from ..engine.environment import Environment
from ..engine.plan import Plan
from ..engine.session import Carrier, Session
from ..errors import InputError
from ..frames.calls import MapCall, remember_call
from ..frames.columns import check_name, cost_name, error_name
from ..frames.planning import check_file_columns, examples_of, open_journal, plan_map, planned_columns, refuse_quotes
from ..frames.rows import check_first_row, check_output_names
from ..given_numbers import whole_number
from ..prompt.template import PromptFunction, compile_prompt
from ..records import ZERO
from ..report.recent_runs import remember
from ..schema.schema import compile_schema
from ..store.journal import Journal
from .arrow_types import is_text
from .batches import SpooledBatches
from .function_identity import FunctionIdentity
from .job import identify
from .kind import TableKind
from .manifest import Tally
from .outlet import Outlet
from .result import TableResult
from .source import Source
from .stream import CHUNK_ROWS, Loaded, StreamRows
from .target import Target, complete_target

_SIMULATOR = "simulator"
"""Stands for the address of any simulator in a job's identity: each one has another port."""


class TableMap:
    """A map over a table, checked and ready.

    Parameters
    ----------
    source : Source
        The input.
    prompt : str or callable
        What to ask; a callable gets each row as a mapping.
    out : str
        Name of the text column.
    options : mapping
        Options of ``ClaudeFrame.map``.
    chunk_rows : int
        Rows that are written at a time.
    limit : int, optional
        The first so many rows only.
    is_series : bool
        True where ``{}`` stands for the one column.
    kind : TableKind
        How its chunks are read, and what the new columns are made of; Arrow by default.
    bypass_cache : frozenset of bytes
        Fingerprints to ask again although the journal has an answer.
    replaced : sequence of str
        Columns that an earlier map made under the same name: this map replaces them, so its fields may be called so.
    environment : Environment or BatchEnvironment, optional
        Another outside world, for rehearsals and tests.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """

    def __init__(
        self,
        source: Source,
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        *,
        chunk_rows: int = CHUNK_ROWS,
        limit: int | None = None,
        is_series: bool = False,
        kind: TableKind | None = None,
        bypass_cache: frozenset[bytes] = frozenset(),
        replaced: Sequence[str] = (),
        environment: Environment | BatchEnvironment | None = None,
    ) -> None:
        kind = kind or TableKind()
        check_name(out)
        chunk_rows = whole_number("chunk_rows", chunk_rows)
        limit = None if limit is None else whole_number("limit", limit)
        names = list(source.names)
        self.source = source
        self.out = out
        self.settings = resolve_settings(options)
        refuse_quotes(self.settings)
        self.prompt = compile_prompt(
            prompt,
            names,
            is_series=is_series,
            may_be_constant=bool(self.settings.images or self.settings.documents),
            skips_missing=self.settings.skip_missing,
        )
        spec = self.settings.schema
        beside = [] if is_series else names  # the answers of a series stand alone
        taken = [*(name for name in beside if name not in replaced), error_name(out), cost_name(out)]
        self.schema = compile_schema(spec, out, taken) if spec is not None else None
        self.columns = planned_columns(out, self.settings, self.schema)
        self.answers = kind.answers(self.columns, self.schema)
        self._unread = kind.unread
        self._reader = kind.reader(self.prompt, self.settings, names)
        self.environment = environment
        self.last_session: Session | None = None
        self._last_rows: StreamRows | None = None
        self.call = MapCall(prompt, dict(options), self.columns)
        self._bypass_cache = bypass_cache
        self._chunk_rows = chunk_rows
        self._limit = limit
        self._function = FunctionIdentity(self.prompt.function)
        self._check(names, beside)
        self._function.note_changes()
        self.rows = self._stream()

    def __repr__(self) -> str:
        return f"<TableMap to {self.out!r}>"

    @property
    def live_environment(self) -> Environment | None:
        """The outside world that was given, as live calls meet it; None = the real one."""
        return self.environment.live if isinstance(self.environment, BatchEnvironment) else self.environment

    @property
    def _is_simulated(self) -> bool:
        return is_simulating(self.settings.client)

    def waiting(self) -> list[Loaded]:
        """Return the chunks of which the last run has outcomes and which it has not written."""
        if self._last_rows is None or self.last_session is None:
            return []
        results = self.last_session.results
        stop = (results.base + len(results.outcomes)) // self.columns.samples
        return [loaded for loaded in self._last_rows.waiting() if loaded.stop <= stop]

    def plan(self, host: str) -> Plan:
        """Return what would be asked of the API at `host`; leaves no trace."""
        return plan_map(
            self.rows,
            self.settings,
            self.prompt,
            self.schema,
            host,
            bypass_cache=self._bypass_cache,
        )

    def run(self, open_target: Callable[[str], Target], name: str = "") -> TableResult:
        """Run the map, blocking; see :meth:`opened` for what `open_target` is."""
        with self.opened(open_target, name) as run:
            if run.session is not None:
                run.session.run()
        return run.result

    async def arun(self, open_target: Callable[[str], Target], name: str = "") -> TableResult:
        """Run the map on the caller's event loop."""
        with self.opened(open_target, name) as run:
            if run.session is not None:
                await run.session.arun()
        return run.result

    # -- one run -----------------------------------------------------------------------------------------------------

    @contextmanager
    def opened(self, open_target: Callable[[str], Target], name: str = "") -> Iterator[TableRun]:
        """Open everything that a run needs, and close it again.

        Parameters
        ----------
        open_target : callable
            The job's identity -> Target.
        name : str
            What to call the target in front of people.
        """
        with ExitStack() as stack:
            carrier = choose_carrier(self.settings, self.environment)
            plan = self.plan(carrier.environment.host)
            target = open_target(self.identify(plan.host))
            run = TableRun(target, name, is_simulated=self._is_simulated)
            if target.tally_before is not None:
                run.tally = target.tally_before
                yield run
                return
            try:
                self._prepare(run, plan, carrier, stack)
                yield run
            finally:
                run.close()
                self._function.note_changes()

    def _prepare(self, run: TableRun, plan: Plan, carrier: Carrier, stack: ExitStack) -> None:
        rows = self._last_rows = self._stream(run.is_finished)
        if not rows.reach(0):  # nothing to ask, not even for a key
            run.is_complete = True
            return
        journal = self._open_journal(stack)
        if not carrier.is_batch:
            check_open_batches(replace(plan, rows=rows.again()), journal)
        if isinstance(carrier, BatchCarrier):
            carrier = SpooledBatches(carrier.batch_environment, rows)
        run.session = session = Session(replace(plan, rows=rows), carrier, journal, out=self.out)
        remember(session.run_id, journal)
        remember_call(session.run_id, self.call)
        self.last_session = session
        session.outlet = run.outlet = Outlet(
            rows,
            session.results,
            self.answers,
            run.target,
            record=session.record,
            state=session.state,
            run_id=session.run_id,
            unread=self._unread,
        )

    def _open_journal(self, stack: ExitStack) -> Journal:
        """Return the journal of a run; a stream needs one also where the user wants none.

        Rows that ask the same may lie further apart than the window, so answers are kept while the run lasts. What
        became of each row is on record as long as the process lives, as that of a frame is.
        """
        settings = self.settings
        if settings.journal is False:
            path = _folder_of_this_process() / "run.sqlite"
            stack.callback(_forget_answers, path)
            settings = replace(settings, journal=path)
        return open_journal(settings)

    # -- checking ----------------------------------------------------------------------------------------------------

    def _check(self, names: list[str], beside: list[str]) -> None:
        check_file_columns(names, self.settings)
        examples_of(self.settings, self.prompt, self.schema)
        function = self.prompt.function
        read = (*(() if function is not None else self.prompt.columns), *self.settings.images, *self.settings.documents)
        check_output_names(beside, [name for name in read if name in beside], self.columns.names)
        for name in read:
            if names.count(name) > 1:
                raise InputError(f"the table has {names.count(name)} columns {name!r}; rename all but one")
        check_first_row(self.prompt, self._stream())
        if self.prompt.is_column:
            self._check_prompt_column(self.prompt.columns[0])

    def _check_prompt_column(self, name: str) -> None:
        kind = self.source.type_of(name)
        if kind is not None and not is_text(kind):
            raise InputError(
                f'column {name!r} is the prompt, but holds {kind}, not text; use a template such as "... {{{name}}}"'
            )

    def _stream(self, is_finished: Callable[[int, Any], bool] = lambda _number, _chunk: False) -> StreamRows:
        return StreamRows(
            self.source,
            self._reader,
            chunk_rows=self._chunk_rows,
            limit=self._limit,
            is_finished=is_finished,
        )

    def identify(self, host: str) -> str:
        """Return the identity of this job; a simulator is the same one whatever its port, and never the API."""
        plan = self.plan(_SIMULATOR if self._is_simulated else host)
        cut = [self._chunk_rows, self._limit, list(self.source.names)]
        return identify(plan, self.prompt, self._function, self.source.identity(), cut, str(self.answers.schema))


class TableRun:
    """One run under way: its target, and what it comes to."""

    def __init__(self, target: Target, name: str, *, is_simulated: bool) -> None:
        self.target = target
        self.is_simulated = is_simulated
        self.session: Session | None = None
        self.outlet: Outlet | None = None
        self.tally = Tally()
        self.is_complete = target.tally_before is not None
        self._finished: dict[int, Tally] = {}
        self._name = name

    def is_finished(self, number: int, chunk: Any) -> bool:
        """Say whether an earlier run has written a chunk, and count its rows, however often the source is read."""
        tally = self.target.finished(number, chunk)
        if tally is not None:
            self._finished[number] = tally
        return tally is not None

    def close(self) -> None:
        """Complete the target, or leave it to a later run."""
        is_whole = self.session.is_whole if self.session is not None else self.is_complete
        self.is_complete = False
        try:
            if self.outlet is not None:
                self.outlet.close()
                self.tally += self.outlet.tally
            self.tally = sum(self._finished.values(), self.tally)
            if is_whole:
                complete_target(self.target)
                self.is_complete = True
        finally:
            if not self.is_complete:
                self.target.abandon()

    @property
    def result(self) -> TableResult:
        """What the run came to."""
        session = self.session
        cost = session.stats.cost if session is not None else ZERO
        run_id = session.run_id if session is not None else None
        kinds = dict(self.tally.kinds)
        runs = tuple(self.tally.runs.split())
        return TableResult(self.tally.rows, kinds, cost, run_id, self.is_complete, self._name, self.is_simulated, runs)


def _folder_of_this_process() -> Path:
    """Return a new folder that is deleted at the end of this process (and not by a fork of it)."""
    folder, owner = tempfile.mkdtemp(prefix="claude-parallel-"), os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return Path(folder)


def _forget_answers(path: Path) -> None:
    with closing(Journal.open_existing(path, is_explicit=True)) as journal:
        journal.delete_answers()
