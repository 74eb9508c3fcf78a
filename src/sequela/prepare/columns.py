"""The dense columns of a state: which variable of a timeline fills each, and what stands in its gaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sequela.cohort.asof import Timeline
from sequela.prepare.impute import SOURCE
from sequela.prepare.passes import FOR_EVER, Columns, Places
from sequela.prepare.settings import Missing
from sequela.prepare.state import CategoryState, NumberState, PreparedState, width
from sequela.records.durations import MICROSECONDS_PER_HOUR

NO_COLUMN = -1
_CARRIED = ("last", "linear", "regression", "knn", "decay")  # the last value stands, if only to be told from


class _Column(NamedTuple):
    center: float
    spread: float
    fill: float  # in the unit of the center
    limit: int  # microseconds for which the last value stands
    missing: Missing


def columns_of(timeline: Timeline, state: PreparedState) -> Columns:
    """Return how the columns of a state are filled from the variables of a timeline."""
    columns = [_column(feature, place) for feature in state.features for place in range(width(feature))]
    center, spread, fill = (np.array([column[k] for column in columns], dtype=np.float64) for k in range(3))
    first, last = _columns_of_variables(timeline, state)
    rules = [column.missing for column in columns]
    return Columns(
        center=center,
        spread=spread,
        fill=((fill - center) / spread).astype(np.float32),
        carried=np.array([rule in _CARRIED for rule in rules], dtype=np.uint8),
        limit=np.array([column.limit for column in columns], dtype=np.int64),
        empty=np.array([SOURCE["zero" if rule == "zero" else "mean"] for rule in rules], dtype=np.uint8),
        stands=np.array([SOURCE["decay" if rule == "decay" else "carried"] for rule in rules], dtype=np.uint8),
        first=first,
        last=last,
        of_level=_columns_of_levels(timeline, state),
    )


def _column(feature: NumberState | CategoryState, place: int) -> _Column:
    """Return what a column of a feature does.

    Where rules act on a number (`with_rules`) they scale it too: it comes with center 0 and spread 1. Categories and
    the column of what stood out know zero, mean and last.
    """
    hours = feature.carry_limit_hours
    limit = FOR_EVER if hours is None else round(hours * MICROSECONDS_PER_HOUR)
    plain: Missing = feature.missing if feature.missing in ("zero", "mean") else "last"
    if isinstance(feature, CategoryState):
        return _Column(0.0, 1.0, 0.0 if plain == "zero" else feature.shares[place], limit, plain)
    if place:  # whether the value stood out
        return _Column(0.0, 1.0, 0.0, limit, plain)
    if not feature.as_measured:
        return _Column(0.0, 1.0, feature.scaled_fill, limit, feature.missing)
    return _Column(feature.center, feature.spread, feature.fill, limit, feature.missing)


def _columns_of_variables(timeline: Timeline, state: PreparedState) -> tuple[Places, Places]:
    """Return the first and the last column of each variable of the timeline; NO_COLUMN for those that are not used."""
    span = {
        (feature.code, isinstance(feature, CategoryState)): (begin, begin + width(feature) - 1)
        for feature, begin in zip(state.features, state.first_columns, strict=True)
    }
    pairs = [span.get(variable, (NO_COLUMN, NO_COLUMN)) for variable in timeline.variables]
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def _columns_of_levels(timeline: Timeline, state: PreparedState) -> Places:
    """Return the column of each level of the timeline; levels that are not kept fall to the code's last column."""
    column: dict[tuple[str, str], int] = {}
    other: dict[str, int] = {}
    for feature, begin in zip(state.features, state.first_columns, strict=True):
        if isinstance(feature, CategoryState):
            column |= {(feature.code, level): begin + place for place, level in enumerate(feature.levels)}
            other[feature.code] = begin + len(feature.levels)
    of_level = [column.get((code, level), other.get(code, 0)) for code, level in timeline.levels]
    return np.array(of_level, dtype=np.int32)
