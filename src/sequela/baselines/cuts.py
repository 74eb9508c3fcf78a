"""Thresholds of trees that lie between people: a threshold with hardly anybody beside it would tell of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.trees import BEYOND_ALL, Tree
from sequela.evaluate.sections import kept_ends

Floats = NDArray[np.float64]


def between_people(
    trees: list[Tree], table: NDArray[np.float32], person: NDArray[np.int64], min_people: int
) -> list[Tree]:
    """Return the trees with thresholds between which, below and above which lies nobody or enough people.

    The thresholds of all trees on a column are taken together. One that has too few people on a side gives way to the
    next one that stays above or below it, or to one beyond all known values: to whichever brings fewer people onto the
    other side.

    Args:
        trees: grown on the table.
        table: [R, columns] of those who taught them, NaN where unknown.
        person: [R], whose each row is.
        min_people: that must lie between two thresholds, if anybody does.
    """
    feature, threshold = (np.concatenate([getattr(tree, name) for tree in trees]) for name in ("feature", "threshold"))
    moved = threshold.copy()
    _, person = np.unique(person, return_inverse=True)
    for column in np.unique(feature):
        mine = feature == column
        known = ~np.isnan(table[:, column])
        moved[mine] = _kept(threshold[mine], table[known, column].astype(np.float64), person[known], min_people)
    parts = np.split(moved, np.cumsum([len(tree.threshold) for tree in trees])[:-1])
    return [replace(tree, threshold=part) for tree, part in zip(trees, parts, strict=True)]


def _kept(threshold: Floats, value: Floats, person: NDArray[np.intp], min_people: int) -> Floats:
    """Return the threshold that stands for each of one column."""
    cuts = np.unique(threshold)
    place = np.searchsorted(cuts, value)  # left of a cut is value <= cut
    people = int(person.max(initial=0)) + 1
    stretch, whose = np.divmod(np.unique(place * people + person), people)
    held = np.bincount(stretch)
    if not ((held > 0) & (held < min_people)).any():
        return threshold
    ends = kept_ends(place, len(cuts) + 1, person, np.zeros_like(place), [min_people])
    bounds, stays = np.array([-1, *ends[:-1], len(cuts)]), np.array([-BEYOND_ALL, *cuts[ends[:-1]], BEYOND_ALL])
    begins = np.searchsorted(stretch, np.arange(len(cuts) + 2))  # of each stretch
    rows = np.searchsorted(np.sort(place), np.arange(len(cuts) + 2))

    def moved(first: int, last: int) -> tuple[int, int]:
        """Return how many people, and rows, lie in some stretches."""
        return len(np.unique(whose[begins[first] : begins[last + 1]])), int(rows[last + 1] - rows[first])

    stands = cuts.copy()
    for cut in range(len(cuts)):
        above = int(np.searchsorted(bounds, cut))
        below, until = int(bounds[above - 1]), int(bounds[above])
        if until != cut:
            stands[cut] = stays[above - (moved(below + 1, cut) <= moved(cut + 1, until))]
    found: Floats = stands[np.searchsorted(cuts, threshold)]
    return found
