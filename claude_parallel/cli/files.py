"""Files larger than memory: read, mapped and written a chunk of rows at a time.

Parquet needs pyarrow (extra ``[parquet]``); CSV and JSON lines need nothing. What a map is, ``mapping`` knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, count_fates
from ..frames.columns import AnswerColumns
from ..frames.frame_map import FrameMap
from ..frames.totals import kinds_of

_ENDINGS = (".parquet", ".csv", ".jsonl", ".json")


@dataclass(slots=True)
class FileTotals:
    """What mapping a file came to.

    Attributes
    ----------
    rows, errors : int
        Rows in all, and those that failed.
    cost_usd : Decimal
        US dollars paid.
    kinds : Counter
        Rows by kind of error.
    """

    rows: int = 0
    errors: int = 0
    cost_usd: Decimal = Decimal(0)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, frame: pd.DataFrame, answers: Sequence[AnswerColumns]) -> None:
        """Count a mapped chunk."""
        self.rows += len(frame)
        for answer in answers:
            kinds = kinds_of(frame[answer.error]).value_counts()
            self.kinds.update({str(kind): int(count) for kind, count in kinds.items()})
            self.cost_usd += Decimal(repr(float(frame[answer.cost].sum())))
        self.errors = count_fates(self.kinds, self.rows).failed


def map_file(
    source: Path, target: Path, prompt: str, *, out: str, options: Mapping[str, Any], chunk_rows: int
) -> FileTotals:
    """Map a file to a file; a file that was interrupted goes on from the journal when run again.

    Parameters
    ----------
    source, target : Path
        ``.parquet``, ``.csv``, ``.jsonl`` or ``.json`` (JSON lines). The target is written beside itself first and
        takes its name when it is complete.
    prompt : str
        A template or the name of a column.
    out : str
        Name of the answer column.
    options : mapping
        Options of ``df.claude.map``. A budget holds for the whole file.
    chunk_rows : int
        Rows in memory at a time.

    Raises
    ------
    InputError
        For a format that is not known, or a package that is missing.
    """
    for path in (source, target):
        _check(path)
    if not source.exists():
        raise InputError(f"there is no file {source}")
    totals = FileTotals()
    unfinished = target.with_name(target.name + ".part")
    with _Writer(target.suffix, unfinished) as write:
        for chunk in _chunks(source, chunk_rows):
            prepared = FrameMap(chunk, prompt, out, _within_budget(options, totals))
            frame = prepared.run()
            totals.add(frame, prepared.columns.answers)
            write(frame)
    unfinished.replace(target)
    return totals


def read_file(source: Path) -> pd.DataFrame:
    """Return a whole file as a frame, for an estimate; the formats are those of :func:`map_file`."""
    _check(source)
    if not source.exists():
        raise InputError(f"there is no file {source}")
    return pd.concat(list(_chunks(source, 100_000)), ignore_index=True)


def _within_budget(options: Mapping[str, Any], totals: FileTotals) -> dict[str, Any]:
    budget = options.get("budget")
    if budget is None:
        return dict(options)
    # A millionth of a dollar stands for nothing: it lets the journal answer and sends no call.
    return {**options, "budget": max(Decimal(repr(float(budget))) - totals.cost_usd, Decimal("0.000001"))}


def _check(path: Path) -> None:
    if path.suffix not in _ENDINGS:
        raise InputError(f"{path.name}: only {', '.join(_ENDINGS)} files can be read and written")
    if path.suffix == ".parquet":
        _pyarrow()


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError('parquet files need pyarrow: pip install "claude-parallel[parquet]"') from None
    return pyarrow


def _chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    if path.suffix == ".parquet":
        for batch in _pyarrow().parquet.ParquetFile(path).iter_batches(batch_size=rows):
            yield batch.to_pandas()
    elif path.suffix == ".csv":
        yield from pd.read_csv(path, chunksize=rows)
    else:
        yield from pd.read_json(path, lines=True, chunksize=rows)


class _Writer:
    """Appends frames to one file: a context manager that gives the function which writes a frame."""

    def __init__(self, ending: str, path: Path) -> None:
        self._ending = ending
        self._path = path
        self._parquet: Any = None
        self._is_first = True

    def __enter__(self) -> _Writer:
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._parquet is not None:
            self._parquet.close()

    def __call__(self, frame: pd.DataFrame) -> None:
        if self._ending == ".parquet":
            self._write_parquet(frame)
        elif self._ending == ".csv":
            frame.to_csv(self._path, mode="a", header=self._is_first, index=False)
        else:
            frame.to_json(self._path, orient="records", lines=True, mode="a", force_ascii=False)
        self._is_first = False

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        arrow = _pyarrow()
        table = arrow.Table.from_pandas(frame, preserve_index=False)
        if self._parquet is None:
            self._parquet = arrow.parquet.ParquetWriter(self._path, table.schema)
        self._parquet.write_table(table.cast(self._parquet.schema))
