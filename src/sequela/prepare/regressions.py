"""Gaps filled by regressions: each variable from the other values of the step and the last ones before it, 2F columns.

Ridge regressions in rounds: scikit-learn's IterativeImputer with BayesianRidge, without sampling (van Buuren and
Groothuis-Oudshoorn (2011), doi:10.18637/jss.v045.i03; MacKay (1992), doi:10.1162/neco.1992.4.3.415). What is kept are
its coefficients.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import FiniteFloat, model_validator
from threadpoolctl import threadpool_limits

from sequela.prepare.impute import SOURCE, Imputed
from sequela.prepare.impute_jointly import (
    means_and_spreads,
    parts,
    people_for,
    people_with_a_value,
    provenance_of,
)
from sequela.prepare.rules import Floats, Lookback, Rows, RuleState

if TYPE_CHECKING:
    from sklearn.impute import IterativeImputer
    from sklearn.linear_model import BayesianRidge

_ROUNDS = 5
_USUAL_SPREADS = 5.0  # a regression says nothing further from the mean, in standard deviations


class Regression(RuleState):
    """One step of a round: a column from all others."""

    column: int
    coefficients: list[FiniteFloat]  # one a column, 0 for itself
    intercept: FiniteFloat


class RegressionFill(RuleState):
    """What the regressions say where nothing was measured; F values of the step, then the F last ones before it."""

    rule: Literal["regression"] = "regression"
    means: list[FiniteFloat]  # [2F], to begin with
    low: list[FiniteFloat]  # [2F]
    high: list[FiniteFloat]  # [2F]
    regressions: list[Regression]  # in order, all rounds

    @model_validator(mode="after")
    def _columns_are_counted(self) -> RegressionFill:
        width = len(self.means)
        if len(self.low) != width or len(self.high) != width or width % 2:
            raise ValueError("regressions need a mean, a lowest and a highest value for each column, now and before")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("a lowest value of a regression lies above the highest")
        if any(not 0 <= step.column < width or len(step.coefficients) != width for step in self.regressions):
            raise ValueError("a regression is of one of the columns, and has a coefficient for each")
        return self

    @property
    def variables(self) -> int:
        """Return F."""
        return len(self.means) // 2

    @property
    def lookback(self) -> Lookback:
        """Return this value and the one before."""
        return Lookback(2)

    def fill(self, values: Floats, before: Floats) -> Imputed:
        """Return the values [N, F] without gaps.

        Args:
            values: [N, F], NaN where nothing was measured.
            before: [N, F] last values strictly before.
        """
        filled = np.empty_like(values)
        for part in parts(len(values)):
            rows = len(values[part])
            filled[part] = self._without_gaps(_halves(values[part], before[part]))[:rows]
        told = np.zeros(values.shape[1], dtype=bool)
        told[[step.column for step in self.regressions if step.column < values.shape[1]]] = True
        gap = np.where(told, SOURCE["regression"], SOURCE["mean"])
        return Imputed(filled, provenance_of(values, gap))

    def _without_gaps(self, columns: Floats) -> Floats:
        """Return the values [n, F] from both halves [2F, n]."""
        gaps = np.isnan(columns)
        known = np.where(gaps, np.array(self.means)[:, None], columns)
        for step in self.regressions:
            told = np.einsum("j,jn->n", np.array(step.coefficients), known) + step.intercept
            told = np.clip(told, self.low[step.column], self.high[step.column])
            np.copyto(known[step.column], told, where=gaps[step.column])
        return known[: len(columns) // 2].T


def _halves(values: Floats, before: Floats) -> Floats:
    """Return values and last values before as columns [2F, n], at least 16 rows of them.

    Over several rows `einsum` adds column by column, the same for each row; over one row it adds in another order.
    """
    columns = np.zeros((2 * values.shape[1], max(len(values), 16)))
    columns[: values.shape[1], : len(values)], columns[values.shape[1] :, : len(values)] = values.T, before.T
    return columns


def fit_regression(values: Floats, before: Floats, person: Rows, *, min_people: int, seed: int) -> RegressionFill:
    """Return the regressions that training rows teach.

    Args:
        values: [N, F] of training rows only.
        before: [N, F] last values strictly before.
        person: [N], whose row.
        min_people: a column that fewer people have is neither told nor tells; the training mean stands in.
        seed: draws the people where there are too many rows.
    """
    table = np.concatenate([values, before], axis=1)
    means, spreads = means_and_spreads(np.concatenate([values, values], axis=1))
    rows = people_for(person, seed, min_people)
    people = [people_with_a_value(column, person[rows]) for column in table[rows].T]
    used = np.flatnonzero(np.array(people) >= min_people)
    low, high = means - _USUAL_SPREADS * spreads, means + _USUAL_SPREADS * spreads
    steps: list[Regression] = []
    if len(used) > 1:
        imputer = _fitted_imputer(table[np.ix_(rows, used)], low[used], high[used])
        means[used] = imputer.initial_imputer_.statistics_
        steps = [_regression(step, used, table.shape[1]) for step in imputer.imputation_sequence_]
    return RegressionFill(means=means.tolist(), low=low.tolist(), high=high.tolist(), regressions=steps)


def _fitted_imputer(table: Floats, low: Floats, high: Floats) -> IterativeImputer:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next line possible
    from sklearn.impute import IterativeImputer
    from sklearn.linear_model import BayesianRidge

    imputer = IterativeImputer(BayesianRidge(), max_iter=_ROUNDS, min_value=low, max_value=high)
    known = table[~np.isnan(table).all(axis=1)]
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return imputer.fit(known)


def _regression(step: tuple[int, Rows, BayesianRidge], used: Rows, columns: int) -> Regression:
    coefficients = np.zeros(columns)
    coefficients[used[step[1]]] = step[2].coef_
    return Regression(
        column=int(used[step[0]]), coefficients=coefficients.tolist(), intercept=float(step[2].intercept_)
    )
