"""One map over a Dask collection: partitions from the cluster, calls from this process, results to the cluster.

Nothing lazy is paid for: a map runs at once, as ``persist`` does. ``tables`` knows how a stream is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd

from ..engine.results import Results
from ..errors import InputError, row_error
from ..frames.columns import OTHER_COLUMNS, AnswerColumns, Columns
from ..frames.made import Made, columns_made_as, made_of, maps_of, sign, snapshot
from ..frames.outputs import attach, output_arrays, warn_of_missing
from ..progress.stats import RunStats
from ..prompt.template import PromptFunction
from ..records import Outcome
from ..schema.schema import Schema
from ..tables.held_map import HeldMap
from ..tables.kind import TableKind
from ..tables.manifest import Tally
from ..tables.result import TableResult
from ..tables.table_map import TableMap
from ..tables.target import check_into
from . import on_workers
from .source import PartitionSource, client_of_this_process
from .target import ClusterTarget, FolderOfParts


class FrameAnswers:
    """Makes new columns as a map over a pandas frame makes them.

    Parameters
    ----------
    columns : Columns
        Their names.
    compiled : Schema or None
        The user's schema, for typed columns.
    """

    def __init__(self, columns: Columns, compiled: Schema | None) -> None:
        self.columns = columns
        self._compiled = compiled

    @property
    def schema(self) -> Any:
        """The dtypes of the new columns."""
        return self.table([]).dtypes

    def table(self, outcomes: Sequence[Outcome]) -> Any:
        """Return the new columns of some rows."""
        results = Results(RunStats(), outcomes=list(outcomes))
        index = pd.RangeIndex(len(outcomes) // self.columns.samples)
        return attach(pd.DataFrame(index=index), output_arrays(self.columns, results, self._compiled))


class ClusterMap(HeldMap):
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
        collection = snapshot(collection, collection.copy())
        self.source = PartitionSource(collection, client_of_this_process())
        self._gives_series = self.source.is_series and not as_frame and into is None
        table_map = TableMap(
            self.source,
            prompt,
            out,
            options,
            is_series=self.source.is_series,
            kind=TableKind(self.source.reader, FrameAnswers, self.source.unread),
            bypass_cache=bypass_cache,
            replaced=columns_made_as(collection, out),
        )
        super().__init__(table_map, collection, str(into or ""))
        self._into = into
        self._overwrite = overwrite
        self._target: ClusterTarget | FolderOfParts | None = None
        self._made: Any = None

    def __repr__(self) -> str:
        return f"<ClusterMap of {self.source.npartitions:,} partitions>"

    def open_target(self, job: str) -> ClusterTarget | FolderOfParts:
        """Return where answers go: to the workers, or into the folder."""
        self._target = (
            ClusterTarget(self.source)
            if self._into is None
            else FolderOfParts(self.source, self._into, job, self._new([]), overwrite=self._overwrite)
        )
        return self._target

    def _new(self, outcomes: Sequence[Outcome]) -> Any:
        return self.table_map.answers.table(outcomes)

    # -- the result --------------------------------------------------------------------------------------------------

    def made(self) -> Any:
        """Return the collection with its answers; where the run was stopped, the rest says so."""
        if self._made is None:
            assert self.result is not None
            self._made = self._assembled(self.result)
        return self._made

    def made_so_far(self) -> Any:
        """Return the partitions that are complete, with their answers.

        Raises
        ------
        InputError
            When there is none yet.
        """
        there = self._there(self._target)
        if not there:
            raise InputError("no partition is complete yet; status() says how far the job has come")
        parts = [there[number] for number in sorted(there)]
        with dask.config.set({"dataframe.convert-string": False}):
            return dd.from_delayed(parts, meta=self._new_meta(), verify_meta=False)

    def _assembled(self, result: TableResult) -> Any:
        target = self._target
        meta = self._new_meta()
        with dask.config.set({"dataframe.convert-string": False}):  # it would make text of lists
            if isinstance(target, FolderOfParts) and result.is_complete:
                paths = [target.path(number) for number in range(self.source.npartitions)]
                made = dd.from_map(on_workers.read_part, paths, meta=meta, divisions=self.source.divisions)
            else:
                parts = self._parts(target)
                made = dd.from_delayed(parts, meta=meta, divisions=self.source.divisions, verify_meta=False)
        call = replace(self.table_map.call, given=self.frame)
        sign(made, Made(call, result.run_ids, folder=self._into), self.frame)
        if not (self._gives_series and call.columns.is_one_answer):
            return made
        session = self.table_map.last_session
        warn_of_missing(result.fates if session is None else session.stats.fates, result.run_id)
        return answers_alone(made)

    def _parts(self, target: ClusterTarget | FolderOfParts | None) -> list[Any]:
        if isinstance(target, ClusterTarget):
            self._write_rest(target)
        there = self._there(target)
        if len(there) == self.source.npartitions:
            return [there[number] for number in range(self.source.npartitions)]
        return [there.get(number, part) for number, part in enumerate(self._unreached())]

    def _there(self, target: ClusterTarget | FolderOfParts | None) -> dict[int, Any]:
        """Return the partitions that are complete, by number."""
        if isinstance(target, ClusterTarget):
            return dict(target.parts)
        assert target is not None
        read = dask.delayed(on_workers.read_part)
        numbers = range(self.source.npartitions)
        return {number: read(target.path(number)) for number in numbers if target.finished(number) is not None}

    def _new_meta(self) -> Any:
        return on_workers.beside(self.source.meta, self._new([]))

    def _write_rest(self, target: ClusterTarget) -> None:
        """Keep the answers of a stopped run that lie in partitions which are not complete."""
        session = self.table_map.last_session
        if session is None or session.is_whole:
            return
        results, samples = session.results, self.table_map.columns.samples
        for loaded in self.table_map.waiting():
            part = results.outcomes[loaded.start * samples - results.base : loaded.stop * samples - results.base]
            outcomes = [outcome for outcome in part if outcome is not None]
            target.write(loaded.number, loaded.chunk, self._new(outcomes), Tally())

    def _unreached(self) -> list[Any]:
        """Return all partitions, lazily and without a call, as those that have no rows or were never asked."""
        session = self.table_map.last_session
        reason = session.state.reason_for_the_rest if session is not None else ("cancelled", "not sent", None)
        answers = self.table_map.columns.answers
        names = [answer.error for answer in answers], [answer.cost for answer in answers]
        fill = dask.delayed(on_workers.unreached, pure=True)
        return [fill(part, self._new([]), *names, row_error(*reason)) for part in self.frame.to_delayed()]


def answers_alone(details: Any) -> Any:
    """Return the answers of a map over a series as a series, which knows their errors and costs."""
    made = made_of(details)
    answer = made.answers[0]
    meta = on_workers.answers_alone(details._meta, answer.names[0], answer.error)
    series = details.map_partitions(on_workers.answers_alone, answer.names[0], answer.error, meta=meta)
    return sign(series, replace(made, details=details))


def details_of(series: Any) -> Any:
    """Return the answers of a series with their errors and costs, as a frame."""
    return made_of(series).details


def errors_and_costs(collection: Any) -> tuple[pd.DataFrame, list[AnswerColumns]]:
    """Return the errors and costs of all rows as a pandas frame, and which columns these are."""
    answers = [answer for made in maps_of(collection) for answer in made.answers]
    frame = collection if collection.ndim == 2 else details_of(collection)
    return frame[[name for answer in answers for name in (answer.error, answer.cost)]].compute(), answers


def retried(collection: Any, where: Any, prompt: str | PromptFunction | None, overrides: Mapping[str, Any]) -> Any:
    """Return a result whose failed (or rejected) rows, and no others, were asked again; costs add up.

    Raises
    ------
    InputError
        As a map, for a schema or samples that make other columns, and where `where` is not of this collection.
    """
    made = made_of(collection)
    before = collection if made.details is None else made.details
    call = made.call
    options = {**call.options, **overrides}
    errors = [answer.error for answer in made.answers]
    chosen = _chosen(before, where, errors)
    asked = dd.map_partitions(on_workers.only, call.given, chosen, meta=call.given._meta, align_dataframes=False)
    again = ClusterMap(
        asked,
        call.prompt if prompt is None else prompt,
        call.columns.out,
        options,
        as_frame=True,
        bypass_cache=made.rejected(options.get("journal") or True, badly=where is None),
    )
    if again.table_map.columns != call.columns:
        raise InputError(OTHER_COLUMNS)
    new = again.run()
    costs = [answer.cost for answer in made.answers]
    merged = dd.map_partitions(
        on_workers.merged, before, chosen, new, list(made.names), costs, meta=before._meta, align_dataframes=False
    )
    if made.folder is None:  # what lies in a folder may be more than the workers' memory holds
        merged = merged.persist()
    sign(merged, replace(made, run_ids=(*made.run_ids, *again.run_ids), details=None), before)
    return merged if made.details is None else answers_alone(merged)


def _chosen(before: Any, where: Any, errors: list[str]) -> Any:
    """Return which rows are to be asked again, partition by partition."""
    if where is None:
        meta = pd.Series(dtype=bool)
        return dd.map_partitions(on_workers.failed, before, errors, meta=meta)
    if not isinstance(where, dd.Series) or where.npartitions != before.npartitions:
        raise InputError(
            "where= must be a Dask series of True and False with the partitions of this frame, such as "
            "out['response'] == 'wrong'"
        )
    return where.fillna(False).astype(bool)
