"""The verbs that decide and trust, on Dask: rows are drawn among all partitions, and the sample is a pandas frame."""

from __future__ import annotations

from typing import Any

import dask.dataframe as dd

from ..frames.columns import asked_name
from ..frames.frame_map import FrameMap
from ..frames.made import made_of
from ..prompt.template import PromptFunction
from ..trust.elsewhere import Elsewhere
from ..trust.preview import Preview
from . import on_workers
from .cluster_map import ClusterMap
from .rows import CollectionRows


def elsewhere(collection: Any) -> Elsewhere:
    """Return a Dask frame or series for these verbs."""
    return Elsewhere(collection, CollectionRows(collection))


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
    whole, every = ClusterMap(collection, prompt, out, options).table_map, elsewhere(collection)
    return every.preview(
        lambda positions: FrameMap(every.rows.take(positions), prompt, out, options), whole, rows=rows, by=by, seed=seed
    )


def beside_its_answers(answers: Any) -> Elsewhere:
    """Return what was asked beside the answers of a series, as a frame."""
    asked = made_of(answers).call.given
    name = asked_name(asked.name, answers.name)
    meta = on_workers.side_by_side(asked._meta, answers._meta, name)
    frame = dd.map_partitions(on_workers.side_by_side, asked, answers, name, meta=meta, align_dataframes=False)
    return elsewhere(frame)
