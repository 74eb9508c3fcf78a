"""What is asked of LightGBM, which is loaded at the first question: with what it brings along that takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.windows import Matrix

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

    from sequela.baselines.side_by_side import Stop

Floats = NDArray[np.float64]

MOST_TREES = 3000
_BINNED_ON = 200_000  # rows; LightGBM itself looks at no more


def binned(matrix: Matrix, labels: Floats, settings: dict[str, Any], init_score: Floats | None = None) -> Dataset:
    """Return rows for LightGBM; each column has a bin for what is missing, whether or not any row misses it.

    Random thresholds (`extra_trees`) are drawn from all but the highest bound between bins (LightGBM 4.7): without that
    bin, of a column of 1, 2 and 3 none would ever part 3 from 2.

    Args:
        matrix: [R, columns], NaN where unknown.
        labels: [R].
        settings: of LightGBM.
        init_score: [R] what boosting starts from.
    """
    import lightgbm

    few = matrix
    if len(matrix) >= _BINNED_ON:
        chosen = np.random.default_rng(0).choice(len(matrix), _BINNED_ON - 1, replace=False)
        few = matrix[np.sort(chosen)]
    nothing_known = np.full((1, matrix.shape[1]), np.nan, dtype=matrix.dtype)
    bins = lightgbm.Dataset(np.concatenate([few, nothing_known]), params=settings)
    return bins.create_valid(matrix, labels, init_score=init_score, params=settings)


def complete_columns(matrix: Matrix) -> NDArray[np.bool_]:
    """Return for each column whether no row misses its value."""
    return np.asarray(~np.isnan(matrix).any(axis=0))


def grow(settings: dict[str, Any], taught: Dataset, trees: int, *stops: Stop) -> Booster:
    """Return a booster of so many trees."""
    import lightgbm

    return lightgbm.train(settings, taught, num_boost_round=trees, callbacks=list(stops))


def grow_while_it_gains(
    settings: dict[str, Any], taught: Dataset, judge: Dataset, *stops: Stop, patience: int
) -> Booster:
    """Return a booster whose `best_iteration` is where the judges saw the last gain before `patience` trees without."""
    import lightgbm

    early = lightgbm.early_stopping(patience, verbose=False)
    return lightgbm.train(settings, taught, num_boost_round=MOST_TREES, valid_sets=[judge], callbacks=[early, *stops])


def read_booster(text: str) -> Booster:
    """Return the booster of LightGBM's own text format."""
    import lightgbm

    return lightgbm.Booster(model_str=text)
