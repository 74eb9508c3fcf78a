"""What the rules that fill gaps from all variables together have in common: `regressions.py` and `centroids.py`.

The cost of fitting is bounded: whole people are drawn until they have 10,000 rows and are `min_people`. Each sum runs
over the columns of one row in a fixed order, never as a matrix product, whose bits depend on the other rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sequela.prepare.impute import SOURCE, Codes
from sequela.prepare.rules import Column, Floats, Mask, Rows, at, measured_before

_ROWS_TO_FIT = 10_000
_ROWS_AT_ONCE = 1 << 11  # so many rows of a few dozen columns stay in the cache


def values_before(values: Floats, begin: Rows, hours: Floats) -> Floats:
    """Return the last value of each variable strictly before each row [N, F], within the sequence; NaN without one."""
    before = np.full(values.shape, np.nan)
    for place, column in enumerate(values.T):
        before[:, place] = at(column, measured_before(Column(values=column, begin=begin, hours=hours)))
    return before


def people_for(person: Rows, seed: int, min_people: int, most_rows: int = _ROWS_TO_FIT) -> Rows:
    """Return all rows of people drawn until they are `min_people` and have `most_rows` rows, in the order of the rows.

    Example:
        >>> people_for(np.array([4, 4, 7, 7]), seed=0, min_people=1, most_rows=2).tolist()
        [0, 1]
    """
    people, place, count = np.unique(person, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(people))
    before = np.cumsum(count[order]) - count[order]
    drawn = np.zeros(len(people), dtype=bool)
    drawn[order[(before < most_rows) | (np.arange(len(people)) < min_people)]] = True
    return np.flatnonzero(drawn[place])


def means_and_spreads(values: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column [F].

    Without a value the mean is 0; where values do not vary the deviation is 1, or what single precision tells apart.
    """
    known = [column[~np.isnan(column)] for column in values.T]
    means = np.array([column.mean() if len(column) else 0.0 for column in known])
    spreads = np.array([column.std() if len(column) else 1.0 for column in known])
    least = 1e-7 * np.abs(means)
    return means, np.where(spreads > np.maximum(least, 1e-307), spreads, np.maximum(least, 1.0))


def people_with_a_value(column: Floats, person: Rows) -> int:
    """Return how many people have a value in a column."""
    return len(np.unique(person[~np.isnan(column)]))


def provenance_of(values: Floats, gap: Codes) -> Codes:
    """Return where each of the values comes from, given where those in the gaps do."""
    missing: Mask = np.isnan(values)
    return np.where(missing, gap, SOURCE["measured"]).astype(np.uint8)


def parts(count: int) -> Iterator[slice]:
    """Yield so many rows a few thousand at a time."""
    for start in range(0, count, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, count))
