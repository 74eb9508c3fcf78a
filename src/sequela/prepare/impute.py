"""What stands where nothing was measured. Each cell says where its number comes from (`PROVENANCE` of the batch).

One variable at a time:

    zero         0 in the code's own unit
    mean         the training mean
    last         the last value of the sequence, not older than `carry_limit`; else the training mean
    linear       between the neighbours in the cut sequence, in time; the last value after them; the first before them.
                 It looks ahead, so it is legal only where each prediction has its own sequence, cut at its time
    decay        x = g x_last + (1 - g) mean, g = exp(-max(0, w gap + b)): the input decay of GRU-D, Che and others
                 (2018), doi:10.1038/s41598-018-24271-9. The network learns w and b; its reference stands here

All at once, in `impute_jointly.py`: regression, knn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat

from sequela.batch import PROVENANCE
from sequela.prepare.rules import Column, Floats, Lookback, Rows, RuleState, at, last_measured

Codes = NDArray[np.uint8]
SOURCE = {name: np.uint8(place) for place, name in enumerate(PROVENANCE)}


@dataclass(frozen=True)
class Filled:
    """Values without gaps, and where each comes from."""

    values: Floats  # [N] or [N, F], no NaN
    provenance: Codes  # same shape, places in PROVENANCE


class ZeroFill(RuleState):
    """0 where nothing was measured."""

    rule: Literal["zero"] = "zero"

    def fill(self, column: Column) -> Filled:
        """Return the values [N] with zeros in the gaps."""
        return _fill_by(column, 0.0, "zero")


class MeanFill(RuleState):
    """The training mean where nothing was measured."""

    rule: Literal["mean"] = "mean"
    mean: FiniteFloat

    def fill(self, column: Column) -> Filled:
        """Return the values [N] with the training mean in the gaps."""
        return _fill_by(column, self.mean, "mean")


class LastFill(RuleState):
    """The last value where nothing was measured, for a while; then the training mean."""

    rule: Literal["last"] = "last"
    mean: FiniteFloat
    carry_limit_hours: Annotated[FiniteFloat, Field(gt=0)] | None = None  # still carried when exactly so old

    @property
    def lookback(self) -> Lookback:
        """Return the last value, and how old it may be."""
        return Lookback("values", 1, self.carry_limit_hours)

    def fill(self, column: Column) -> Filled:
        """Return the values [N] with the last ones in the gaps."""
        last = last_measured(column)
        if self.carry_limit_hours is not None:
            age = column.hours - at(column.own_hours, last)
            last = np.where(age > self.carry_limit_hours, -1, last)
        carried = at(column.values, last)
        filled = _fill_by(column, np.where(last >= 0, carried, self.mean), "mean")
        provenance = np.where((last >= 0) & np.isnan(column.values), SOURCE["carried"], filled.provenance)
        return Filled(filled.values, provenance)


class LinearFill(RuleState):
    """The line between neighbours where nothing was measured; the training mean in a sequence without a value."""

    rule: Literal["linear"] = "linear"
    mean: FiniteFloat
    causal: ClassVar[bool] = False

    def fill(self, column: Column) -> Filled:
        """Return the values [N] with lines in the gaps."""
        before, after = last_measured(column), _next_measured(column)
        left, right = at(column.values, before), at(column.values, after)
        hours = column.own_hours
        span, way = at(hours, after) - at(hours, before), column.hours - at(hours, before)
        share = np.clip(way / np.where(span > 0, span, 1.0), 0.0, 1.0)
        between = (before >= 0) & (after >= 0)
        value = np.where(between, left + share * (right - left), np.where(before >= 0, left, right))
        nobody = np.isnan(value)
        gap = np.where(nobody, SOURCE["mean"], np.where(between, SOURCE["linear"], SOURCE["carried"]))
        measured = ~np.isnan(column.values)
        values = np.where(measured, column.values, np.where(nobody, self.mean, value))
        return Filled(values, np.where(measured, SOURCE["measured"], gap).astype(np.uint8))


class DecayFill(RuleState):
    """The last value for the network to fade towards the training mean; the mean where nothing was measured yet."""

    rule: Literal["decay"] = "decay"
    mean: FiniteFloat

    def fill(self, column: Column) -> Filled:
        """Return the values [N] with the last ones, not yet faded, in the gaps."""
        filled = LastFill(mean=self.mean).fill(column)
        provenance = np.where(filled.provenance == SOURCE["carried"], SOURCE["decay"], filled.provenance)
        return Filled(filled.values, provenance)


ColumnFill = Annotated[ZeroFill | MeanFill | LastFill | LinearFill | DecayFill, Field(discriminator="rule")]


def fit_fill(
    rule: Literal["zero", "mean", "last", "linear", "decay"], column: Column, carry_limit_hours: float | None = None
) -> ZeroFill | MeanFill | LastFill | LinearFill | DecayFill:
    """Return what fills the gaps of a variable, learned from training rows.

    Args:
        rule: of one variable at a time.
        column: training rows only; the mean is over measured values, 0 where there is none.
        carry_limit_hours: how old a carried value may be, for `last`.
    """
    known = column.values[~np.isnan(column.values)]
    mean = float(known.mean()) if len(known) else 0.0
    if rule == "zero":
        return ZeroFill()
    if rule == "last":
        return LastFill(mean=mean, carry_limit_hours=carry_limit_hours)
    if rule == "linear":
        return LinearFill(mean=mean)
    return MeanFill(mean=mean) if rule == "mean" else DecayFill(mean=mean)


def decayed(last: Floats, mean: float, gap_hours: Floats, *, weight: float, offset: float) -> Floats:
    """Return g x_last + (1 - g) mean with g = exp(-max(0, w gap + b)): what the network computes, in closed form.

    Args:
        last: [N] last seen values.
        mean: of training.
        gap_hours: [N] since they were seen.
        weight: w of the variable, by hour.
        offset: b of the variable.

    Example:
        >>> decayed(np.array([8.0]), 4.0, np.array([2.0]), weight=np.log(2) / 2, offset=0.0).tolist()
        [6.0]
    """
    kept = np.exp(-np.maximum(0.0, weight * gap_hours + offset))
    return kept * last + (1 - kept) * mean


def _fill_by(column: Column, value: Floats | float, source: str) -> Filled:
    gap = np.isnan(column.values)
    provenance = np.where(gap, SOURCE[source], SOURCE["measured"])
    return Filled(np.where(gap, value, column.values), provenance)


def _next_measured(column: Column) -> Rows:
    """Return for each row the first row at or after it with a value, within the sequence; -1 where there is none."""
    count = len(column.values)
    here = np.arange(count)
    following = np.minimum.accumulate(np.where(np.isnan(column.values), count, here)[::-1])[::-1]
    inside = following < count
    same = column.begin[np.minimum(following, count - 1)] == column.begin if count else inside
    return np.where(inside & same, following, -1)
