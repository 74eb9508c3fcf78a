"""Does a higher risk go with the event? AUROC and average precision, ties counted, for many weights at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import Floats, finite, same_length, usable_weights


def auroc(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float | None:
    """Probability that a prediction with the event bears a higher risk than one without; a tie counts half.

    Args:
        target: 1 with the event, 0 without, one a prediction.
        predicted: what ranks: a risk, a logit, any score of which more means more risk.
        weight: at least 0, one a prediction; all equal when None.

    Returns:
        0 to 1, 0.5 by chance; None where all predictions have the event, or none has.

    Raises:
        ValueError: a number that is missing or infinite, a target other than 0 and 1, lengths that differ, weights that
            cannot be.

    Source: Hanley & McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982), 29-36.

    Example:
        Of the four pairs, three are in order and one is a tie:

        >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
        0.875
    """
    return _single(target, predicted, weight, 0)


def average_precision(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> float | None:
    """Area under the precision-recall curve as average precision: no straight lines between its points.

    Sum over the distinct risks, from the highest down, of the recall gained times the precision reached.

    Args, Raises:
        as `auroc`.

    Returns:
        Above 0 to 1; by chance about the share of events. None where no prediction has the event.

    Example:
        Recall 1/2 at precision 1, then the other half at precision 2/3:

        >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]), 4)
        0.8333
    """
    return _single(target, predicted, weight, 1)


class Ranking:
    """Predictions in the order of their risk, highest first: sorted once, scored under any number of weights.

    Args:
        target: [R] 0 or 1.
        predicted: [R] what ranks.
    """

    def __init__(self, target: Floats, predicted: Floats) -> None:
        self.order = np.argsort(-predicted, kind="stable")
        self.event = target[self.order]
        ranked = predicted[self.order]
        starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(ranked) else np.empty(0, dtype=np.intp)
        self.starts = None if len(starts) == len(ranked) else starts

    def scores(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return AUROC and average precision, each [B], for weights [B, R] in the predictions' own order.

        NaN where one of the two kinds has no weight.
        """
        weight = weights[:, self.order]
        events = weight * self.event
        others = weight - events
        if self.starts is not None:  # predictions of equal risk are one step of the curve
            events, others = (np.add.reduceat(each, self.starts, axis=1) for each in (events, others))
        above = np.cumsum(events, axis=1)
        alerts = np.cumsum(others, axis=1)
        total, rest = above[:, -1].copy(), alerts[:, -1].copy()
        alerts += above
        in_order = np.einsum("br,br->b", others, above - events / 2)
        np.divide(above, alerts, out=above, where=alerts > 0)  # the precision; where nobody was reached no event counts
        with np.errstate(invalid="ignore", divide="ignore"):
            return in_order / (total * rest), np.einsum("br,br->b", events, above) / total


def binary(target: ArrayLike) -> Floats:
    """Return the target as a flat array of 0 and 1.

    Raises:
        ValueError: another number; the message gives the count only.
    """
    events = finite("target", target)
    strange = int(((events != 0) & (events != 1)).sum())
    if strange:
        raise ValueError(f"target must be 0 or 1, got {strange} of {events.size} other numbers")
    return events


def _single(target: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None, which: int) -> float | None:
    events, scores = binary(target), finite("predicted", predicted)
    weights = usable_weights(weight, len(events))
    same_length(target=events, predicted=scores, weight=weights)
    if not len(events):
        raise ValueError("at least one prediction is needed, got none")
    found = float(Ranking(events, scores).scores(weights[None])[which][0])
    return found if np.isfinite(found) else None
