"""What stands where nothing was measured. Each cell says where its number comes from (`PROVENANCE` of the batch).

One variable at a time, in the pass over rows (`columns.py` says what it writes):

    zero         0 in the code's own unit
    mean         the training mean
    last         the last value of the sequence, not older than `carry_limit`; else the training mean
    decay        the same, for the network to fade: x = g x_last + (1 - g) mean, g = exp(-max(0, w gap + b)), the input
                 decay of GRU-D, Che and others (2018), doi:10.1038/s41598-018-24271-9. The network learns w and b

One variable at a time, afterwards, here:

    linear       between the neighbours in the cut sequence, in time; the last value after them; the first before them;
                 the training mean where there is none. It looks ahead, so it is legal only where each prediction has
                 its own sequence, cut at its time

All variables at once, afterwards: regression (`regressions.py`) and knn (`centroids.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.batch import PROVENANCE
from sequela.prepare.rules import Column, Floats, Rows, at, last_measured

Codes = NDArray[np.uint8]
SOURCE = {name: np.uint8(place) for place, name in enumerate(PROVENANCE)}


@dataclass(frozen=True)
class Imputed:
    """Values without gaps, and where each comes from."""

    values: Floats  # [N] or [N, F], no NaN
    provenance: Codes  # same shape, places in PROVENANCE


def on_the_line(column: Column, mean: float) -> Imputed:
    """Return the values [N] with the line between the neighbours in the gaps.

    Args:
        column: of sequences that are cut at their prediction times.
        mean: of training values; stands in a sequence without a value.
    """
    before, after = last_measured(column), _next_measured(column)
    left, right = at(column.values, before), at(column.values, after)
    hours = column.own_hours
    span, way = at(hours, after) - at(hours, before), column.hours - at(hours, before)
    share = np.clip(way / np.where(span > 0, span, 1.0), 0.0, 1.0)
    between = (before >= 0) & (after >= 0)
    value = np.where(between, left + share * (right - left), np.where(before >= 0, left, right))
    nobody = np.isnan(value)
    gap = np.where(nobody, SOURCE["mean"], np.where(between, SOURCE["linear"], SOURCE["carried"]))
    measured = ~np.isnan(column.values)
    values = np.where(measured, column.values, np.where(nobody, mean, value))
    return Imputed(values, np.where(measured, SOURCE["measured"], gap).astype(np.uint8))


def _next_measured(column: Column) -> Rows:
    """Return for each row the first row at or after it with a value, within the sequence; -1 where there is none."""
    count = len(column.values)
    here = np.arange(count)
    following = np.minimum.accumulate(np.where(np.isnan(column.values), count, here)[::-1])[::-1]
    inside = following < count
    same = column.begin[np.minimum(following, count - 1)] == column.begin if count else inside
    return np.where(inside & same, following, -1)
