"""Some rows of a Dask collection, for the verbs that look at a sample: first what to draw by, then the rows drawn.

The frame itself stays on the cluster: the client gets a few columns of all rows, and all columns of a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

from ..errors import InputError
from ..frames.calls import sign
from ..frames.made import known_maps
from . import on_workers
from .source import client_of_this_process


class CollectionRows:
    """The rows of a Dask frame or series, by their places from its first partition to its last.

    Parameters
    ----------
    collection : dask.dataframe.DataFrame or Series
        The rows.

    Raises
    ------
    InputError
        When no cluster is connected.
    """

    def __init__(self, collection: Any) -> None:
        client_of_this_process()
        self._collection = collection
        self._stops = np.zeros(0, dtype=np.int64)

    @property
    def empty(self) -> Any:
        """The frame without rows, which knows its maps."""
        return self._signed(self._collection._meta.copy())

    def columns(self, labels: Sequence[Any]) -> Any:
        """Return a few columns of all rows; of a series, its index."""
        is_series = self._collection.ndim == 1
        chosen = self._collection.to_frame("value") if is_series else self._collection
        parts = _computed([chosen[[] if is_series else list(dict.fromkeys(labels))]])
        self._stops = np.cumsum([len(part) for part in parts])
        found = pd.concat(parts)
        return self._signed(pd.Series(index=found.index, dtype=object) if is_series else found)

    def take(self, positions: list[int]) -> Any:
        """Return some rows whole, in the order of `positions`; :meth:`columns` comes first.

        Raises
        ------
        InputError
            When a partition has become shorter.
        """
        order = np.argsort(positions, kind="stable")
        places = np.asarray(positions, dtype=np.int64)[order]
        numbers = np.searchsorted(self._stops, places, side="right")
        starts = np.concatenate([[0], self._stops])
        parts = self._collection.to_delayed()
        pick = dask.delayed(on_workers.pick)
        picked = [
            pick(parts[number], (places[numbers == number] - starts[number]).tolist()) for number in np.unique(numbers)
        ]
        try:
            found = pd.concat(dask.compute(*picked)) if picked else self._collection._meta
        except IndexError:
            raise InputError(
                "a partition has other rows than a moment ago, so no sample can be drawn: take what persist() returns"
            ) from None
        return self._signed(found.iloc[np.argsort(order, kind="stable")])

    def truth(self, given: Any) -> Any:
        """Return gold or weights as these verbs take them: a Dask series as a pandas one."""
        return given.compute() if isinstance(given, dd.Series) else given

    def _signed(self, rows: Any) -> Any:
        """Let pandas rows know the maps that made the collection, the last one last."""
        for run_id in (run_id for made in known_maps(self._collection) for run_id in made.run_ids):
            sign(rows, rows, run_id)
        return rows


def _computed(collections: Sequence[Any]) -> list[Any]:
    return list(dask.compute(*(part for one in collections for part in one.to_delayed())))
