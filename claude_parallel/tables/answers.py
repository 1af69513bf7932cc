"""The new columns as Arrow: their types before the first answer, their values chunk by chunk.

``frames.columns`` names the columns; ``arrow_types`` gives each field of a schema its type.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from ..errors import row_error
from ..frames.columns import AnswerColumns, Columns
from ..frames.votes import elect
from ..records import Outcome
from ..schema.schema import Schema
from .arrow_types import column, type_of_field


@dataclass(frozen=True)
class AnswerTables:
    """Makes tables of new columns.

    Attributes
    ----------
    columns : Columns
        Their names.
    compiled : Schema or None
        The user's schema, for typed columns.
    """

    columns: Columns
    compiled: Schema | None = None

    @cached_property
    def schema(self) -> Any:
        """The Arrow schema of the new columns."""
        return pa.schema([field for answer in self.columns.answers for field in self._fields(answer)])

    def table(self, outcomes: Sequence[Outcome]) -> Any:
        """Return the new columns of some rows; with several samples, a row's outcomes stand one after the other."""
        samples, answers = self.columns.samples, self.columns.answers
        arrays: dict[str, Any] = {}
        if self.columns.has_vote:
            elected, agreements = elect(outcomes, samples, self.compiled)
            arrays = self._arrays(answers[0], elected)
            names = answers[0].agreements
            arrays |= {
                name: pa.array(found, pa.float64(), from_pandas=True)
                for name, found in zip(names, agreements, strict=True)
            }
        else:
            for number, answer in enumerate(answers):
                arrays |= self._arrays(answer, outcomes[number::samples])
        return pa.table([arrays[name] for name in self.schema.names], schema=self.schema)

    @cached_property
    def _types(self) -> list[Any]:
        if self.compiled is None:
            return []
        nodes = self.compiled.format["schema"]["properties"].values()
        return [type_of_field(field, node) for field, node in zip(self.compiled.fields, nodes, strict=True)]

    def _fields(self, answer: AnswerColumns) -> list[Any]:
        kinds = dict(zip(answer.fields, self._types, strict=True))
        if answer.text is not None:
            kinds[answer.text] = pa.string()
        kinds |= dict.fromkeys((*answer.agreements, answer.cost), pa.float64()) | {answer.error: pa.string()}
        return [pa.field(name, kinds[name]) for name in answer.names]

    def _arrays(self, answer: AnswerColumns, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        errors = [outcome.error for outcome in outcomes]

        def refuse(place: int, why: str) -> None:
            errors[place] = errors[place] or row_error("schema", why)

        found: dict[str, Any] = {}
        for at, (name, kind) in enumerate(zip(answer.fields, self._types, strict=True)):
            values = [None if outcome.values is None else outcome.values.columns[at] for outcome in outcomes]
            found[name] = column(values, kind, refuse)
        if answer.text is not None:
            found[answer.text] = column([outcome.text for outcome in outcomes], pa.string(), refuse)
        found[answer.error] = column(errors, pa.string(), lambda _place, _why: None)
        costs = [math.nan if outcome.cost is None else float(outcome.cost) for outcome in outcomes]
        return found | {answer.cost: pa.array(costs, pa.float64())}
