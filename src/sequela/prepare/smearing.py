"""Forecasts of a bent target as means in its own unit.

What a network forecasts is the mean of the transformed target. Back in the target's own unit that is no mean; Duan's
smearing estimate mends it: the mean of g^-1(z + r) over training residuals r, of which bins of people are kept.
Duan (1983), doi:10.1080/01621459.1983.10478017, equation 2.2.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from sequela.prepare.rules import FARTHEST, Floats, Rows, RuleState, bins_of_people
from sequela.prepare.transforms import Difference, Log, NoTransform, YeoJohnson

_WHOLE = 1e-6  # how far shares may be from 1 together


class Smearing(RuleState):
    """Training residuals on the transformed scale: the mean of each bin of people, and the share of residuals in it."""

    residuals: Annotated[list[FiniteFloat], Field(min_length=1)]
    shares: list[Annotated[FiniteFloat, Field(ge=0)]]

    @model_validator(mode="after")
    def _has_whole_shares(self) -> Smearing:
        if len(self.residuals) != len(self.shares) or abs(sum(self.shares) - 1) > _WHOLE:
            raise ValueError("each bin of residuals needs its share, and together they are 1")
        return self


def residual_bins(residuals: Floats, person: Rows, min_people: int) -> Smearing:
    """Return bins of residuals, each of at least `min_people` people; one residual of 0 where there are too few.

    Args:
        residuals: [M] target minus forecast of training predictions, both transformed.
        person: [M], whose.
        min_people: that each bin must rest on.
    """
    bins = bins_of_people(residuals, person, min_people)
    if not bins:
        return Smearing(residuals=[0.0], shares=[1.0])
    return Smearing(
        residuals=[float(residuals[rows].mean()) for rows in bins],
        shares=[len(rows) / len(residuals) for rows in bins],
    )


def smeared_inverse(
    state: Log | YeoJohnson | NoTransform | Difference,
    transformed: Floats,
    smearing: Smearing,
    last: Floats | None = None,
) -> Floats:
    """Return forecasts of the mean in the target's own unit: the mean of g^-1(z + r) over residuals r.

    Args:
        state: the target's transform g.
        transformed: [R] forecasts z of the mean of the transformed target.
        smearing: residuals of training predictions.
        last: [R] last known values of the target, for `difference`.

    Example:
        >>> found = smeared_inverse(Log(), np.zeros(1), Smearing(residuals=[-1.0, 1.0], shares=[0.5, 0.5]))
        >>> round(float(found[0]), 6)  # cosh 1
        1.543081
    """
    if state.kind in ("none", "difference"):
        return state.inverse(transformed, last)
    total = np.zeros(len(transformed))
    with np.errstate(over="ignore"):
        for residual, share in zip(smearing.residuals, smearing.shares, strict=True):
            total += share * np.clip(state.inverse(transformed + residual), -FARTHEST, FARTHEST)
    return total
