"""Do risks come true? Calibration in the large, intercept, slope, and how far the smoothed curve lies from the risks.

Source: Cox, Two further applications of a model for binary regression, Biometrika 45 (1958), 562-565 (intercept and
slope); Van Calster et al., A calibration hierarchy for risk models was defined, J Clin Epidemiol 74 (2016), 167-176;
Austin & Steyerberg, The Integrated Calibration Index (ICI) and related metrics, Stat Med 38 (2019), 4051-4065.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import Floats, finite, same_length, usable_weights, weighted_mean
from sequela.evaluate.discrimination import binary
from sequela.evaluate.logistic import intercept_fits, logistic_fit, logit
from sequela.evaluate.lowess import lowess


def calibration_in_the_large(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean observed minus mean predicted risk: above 0 where risks are too low.

    Args:
        target: 1 with the event, 0 without, one a prediction.
        predicted: the risk, 0 to 1.
        weight: at least 0, one a prediction; all equal when None.

    Raises:
        ValueError: no predictions, numbers outside of their range, lengths that differ, weights that cannot be.

    Example:
        >>> calibration_in_the_large([1, 0, 0, 0], [0.25, 0.25, 0.0, 0.0])
        0.125
    """
    events, risk, _ = checked(target, predicted, weight)
    return weighted_mean(events - risk, weight)


def calibration_intercept(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float | None:
    """Intercept of a logistic model of the event with logit(risk) as offset: the slope is fixed at 1.

    Args, Raises:
        as `calibration_in_the_large`. Risks of 0 and 1 are taken as 1e-7 away from it.

    Returns:
        In log odds: 0 is perfect, above 0 where risks are too low. None where all have the event, or none has.

    Example:
        Odds of 1 to 3 were said and odds of 1 to 1 came; log(3) = 1.0986:

        >>> round(calibration_intercept([1, 1, 0, 0], [0.25, 0.25, 0.25, 0.25]), 4)
        1.0986
    """
    events, risk, weights = checked(target, predicted, weight)
    found = float(intercept_fits(events, logit(risk), weights[None], tolerance=1e-12)[0])
    return found if np.isfinite(found) else None


def calibration_slope(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float | None:
    """Slope of a logistic model of the event on logit(risk).

    Args, Raises:
        as `calibration_intercept`.

    Returns:
        1 is perfect, below 1 where risks are too extreme. None where there is no finite slope: all risks are the same,
        or one risk parts all with the event from all without.

    Example:
        >>> risk, event = [0.2] * 10 + [0.8] * 10, [1] * 2 + [0] * 8 + [1] * 8 + [0] * 2
        >>> round(calibration_slope(event, risk), 6)
        1.0
        >>> calibration_slope([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]) is None
        True
    """
    events, risk, weights = checked(target, predicted, weight)
    found = logistic_fit(events, logit(risk), weights)
    return None if found is None else found[1]


def calibration_errors(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Floats:
    """Distance of each risk from the smoothed share of events at that risk; 0 to 1, one a prediction.

    The smooth is `lowess` over three quarters of the predictions, without robustifying iterations. It may leave 0 to 1
    a little at its ends, and is left as it is.

    Args, Raises:
        as `calibration_in_the_large`.
    """
    events, risk, weights = checked(target, predicted, weight)
    return np.abs(lowess(risk, events, weight=weights) - risk)


def ici(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Integrated calibration index: mean of `calibration_errors`.

    Args, Raises:
        as `calibration_in_the_large`.

    Returns:
        At least 0, where 0 is perfect. By chance alone it is above 0: the smooth follows the noise of few events.
        R's `loess` fits parabolas by default, follows more of that noise, and gives a larger index.

    Example:
        >>> risk = [0.25] * 4
        >>> ici([1, 1, 0, 0], risk)
        0.25
    """
    return weighted_mean(calibration_errors(target, predicted, weight), weight)


def checked(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Return events, risks and weights.

    Raises:
        ValueError: a target other than 0 and 1, a risk outside of 0 to 1, lengths that differ, unusable weights.
    """
    events, risk = binary(target), risks(predicted)
    same_length(target=events, predicted=risk)
    if not len(events):
        raise ValueError("at least one prediction is needed, got none")
    return events, risk, usable_weights(weight, len(events))


def risks(predicted: ArrayLike) -> Floats:
    """Return risks as a flat array.

    Raises:
        ValueError: a risk outside of 0 to 1, or none; the message gives the count only.
    """
    risk = finite("predicted", predicted)
    outside = int(((risk < 0) | (risk > 1)).sum())
    if outside:
        raise ValueError(f"predicted must lie between 0 and 1, got {outside} of {risk.size} outside")
    return risk
