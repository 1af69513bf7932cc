"""The verbs that decide and trust, on Polars: rows go to them as pandas, cell by cell the same values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from ..errors import InputError
from ..prompt.template import PromptFunction
from .frames import to_pandas

if TYPE_CHECKING:
    from ..trust.audit import Audit


def compare(
    given: pl.DataFrame | pl.Series,
    prompt: str | PromptFunction,
    variants: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    estimate: bool,
) -> Any:
    """Return a comparison of variants, or with `estimate` what it would cost; see ``ClaudeFrame.compare``."""
    from ..trust.compare import Comparing

    truth = gold_of(options["gold"], len(given))
    comparing = Comparing(to_pandas(given), prompt, variants, **{**options, "gold": truth})
    return comparing.estimates() if estimate else replace(comparing.run(), _frame=given)


def audit(frame: pl.DataFrame, gold: Any, column: str | None, weights: Any) -> Audit:
    """Return how far the answers in a frame can be believed; see ``ClaudeFrame.audit``."""
    from ..trust.audit import audit_frame

    return audit_frame(to_pandas(frame), gold_of(gold, len(frame)), column, gold_of(weights, len(frame)))


def gold_of(gold: Any, height: int) -> Any:
    """Return gold (or weights) as these verbs take it; what is no Polars series stays as it is.

    Raises
    ------
    InputError
        For a series of another length, which would be laid beside the wrong rows.
    """
    if not isinstance(gold, pl.Series):
        return gold
    if len(gold) != height:
        raise InputError(
            f"gold or weights have {len(gold):,} values, the frame has {height:,} rows: a Polars series has no index, "
            "so give one value per row, missing where none is known"
        )
    return to_pandas(gold)
