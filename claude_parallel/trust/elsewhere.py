"""The verbs that decide and trust, on rows that lie elsewhere: in a Polars frame or query, or on a cluster.

Rows are drawn by a few columns of all of them, and only those drawn come whole, as pandas. What the sample is asked and
what it tells is the same as on pandas; a :class:`RowsElsewhere` fetches the rows from where they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..frames.made import maps_of
from ..frames.rows import column_names
from ..frames.tasks import models_of, typed_call
from ..prompt.template import PromptFunction
from .audit import Audit, audit_frame
from .compare import Comparing
from .drawing import draw_rows
from .preview import Preview
from .review import review_frame
from .subjects import answer_column

if TYPE_CHECKING:
    import pandas as pd

    from ..forecast.estimate import PreparedMap
    from ..frames.frame_map import FrameMap
    from .review import Review


class RowsElsewhere(Protocol):
    """Rows that are no pandas frame, by their places from the first to the last."""

    @property
    def empty(self) -> Any:
        """The pandas frame or series without rows, which knows its maps."""
        ...

    def columns(self, labels: Sequence[Any]) -> Any:
        """Return a few columns of all rows as pandas; of a series, its index."""
        ...

    def take(self, positions: list[int]) -> Any:
        """Return some rows whole as pandas, in the order of `positions`; :meth:`columns` comes first."""
        ...

    def truth(self, given: Any) -> Any:
        """Return gold or weights as these verbs take them on pandas; :meth:`columns` comes later."""
        ...


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A frame or series whose rows lie elsewhere.

    Attributes
    ----------
    given : object
        As the user has it.
    rows : RowsElsewhere
        Gets its rows.
    """

    given: Any
    rows: RowsElsewhere

    def preview(
        self, sample: Callable[[list[int]], FrameMap], whole: PreparedMap, *, rows: int, by: str | None, seed: int
    ) -> Preview:
        """Return the preview of a map; see ``ClaudeFrame.preview``.

        Parameters
        ----------
        sample : callable
            Positions -> the map of these rows.
        whole : PreparedMap
            The map of all rows.
        rows, by, seed
            How the sample is drawn.
        """
        known = self.rows.columns(self._labels(by))
        drawn = draw_rows(known, rows, by, seed).in_order()
        return Preview(sample(drawn.positions), whole, len(known), drawn.weights)

    def comparing(
        self, prompt: str | PromptFunction, variants: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]
    ) -> Comparing:
        """Return a comparison of variants on its way; see ``ClaudeFrame.compare``."""
        gold = self.rows.truth(options.get("gold"))
        known = self.rows.columns(self._labels(options.get("by"), gold))
        asked = {**options, "gold": gold}
        return Comparing(known, prompt, variants, **asked, take=self.rows.take, whole=self.given)

    def review(
        self,
        rows: int = 100,
        *,
        column: str | None = None,
        by: str | None = None,
        show: Sequence[str] | str | None = None,
        blind: bool = False,
        seed: int = 0,
        journal: bool | str | Path = True,
    ) -> Review:
        """Return a review of a sample of the answered rows; see ``ClaudeFrame.review``."""
        label = answer_column(self.rows.empty, column)
        groups = {"answer": None, "agreement": self._agreement(label)}.get(str(by), by)
        known = self.rows.columns(self._labels(str(label), groups))
        chosen = str(label)
        return review_frame(
            known, rows, column=chosen, by=by, show=show, blind=blind, seed=seed, journal=journal, take=self.rows.take
        )

    def audit(self, gold: Any, *, column: str | None = None, weights: Any = None) -> Audit:
        """Return how far the answers can be believed; see ``ClaudeFrame.audit``."""
        label = answer_column(self.rows.empty, column)
        truth = self.rows.truth(gold)
        known = self.rows.columns(self._labels(str(label), truth, self._agreement(label)))
        return audit_frame(known, truth, str(label), self.rows.truth(weights))

    def models(self) -> pd.Series[Any]:
        """Return the validated objects behind the typed columns of all rows; see ``ClaudeFrame.models``."""
        call = typed_call(made.call for made in reversed(maps_of(self.given)))
        return models_of(self.rows.columns([*call.columns.answers[0].fields]), call)

    def _labels(self, *names: Any) -> list[Any]:
        """Return the labels of columns by their names, each once; what is no column (a series, a review) needs none."""
        empty = self.rows.empty
        if empty.ndim == 1:
            return []
        return [*dict.fromkeys(answer_column(empty, name) for name in names if isinstance(name, str))]

    def _agreement(self, label: Any) -> str | None:
        """Return the name of the column that says how many draws agree; None where no vote made one."""
        name = f"{label}_agreement"
        return name if name in column_names(self.rows.empty) else None
