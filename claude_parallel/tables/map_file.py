"""``claude_parallel.map_file``: files in, files out, of any size, as one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from ..batch.carrier import BatchEnvironment
from ..engine.environment import Environment
from ..errors import InputError, nearest
from ..frames.made import answers_to_ask_again
from ..frames.tasks import classification
from ..options import MapOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from .held_map import HeldMap
from .places import Paths, common_format, find_files
from .result import TableResult
from .source import open_source
from .stream import CHUNK_ROWS
from .table_map import TableMap
from .target import Output, Target, check_target, open_target, runs_before
from .writers import Layout


class FileMap(HeldMap):
    """A map from files to files, checked and ready; see :func:`map_file`."""

    def __init__(
        self,
        source: Paths,
        target: str | Path | None,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        columns: Sequence[str] | None = None,
        dtype: Mapping[str, Any] | None = None,
        labels: Sequence[str] | None = None,
        limit: int | None = None,
        chunk_rows: int = CHUNK_ROWS,
        overwrite: bool = False,
        retry_failed: bool = False,
        environment: Environment | BatchEnvironment | None = None,
        **options: Any,
    ) -> None:
        if isinstance(columns, str):
            columns = [columns]
        if labels is not None:
            options = classification(labels, options, multiple=False)
        self._source = source
        self._format = common_format(find_files(source))
        self._target = target
        self._columns = columns
        self._overwrite = overwrite
        self._retry_failed = retry_failed
        opened = open_source(source, dtype=dtype)
        for name in columns or ():
            if name not in opened.names:
                raise InputError(f"columns: there is no column {name!r}; {nearest(name, opened.names)}")
        failed = runs_before(target) if retry_failed and target is not None else ()
        table_map = TableMap(
            opened,
            prompt,
            out,
            options,
            chunk_rows=chunk_rows,
            limit=limit,
            bypass_cache=answers_to_ask_again(failed, options.get("journal") or True),
            environment=environment,
        )
        super().__init__(table_map, source, str(target))

    def __repr__(self) -> str:
        return f"<FileMap of {self._source} to {self._target}>"

    def open_target(self, job: str) -> Target:
        """Return the file or folder that is written."""
        assert self._target is not None
        return open_target(
            self._target,
            self._output(job),
            self._format,
            source=self._source,
            overwrite=self._overwrite,
            retry_failed=self._retry_failed,
        )

    def check_target(self, host: str) -> None:
        """Raise what a run would raise of its target at the API of `host`; nothing is made.

        Raises
        ------
        InputError
            For a target that cannot be written, that is the source, or that is there already and not of this job.
        """
        if self._target is not None:
            output = self._output(self.table_map.identify(host))
            check_target(self._target, output, self._format, source=self._source, overwrite=self._overwrite)

    def _output(self, job: str) -> Output:
        layout = Layout(self.table_map.source, self.table_map.answers.schema, self._columns)
        return Output(layout, f"{job} {self._columns}")

    def made(self) -> TableResult:
        """Return what the map came to."""
        assert self.result is not None
        return self.result

    def made_so_far(self) -> TableResult:
        """Return the same: files are mapped in the foreground only."""
        return self.made()


@shows_options
def map_file(
    source: Paths,
    target: str | Path,
    prompt: str | PromptFunction,
    *,
    out: str = "response",
    columns: Sequence[str] | None = None,
    dtype: Mapping[str, Any] | None = None,
    labels: Sequence[str] | None = None,
    limit: int | None = None,
    chunk_rows: int = CHUNK_ROWS,
    overwrite: bool = False,
    retry_failed: bool = False,
    **options: Unpack[MapOptions],
) -> TableResult:
    """Ask Claude once per row of files of any size, and write them with the answers.

    One run, whatever the size: one record, one bar, one budget, and no more than a window of rows in memory. Stopped or
    killed, the same call goes on where it was: answers are in the journal, and finished parts stay.

    Parameters
    ----------
    source : path or list of paths
        Parquet, CSV, JSON lines or Arrow: a file, a list, a glob pattern or a folder (its ``key=value`` folders become
        columns); CSV and JSON lines also as ``.gz``, ``.zst`` or ``.bz2``; URLs such as ``s3://...`` through fsspec.
    target : path
        A file, whose ending names the format (there once it is complete), or a folder with a trailing ``/`` for one
        part per chunk in the source's format (each there once it is complete).
    prompt : str or callable
        As in ``df.claude.map``; a callable gets each row as a mapping.
    out : str, default "response"
        Names the new columns, as in ``df.claude.map``.
    columns : sequence of str, optional
        The input's columns to keep in the output; all by default. The prompt may read others.
    dtype : mapping of str to type, optional
        CSV only: Arrow types (or their names, such as ``"float64"``) of columns that are not to stay the text they are.
    labels : sequence of str, optional
        Classify: the answer is one of these.
    limit : int, optional
        The first so many rows only.
    chunk_rows : int, default 10,000
        Rows that are written at a time; fewer where they hold more than 16 MiB.
    overwrite : bool, default False
        Replace a target that another job has left. A target of the very same job is gone on with.
    retry_failed : bool, default False
        Ask again the rows that failed in a finished target of the very same job: the file, or the parts that hold
        them, are made anew; answers that were good come from the journal for nothing.
    **options
        As in ``df.claude.map``, without ``quotes``.

    Returns
    -------
    TableResult
        Rows, errors by kind, and the dollars of this run.

    Raises
    ------
    InputError
        Before the first call, for everything that can be known to fail; later for a source that breaks off or a target
        that cannot be written to. What was answered is then in the journal.
    RunStopped, RowFailed
        As ``df.claude.map``.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> cp.map_file("reviews/*.parquet", "tones.parquet", "Classify the tone: {review}")  # doctest: +SKIP
    <1,000,000 of 1,000,000 rows answered, $104.20; tones.parquet>
    """
    prepared = FileMap(
        source,
        target,
        prompt,
        out=out,
        columns=columns,
        dtype=dtype,
        labels=labels,
        limit=limit,
        chunk_rows=chunk_rows,
        overwrite=overwrite,
        retry_failed=retry_failed,
        **options,
    )
    prepared.run()
    return prepared.made()
