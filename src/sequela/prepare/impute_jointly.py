"""What stands where nothing was measured, told from all variables together.

regression: each variable from the other values of the step and the last ones before it, 2F columns, by ridge
regressions in rounds: scikit-learn's IterativeImputer with BayesianRidge, without sampling (van Buuren and Groothuis-
Oudshoorn (2011), doi:10.18637/jss.v045.i03; MacKay (1992), doi:10.1162/neco.1992.4.3.415). What is kept are its
coefficients.

knn: the weighted mean of the nearest of a few typical states, each the mean of at least `min_people` people
(k-means). Near is measured over what both know, in training standard deviations: scikit-learn's KNNImputer on
centroids instead of people (Troyanskaya and others (2001), doi:10.1093/bioinformatics/17.6.520).

The cost of fitting is bounded: whole people are drawn until they have 10,000 rows and are `min_people`. Each sum runs
over the columns of one row in a fixed order, never as a matrix product, whose bits depend on the other rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat, model_validator
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next line possible
from sklearn.impute import IterativeImputer
from sklearn.linear_model import BayesianRidge
from threadpoolctl import threadpool_limits

from sequela.prepare.impute import SOURCE, Codes, Imputed
from sequela.prepare.rules import Column, Floats, Lookback, Mask, Rows, RuleState, at, measured_before

_ROWS_TO_FIT = 10_000
_ROUNDS = 5
_USUAL_SPREADS = 5.0  # a regression says nothing further from the mean, in standard deviations
_MOST_CENTROIDS = 24
_PEOPLE_A_CENTROID = 3  # times min_people, on average
_NEIGHBOURS = 3
_ROWS_AT_ONCE = 1 << 11  # so many rows of a few dozen columns stay in the cache


def values_before(values: Floats, begin: Rows, hours: Floats) -> Floats:
    """Return the last value of each variable strictly before each row [N, F], within the sequence; NaN without one."""
    before = np.full(values.shape, np.nan)
    for place, column in enumerate(values.T):
        before[:, place] = at(column, measured_before(Column(values=column, begin=begin, hours=hours)))
    return before


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
        for part in _parts(len(values)):
            rows = len(values[part])
            filled[part] = self._without_gaps(_halves(values[part], before[part]))[:rows]
        told = np.zeros(values.shape[1], dtype=bool)
        told[[step.column for step in self.regressions if step.column < values.shape[1]]] = True
        gap = np.where(told, SOURCE["regression"], SOURCE["mean"])
        return Imputed(filled, _provenance(values, gap))

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


class CentroidFill(RuleState):
    """The weighted mean of the nearest centroids where nothing was measured; the mean where nothing is known."""

    rule: Literal["knn"] = "knn"
    means: list[FiniteFloat]  # [F]
    spreads: list[Annotated[FiniteFloat, Field(gt=0)]]  # [F]
    centroids: list[list[FiniteFloat | None]]  # [C, F], null where fewer than min_people people know the variable
    neighbours: Annotated[int, Field(ge=1)] = _NEIGHBOURS

    @model_validator(mode="after")
    def _variables_are_counted(self) -> CentroidFill:
        if {len(self.spreads), *map(len, self.centroids)} != {len(self.means)}:
            raise ValueError("centroids need a mean, a spread and a value or null for each variable")
        return self

    @property
    def variables(self) -> int:
        """Return F."""
        return len(self.means)

    def fill(self, values: Floats, before: Floats) -> Imputed:
        """Return the values [N, F] without gaps.

        Args:
            values: [N, F], NaN where nothing was measured.
            before: [N, F] last values strictly before: where a row stands is told by what is known then.
        """
        filled, gap = values.copy(), np.empty(values.shape, dtype=np.uint8)
        for part in _parts(len(values)):
            told = self._nearby(np.where(np.isnan(values[part]), before[part], values[part]))
            gap[part] = np.where(np.isnan(told), SOURCE["mean"], SOURCE["knn"])
            told = np.where(np.isnan(told), self.means, told)
            filled[part] = np.where(np.isnan(values[part]), told, values[part])
        return Imputed(filled, _provenance(values, gap))

    def _nearby(self, known: Floats) -> Floats:
        """Return what the nearest centroids say [n, F]; NaN where they cannot be told or say nothing."""
        centroids = np.array(self.centroids, dtype=np.float64).reshape(-1, known.shape[1])
        distance = nan_distances(known / self.spreads, centroids / self.spreads)
        told = np.full(known.shape, np.nan)
        unknown = np.isnan(centroids)
        for pattern in np.unique(unknown, axis=1).T:
            able = np.flatnonzero(~pattern)
            if len(able):
                alike = np.flatnonzero((unknown == pattern[:, None]).all(axis=0))
                told[:, alike] = _mean_of_nearest(distance[:, able], centroids[np.ix_(able, alike)], self.neighbours)
        return told


def nan_distances(rows: Floats, centroids: Floats) -> Floats:
    """Return Euclidean distances [n, C] over what both know, scaled up for what they do not; inf where that is nothing.

    Args:
        rows: [n, F].
        centroids: [C, F].
    """
    squares, both = np.zeros((len(rows), len(centroids))), np.zeros((len(rows), len(centroids)))
    for row, centroid in zip(rows.T, centroids.T, strict=True):
        difference = row[:, None] - centroid
        known = ~np.isnan(difference)
        both += known
        squares += np.where(known, difference * difference, 0.0)
    return np.where(both > 0, np.sqrt(squares * rows.shape[1] / np.maximum(both, 1.0)), np.inf)


def _mean_of_nearest(distance: Floats, donors: Floats, neighbours: int) -> Floats:
    """Return the means [n, f] of the nearest donors [C, f], weighted by 1 / distance; NaN where all are at infinity."""
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :neighbours]
    away = np.take_along_axis(distance, nearest, axis=1)
    exact = away == 0
    weight = np.where(exact.any(axis=1, keepdims=True), exact, 1.0 / np.where(exact, 1.0, away))
    total, weights = np.zeros((len(distance), donors.shape[1])), np.zeros((len(distance), 1))
    for rank in range(nearest.shape[1]):
        total += weight[:, rank, None] * donors[nearest[:, rank]]
        weights += weight[:, rank, None]
    return np.where(weights > 0, total / np.where(weights > 0, weights, 1.0), np.nan)


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
    means, spreads = _means_and_spreads(np.concatenate([values, values], axis=1))
    rows = people_for(person, seed, min_people)
    used = np.flatnonzero([_people(table[rows, place], person[rows]) >= min_people for place in range(table.shape[1])])
    low, high = means - _USUAL_SPREADS * spreads, means + _USUAL_SPREADS * spreads
    steps: list[Regression] = []
    if len(used) > 1:
        imputer = _fitted_imputer(table[np.ix_(rows, used)], low[used], high[used])
        means[used] = imputer.initial_imputer_.statistics_
        steps = [_regression(step, used, table.shape[1]) for step in imputer.imputation_sequence_]
    return RegressionFill(means=means.tolist(), low=low.tolist(), high=high.tolist(), regressions=steps)


def _fitted_imputer(table: Floats, low: Floats, high: Floats) -> IterativeImputer:
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


def fit_centroids(values: Floats, before: Floats, person: Rows, *, min_people: int, seed: int) -> CentroidFill:
    """Return the centroids of training rows, each of at least `min_people` people.

    Args:
        values: [N, F] of training rows only.
        before: [N, F] last values strictly before.
        person: [N], whose row.
        min_people: a smaller cluster is dissolved among the others, and a variable that fewer of its people know is
            unknown there.
        seed: draws the people where there are too many rows, and the first centroids.
    """
    means, spreads = _means_and_spreads(values)
    rows = people_for(person, seed, min_people)
    known = np.where(np.isnan(values[rows]), before[rows], values[rows])
    told = ~np.isnan(known).all(axis=1)
    known, person = known[told], person[rows][told]
    cluster = _clusters((known - means) / spreads, person, min_people, seed)
    members = [cluster == number for number in np.unique(cluster)]
    centroids = [
        [_mean_of_people(column[chosen], person[chosen], min_people) for column in known.T] for chosen in members
    ]
    return CentroidFill(means=means.tolist(), spreads=spreads.tolist(), centroids=centroids)


def _clusters(points: Floats, person: Rows, min_people: int, seed: int) -> Rows:
    """Return the cluster of each point [n]; each rests on enough people, unless there is only one.

    k-means begins with means in the gaps; then the gaps are left out of distances and means (k-POD: Chi, Chi and
    Baraniuk (2016), doi:10.1080/00031305.2015.1086685), so that people are not grouped by what was measured.
    """
    filled = np.where(np.isnan(points), 0.0, points)
    wanted = min(_MOST_CENTROIDS, len(np.unique(person)) // (_PEOPLE_A_CENTROID * min_people))
    wanted = min(wanted, len(np.unique(filled, axis=0)))
    if wanted < 2:
        return np.zeros(len(points), dtype=np.int64)
    with threadpool_limits(1):
        cluster = KMeans(wanted, n_init=3, random_state=seed).fit(filled).labels_
    for _ in range(_ROUNDS):
        cluster = _nearest(points, _centers(points, cluster, person, 1))
    return _nearest(points, _centers(points, cluster, person, min_people))


def _centers(points: Floats, cluster: Rows, person: Rows, min_people: int) -> Floats:
    """Return the means of what is known [C, F] in clusters of enough people; the mean of all where there is none."""
    members = [cluster == number for number in np.unique(cluster)]
    kept = [chosen for chosen in members if len(np.unique(person[chosen])) >= min_people]
    known = ~np.isnan(points)
    sums = [(np.where(known, points, 0.0)[chosen].sum(axis=0), known[chosen].sum(axis=0)) for chosen in kept]
    if not sums:
        return np.zeros((1, points.shape[1]))
    return np.array([np.where(count > 0, total / np.maximum(count, 1), np.nan) for total, count in sums])


def _nearest(points: Floats, centers: Floats) -> Rows:
    return np.asarray(np.argmin(nan_distances(points, centers), axis=1))


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


def _means_and_spreads(values: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column [F].

    Without a value the mean is 0; where values do not vary the deviation is 1, or what single precision tells apart.
    """
    known = [column[~np.isnan(column)] for column in values.T]
    means = np.array([column.mean() if len(column) else 0.0 for column in known])
    spreads = np.array([column.std() if len(column) else 1.0 for column in known])
    least = 1e-7 * np.abs(means)
    return means, np.where(spreads > np.maximum(least, 1e-307), spreads, np.maximum(least, 1.0))


def _people(column: Floats, person: Rows) -> int:
    return len(np.unique(person[~np.isnan(column)]))


def _mean_of_people(column: Floats, person: Rows, min_people: int) -> float | None:
    if _people(column, person) < min_people:
        return None
    return float(column[~np.isnan(column)].mean())


def _provenance(values: Floats, gap: Codes) -> Codes:
    missing: Mask = np.isnan(values)
    return np.where(missing, gap, SOURCE["measured"]).astype(np.uint8)


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, count))
