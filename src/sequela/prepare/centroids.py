"""Gaps filled from the nearest of a few typical states, each the mean of at least `min_people` people (k-means).

Near is measured over what both know, in training standard deviations: scikit-learn's KNNImputer on centroids instead
of people (Troyanskaya and others (2001), doi:10.1093/bioinformatics/17.6.520).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat, model_validator
from threadpoolctl import threadpool_limits

from sequela.prepare.impute import SOURCE, Imputed
from sequela.prepare.impute_jointly import (
    means_and_spreads,
    parts,
    people_for,
    people_with_a_value,
    provenance_of,
)
from sequela.prepare.rules import Floats, Rows, RuleState

_ROUNDS = 5
_MOST_CENTROIDS = 24
_PEOPLE_A_CENTROID = 3  # times min_people, on average
_NEIGHBOURS = 3


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
        for part in parts(len(values)):
            told = self._nearby(np.where(np.isnan(values[part]), before[part], values[part]))
            gap[part] = np.where(np.isnan(told), SOURCE["mean"], SOURCE["knn"])
            told = np.where(np.isnan(told), self.means, told)
            filled[part] = np.where(np.isnan(values[part]), told, values[part])
        return Imputed(filled, provenance_of(values, gap))

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
    means, spreads = means_and_spreads(values)
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
    from sklearn.cluster import KMeans

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


def _mean_of_people(column: Floats, person: Rows, min_people: int) -> float | None:
    if people_with_a_value(column, person) < min_people:
        return None
    return float(column[~np.isnan(column)].mean())
