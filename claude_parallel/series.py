"""``series.claude`` and ``claude_parallel.map``: one value per call.

Documentation and delegation, as in ``accessor``, where every option is explained.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from .options import MapOptions
from .prompt.template import PromptFunction

if TYPE_CHECKING:
    from .background.job import Job
    from .forecast.estimate import Estimate


class ClaudeSeries:
    """Ask Claude about every value of a Series; reached as ``series.claude``.

    Examples
    --------
    >>> import pandas as pd
    >>> import claude_parallel as cp
    >>> with cp.simulator():
    ...     out = pd.Series(["bread", "milk"]).claude.map("Translate to French: {}", progress=False)
    >>> list(out.columns)
    ['response', 'response_error', 'response_cost']
    """

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def __repr__(self) -> str:
        return f"<claude accessor of a series with {len(self._series):,} values; see series.claude.map?>"

    def map(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pd.DataFrame:
        """Ask Claude once per value.

        Parameters
        ----------
        prompt : str or callable
            A template in which ``{}`` stands for the value, or a callable that gets the value.
        out : str, default "response"
            Names the columns.
        **options
            As in :meth:`ClaudeFrame.map`.

        Returns
        -------
        DataFrame
            Text, error and cost on the series' own index.
        """
        from .frames.frame_map import FrameMap

        return FrameMap(self._series, prompt, out, options).run()

    def estimate(
        self,
        prompt: str | PromptFunction,
        *,
        out: str = "response",
        likely_output_tokens: float | None = None,
        **options: Unpack[MapOptions],
    ) -> Estimate:
        """Say what :meth:`map` would cost and how long it would take; see :meth:`ClaudeFrame.estimate`."""
        from .forecast.estimate import estimate_frame
        from .frames.frame_map import FrameMap

        return estimate_frame(FrameMap(self._series, prompt, out, options), likely_output_tokens)

    def submit(
        self, prompt: str | PromptFunction, *, out: str = "response", panel: bool = True, **options: Unpack[MapOptions]
    ) -> Job:
        """Begin a map in the background and return at once; see :meth:`ClaudeFrame.submit`."""
        from .background.job import Job
        from .frames.frame_map import FrameMap

        return Job(FrameMap(self._series, prompt, out, options), panel=panel)

    async def amap(
        self, prompt: str | PromptFunction, *, out: str = "response", **options: Unpack[MapOptions]
    ) -> pd.DataFrame:
        """Do what :meth:`map` does on the caller's own event loop."""
        from .frames.frame_map import FrameMap

        return await FrameMap(self._series, prompt, out, options).arun()


def map_items(
    items: Iterable[Any], prompt: str | PromptFunction = "{}", *, out: str = "response", **options: Unpack[MapOptions]
) -> pd.DataFrame:
    """Ask Claude once per item of a list; exported as ``claude_parallel.map``.

    Parameters
    ----------
    items : iterable
        Prompts, or values for the template.
    prompt : str or callable, default "{}"
        As in :meth:`ClaudeSeries.map`; the default sends each item as it is.
    out : str, default "response"
        Names the columns.
    **options
        As in :meth:`ClaudeFrame.map`.

    Returns
    -------
    DataFrame
        Text, error and cost, one row per item, in order.
    """
    series: pd.Series[Any] = pd.Series(list(items), dtype=object)
    from .frames.frame_map import FrameMap

    return FrameMap(series, prompt, out, options).run()
