"""What runs on the workers of a cluster: rows out of a partition, and answers beside them.

Stands on pandas alone and is sent by value, so workers need not have this package. They see rows and answers: never a
prompt, an option or a key.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

CHANGED = "its rows are not the ones that were asked"
"""By these words the client knows this failure from others."""


def rows_asked(part: Any, places: list[int] | None) -> tuple[Any, str]:
    """Return what the prompt reads of a partition, with its index, and a digest of that.

    Parameters
    ----------
    part : DataFrame or Series
        The partition.
    places : list of int or None
        The columns; None = all.
    """
    asked = part if places is None or isinstance(part, pd.Series) else part.iloc[:, places]
    return asked, digest(asked)


def digest(asked: pd.DataFrame | pd.Series[Any]) -> str:
    """Return what tells these rows, in this order, from others."""
    frame = asked.to_frame() if isinstance(asked, pd.Series) else asked
    columns = [frame.index.to_frame(index=False), frame]
    seen = hashlib.blake2b(digest_size=16)
    for table in columns:
        for place in range(table.shape[1]):
            seen.update(_hashes(table.iloc[:, place]).to_numpy().tobytes())
    return f"{len(frame)} {seen.hexdigest()}"


def _hashes(column: pd.Series[Any]) -> Any:
    try:
        return pd.util.hash_pandas_object(column, index=False)
    except TypeError:  # lists, mappings, images
        return pd.util.hash_pandas_object(column.map(repr).astype(object), index=False)


def with_answers(part: Any, places: list[int] | None, known: str, new: Any) -> Any:
    """Return a partition with its answers.

    Parameters
    ----------
    part : DataFrame or Series
        The partition.
    places : list of int or None
        As in :func:`rows_asked`.
    known : str
        Digest of the rows that were asked.
    new : DataFrame
        One row for each of the partition; beside a series it stands alone.

    Raises
    ------
    ValueError
        When the partition was computed again, since its worker was lost, and came out different.
    """
    if rows_asked(part, places)[1] != known:
        raise ValueError(CHANGED)
    return beside(part, new)


def unreached(part: Any, new: Any, errors: list[str], costs: list[str], error: str) -> Any:
    """Return a partition whose rows were not asked: no answers, what happened, and no costs.

    Parameters
    ----------
    part : DataFrame or Series
        The partition.
    new : DataFrame
        The new columns without rows.
    errors, costs : list of str
        Those of the new columns that hold errors and dollars.
    error : str
        What happened.
    """
    filled = new.reindex(range(len(part)))
    for name in errors:
        filled[name] = pd.Series([error] * len(part), dtype=filled[name].dtype)
    for name in costs:
        filled[name] = 0.0
    return beside(part, filled)


def answers_alone(part: pd.DataFrame, answer: str, error: str) -> Any:
    """Return a column of answers; where something went wrong the value is missing, even where there is a cut text."""
    values = part[answer].copy()
    values[part[error].notna()] = None
    return values


def pick(part: Any, places: list[int]) -> Any:
    """Return some rows of a partition."""
    return part.iloc[places]


def side_by_side(asked: pd.Series[Any], answers: pd.Series[Any], name: str) -> pd.DataFrame:
    """Return what was asked, under a name, beside the answers."""
    return pd.DataFrame({name: asked.to_numpy(), answers.name: answers.array}, index=answers.index)


def write_part(part: Any, places: list[int] | None, known: str, new: Any, path: str) -> None:
    """Write a partition with its answers as one Parquet file; see :func:`with_answers`."""
    result = with_answers(part, places, known, new)
    result.to_parquet(path, index=True)  # a named range of the index alone is more than Dask can read


def read_part(path: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Return a part of a folder."""
    return pd.read_parquet(path, columns=columns)


def failed(part: pd.DataFrame, errors: list[str]) -> pd.Series[bool]:
    """Return which rows failed; asking again mends no missing cell."""
    found = pd.Series(False, index=part.index)
    for name in errors:
        found |= part[name].notna() & ~part[name].fillna("").astype(str).str.startswith("skipped:")
    return found


def only(part: Any, chosen: pd.Series[bool]) -> Any:
    """Return the rows that were chosen.

    Raises
    ------
    ValueError
        When the partition came out different from when it was mapped.
    """
    if len(part) != len(chosen):
        raise ValueError(CHANGED)
    return part[chosen.to_numpy(dtype=bool)]


def merged(
    before: pd.DataFrame, chosen: pd.Series[bool], again: pd.DataFrame, names: list[str], costs: list[str]
) -> pd.DataFrame:
    """Return a partition with new answers in the place of those that were chosen; dollars add up."""
    places = chosen.to_numpy(dtype=bool).nonzero()[0]
    result = before.copy()
    for name in names:
        new = again[name].array
        column = result[name].array.copy()
        column[places] = new + column[places] if name in costs else new
        result[name] = pd.Series(column, index=before.index)
    return result


def beside(part: Any, new: Any) -> Any:
    """Return the new columns on a partition's index, beside the columns of a frame."""
    new = new.set_axis(part.index, axis=0)
    if isinstance(part, pd.Series):
        return new
    result = part.copy()
    for place, label in enumerate(new.columns):
        result[label] = new.iloc[:, place]
    return result
