"""Every step of preparation under one roof: fitted on a table, applied to a table, told how far back it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sequela.prepare import scaling
from sequela.prepare.impute import fit_fill
from sequela.prepare.impute_jointly import fit_centroids, fit_regression, values_before
from sequela.prepare.outliers import fit_outliers, without_outliers
from sequela.prepare.quantile import fit_quantile_scale
from sequela.prepare.rules import NOW, Column, Lookback, RuleState
from sequela.prepare.transforms import fit_transform

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


Fit = Callable[[Table], list[RuleState]]
Apply = Callable[[list[RuleState], Table], np.ndarray]


@dataclass(frozen=True)
class Step:
    """A step: one state a variable, or one for all; what it gives is [N, any]."""

    fit: Fit
    apply: Apply
    joint: bool = False
    fills: bool = False
    positive: bool = False  # refuses variables of which many values are zero or below


class Scaling(RuleState):
    """Center and spread, as the fitted preparation stores them."""

    center: float
    spread: float


def by_column(
    fit: Callable[[Column, np.ndarray], RuleState], apply: Callable[[Any, Column], np.ndarray], **keys: bool
) -> Step:
    def fit_all(table: Table) -> list[RuleState]:
        return [fit(table.column(place), table.person) for place in range(table.values.shape[1])]

    def apply_all(states: list[RuleState], table: Table) -> np.ndarray:
        parts = [apply(state, table.column(place)) for place, state in enumerate(states)]
        return np.concatenate([part if part.ndim == 2 else part[:, None] for part in parts], axis=1)

    return Step(fit_all, apply_all, **keys)


def _outlier(rule: Any, action: Any) -> Step:
    def apply(state: Any, column: Column) -> np.ndarray:
        limits = state.limits(column)
        return np.stack([without_outliers(column.values, limits, action), limits.touched(column.values)], axis=1)

    return by_column(lambda column, _: fit_outliers(rule, column), apply)


def _transform(rule: str) -> Step:
    return by_column(
        lambda column, _: fit_transform(rule, column, "x"),
        lambda state, column: state.apply(column),
        positive=rule == "log",
    )


def _fill(rule: Any, carry_limit_hours: float | None = None) -> Step:
    def apply(state: Any, column: Column) -> np.ndarray:
        filled = state.fill(column)
        return np.stack([filled.values, filled.provenance], axis=1)

    return by_column(lambda column, _: fit_fill(rule, column, carry_limit_hours), apply, fills=True)


def _scale(rule: Any) -> Step:
    def fit(column: Column, person: np.ndarray) -> RuleState:
        known = ~np.isnan(column.values)
        if rule == "quantile":
            return fit_quantile_scale(column.values[known], person[known], MIN_PEOPLE)
        center, spread = scaling(column.values[known], rule) if known.any() else (0.0, 1.0)
        return Scaling(center=center, spread=spread)

    def apply(state: Any, column: Column) -> np.ndarray:
        if isinstance(state, Scaling):
            return (column.values - state.center) / state.spread
        return np.asarray(state.apply(column.values))

    return by_column(fit, apply)


def _joint(fit: Any) -> Step:
    def fit_one(table: Table) -> list[RuleState]:
        before = values_before(table.values, table.begin, table.hours)
        return [fit(table.values, before, table.person, min_people=MIN_PEOPLE, seed=0)]

    def apply(states: list[Any], table: Table) -> np.ndarray:
        filled = states[0].fill(table.values, values_before(table.values, table.begin, table.hours))
        return np.concatenate([filled.values, filled.provenance], axis=1)

    return Step(fit_one, apply, joint=True, fills=True)


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
    **{f"missing {rule}": _fill(rule) for rule in ("zero", "mean", "last", "linear", "decay")},
    "missing last, carried for 3 hours": _fill("last", 3.0),
    "missing regression": _joint(fit_regression),
    "missing knn": _joint(fit_centroids),
    **{f"scale {rule}": _scale(rule) for rule in ("standard", "minmax", "robust", "quantile", "none")},
}


def lookback_of(state: RuleState) -> Lookback:
    return NOW if isinstance(state, Scaling) else state.lookback


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
