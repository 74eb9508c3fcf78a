"""Ridge regression with many penalties: what does not depend on the penalty is worked out once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RidgeModel:
    """A fitted line."""

    weights: Floats  # [C]
    intercept: float

    def __call__(self, rows: Floats) -> Floats:
        """Return what the line says of rows [R, C]."""
        said: Floats = rows @ self.weights + self.intercept
        return said


class RidgePath:
    """Least squares with a penalty on the squares of the weights, but not on the intercept.

    Args:
        rows: [R, C], standardised. They are centred in place, since a table of millions is not copied for nothing.
        label: [R].
    """

    def __init__(self, rows: Floats, label: Floats) -> None:
        self._center, self._mean = np.average(rows, axis=0), float(np.average(label))
        rows -= self._center
        centred = (label - self._mean)[:, None]
        self._few = rows if len(rows) < rows.shape[1] else None  # then solved in as many unknowns as there are rows
        self._products = rows @ rows.T if self._few is not None else rows.T @ rows
        self._right = centred if self._few is not None else rows.T @ centred

    def model(self, penalty: float) -> RidgeModel:
        """Return the line of a penalty above 0."""
        products = self._products.copy()
        products.flat[:: len(products) + 1] += penalty
        solved = linalg.solve(products, self._right, assume_a="pos", overwrite_a=self._few is None)
        weights = (solved if self._few is None else self._few.T @ solved).T.ravel()
        return RidgeModel(weights=weights, intercept=float(self._mean - self._center @ weights))
