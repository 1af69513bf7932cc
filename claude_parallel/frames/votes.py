"""The draws of each row become one answer: field by field, by majority or median.

How votes are counted is decided in ``statistics.votes``; which columns hold them, in ``columns``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from ..records import Outcome
from ..schema.schema import Field, Schema, Values
from ..statistics.votes import Vote, majority, median

_NUMBERS = frozenset({"Int64", "Float64"})


class _Nothing:
    """The answer "there is none" of a nullable field, which may win like any other; a failed draw is None."""

    def __repr__(self) -> str:
        return "<nothing>"


_NOTHING = _Nothing()


def elect(outcomes: Sequence[Outcome], samples: int, schema: Schema | None) -> tuple[list[Outcome], list[Any]]:
    """Return one outcome per row, and the arrays of agreements: one per field, and one for the whole answer.

    Parameters
    ----------
    outcomes : sequence of Outcome
        All draws, those of a row side by side.
    samples : int
        Draws per row.
    schema : Schema, optional
        The fields to vote on one by one; None = the text.

    Returns
    -------
    list of Outcome
        The winners, with the dollars of all draws. A row has an error only where no draw answered.
    list of array
        Shares of draws that agree, missing where none answered; for a whole answer, the least of its fields'.
    """
    rows = [_elect(outcomes[start : start + samples], schema) for start in range(0, len(outcomes), samples)]
    fields = () if schema is None or schema.wrapped else schema.fields
    shares = [[row[1][place] for row in rows] for place in range(len(fields))]
    whole = [min(row[1]) for row in rows]
    return [row[0] for row in rows], [pd.array(share, dtype="float64") for share in [*shares, whole]]


def _elect(draws: Sequence[Outcome], schema: Schema | None) -> tuple[Outcome, list[float]]:
    answered = [draw if draw.kind is None and draw.text is not None else None for draw in draws]
    first = next((draw for draw in answered if draw is not None), None)
    costs = [draw.cost for draw in draws]
    cost = None if None in costs else sum((one for one in costs if one is not None), Decimal(0))
    attempts = sum(draw.attempts for draw in draws)
    if first is None:
        parts = 1 if schema is None else len(schema.fields)
        return draws[0]._replace(cost=cost, attempts=attempts), [math.nan] * parts
    if schema is None:
        vote = majority([None if draw is None else draw.text for draw in answered])
        return first._replace(text=vote.value, cost=cost, attempts=attempts), [vote.agreement]
    values = [draw.values if draw is not None else None for draw in answered]
    votes = [
        _vote(field, [None if one is None else one.columns[place] for one in values], values)
        for place, field in enumerate(schema.fields)
    ]
    columns = tuple(None if vote.value is _NOTHING else vote.value for vote in votes)
    same = next((draw for draw in answered if draw is not None and draw.values.columns == columns), first)
    elected = Values(columns, _quotes(values, columns))
    return same._replace(values=elected, cost=cost, attempts=attempts), [vote.agreement for vote in votes]


def _vote(field: Field, cells: Sequence[Any], values: Sequence[Values | None]) -> Vote:
    votes = [
        None if one is None else _NOTHING if cell is None else cell for cell, one in zip(cells, values, strict=True)
    ]
    numbers = [cell for cell in votes if isinstance(cell, int | float)]
    if field.dtype in _NUMBERS and 2 * len(numbers) > sum(cell is not None for cell in votes):
        given = [cell if isinstance(cell, int | float) else None for cell in votes]
        return median(given, is_whole=field.dtype == "Int64")
    return majority(votes)


def _quotes(values: Sequence[Values | None], columns: Sequence[Any]) -> tuple[str | None, ...]:
    """Return for each field the first quote of a draw that gave the winning value; None where there is none."""
    given = [one for one in values if one is not None]
    return tuple(
        next((one.quotes[place] for one in given if one.quotes[place] and one.columns[place] == columns[place]), None)
        for place in range(len(given[0].quotes))
    )
