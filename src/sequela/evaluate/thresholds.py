"""What happens where people are alerted from a risk on: who is found, who is missed, how many alerts.

Every number is a ratio of sums of something known per prediction, so that resamples of people need each person's sums
only: `threshold_sums` gives the sums, `threshold_metrics` the ratios of their totals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import Floats
from sequela.evaluate.benefit import odds
from sequela.evaluate.calibration import checked

THRESHOLD_METRICS = (
    "net_benefit",
    "standardised_net_benefit",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "alerts_per_100",
)


def at_threshold(
    target: ArrayLike, predicted: ArrayLike, threshold: float, weight: ArrayLike | None = None
) -> dict[str, float | None]:
    """Return sensitivity, specificity, predictive values, alerts per 100 and net benefit where risks alert.

    Args:
        target: 1 with the event, 0 without, one a prediction.
        predicted: the risk, 0 to 1; at `threshold` or more there is an alert.
        threshold: above 0 and below 1.
        weight: at least 0, one a prediction; all equal when None.

    Returns:
        The metrics by name, as fractions; None where nobody is there to count (no alert, no event).

    Raises:
        ValueError: a threshold that cannot be, no predictions, numbers outside of their range, lengths that differ.

    Example:
        >>> found = at_threshold([1, 0, 1, 0], [0.9, 0.5, 0.1, 0.1], 0.2)
        >>> found["sensitivity"], found["specificity"], found["ppv"], found["alerts_per_100"]
        (0.5, 0.5, 0.5, 50.0)
    """
    events, risk, weights = checked(target, predicted, weight)
    alert, hit = threshold_sums(events, risk, threshold)
    totals = [np.array([float(each @ weights)]) for each in (np.ones(len(events)), events, alert, hit)]
    found = threshold_metrics(*totals, threshold=threshold)
    return {name: float(value[0]) if np.isfinite(value[0]) else None for name, value in found.items()}


def threshold_sums(event: Floats, risk: Floats, threshold: float) -> tuple[Floats, Floats]:
    """Return for each prediction whether it alerts, and whether it alerts with the event; both 0 or 1."""
    alert = (risk >= threshold).astype(np.float64)
    return alert, alert * event


def threshold_metrics(
    every: Floats, event: Floats, alert: Floats, hit: Floats, *, threshold: float
) -> dict[str, Floats]:
    """Return the metrics by name from total weights; NaN where there is nothing to divide by.

    Args:
        every: [B] weight of all predictions.
        event: [B] of those with the event.
        alert: [B] of those with an alert.
        hit: [B] of those with both.
        threshold: above 0 and below 1.
    """
    # two sums of the same thirds and sevenths may differ in their last digit
    others, silent = (np.where(each > 1e-9 * every, each, np.nan) for each in (every - event, every - alert))
    with np.errstate(divide="ignore", invalid="ignore"):
        benefit = (hit - (alert - hit) * odds(threshold)) / every
        return {
            "net_benefit": benefit,
            "standardised_net_benefit": benefit * every / event,
            "sensitivity": hit / event,
            "specificity": 1 - (alert - hit) / others,
            "ppv": hit / alert,
            "npv": 1 - (event - hit) / silent,
            "alerts_per_100": 100 * alert / every,
        }
