"""The figures of audits and comparisons with matplotlib; colours and axes as in ``report.figures``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..report.figures import choose_palette, finish_figure, load_pyplot

if TYPE_CHECKING:
    from .audit import Audit
    from .comparison import Comparison


_GAP = 0.04
"""Of the axis, between two intervals: enough for their caps and the names beside them to be told apart."""


def plot_shares(audit: Audit) -> Any:
    """Return the share of each class, corrected with its interval, beside the counted one."""
    plt, colors = load_pyplot(), choose_palette()
    known = [(label, share) for label, share in audit.estimates.items() if share.is_known]
    figure, axis = plt.subplots(figsize=(7, 1.2 + 0.5 * max(1, len(known))), layout="constrained")
    for place, (_label, share) in enumerate(known):
        found = share.corrected
        low, high = 100 * (found.estimate - found.low), 100 * (found.high - found.estimate)
        axis.errorbar(100 * found.estimate, place, xerr=[[low], [high]], fmt="o", color=colors.main, capsize=4)
        axis.plot(100 * share.plain, place, marker="|", markersize=16, markeredgewidth=2.5, color=colors.second)
    axis.set_yticks(range(len(known)), [str(label) for label, _share in known])
    axis.set_ylim(max(1, len(known)) - 0.5, -0.5)
    axis.set_xlim(left=0)
    axis.set_xlabel("share of all rows, per cent (dot: corrected, 95 % interval; tick: counted)")
    return finish_figure(plt, figure, f"Audit of {audit.column}", is_from_zero=False)


def plot_comparison(comparison: Comparison) -> Any:
    """Return quality against dollars per 1,000 rows, one point with its interval per variant."""
    plt, colors = load_pyplot(), choose_palette()
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    shown = [
        (one, one.quality)
        for one in comparison.scores
        if one.quality is not None and not math.isnan(one.quality.estimate) and not math.isnan(one.usd_per_1000)
    ]
    places = side_by_side([one.usd_per_1000 for one, _found in shown])
    for (one, found), place in zip(shown, places, strict=True):
        low, high = found.estimate - found.low, found.high - found.estimate
        axis.errorbar(place, found.estimate, yerr=[[low], [high]], fmt="o", color=colors.main, capsize=4)
        axis.annotate(one.name, (place, found.estimate), xytext=(7, 4), textcoords="offset points", fontsize=10)
    axis.set_xlabel("US dollars per 1,000 rows")
    axis.set_ylabel(f"{comparison.measure} (95 % interval)")
    axis.margins(x=0.2, y=0.15)
    axis.set_xlim(left=0)
    return finish_figure(
        plt, figure, f"{len(comparison.scores)} variants on {len(comparison.sample):,} rows", is_from_zero=False
    )


def side_by_side(dollars: Sequence[float]) -> list[float]:
    """Return where points stand, so that intervals of nearly the same price do not cover each other.

    A point moves right, by `_GAP` of the axis for each one that stands at its price already.
    """
    step = _GAP * max(dollars, default=0.0)
    places = [*dollars]
    for before, place in pairwise(sorted(range(len(dollars)), key=lambda at: dollars[at])):
        places[place] = max(places[place], places[before] + step)
    return places
