"""What ``claude`` can do on Polars frames and lazy frames alike; documentation and delegation.

What is asked of all rows, each kind does in its own way; the verbs that look at a sample stand in ``trust``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from ..frames.made import made_of
from ..options import MapOptions, PreviewOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options
from ..trust.sample_verbs import SampleVerbs
from .results import cost_table, error_table
from .retry import retry

if TYPE_CHECKING:
    from ..report.run import Run
    from ..trust.audit import Audit
    from ..trust.elsewhere import Elsewhere
    from ..trust.preview import Preview
    from ..trust.review import Review


class ClaudePolarsTable(SampleVerbs):
    """What frames and lazy frames have in common."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    @shows_options
    def retry(
        self, *, where: Any = None, prompt: str | PromptFunction | None = None, **options: Unpack[MapOptions]
    ) -> Any:
        """Ask again the rows of this frame's map that failed, and no others; costs add up.

        In a folder (of `into`) the parts with such rows are written anew, each whole or not at all. Use the scan that
        comes back: an older one may have noted where in the files things stood. New answers lie in memory meanwhile.

        Parameters
        ----------
        where : Expr, Series or sequence of bool, optional
            Which rows to ask again instead (answers that you reject), such as ``pl.col("response") == "wrong"``.
        prompt : str or callable, optional
            Another prompt.
        **options
            Options that are to differ, such as ``model=`` or ``max_tokens=``.
        """
        return retry(self._frame, where, prompt, options)

    def models(self) -> list[Any]:
        """Return the validated objects behind the typed columns; see :meth:`ClaudeFrame.models`.

        One for each row: pydantic models, dicts or bare values; None where a row has no valid answer.
        """
        return self._elsewhere().models().to_list()

    @property
    def run(self) -> Run:
        """The record of the run that made this frame."""
        from ..report.run import find_run

        return find_run(made_of(self._frame).run_id)

    @property
    def errors(self) -> pl.DataFrame:
        """The kinds of error of this frame's maps, with how many rows, an example each, and what to do."""
        return error_table(self._frame)

    @property
    def cost(self) -> pl.DataFrame:
        """Rows by what they came to, and dollars, for each answer of this frame's maps."""
        return cost_table(self._frame)

    def _elsewhere(self) -> Elsewhere:
        from .trust import elsewhere

        return elsewhere(self._frame)

    def _preview_of(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Preview:
        from .trust import preview_of

        return preview_of(self._frame, prompt, **options)

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
        """Label a random sample of the answered rows by hand; see :meth:`ClaudeFrame.review`.

        Labels are by row number: a pandas Series, which :meth:`audit` takes.
        """
        every = self._elsewhere()
        return every.review(rows, column=column, by=by, show=show, blind=blind, seed=seed, journal=journal)

    def audit(self, gold: Any, *, column: str | None = None, weights: Any = None) -> Audit:
        """Say how far the answers can be believed; see :meth:`ClaudeFrame.audit`.

        Parameters
        ----------
        gold : str, Series or review
            The truth: a column, a Series of all rows (missing where it is not known), or what :meth:`review` returned.
        column, weights : optional
            As in :meth:`ClaudeFrame.audit`.
        """
        return self._elsewhere().audit(gold, column=column, weights=weights)
