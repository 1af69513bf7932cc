"""Answers that were asked again, put in the place of the old ones: in a table, and in the parts of a folder.

The callers decide which rows are asked again, and how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from ..errors import InputError, fate_of
from .folder_target import MANIFEST
from .formats import PARQUET
from .manifest import Tally, open_output, read_manifest, write_manifest
from .places import Place
from .target_lock import TargetLock


def merged(old: Any, places: Sequence[int], new: Any, costs: Collection[str]) -> Any:
    """Return a table with new values in some rows; dollars add up.

    Parameters
    ----------
    old : pyarrow.Table
        Columns that it lacks (since the analyst dropped them) are left out.
    places : sequence of int
        Rows of `old`, ascending; those beyond the rows of `new` stay as they are.
    new : pyarrow.Table
        The new values, with the types that the columns are to have.
    costs : collection of str
        Columns that hold dollars.
    """
    chosen = np.asarray(places, dtype=np.int64)[: len(new)]
    order = np.arange(len(old))
    order[chosen] = len(old) + np.arange(len(chosen))
    for at, field in enumerate(old.schema):
        if field.name not in new.schema.names:
            continue
        values = new.column(field.name)
        before = _as_type(old.column(at), values.type)
        if field.name in costs:
            values = pa.compute.add(values, before.take(chosen))
        both = pa.chunked_array([*before.chunks, *values.chunks], values.type).unify_dictionaries()
        old = old.set_column(at, field.with_type(values.type), both.take(order))
    return old


def _as_type(column: Any, kind: Any) -> Any:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_dictionary(kind):
        return column.cast(kind)
    encoded = column.cast(kind.value_type).dictionary_encode()
    return encoded.cast(kind)


class FinishedParts:
    """The Parquet files of a folder that a map has filled; each is replaced whole or not at all.

    Parameters
    ----------
    place : Place
        The folder.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._manifest = read_manifest(place / MANIFEST)
        self.names: list[str] = sorted(self._manifest.get("parts", ()))
        if not self.names:
            raise InputError(f"{place.shown} holds no result of a map any more")

    def __repr__(self) -> str:
        return f"<FinishedParts of {self._place.shown}: {len(self.names):,}>"

    @property
    def rows(self) -> int:
        """Rows in all parts."""
        return sum(Tally(**known).rows for known in self._manifest["parts"].values())

    def read(self, name: str) -> Any:
        """Return a part as an Arrow table.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        part = self._place / name
        try:
            with part.filesystem.open_input_file(part.path) as stream:
                return pyarrow.parquet.read_table(stream)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{part.shown} cannot be read: {error}") from None

    def replace(self, name: str, table: Any, errors: Sequence[str], run_ids: Sequence[str]) -> None:
        """Put a table in the place of a part.

        Parameters
        ----------
        name : str
            The part.
        table : pyarrow.Table
            Its rows.
        errors : sequence of str
            The columns that hold errors.
        run_ids : sequence of str
            The runs that gave its answers.
        """
        unfinished = self._place / f".{name}.unfinished"
        with open_output(unfinished, PARQUET) as stream:
            pyarrow.parquet.write_table(table, stream)
        self._place.filesystem.move(unfinished.path, (self._place / name).path)
        draws = zip(*(table.column(error).to_pylist() for error in errors), strict=True)
        bad = [[text.partition(":")[0] for text in row if text is not None] for row in draws]
        kinds = Counter(row[0] for row in bad if row)
        known = Tally(**self._manifest["parts"][name])
        is_cut = any(fate_of(kind) == "cancelled" for row in bad for kind in row)
        tally = Tally(len(table), dict(kinds), known.digest, " ".join(run_ids), is_cut)
        self._manifest["parts"][name] = asdict(tally)
        write_manifest(self._place / MANIFEST, self._manifest)


@contextmanager
def finished_parts(place: Place) -> Iterator[FinishedParts]:
    """Hold the parts of a folder, so that no other run writes to them.

    Raises
    ------
    InputError
        When there are none, or another run holds them.
    """
    lock = TargetLock(place, place)
    try:
        yield FinishedParts(place)
    finally:
        lock.release()
