"""Every step of preparation under one roof: fitted on a table, applied to a table, told how far back it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sequela.cohort.asof import Sequences, Timeline, no_levels
from sequela.cohort.facts import Facts
from sequela.prepare import PreparedState, PrepareSettings, fit_preparation
from sequela.prepare.outliers import fit_outliers, without_outliers
from sequela.prepare.rows import RowPreparation
from sequela.prepare.rules import Column, Lookback, RuleState
from sequela.prepare.transforms import fit_transform
from sequela.records.durations import MICROSECONDS_PER_HOUR

MIN_PEOPLE = 2


@dataclass(frozen=True)
class Table:
    """Rows of several people, one person after the other; F = 2 variables."""

    values: np.ndarray  # [N, F], NaN where missing
    begin: np.ndarray  # [N]
    hours: np.ndarray  # [N]
    person: np.ndarray  # [N]

    def column(self, place: int) -> Column:
        return Column(values=self.values[:, place], begin=self.begin, hours=self.hours)

    def of(self, rows: np.ndarray) -> Table:
        """Return the rows of a mask that takes whole people or their first rows."""
        begin = np.searchsorted(np.flatnonzero(rows), self.begin[rows])
        return Table(self.values[rows], begin, self.hours[rows], self.person[rows])

    def with_values(self, values: np.ndarray) -> Table:
        return replace(self, values=values)


State = RuleState | PreparedState
Fit = Callable[[Table], list[Any]]
Apply = Callable[[list[Any], Table], np.ndarray]


@dataclass(frozen=True)
class Step:
    """A step: one state a variable, or one for all; what it gives is [N, any]."""

    fit: Fit
    apply: Apply
    together: bool = False  # one state for all variables
    fills: bool = False  # what was measured comes first, as it was
    positive: bool = False  # refuses variables of which many values are zero or below


def by_column(fit: Callable[[Column], RuleState], apply: Callable[[Any, Column], np.ndarray], **keys: bool) -> Step:
    def fit_all(table: Table) -> list[RuleState]:
        return [fit(table.column(place)) for place in range(table.values.shape[1])]

    def apply_all(states: list[Any], table: Table) -> np.ndarray:
        parts = [apply(state, table.column(place)) for place, state in enumerate(states)]
        return np.concatenate([part if part.ndim == 2 else part[:, None] for part in parts], axis=1)

    return Step(fit_all, apply_all, **keys)


def _outlier(rule: Any, action: Any) -> Step:
    def apply(state: Any, column: Column) -> np.ndarray:
        limits = state.limits(column)
        return np.stack([without_outliers(column.values, limits, action), limits.touched(column.values)], axis=1)

    return by_column(lambda column: fit_outliers(rule, column), apply)


def _transform(rule: str) -> Step:
    return by_column(
        lambda column: fit_transform(rule, column, "x"),
        lambda state, column: state.apply(column),
        positive=rule == "log",
    )


def _rows(*, fills: bool = False, **keys: Any) -> Step:
    """What the pass over rows does, as a study fits and applies it."""
    settings = PrepareSettings(**({"scale": "none", "min_people": MIN_PEOPLE} | keys))

    def fit(table: Table) -> list[PreparedState]:
        timeline, sequences = _history(_with_strangers(table))
        nothing = Facts(numbers={}, categories={}, birth=None)
        return [fit_preparation(timeline, nothing, sequences, {}, settings)[0]]

    def apply(states: list[Any], table: Table) -> np.ndarray:
        timeline, sequences = _history(table)
        everybody = np.arange(len(sequences.person))
        rows = RowPreparation(timeline, states[0]).rows(sequences, everybody, provenance=True)
        assert rows.provenance is not None
        return np.concatenate([rows.values, rows.observed, rows.gap_hours, rows.provenance], axis=1)

    return Step(fit, apply, together=True, fills=fills)


def _with_strangers(table: Table) -> Table:
    """Return the table and two people more who have everything, so that there is something to learn of everything."""
    rows, values = len(table.values), np.array([[0.5, 2.5], [1.25, 8.0], [1.5, 2.0], [3.5, 4.0]])
    person = int(table.person.max(initial=-1)) + 1 + np.array([0, 0, 1, 1])
    return Table(
        np.concatenate([table.values, values]),
        np.concatenate([table.begin, rows + np.array([0, 0, 2, 2])]),
        np.concatenate([table.hours, [0.0, 2.0, 0.0, 1.0]]),
        np.concatenate([table.person, person]),
    )


def _history(table: Table) -> tuple[Timeline, Sequences]:
    """Return the table as a timeline, and one prediction of each person that reads the last row."""
    row, variable = np.nonzero(~np.isnan(table.values))
    time = np.round(table.hours * MICROSECONDS_PER_HOUR).astype(np.int64)
    first = np.unique(table.begin)
    stop = np.append(first, len(time))[1:]
    timeline = Timeline(
        step_offsets=np.append(first, len(time)),
        step_time=time,
        cell_offsets=np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(time)))]).astype(np.int64),
        cell_variable=variable.astype(np.int32),
        cell_number=table.values[row, variable].astype(np.float32),
        cell_level=no_levels(len(row)),
        cell_time=time[row],
        variables=(("a", False), ("b", False)),
        levels=(),
        stale=0,
    )
    person = np.arange(len(first))
    sequences = Sequences(
        person=person,
        first=first,
        stop=stop,
        start_time=time[first],
        episode_start=time[first],
        sequence=person,
        read=stop - 1,
        read_time=time[stop - 1],
    )
    return timeline, sequences


STEPS: dict[str, Step] = {
    **{
        f"outliers {rule} {action}": _outlier(rule, action)
        for rule in ("iqr", "mad", "hampel")
        for action in ("flag", "missing", "clip")
    },
    **{
        f"transform {rule}": _transform(rule)
        for rule in ("none", "difference", "moving_average:2", "moving_average:5", "log", "yeo_johnson")
    },
    **{
        f"missing {rule}": _rows(missing=rule, fills=True)
        for rule in ("zero", "mean", "last", "linear", "regression", "knn", "decay")
    },
    **{
        f"missing {rule}, carried for 3 hours": _rows(missing=rule, carry_limit="3h", fills=True)
        for rule in ("last", "decay")
    },
    **{f"scale {rule}": _rows(scale=rule) for rule in ("standard", "minmax", "robust", "quantile", "none")},
}


def lookback_of(state: State, place: int) -> Lookback | None:
    """Return how far back a step looks at a variable; None where it looks ahead."""
    if isinstance(state, RuleState):
        return state.lookback
    joint = state.regression or state.knn
    return state.numbers[place].lookback if joint is None else joint.lookback


CELL = st.one_of(st.none(), st.integers(-12, 12).map(lambda number: number / 4), st.sampled_from([1e6, -1e6, 0.1]))


@st.composite
def tables(draw: st.DrawFn, positive: bool = False) -> Table:
    """Draw one to five people of none to eight rows; any of it may be missing or constant."""
    lengths = draw(st.lists(st.integers(0, 8), min_size=1, max_size=5))
    rows = sum(lengths)
    cells = draw(st.lists(CELL, min_size=2 * rows, max_size=2 * rows))
    values = np.array([np.nan if cell is None else float(cell) for cell in cells]).reshape(rows, 2)
    if draw(st.booleans()):
        values[:, 0] = np.where(np.isnan(values[:, 0]), np.nan, 3.0)
    gaps = draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))
    begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
    hours = np.cumsum(gaps).astype(np.float64)
    hours -= hours[begin] if rows else 0
    person = np.repeat(np.arange(len(lengths)), lengths)
    return Table(np.abs(values) + 0.5 if positive else values, begin, hours, person)
