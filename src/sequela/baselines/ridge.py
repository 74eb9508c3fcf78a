"""Ridge regression with many penalties, from rows that come in blocks: no more than one of these stands in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Blocks = Iterable[tuple[Floats, Floats]]  # rows [r, C] and labels [r]


@dataclass(frozen=True, kw_only=True)
class RidgeModel:
    """A fitted line."""

    weights: Floats  # [C]
    intercept: float

    def __call__(self, rows: Floats) -> Floats:
        """Return what the line says of rows [R, C]."""
        said: Floats = rows @ self.weights + self.intercept
        return said


def ridge_lines(blocks: Blocks, penalties: Sequence[float]) -> list[RidgeModel]:
    """Return for each penalty the line with the least squares and penalty on squared weights, but not the intercept.

    scikit-learn's `Ridge` says the same, and holds all rows at once. Products are centred once they are summed up, so
    columns should be standardised.

    Args:
        blocks: rows and labels, at least one of each.
        penalties: above 0.
    """
    count, labels = 0, 0.0
    rows_sum, products, right = np.zeros(()), np.zeros(()), np.zeros(())
    for rows, label in blocks:
        count, labels = count + len(label), labels + label.sum()
        rows_sum = rows_sum + rows.sum(axis=0)
        products = products + rows.T @ rows
        right = right + rows.T @ label
    center, mean = rows_sum / count, labels / count
    products = products - count * np.outer(center, center)
    right = right - count * center * mean
    lines = []
    for penalty in penalties:
        weights = linalg.solve(products + penalty * np.eye(len(products)), right, assume_a="pos")
        lines.append(RidgeModel(weights=weights, intercept=float(mean - center @ weights)))
    return lines
