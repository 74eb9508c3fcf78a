"""Spans of rows, spelled out."""

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
