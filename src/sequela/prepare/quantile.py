"""A scale by ranks: the normal quantile of the share of training values below a value.

Knots are means of bins of training values, each of at least `min_people` people, at the middle of the bin's shares;
between knots the share is linear, beyond the outermost ones it stays. So one outlier weighs no more than its bin, and
no knot is a person's value. With the same knots this is scikit-learn's
QuantileTransformer(output_distribution="normal").
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import FiniteFloat, model_validator
from scipy.special import ndtri

from sequela.prepare.rules import Floats, Rows, RuleState, bins_of_people

_SLACK = 2e-13  # relative: another processor rounds a transform to other last bits, and a power of 60 makes 60 of one


class QuantileScale(RuleState):
    """Knots that rise, and the share of training values below each."""

    scale: Literal["quantile"] = "quantile"
    knots: list[FiniteFloat]
    shares: list[FiniteFloat]  # between 0 and 1, both excluded

    @model_validator(mode="after")
    def _rises(self) -> QuantileScale:
        if len(self.knots) != len(self.shares):
            raise ValueError("a quantile scale needs one share for each knot")
        if self.knots != sorted(self.knots) or self.shares != sorted(self.shares):
            raise ValueError("the knots of a quantile scale, and their shares, must not fall")
        if self.shares and not 0 < self.shares[0] <= self.shares[-1] < 1:
            raise ValueError("shares of a quantile scale lie between 0 and 1")
        return self

    def apply(self, values: Floats) -> Floats:
        """Return normal quantiles [N]; missing stays missing, and a value that never varied is 0."""
        if len(self.knots) < 2:
            return np.where(np.isnan(values), np.nan, 0.0)
        knots, shares = np.array(self.knots), np.array(self.shares)
        values = _on_knots(values, knots)
        # Equal knots: once from below and once from above, so that a frequent value gets the middle of its shares.
        below, above = np.interp(values, knots, shares), -np.interp(-values, -knots[::-1], -shares[::-1])
        return np.asarray(ndtri((below + above) / 2))


def fit_quantile_scale(values: Floats, person: Rows, min_people: int) -> QuantileScale:
    """Return at most 100 knots of training values.

    Args:
        values: [M], finite.
        person: [M], whose.
        min_people: that each knot must rest on.

    Example:
        >>> fitted = fit_quantile_scale(np.array([1.0, 2.0, 3.0, 5.0]), np.array([0, 1, 2, 3]), min_people=2)
        >>> fitted.knots, fitted.shares
        ([1.5, 4.0], [0.25, 0.75])
    """
    bins = bins_of_people(values, person, min_people)
    counts = np.array([len(rows) for rows in bins], dtype=np.float64)
    shares = (np.cumsum(counts) - counts / 2) / max(len(values), 1)
    return QuantileScale(knots=_rising([float(values[rows].mean()) for rows in bins]), shares=shares.tolist())


def _on_knots(values: Floats, knots: Floats) -> Floats:
    """Return values [N], those that are a knot but for the last bits as that knot."""
    after = np.clip(np.searchsorted(knots, values), 1, len(knots) - 1)
    near = np.where(values - knots[after - 1] < knots[after] - values, knots[after - 1], knots[after])
    return np.where(np.abs(values - near) <= _SLACK * np.abs(near), near, values)


def _rising(knots: list[float]) -> list[float]:
    """Return the knots, each as the one before where it lies beyond that by the last bits only: one value made both."""
    risen: list[float] = []
    for knot in knots:
        is_beyond = not risen or knot - risen[-1] > _SLACK * abs(knot)
        risen.append(knot if is_beyond else risen[-1])
    return risen
