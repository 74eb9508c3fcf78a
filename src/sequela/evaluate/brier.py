"""How far risks lie from what happened: the Brier score, alone and beside the one of knowing only the share of events.

Source: Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950), 1-3;
Steyerberg et al., Assessing the performance of prediction models, Epidemiology 21 (2010), 128-138 (scaled).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import weighted_mean
from sequela.evaluate.calibration import checked


def brier(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared distance of the risk from 1 with the event and 0 without.

    Args:
        target: 1 with the event, 0 without, one a prediction.
        predicted: the risk, 0 to 1.
        weight: at least 0, one a prediction; all equal when None.

    Returns:
        0 to 1; less is better.

    Raises:
        ValueError: no predictions, numbers outside of their range, lengths that differ, weights that cannot be.

    Example:
        >>> brier([1, 0], [0.5, 0.0])
        0.125
    """
    events, risk, _ = checked(target, predicted, weight)
    return weighted_mean((risk - events) ** 2, weight)


def scaled_brier(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float | None:
    """Share of the Brier score of the constant risk (the share of events) that is gone.

    Args, Raises:
        as `brier`.

    Returns:
        1 is perfect, 0 as good as the constant, below 0 worse. None where all have the event, or none has.

    Example:
        >>> scaled_brier([1, 0], [0.5, 0.0])
        0.5
    """
    events, _, weights = checked(target, predicted, weight)
    if len(np.unique(events[weights > 0])) < 2:  # of weights such as thirds, rounding would leave a share beside 1
        return None
    share = weighted_mean(events, weight)
    return 1 - brier(target, predicted, weight) / (share * (1 - share))
