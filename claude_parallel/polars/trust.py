"""The verbs that decide and trust, on Polars: rows go to them as pandas, cell by cell the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from ..frames.columns import asked_name
from ..frames.made import made_of
from ..prompt.template import PromptFunction
from ..trust.elsewhere import Elsewhere
from .background import PolarsFrameMap
from .frames import prepare, prepare_query, prepare_series
from .rows import FrameRows, QueryRows

if TYPE_CHECKING:
    from ..trust.preview import Preview


def elsewhere(given: pl.DataFrame | pl.LazyFrame | pl.Series) -> Elsewhere:
    """Return a frame, a query or a series for these verbs."""
    return Elsewhere(given, _rows_of(given))


def preview_of(
    given: pl.DataFrame | pl.LazyFrame | pl.Series,
    prompt: str | PromptFunction,
    *,
    rows: int = 20,
    by: str | None = None,
    seed: int = 0,
    out: str = "response",
    **options: Any,
) -> Preview:
    """Return the preview of a frame, a query or a series; see ``ClaudeFrame.preview``."""
    every = _rows_of(given)
    return Elsewhere(given, every).preview(
        lambda positions: PolarsFrameMap(every.whole(positions), prompt, out, options),
        _whole_map(given, prompt, out, options),
        rows=rows,
        by=by,
        seed=seed,
    )


def beside_its_answers(answers: pl.Series) -> tuple[Elsewhere, str]:
    """Return what was asked beside the answers of a series, as a frame, and what it is called there."""
    asked = made_of(answers).call.given
    value = asked_name(asked.name, answers.name)
    return elsewhere(pl.DataFrame([asked.alias(value), answers])), value


def _rows_of(given: pl.DataFrame | pl.LazyFrame | pl.Series) -> FrameRows | QueryRows:
    return QueryRows(given) if isinstance(given, pl.LazyFrame) else FrameRows(given)


def _whole_map(given: Any, prompt: str | PromptFunction, out: str, options: dict[str, Any]) -> Any:
    if isinstance(given, pl.LazyFrame):
        return prepare_query(given, prompt, out, options)
    make = prepare_series if isinstance(given, pl.Series) else prepare
    return make(given, prompt, out, options).table_map
