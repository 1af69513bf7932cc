"""One map over a Dask collection: partitions from the cluster, calls from this process, results to the cluster.

Nothing lazy is paid for: a map runs at once, as ``persist`` does. What a run over a stream is, is in ``tables``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd

from ..engine.results import Results
from ..errors import InputError, row_error
from ..frames.calls import sign
from ..frames.columns import Columns
from ..frames.outputs import answer_series, attach, output_arrays
from ..progress.stats import RunStats
from ..prompt.template import PromptFunction
from ..records import Outcome
from ..report.run import find_run
from ..schema.schema import Schema
from ..tables.kind import TableKind
from ..tables.result import TableResult
from ..tables.table_map import TableMap
from ..tables.target import Tally
from . import on_workers
from .source import PartitionSource
from .target import ClusterTarget, FolderOfParts, check_into

ATTRIBUTE = "_claude_parallel_made"
"""Attribute of the collection that a map returned; no operation copies it."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a map has made of a collection.

    Attributes
    ----------
    given : Dask collection
        The input.
    call : tuple
        Prompt, name and options as the user gave them.
    columns : Columns
        Names of the new columns.
    run_id : str
        The run.
    """

    given: Any
    call: tuple[Any, str, Mapping[str, Any]]
    columns: Columns
    run_id: str


class FrameAnswers:
    """Makes new columns as a map over a pandas frame makes them.

    Parameters
    ----------
    columns : Columns
        Their names.
    compiled : Schema or None
        The user's schema, for typed columns.
    gives_series : bool
        True for one column of answers alone.
    """

    def __init__(self, columns: Columns, compiled: Schema | None, *, gives_series: bool = False) -> None:
        self.columns = columns
        self._compiled = compiled
        self._gives_series = gives_series and columns.is_one_answer

    @property
    def schema(self) -> Any:
        """The dtypes of the new columns."""
        return self.table([]).dtypes

    def table(self, outcomes: Sequence[Outcome]) -> Any:
        """Return the new columns of some rows."""
        results = Results(RunStats(), outcomes=list(outcomes))
        index = pd.RangeIndex(len(outcomes) // self.columns.samples)
        arrays = output_arrays(self.columns, results, self._compiled)
        if self._gives_series:
            return answer_series(self.columns.answers[0], arrays, index)
        return attach(pd.DataFrame(index=index), arrays)


class ClusterMap:
    """A map over a Dask frame or series, checked and ready.

    Parameters
    ----------
    collection : dask.dataframe.DataFrame or Series
        The input.
    prompt, out, options
        As in ``ClaudeFrame.map``.
    into : path, optional
        A folder for the result.
    overwrite : bool
        Replace what another map has left in that folder.
    as_frame : bool
        Return a frame also where a series would give a series.
    bypass_cache : frozenset of bytes
        Fingerprints to ask again although the journal has an answer.

    Raises
    ------
    InputError
        For everything that can be known to fail before the first call.
    """

    def __init__(
        self,
        collection: Any,
        prompt: str | PromptFunction,
        out: str,
        options: Mapping[str, Any],
        *,
        into: str | Path | None = None,
        overwrite: bool = False,
        as_frame: bool = False,
        bypass_cache: frozenset[bytes] = frozenset(),
    ) -> None:
        if into is not None:
            check_into(into)
        self.collection = collection
        self.source = PartitionSource(collection, client_of_this_process())
        gives_series = self.source.is_series and not as_frame and into is None
        self.table_map = TableMap(
            self.source,
            prompt,
            out,
            options,
            is_series=self.source.is_series,
            kind=TableKind(
                self.source.reader,
                lambda columns, schema: FrameAnswers(columns, schema, gives_series=gives_series),
            ),
            bypass_cache=bypass_cache,
        )
        self._call = (prompt, out, options)
        self._into = into
        self._overwrite = overwrite
        self._target: ClusterTarget | FolderOfParts | None = None

    def __repr__(self) -> str:
        return f"<ClusterMap of {self.source.npartitions:,} partitions>"

    def run(self) -> Any:
        """Run the map, blocking, and return the new collection."""
        return self._assembled(self.table_map.run(self._open_target, str(self._into or "")))

    async def arun(self) -> Any:
        """Run the map on the caller's event loop, and return the new collection."""
        return self._assembled(await self.table_map.arun(self._open_target, str(self._into or "")))

    def _open_target(self, job: str) -> ClusterTarget | FolderOfParts:
        self._target = (
            ClusterTarget(self.source)
            if self._into is None
            else FolderOfParts(self.source, self._into, job, self._new([]), overwrite=self._overwrite)
        )
        return self._target

    def _new(self, outcomes: Sequence[Outcome]) -> Any:
        return self.table_map.answers.table(outcomes)

    # -- the result --------------------------------------------------------------------------------------------------

    def _assembled(self, result: TableResult) -> Any:
        """Return the collection with its answers; where the run was stopped, the rest says so."""
        target = self._target
        meta = on_workers.beside(self.source.meta, self._new([]))
        with dask.config.set({"dataframe.convert-string": False}):  # it would make text of lists
            if isinstance(target, FolderOfParts) and result.is_complete:
                paths = [target.path(number) for number in range(self.source.npartitions)]
                made = dd.from_map(on_workers.read_part, paths, meta=meta, divisions=self.source.divisions)
            else:
                parts = self._parts(target)
                made = dd.from_delayed(parts, meta=meta, divisions=self.source.divisions, verify_meta=False)
        known = Made(self.collection, self._call, self.table_map.columns, result.run_id or "")
        object.__setattr__(made, ATTRIBUTE, known)
        return made

    def _parts(self, target: ClusterTarget | FolderOfParts | None) -> list[Any]:
        if isinstance(target, FolderOfParts):
            read = dask.delayed(on_workers.read_part)
            numbers = range(self.source.npartitions)
            there = {number: read(target.path(number)) for number in numbers if target.finished(number) is not None}
        else:
            assert target is not None
            self._write_rest(target)
            there = target.parts
        if len(there) == self.source.npartitions:
            return [there[number] for number in range(self.source.npartitions)]
        return [there.get(number, part) for number, part in enumerate(self._unreached())]

    def _write_rest(self, target: ClusterTarget) -> None:
        """Keep the answers of a stopped run that lie in partitions which are not complete."""
        session = self.table_map.last_session
        if session is None or session.is_whole:
            return
        results, samples = session.results, self.table_map.columns.samples
        gone = Outcome.not_asked(*session.state.reason_for_the_rest)
        for loaded in self.table_map.waiting():
            start = loaded.start * samples - results.base
            stop = loaded.stop * samples - results.base
            outcomes = [outcome or gone for outcome in results.outcomes[start:stop]]
            outcomes += [gone] * (stop - start - len(outcomes))
            target.write(loaded.number, loaded.chunk, self._new(outcomes), Tally())

    def _unreached(self) -> list[Any]:
        """Return all partitions, lazily and without a call, as those that have no rows or were never asked."""
        session = self.table_map.last_session
        reason = session.state.reason_for_the_rest if session is not None else ("cancelled", "not sent")
        answers = self.table_map.columns.answers
        names = [answer.error for answer in answers], [answer.cost for answer in answers]
        fill = dask.delayed(on_workers.unreached, pure=True)
        return [fill(part, self._new([]), *names, row_error(*reason)) for part in self.collection.to_delayed()]


