"""The row that a prompt function gets: a Series that notes which missing cells are used.

``lambda row: f"About {row.text}"`` would ask about "nan" where the cell is missing. A template skips such a row; that
the function used the cell is seen here, so that its row can be skipped as well.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..errors import InputError
from ..prompt.template import is_missing, lack_of


class Row(pd.Series):
    """One row of a frame.

    Cells are noted when they are asked for by name or place (``row["text"]``, ``row.text``, ``row.get("text")``,
    ``row.loc[...]``, ``row.iloc[0]``); whoever turns the whole row into something else (``row.to_dict()``) sees to
    missing cells himself. ``row.product`` is a method of pandas, even where a column has that name; as text it is
    refused.
    """

    _lacks: list[str]
    _hidden: frozenset[str]

    @classmethod
    def of(cls, frame: pd.DataFrame, position: int) -> Row:
        """Return the row at a position."""
        row = cls(frame.iloc[position])
        object.__setattr__(row, "_lacks", [])  # no cell of that name, as pandas would have it
        object.__setattr__(row, "_hidden", _METHODS.intersection(frame.columns))
        return row

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in _METHODS and name in self.__dict__.get("_hidden", ()):
            return _Method(name, value)
        return value

    @property
    def _constructor(self) -> Any:
        return pd.Series  # what is made of a row notes nothing

    def __getitem__(self, key: Any) -> Any:
        return self._used(key, super().__getitem__(key))

    @property
    def loc(self) -> Any:
        """Cells by name."""
        return _Noting(self, super().loc)

    @property
    def iloc(self) -> Any:
        """Cells by place."""
        return _Noting(self, super().iloc)

    @property
    def at(self) -> Any:
        """One cell by name."""
        return _Noting(self, super().at)

    @property
    def iat(self) -> Any:
        """One cell by place."""
        return _Noting(self, super().iat)

    def _used(self, key: Any, value: Any) -> Any:
        if isinstance(value, pd.Series):
            for name, cell in value.items():
                self._note(name, cell)
        else:
            self._note(self.index[key] if isinstance(key, int) and key not in self.index else key, value)
        return value

    def _note(self, name: Any, cell: Any) -> None:
        lacks = lack_of(None if is_missing(cell) else cell)
        if lacks is not None:
            self._lacks.append(f"column {name!r} {lacks}")


_METHODS = frozenset(name for name in dir(pd.Series) if name[0] != "_" and callable(getattr(pd.Series, name)))
"""What pandas gives for ``row.<name>``, whatever the columns are called."""


class _Method:
    """A method of a row that has the name of a column: it can be called, but is no text to send."""

    def __init__(self, name: str, method: Any) -> None:
        self._name = name
        self._method = method

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._method(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def __str__(self) -> str:
        raise InputError(f"row.{self._name} is a method of pandas; write row[{self._name!r}] for the cell")

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    def __add__(self, other: Any) -> str:
        return str(self)

    __radd__ = __getitem__ = __add__


def no_method(given: Any) -> Any:
    """Return what a prompt function gave; a method of the row that it took for a cell is refused."""
    return str(given) if isinstance(given, _Method) else given


class _Noting:
    """An indexer of a row that notes what is read through it."""

    def __init__(self, row: Row, indexer: Any) -> None:
        self._row = row
        self._indexer = indexer

    def __getitem__(self, key: Any) -> Any:
        return self._row._used(key, self._indexer[key])


def lack_of_row(row: Row) -> str | None:
    """Say which cell was used first of those that are missing or empty text; None when there is none."""
    return row._lacks[0] if row._lacks else None
