"""What a risk is worth to somebody who acts from a threshold on: net benefit of model, of treating all and of none.

Acting at a risk of `threshold` or more says that one person with the event who is treated outweighs
(1 - threshold) / threshold without it. Net benefit counts in persons with the event: 0.05 is as good as finding 5 of
100 and treating nobody in vain. Treating none is worth 0.

Source: Vickers & Elkin, Decision curve analysis: a novel method for evaluating prediction models, Medical Decision
Making 26 (2006), 565-574; Kerr, Brown, Zhu & Janes, Assessing the clinical impact of risk prediction models with
decision curves, J Clin Oncol 34 (2016), 2534-2540 (standardised).
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from sequela.evaluate.arrays import weighted_mean
from sequela.evaluate.calibration import checked


def net_benefit(target: ArrayLike, predicted: ArrayLike, threshold: float, weight: ArrayLike | None = None) -> float:
    """True positives minus false positives times the odds of the threshold, as a share of all predictions.

    Args:
        target: 1 with the event, 0 without, one a prediction.
        predicted: the risk, 0 to 1; at `threshold` or more somebody is treated.
        threshold: above 0 and below 1.
        weight: at least 0, one a prediction; all equal when None.

    Returns:
        At most the share of events.

    Raises:
        ValueError: a threshold that cannot be, no predictions, numbers outside of their range, lengths that differ.

    Example:
        One true and one false positive of four, at odds of 1 to 4:

        >>> net_benefit([1, 0, 1, 0], [0.9, 0.5, 0.1, 0.1], 0.2)
        0.1875
    """
    events, risk, _ = checked(target, predicted, weight)
    treated = risk >= threshold
    return weighted_mean(treated * (events - (1 - events) * odds(threshold)), weight)


def treat_all_net_benefit(prevalence: float, threshold: float) -> float:
    """Net benefit of treating everybody.

    Args:
        prevalence: share of predictions with the event.
        threshold: above 0 and below 1.

    Example:
        >>> treat_all_net_benefit(0.5, 0.2)
        0.375
    """
    return prevalence - (1 - prevalence) * odds(threshold)


def odds(threshold: float) -> float:
    """Odds of a threshold: what one person treated in vain weighs.

    Raises:
        ValueError: a threshold that does not lie above 0 and below 1.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie above 0 and below 1, got {threshold}")
    return threshold / (1 - threshold)