def client_of_this_process() -> Any:
    """Return the client of the cluster.

    Raises
    ------
    InputError
        When there is none.
    """
    from distributed import default_client

    try:
        return default_client()
    except ValueError:
        raise InputError(
            "a map over a Dask frame runs on a cluster, and none is connected: client = distributed.Client() starts "
            "one on this machine, Client(address) connects to one"
        ) from None


def made_of(collection: Any) -> Made:
    """Return the map that made a collection.

    Raises
    ------
    InputError
        When the collection does not know it.
    """
    found = getattr(collection, ATTRIBUTE, None)
    if not isinstance(found, Made):
        raise InputError(
            "this frame does not know its map: it is not what ddf.claude.map returned, or an operation made a new "
            "frame of it. Use the frame that map returned; cp.runs() lists all runs"
        )
    return found


def own_columns(collection: Any) -> pd.DataFrame:
    """Return errors and costs of all rows as a pandas frame that knows its run."""
    made = made_of(collection)
    names = [name for answer in made.columns.answers for name in (answer.error, answer.cost)]
    frame: pd.DataFrame = collection[names].compute()
    sign(frame, frame, made.run_id)
    return frame


def retried(collection: Any, overrides: Mapping[str, Any]) -> Any:
    """Return a frame whose failed rows were asked again; the others are answered by the journal, for nothing."""
    made = made_of(collection)
    prompt, out, options = made.call
    if {**options, **overrides}.get("journal") is False:
        raise InputError("retry() has the rows that did not fail from the journal, which is off for this map")
    rejected = find_run(made.run_id, overrides.get("journal") or options.get("journal") or True)
    again = ClusterMap(
        made.given,
        prompt,
        out,
        {**options, **overrides},
        bypass_cache=rejected.fingerprints_answered(badly=True),
    ).run()
    costs = [answer.cost for answer in made.columns.answers]
    summed = dd.map_partitions(
        on_workers.add_costs, again, collection, costs, meta=again._meta, align_dataframes=False
    ).persist()
    object.__setattr__(summed, ATTRIBUTE, made_of(again))
    return summed
