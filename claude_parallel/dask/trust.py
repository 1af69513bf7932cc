"""The verbs that decide and trust, on Dask: rows are drawn among all partitions, and the sample is a pandas frame.

What the sample is asked, and what it tells, is the same as on pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.dataframe as dd

from ..frames.frame_map import FrameMap
from ..frames.made import made_of
from ..prompt.template import PromptFunction
from ..trust.audit import Audit, audit_frame
from ..trust.compare import Comparing
from ..trust.comparison import Comparison
from ..trust.drawing import draw_rows
from ..trust.preview import Preview
from ..trust.review import review_frame
from ..trust.subjects import answer_column
from . import on_workers
from .cluster_map import ClusterMap
from .rows import CollectionRows

if TYPE_CHECKING:
    from ..trust.review import Review


def preview_of(
    collection: Any,
    prompt: str | PromptFunction,
    *,
    rows: int = 20,
    by: str | None = None,
    seed: int = 0,
    out: str = "response",
    **options: Any,
) -> Preview:
    """Return the preview of a Dask frame or series; see ``ClaudeFrame.preview``."""
    whole = ClusterMap(collection, prompt, out, options).table_map
    every = CollectionRows(collection)
    known = every.columns(_labels(every, by))
    drawn = draw_rows(known, rows, by, seed).in_order()
    return Preview(FrameMap(every.take(drawn.positions), prompt, out, options), whole, len(known), drawn.weights)


class CollectionComparing:
    """A comparison on rows of a Dask collection; parameters as of ``Comparing``."""

    def __init__(
        self,
        collection: Any,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        options: Mapping[str, Any],
    ) -> None:
        self._collection = collection
        every = CollectionRows(collection)
        gold = local(options.get("gold"))
        known = every.columns(_labels(every, options.get("by"), gold))
        self._comparing = Comparing(known, prompt, variants, **{**options, "gold": gold}, take=every.take)

    def estimates(self) -> Any:
        """Return what each variant would cost on the sample."""
        return self._comparing.estimates()

    def run(self) -> Comparison:
        """Ask and judge, blocking; ``run(name)`` of the result maps the collection."""
        return replace(self._comparing.run(), _frame=self._collection)

    async def arun(self) -> Comparison:
        """Ask and judge on the caller's own event loop."""
        return replace(await self._comparing.arun(), _frame=self._collection)


def review(
    collection: Any,
    rows: int,
    *,
    column: str | None = None,
    by: str | None = None,
    show: Sequence[str] | str | None = None,
    blind: bool,
    seed: int,
    journal: bool | str | Path,
) -> Review:
    """Return a review of a sample of a mapped Dask frame or series; see ``ClaudeFrame.review``."""
    frame = collection
    if collection.ndim == 1:
        frame, show = _beside_its_answers(collection)
        column = str(collection.name)
    every = CollectionRows(frame)
    label = answer_column(every.empty, column)
    agreement = f"{label}_agreement" if by == "agreement" else None
    known = every.columns([label, *_labels(every, agreement or (by if by != "answer" else None))])
    return review_frame(
        known, rows, column=str(label), by=by, show=show, blind=blind, seed=seed, journal=journal, take=every.take
    )


def audit(collection: Any, gold: Any, column: str | None, weights: Any) -> Audit:
    """Return how far the answers of a Dask frame or series can be believed; see ``ClaudeFrame.audit``."""
    is_series = collection.ndim == 1
    every = CollectionRows(collection.to_frame() if is_series else collection)
    label = answer_column(every.empty, str(collection.name) if is_series else column)
    gold = local(gold)
    return audit_frame(every.columns([label, *_labels(every, gold)]), gold, str(label), local(weights))


def local(given: Any) -> Any:
    """Return gold or weights as these verbs take them: a Dask series as a pandas one."""
    return given.compute() if isinstance(given, dd.Series) else given


def _labels(every: CollectionRows, *names: Any) -> list[Any]:
    """Return the labels of columns by their names; what is no column (a series, a review) needs none."""
    empty = every.empty
    return [answer_column(empty, name) for name in names if isinstance(name, str) and empty.ndim == 2]


def _beside_its_answers(answers: Any) -> tuple[Any, str]:
    """Return what was asked beside the answers of a series, as a frame, and its name."""
    asked = made_of(answers).call.given
    name = str(asked.name) if asked.name not in (None, answers.name) else "value"
    meta = on_workers.side_by_side(asked._meta, answers._meta, name)
    return dd.map_partitions(on_workers.side_by_side, asked, answers, name, meta=meta, align_dataframes=False), name
