"""What is asked of LightGBM, which is loaded at the first question: with what it brings along that takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

    from sequela.baselines.side_by_side import Stop

Floats = NDArray[np.float64]

MOST_TREES = 3000


def binned(table: NDArray[np.floating[Any]], labels: Floats, **given: Any) -> Dataset:
    """Return a table [R, K] with its labels [R] as LightGBM takes them; `given` are arguments of its `Dataset`."""
    import lightgbm

    return lightgbm.Dataset(table, labels, **given)


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
