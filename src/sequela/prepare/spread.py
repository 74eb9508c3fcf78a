"""Spans of rows, spelled out; and rows by a number that they bear."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows


def spread_out(first: NDArray[np.integer], lengths: NDArray[np.integer]) -> Rows:
    """Return first[0], first[0]+1, ... of each span, one after the other.

    Example:
        >>> spread_out(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    begin = np.cumsum(lengths) - lengths
    return np.asarray(np.arange(int(lengths.sum())) - np.repeat(begin - first, lengths))


def by_number(number: NDArray[np.int32], count: int) -> tuple[Rows, Rows]:
    """Return all rows by their number, in their order where it is the same, and where each number's rows begin.

    Args:
        number: [N], from 0 to count - 1.
        count: of numbers.

    Example:
        >>> rows, edges = by_number(np.array([1, 0, 1], dtype=np.int32), 3)
        >>> rows.tolist(), edges.tolist()
        ([1, 0, 2], [0, 1, 3, 3])
    """
    short = number.astype(np.int16) if count <= 1 << 15 else number  # numpy sorts short numbers in one pass
    edges = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=count))])
    return np.argsort(short, kind="stable"), edges.astype(np.int64)
