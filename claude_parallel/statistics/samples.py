"""Which rows are looked at: random, repeatable samples whose probabilities are known.

Knows positions and groups; the callers know what a row is.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]


def simple_sample(population: int, size: int, seed: int = 0) -> Positions:
    """Return `size` different positions out of `population`, every set equally likely, in random order."""
    rng = np.random.default_rng(seed)
    return rng.permutation(population)[: min(size, population)].astype(np.int64)


def allocate(sizes: Sequence[int], total: int) -> list[int]:
    """Split `total` rows over groups in equal parts; what a small group cannot give, the others do."""
    parts = [0] * len(sizes)
    left = total
    order = sorted(range(len(sizes)), key=lambda group: sizes[group])
    for place, group in enumerate(order):  # smallest first: what it cannot give is shared by all larger ones
        parts[group] = min(sizes[group], left // (len(sizes) - place))
        left -= parts[group]
    return parts


def stratified_sample(groups: Sequence[Hashable], size: int, seed: int = 0) -> dict[Hashable, Positions]:
    """Return a random sample of each group, of equal size as far as the groups reach.

    Parameters
    ----------
    groups : sequence
        The group of each row.
    size : int
        Rows in all.
    seed : int
        Fixes the draw.

    Returns
    -------
    dict
        Group -> positions in random order, groups in the order of their first row.
    """
    members: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    rng = np.random.default_rng(seed)
    parts = allocate([len(rows) for rows in members.values()], size)
    return {
        group: rng.permutation(np.asarray(rows, dtype=np.int64))[:part]
        for (group, rows), part in zip(members.items(), parts, strict=True)
    }


def stratum_weights(groups: Sequence[Hashable], sizes: Mapping[Hashable, int]) -> npt.NDArray[np.float64]:
    """Return how many rows of the whole each sampled row stands for: its group's rows over its group's sampled rows.

    Source: Cochran, Sampling Techniques, 3rd ed., 5.3. Counted from the rows that were labelled, so that a sample that
    was labelled in part keeps its meaning, as long as the labelled rows of each group are random ones.
    """
    counts: dict[Hashable, int] = {}
    for group in groups:
        counts[group] = counts.get(group, 0) + 1
    return np.array([sizes[group] / counts[group] for group in groups], dtype=np.float64)
