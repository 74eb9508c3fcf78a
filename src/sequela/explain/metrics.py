"""Metrics of weighted rows, in many resamples of people at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Callable[[Floats, Floats, Floats], Floats]  # labels [N], predicted [N], weights [B, N] -> [B]

_SURE = 1e-15


def auroc(label: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Return the area under the ROC curve in each resample [B], ties counted half; NaN where one class is missing.

    Example:
        >>> auroc(np.array([0.0, 1.0]), np.array([0.2, 0.2]), np.ones((1, 2))).tolist()
        [0.5]
    """
    order = np.argsort(predicted, kind="stable")
    ranked = predicted[order]
    begin = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    weight = weights[:, order]
    events = np.add.reduceat(weight * label[order], begin, axis=1)
    others = np.add.reduceat(weight * (1 - label[order]), begin, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    return _ratio((events * below).sum(axis=1), events.sum(axis=1) * others.sum(axis=1))


def brier(label: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Return the mean squared difference of probability and outcome in each resample [B]."""
    return _mean((predicted - label) ** 2, weights)


def log_loss(label: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Return the mean of -log of the probability that was given to what happened in each resample [B]."""
    sure = np.clip(predicted, _SURE, 1 - _SURE)
    return _mean(-np.where(label > 0, np.log(sure), np.log1p(-sure)), weights)


def rmse(label: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Return the root mean squared error in each resample [B]."""
    return np.sqrt(_mean((predicted - label) ** 2, weights))


def _mean(values: Floats, weights: Floats) -> Floats:
    return _ratio((weights * values).sum(axis=1), weights.sum(axis=1))


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


METRICS: dict[str, tuple[Measure, float]] = {
    "auroc": (auroc, -1.0),
    "brier": (brier, 1.0),
    "log_loss": (log_loss, 1.0),
    "rmse": (rmse, 1.0),
}
"""By name: the measure, and 1 where more of it is worse, -1 where less is."""
