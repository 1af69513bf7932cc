"""What the rows of a stream are held in: how a chunk is read, and what its new columns are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..frames.columns import Columns
from ..options import Settings
from ..prompt.template import Prompt
from ..records import Outcome
from ..schema.schema import Schema
from .answers import AnswerTables
from .reader import Reader, TableReader


class Answers(Protocol):
    """Makes the new columns of finished rows."""

    @property
    def columns(self) -> Columns:
        """Their names."""
        ...

    @property
    def schema(self) -> Any:
        """Their types; its text tells one job from another."""
        ...

    def table(self, outcomes: Sequence[Outcome]) -> Any:
        """Return the new columns of some rows, as the target takes them."""
        ...


@dataclass(frozen=True, slots=True)
class TableKind:
    """What the rows of a source are held in.

    Attributes
    ----------
    reader : callable
        (prompt, settings, names of the columns) -> Reader.
    answers : callable
        (columns, schema) -> Answers.
    unread : callable
        How many rows nobody has read that come back all the same once a run was stopped.
    """

    reader: Callable[[Prompt, Settings, Sequence[str]], Reader] = TableReader
    answers: Callable[[Columns, Schema | None], Answers] = AnswerTables
    unread: Callable[[], int] = lambda: 0
