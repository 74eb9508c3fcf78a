"""What baselines learn from: statistics with labels and people, folds of people, and a table for linear models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.windows import Matrix, WindowStatistics
from sequela.cohort.asof import Rows

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]
Told = Callable[[str], None]  # is told what is fitted now

_FOLDS = 5
_CELLS_AT_ONCE = 1 << 22
_FARTHEST = 5.0  # standard deviations: one typing error must not decide what a linear model says


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Predictions with their statistics, labels and people."""

    statistics: WindowStatistics
    labels: Floats  # forecast [R, horizons, targets], risk [R] 0 or 1; NaN where unknown
    person: Rows  # [R]

    def take(self, chosen: Chosen | Rows) -> Examples:
        """Return the examples that are chosen."""
        return Examples(statistics=self.statistics.take(chosen), labels=self.labels[chosen], person=self.person[chosen])

    def at_most(self, most: int, seed: int) -> Examples:
        """Return so many examples drawn at random, in their order; all where they are no more."""
        if len(self.labels) <= most:
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self.labels))[:most]))

    def and_of(self, others: Examples) -> Examples:
        """Return these examples, and after them those of other people."""
        mine, theirs = self.statistics, others.statistics
        statistics = WindowStatistics(
            matrix=np.concatenate([mine.matrix, theirs.matrix]),
            names=mine.names,
            last_target=np.concatenate([mine.last_target, theirs.last_target]),
            mean_target=np.concatenate([mine.mean_target, theirs.mean_target]),
        )
        labels = np.concatenate([self.labels, others.labels])
        return Examples(statistics=statistics, labels=labels, person=np.concatenate([self.person, others.person]))


def nobody_told(words: str) -> None:
    """Tell nobody what is fitted now."""


def folds(person: Rows) -> list[tuple[Chosen, Chosen]]:
    """Return for each fold of people which rows are of the others, and which are of the fold."""
    rank = np.unique(person, return_inverse=True)[1]
    count = min(_FOLDS, int(rank.max(initial=-1)) + 1)
    return [(rank % count != fold, rank % count == fold) for fold in range(count)] if count > 1 else []


def people_folds(person: Rows, members: int, seed: int) -> Rows:
    """Return the fold of each row [R], 0 to members - 1: the fold that a member of an ensemble is trained without.

    People are dealt out in the order of a hash of (seed, person), so that the folds have the same size to within one
    person, all rows of a person are in one fold, and the order of rows changes nothing.

    Args:
        person: [R] whose row it is.
        members: folds, at least 2.
        seed: of the study.

    Raises:
        ValueError: fewer than two folds, or fewer people than folds.

    Example:
        >>> fold = people_folds(np.array([7, 7, 9, 4]), 3, seed=0)
        >>> bool(fold[0] == fold[1]), sorted(set(fold.tolist()))
        (True, [0, 1, 2])
    """
    people, index = np.unique(person, return_inverse=True)
    if not 2 <= members <= len(people):
        raise ValueError(f"folds of people need at least 2 folds and as many people, got {members} folds")
    digests = [hashlib.blake2b(f"{seed}:fold:{p}".encode(), digest_size=16).digest() for p in people.tolist()]
    fold = np.empty(len(people), dtype=np.int64)
    fold[sorted(range(len(people)), key=digests.__getitem__)] = np.arange(len(people)) % members
    return np.asarray(fold[index])


class Standardised:
    """Standardised columns, no farther than 5 from their mean, and for each that misses values one that says where.

    Args:
        matrix: [R, C], NaN where unknown.
        distinct: True keeps one of several indicator columns that are the same, as the statistics of one span have.
    """

    def __init__(self, matrix: Matrix, *, distinct: bool = False) -> None:
        known = ~np.isnan(matrix)
        count = np.maximum(known.sum(axis=0), 1)
        self.mean = _sum(matrix, lambda part, there: np.where(there, part, 0.0)) / count
        self.std = np.sqrt(_sum(matrix, lambda part, there: np.where(there, part - self.mean, 0.0) ** 2) / count)
        self.std[self.std <= 1e-12 * np.abs(self.mean)] = 1.0  # all the same, but for rounding
        self.incomplete = np.flatnonzero(~known.all(axis=0))
        if distinct:
            patterns = np.packbits(known[:, self.incomplete], axis=0)
            self.incomplete = self.incomplete[np.sort(np.unique(patterns, axis=1, return_index=True)[1])]

    @property
    def width(self) -> int:
        """Return the number of standardised columns and indicators."""
        return len(self.mean) + len(self.incomplete)

    def __call__(self, matrix: Matrix) -> Floats:
        """Return the standardised rows [R, C + indicators] of a matrix [R, C]."""
        rows = np.empty((len(matrix), self.width))
        for some in _blocks(matrix):
            rows[some] = self._of(matrix[some])
        return rows

    def weighed(self, matrix: Matrix, weights: Floats) -> Floats:
        """Return the sum of each standardised row times the weights [R]; its bits depend on no other row."""
        found = np.empty(len(matrix))
        for some in _blocks(matrix):
            # A sum over each row by itself: a matrix product may give other bits where other rows stand beside it.
            found[some] = (self._of(matrix[some]) * weights).sum(axis=1)
        return found

    def _of(self, matrix: Matrix) -> Floats:
        missing = np.isnan(matrix)
        filled = np.where(missing, 0.0, np.clip((matrix - self.mean) / self.std, -_FARTHEST, _FARTHEST))
        return np.ascontiguousarray(np.concatenate([filled, missing[:, self.incomplete]], axis=1))


def _sum(matrix: Matrix, of: Callable[[Matrix, Chosen], Matrix]) -> Floats:
    """Return the sum of each column of what becomes of a matrix; rows are added one after the other, as NumPy does."""
    total: Floats | None = None
    for some in _blocks(matrix):
        part = of(matrix[some], ~np.isnan(matrix[some]))
        total = part.sum(axis=0, dtype=np.float64) if total is None else np.concatenate([total[None], part]).sum(axis=0)
    return np.zeros(matrix.shape[1]) if total is None else total


def _blocks(matrix: Matrix) -> Iterator[slice]:
    """Yield the rows of a matrix in blocks, so that what is made on the way stays small."""
    step = max(_CELLS_AT_ONCE // max(matrix.shape[1], 1), 1)
    return (slice(begin, begin + step) for begin in range(0, len(matrix), step))
