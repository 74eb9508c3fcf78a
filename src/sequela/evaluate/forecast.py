"""Errors of forecasts, in the unit of what was forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import Floats, finite, person_ids, same_length, weighted_mean


def forecast_errors(target: ArrayLike, predicted: ArrayLike) -> Floats:
    """Predicted minus observed, one a prediction.

    Raises:
        ValueError: a number is missing or infinite, or the lengths differ.
    """
    y, forecast = finite("target", target), finite("predicted", predicted)
    same_length(target=y, predicted=forecast)
    return forecast - y


def mse(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared error.

    Args:
        target: what was measured.
        predicted: what was forecast, in the same unit.
        weight: at least 0, one a prediction; all equal when None. `person_weights` makes every person count once.

    Returns:
        At least 0, in the target's unit squared.

    Raises:
        ValueError: no predictions, a number that is missing or infinite, lengths that differ, weights that cannot be.

    Example:
        >>> mse([120, 130], [123, 126])  # (9 + 16) / 2
        12.5
    """
    return weighted_mean(forecast_errors(target, predicted) ** 2, weight)


def rmse(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Root of the mean squared error: large misses count for more than in `mae`.

    Args, Raises:
        as `mse`.

    Returns:
        At least 0, in the target's unit.

    Example:
        >>> rmse([120, 130], [123, 127])
        3.0
    """
    return float(np.sqrt(mse(target, predicted, weight)))


def mae(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean absolute error: by how much a forecast misses, on average.

    Args, Raises:
        as `mse`.

    Returns:
        At least 0, in the target's unit.

    Example:
        >>> mae([120, 130], [123, 126])
        3.5
        >>> mae([120, 130], [123, 126], weight=[3, 1])  # (3 * 3 + 4) / 4
        3.25
    """
    return weighted_mean(np.abs(forecast_errors(target, predicted)), weight)


def person_weights(person: ArrayLike) -> Floats:
    """Weights with which every person weighs the same, however many predictions they have.

    Args:
        person: the person of every prediction (integers or text).

    Returns:
        One a prediction, above 0; the weights of a person sum to 1.

    Raises:
        ValueError: an id is missing.

    Example:
        >>> person_weights(["a", "b", "b"]).tolist()
        [1.0, 0.5, 0.5]
    """
    _, index, count = np.unique(person_ids(person), return_inverse=True, return_counts=True)
    weights: Floats = (1.0 / count)[index]
    return weights
