"""What the maps of a frame came to: errors by kind, rows and dollars by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..errors import HINTS, count_fates
from .calls import maps_of
from .columns import AnswerColumns
from .outputs import column_label


def kinds_of(errors: pd.Series[Any]) -> pd.Series[Any]:
    """Return the kind of each error: what stands before the first colon; missing where there is none."""
    return errors.str.partition(":")[0] if len(errors) else errors


def error_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the kinds of error of a mapped frame; see ``ClaudeFrame.errors``."""
    columns = [frame[column_label(frame, answer.error)].astype(object) for answer in _answers(frame)]
    errors = pd.concat(columns).dropna()
    kinds = kinds_of(errors)
    table = pd.DataFrame({"rows": kinds.value_counts()}).rename_axis("kind")
    table["example"] = [errors[kinds == kind].iloc[0] for kind in table.index]
    table["advice"] = [_advice(str(kind)) for kind in table.index]
    return table


def cost_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows and dollars of a mapped frame; see ``ClaudeFrame.cost``."""
    answers = _answers(frame)
    table = pd.DataFrame(
        [_counts(frame, answer) for answer in answers],
        index=pd.Index([answer.names[0] for answer in answers], name="column"),
    )
    table.loc["total"] = table.sum(min_count=1)
    counts = table.columns.drop("total_usd")
    table = table.astype(dict.fromkeys(counts, "int64"))
    table.insert(len(counts), "mean_usd", table["total_usd"] / table["rows"].clip(lower=1))
    return table


def _answers(frame: pd.DataFrame) -> list[AnswerColumns]:
    return [answer for made in maps_of(frame) for answer in made.columns.answers]


def _counts(frame: pd.DataFrame, answer: AnswerColumns) -> dict[str, float]:
    kinds = kinds_of(frame[column_label(frame, answer.error)]).value_counts()
    costs = frame[column_label(frame, answer.cost)]
    fates = count_fates({str(kind): int(count) for kind, count in kinds.items()}, len(frame))
    return {
        "rows": len(frame),
        "answered": fates.answered,
        "failed": fates.failed,
        "skipped": fates.skipped,
        "cancelled": fates.cancelled,
        "unpriced": int(costs.isna().sum()),
        # Dollars that nobody knows are not no dollars.
        "total_usd": float(costs.sum(min_count=1)) if len(frame) else 0.0,
    }


def _advice(kind: str) -> str:
    hints: Mapping[str, str] = {str(name): hint for name, hint in HINTS.items()}
    return hints.get(kind, HINTS["unknown"])
