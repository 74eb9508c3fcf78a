"""Ridge regression with many penalties: what does not depend on the penalty is worked out once, block by block.

One block gives the bits of the usual way; several add up their products, and may differ from it in the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Blocks = Callable[[], Iterable[tuple[Floats, Floats]]]  # -> rows [r, C] and labels [r]


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
        blocks: gives the rows [R, C] and labels [R] in blocks, each time it is called; it may lose the rows.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._products: Floats
        self._right: Floats
        self._center, self._mean = _means(blocks)
        for number, (rows, label) in enumerate(blocks()):
            rows -= self._center
            centred = (label - self._mean)[:, None]
            is_few = not number and len(rows) < rows.shape[1]  # then solved in as many unknowns as there are rows
            products = rows @ rows.T if is_few else rows.T @ rows
            right = centred if is_few else rows.T @ centred
            if number:
                self._products += products
                self._right += right
            else:
                self._products, self._right, self._few = products, right, rows if is_few else None

    def model(self, penalty: float) -> RidgeModel:
        """Return the line of a penalty above 0."""
        products = self._products.copy()
        products.flat[:: len(products) + 1] += penalty
        solved = linalg.solve(products, self._right, assume_a="pos", overwrite_a=self._few is None)
        weights = (solved if self._few is None else self._few.T @ solved).T.ravel()
        return RidgeModel(weights=weights, intercept=float(self._mean - self._center @ weights))


def _means(blocks: Blocks) -> tuple[Floats, float]:
    """Return the mean of each column [C], rows added one after the other, and that of the labels."""
    total, labels = np.zeros(0), []
    for number, (rows, label) in enumerate(blocks()):
        if number:
            rows[0] += total
        total = rows.sum(axis=0)
        labels.append(label)
    every = np.concatenate(labels)
    return total / len(every), float(np.average(every))
