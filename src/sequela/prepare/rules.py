"""What every rule of preparation is: a small state of plain numbers, fitted once, applied by pure functions.

A rule looks at one variable at a time (`Column`), and at all of them only where it must (regression, centroids). NaN
means missing throughout. Rules are *causal*: row n of the result depends on rows up to n of the same sequence and on
nothing else, and `lookback` says how far back. (`linear` filling alone is not.) Sums run row by row in a fixed order,
so that a row has the same bits alone and among a million others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

FARTHEST = 1e30  # of a number that a power or an exponential would make infinite, as it does far outside of training


@dataclass(frozen=True, kw_only=True)
class Column:
    """One variable in the rows of several sequences, one sequence after the other."""

    values: Floats  # [N], NaN where nothing was measured
    begin: Rows  # [N], the first row of the row's sequence
    hours: Floats  # [N], the clock of the row, rising within a sequence
    measured_hours: Floats | None = None  # [N], the clock of the measurement itself where it became known later

    @property
    def own_hours(self) -> Floats:
        """Return when each value was measured [N]."""
        return self.hours if self.measured_hours is None else self.measured_hours


@dataclass(frozen=True)
class Lookback:
    """How far back a causal rule looks, within the sequence."""

    values: int  # measurements of the same variable, this one included, each with its corrections
    within_hours: float | None = None  # and none that are older than this


class RuleState(BaseModel):
    """A fitted rule: plain numbers that survive JSON to the bit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def lookback(self) -> Lookback:
        """Return how far back the rule looks."""
        return Lookback(1)


def last_measured(column: Column) -> Rows:
    """Return for each row the last row at or before it with a value, within the sequence; -1 where there is none.

    Example:
        >>> rows = Column(values=np.array([5, np.nan, np.nan]), begin=np.array([0, 0, 2]), hours=np.arange(3.0))
        >>> last_measured(rows).tolist()
        [0, 0, -1]
    """
    here = np.arange(len(column.values))
    last = np.maximum.accumulate(np.where(np.isnan(column.values), -1, here))
    return np.where(last >= column.begin, last, -1)


def measured_before(column: Column) -> Rows:
    """Return for each row the last row strictly before it with a value, within the sequence; -1 where there is none."""
    last = np.full(len(column.values), -1)
    last[1:] = last_measured(column)[:-1]
    return np.where(last >= column.begin, last, -1)


def measurements(column: Column) -> tuple[Rows, Rows]:
    """Return the rows with a value [M], and the number of the measurement that each is of [M], counted over all.

    A correction became known later, of the same time: it is of the same measurement as what it corrects.

    Example:
        >>> times = {"hours": np.array([0.0, 1.0, 2.0]), "measured_hours": np.array([0.0, 1.0, 1.0])}
        >>> rows, number = measurements(Column(values=np.ones(3), begin=np.zeros(3, int), **times))
        >>> rows.tolist(), number.tolist()
        ([0, 1, 2], [0, 1, 1])
    """
    rows = np.flatnonzero(~np.isnan(column.values))
    begin, hours = column.begin[rows], column.own_hours[rows]
    return rows, np.cumsum((np.diff(begin, prepend=-1) != 0) | (np.diff(hours, prepend=np.nan) != 0)) - 1


def measured_earlier(column: Column) -> Rows:
    """Return for each row with a value the last row of the measurement before, within the sequence; -1 without one."""
    rows, number = measurements(column)
    before = np.flatnonzero(np.diff(number, prepend=-1))[number] - 1  # the last place of the measurement before
    earlier = np.full(len(column.values), -1)
    earlier[rows] = np.where(before >= 0, rows[np.maximum(before, 0)], -1)
    return np.where(earlier >= column.begin, earlier, -1)


def at(values: Floats, row: Rows) -> Floats:
    """Return the values at rows, NaN where the row is -1."""
    if not len(values):
        return np.full(len(row), np.nan)
    return np.where(row >= 0, values[np.maximum(row, 0)], np.nan)


def bins_of_people(values: Floats, person: Rows, min_people: int, most: int = 100) -> list[Rows]:
    """Return runs of places in sorted order of the values, each with values of at least `min_people` people.

    At most `most` runs of about as many values; neighbours join until they rest on enough people. No run where all
    values together rest on fewer.

    Args:
        values: [M], finite.
        person: [M], whose value it is.
        min_people: that each run must rest on.
        most: runs, at most.

    Example:
        >>> runs = bins_of_people(np.array([3.0, 1.0, 2.0, 4.0]), np.array([0, 0, 1, 1]), 2)
        >>> [run.tolist() for run in runs]
        [[1, 2], [0, 3]]
    """
    runs: list[Rows] = []
    open_run = np.array([], dtype=np.int64)
    for piece in np.array_split(np.argsort(values, kind="stable"), max(1, min(most, len(values)))):
        open_run = np.concatenate([open_run, piece])
        if len(np.unique(person[open_run])) >= min_people:
            runs.append(open_run)
            open_run = open_run[:0]
    if runs and len(open_run):
        runs[-1] = np.concatenate([runs[-1], open_run])
    return runs
