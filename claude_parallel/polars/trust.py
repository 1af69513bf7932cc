"""The verbs that decide and trust, on Polars: rows go to them as pandas, cell by cell the same values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from ..errors import InputError
from ..prompt.template import PromptFunction
from .frames import prepare, prepare_series, to_pandas

if TYPE_CHECKING:
    from ..trust.audit import Audit
    from ..trust.compare import Comparing
    from ..trust.preview import Preview


def preview_of(
    given: pl.DataFrame | pl.Series,
    prompt: str | PromptFunction,
    *,
    rows: int = 20,
    by: str | None = None,
    seed: int = 0,
    out: str = "response",
    **options: Any,
) -> Preview:
    """Return the preview of a frame or series; see ``ClaudeFrame.preview``."""
    from ..trust.drawing import draw_rows
    from ..trust.preview import Preview
    from .background import PolarsFrameMap

    whole = (
        prepare_series(given, prompt, out, options)
        if isinstance(given, pl.Series)
        else prepare(given, prompt, out, options)
    )
    drawn = draw_rows(_to_draw_by(given, by), rows, by, seed).in_order()
    sample = PolarsFrameMap(given[drawn.positions], prompt, out, options)
    return Preview(sample, whole.table_map, len(given), drawn.weights)


def _to_draw_by(given: pl.DataFrame | pl.Series, by: str | None) -> Any:
    """Return what rows are drawn by, as pandas: the other columns need not go that way."""
    if isinstance(given, pl.Series):
        return pd.Series(index=range(len(given)), dtype=object)
    if by is None:
        return pd.DataFrame(index=range(len(given)))
    return to_pandas(given.select(by) if by in given.columns else given.clear())


def compare(
    given: pl.DataFrame | pl.Series,
    prompt: str | PromptFunction,
    variants: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
    *,
    estimate: bool,
) -> Any:
    """Return a comparison of variants, or with `estimate` what it would cost; see ``ClaudeFrame.compare``."""
    comparing = _comparing(given, prompt, variants, options)
    return comparing.estimates() if estimate else replace(comparing.run(), _frame=given)


async def acompare(
    given: pl.DataFrame | pl.Series,
    prompt: str | PromptFunction,
    variants: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
) -> Any:
    """Do what :func:`compare` does on the caller's own event loop."""
    return replace(await _comparing(given, prompt, variants, options).arun(), _frame=given)


def _comparing(
    given: pl.DataFrame | pl.Series,
    prompt: str | PromptFunction,
    variants: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
) -> Comparing:
    from ..trust.compare import Comparing

    truth = gold_of(options.get("gold"), len(given))
    return Comparing(to_pandas(given), prompt, variants, **{**options, "gold": truth})


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
