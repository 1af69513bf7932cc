"""``preview`` and ``compare`` of accessors whose rows lie elsewhere; documentation and delegation.

``elsewhere`` carries them out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from ..options import CompareOptions, PreviewOptions
from ..prompt.template import PromptFunction
from ..signatures import shows_options_like, shows_options_of

if TYPE_CHECKING:
    from .elsewhere import Elsewhere
    from .preview import Preview


class SampleVerbs:
    """The verbs that ask a sample, for frames of Polars and frames and series of Dask alike."""

    def _elsewhere(self) -> Elsewhere:
        """Return what is mapped, with what gets its rows."""
        raise NotImplementedError

    def _preview_of(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Preview:
        """Return a preview, checked and ready."""
        raise NotImplementedError

    @shows_options_like("ClaudeFrame.preview")
    def preview(
        self, prompt: str | PromptFunction, *, estimate: bool = False, **options: Unpack[PreviewOptions]
    ) -> Any:
        """Map a few random rows first, and see what all of them would cost; see :meth:`ClaudeFrame.preview`.

        The whole map afterwards has their answers for nothing. The seed draws the rows that it draws on pandas. A query
        or a cluster computes its rows once to count them (or for what they are drawn by), gives those drawn, and
        computes all once more for what they would cost.
        """
        preview = self._preview_of(prompt, **options)
        return preview.estimate() if estimate else preview.run()

    @shows_options_of(preview)
    async def apreview(self, prompt: str | PromptFunction, **options: Unpack[PreviewOptions]) -> Any:
        """Do what :meth:`preview` does on the caller's own event loop."""
        preview = await asyncio.to_thread(self._preview_of, prompt, **options)
        return await preview.arun()

    @shows_options_like("ClaudeFrame.compare")
    def compare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        estimate: bool = False,
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Try several prompts, models or options on the same random rows; see :meth:`ClaudeFrame.compare`.

        `gold` is a column, what :meth:`review` returned, or a Series: of Polars one value per row (missing where the
        truth is not known), else on the frame's index. The tables of the comparison are pandas frames; its
        ``run(name)`` is this frame's :meth:`map`.
        """
        comparing = self._elsewhere().comparing(prompt, variants, options)
        return comparing.estimates() if estimate else comparing.run()

    @shows_options_of(compare)
    async def acompare(
        self,
        prompt: str | PromptFunction,
        variants: Mapping[str, Mapping[str, Any]],
        **options: Unpack[CompareOptions],
    ) -> Any:
        """Do what :meth:`compare` does on the caller's own event loop."""
        comparing = await asyncio.to_thread(self._elsewhere().comparing, prompt, variants, options)
        return await comparing.arun()
