"""Values that stand out. Standing out is no error: a shock does too, so the default is to flag and not to erase.

Tukey's fences (`iqr`): outside [Q1 - 3 IQR, Q3 + 3 IQR] of training values, his outer fences, "far out". The inner
ones (1.5) call 5 to 10 % of a skewed laboratory value an outlier. Tukey, Exploratory Data Analysis (1977), section
2D.

Median deviation (`mad`): |x - median| > 3.5 * 1.4826 MAD of training values. Where more than half of them are equal
and so MAD = 0, 1.2533 times the mean absolute deviation stands in. Iglewicz and Hoaglin, How to Detect and Handle
Outliers (1993).

Hampel's filter (`hampel`): |x - median| > 3 * 1.4826 MAD of the same person's last 7 values before this one, at least
3 of them. Hampel (1974), doi:10.1080/01621459.1974.10482962; Pearson (2002), doi:10.1109/TCST.2002.804122. There the
window reaches into the future. Here it does not: the first values after a true change are touched, until they are the
window's median. A person's window is short and often constant, so its spread counts as no smaller than what is usual
in training between a value and the median of those before it. A value that was corrected counts as corrected, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from sequela.prepare.rules import Column, Floats, Lookback, Mask, Rows, RuleState, measurements

OutlierRule = Literal["iqr", "mad", "hampel"]
OutlierAction = Literal["flag", "missing", "clip"]

TUKEY_FENCE = 3.0
MAD_THRESHOLD = 3.5
HAMPEL_WINDOW, HAMPEL_LEAST, HAMPEL_THRESHOLD = 7, 3, 3.0
_MAD_TO_SIGMA = 1.4826  # 1 / Phi^-1(3/4)
_MEAN_DEVIATION_TO_SIGMA = 1.2533  # sqrt(pi / 2)
_ROUNDING = 4e-7  # of limits, relative: they are worked out from values of single precision, as 38.2 from 36.6 and 37.0
_ROWS_AT_ONCE = 1 << 15  # a window of so many rows stays in the cache


@dataclass(frozen=True)
class Limits:
    """Lowest and highest value that does not stand out; equal values do not."""

    low: Floats  # [N], -inf where the rule says nothing
    high: Floats  # [N]

    def touched(self, values: Floats) -> Mask:
        """Return which values [N] stand out; missing ones never do."""
        slack = _ROUNDING * np.maximum(np.abs(self.low), np.abs(self.high))
        return (values < self.low - slack) | (values > self.high + slack)


class FixedLimits(RuleState):
    """One pair of limits for a code, fitted on training values; none where they do not vary."""

    rule: Literal["iqr", "mad"]
    low: FiniteFloat | None
    high: FiniteFloat | None

    @model_validator(mode="after")
    def _rises(self) -> FixedLimits:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("the lowest value that does not stand out lies above the highest")
        return self

    def limits(self, column: Column) -> Limits:
        """Return the same limits for each row [N]."""
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return Limits(np.full(len(column.values), low), np.full(len(column.values), high))


class HampelLimits(RuleState):
    """Limits around the median of a person's own last values; a least spread of 0: nothing varied in training."""

    rule: Literal["hampel"] = "hampel"
    least_spread: Annotated[FiniteFloat, Field(ge=0)]
    window: Annotated[int, Field(ge=1, le=64)] = HAMPEL_WINDOW
    least: Annotated[int, Field(ge=1)] = HAMPEL_LEAST
    threshold: Annotated[FiniteFloat, Field(gt=0)] = HAMPEL_THRESHOLD

    @property
    def lookback(self) -> Lookback:
        """Return this value and those of the window before it."""
        return Lookback(self.window + 1)

    def limits(self, column: Column) -> Limits:
        """Return the limits of each row [N]; none at rows without a value or with too few before."""
        median, spread = past_median_and_spread(column, self.window, self.least)
        reach = self.threshold * np.maximum(spread, self.least_spread)
        says = reach > 0  # not where there are too few before (NaN), nor where nothing ever varied
        return Limits(np.where(says, median - reach, -np.inf), np.where(says, median + reach, np.inf))


OutlierState = Annotated[FixedLimits | HampelLimits, Field(discriminator="rule")]


def fit_outliers(rule: OutlierRule, column: Column) -> FixedLimits | HampelLimits:
    """Return the limits that a rule learns from training rows.

    Args:
        rule: iqr, mad or hampel.
        column: training rows only; those without a value say nothing.

    Example:
        >>> values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> found = fit_outliers("iqr", Column(values=values, begin=np.zeros(5, int), hours=np.arange(5.0)))
        >>> found.low, found.high
        (-4.0, 10.0)
    """
    values = column.values[~np.isnan(column.values)]
    if rule == "hampel":
        return HampelLimits(least_spread=_usual_change(column))
    center, reach = _quartile_fences(values) if rule == "iqr" else _robust_fences(values)
    if not reach > 0:
        return FixedLimits(rule=rule, low=None, high=None)
    return FixedLimits(rule=rule, low=center - reach, high=center + reach)


def without_outliers(values: Floats, limits: Limits, action: OutlierAction) -> Floats:
    """Return values [N] with those that stand out kept (flag), taken away (missing) or moved to the limit (clip)."""
    if action == "flag":
        return values
    if action == "missing":
        return np.where(limits.touched(values), np.nan, values)
    return np.clip(values, limits.low, limits.high)


def _quartile_fences(values: Floats) -> tuple[float, float]:
    if not len(values):
        return 0.0, 0.0
    first, third = np.quantile(values, [0.25, 0.75])
    return float(first + third) / 2, float(third - first) * (0.5 + TUKEY_FENCE)


def _robust_fences(values: Floats) -> tuple[float, float]:
    if not len(values):
        return 0.0, 0.0
    return float(np.median(values)), MAD_THRESHOLD * robust_spread(np.abs(values - np.median(values)))


def robust_spread(deviations: Floats) -> float:
    """Return 1.4826 times the median of absolute deviations [M], or 1.2533 times their mean where the median is 0."""
    median = float(np.median(deviations))
    return _MAD_TO_SIGMA * median if median > 0 else _MEAN_DEVIATION_TO_SIGMA * float(np.mean(deviations))


def _usual_change(column: Column) -> float:
    """Return the spread of training values around the median of those before; 0 where nobody has two."""
    median, _ = past_median_and_spread(column, HAMPEL_WINDOW, 1)
    change = np.abs(column.values - median)
    change = change[~np.isnan(change)]
    return robust_spread(change) if len(change) else 0.0


def past_median_and_spread(column: Column, window: int, least: int) -> tuple[Floats, Floats]:
    """Return the median of each value's last `window` predecessors in its sequence [N], and their 1.4826 MAD.

    A measurement that was corrected is one predecessor, as corrected, and none of its corrections.

    Args:
        column: of all sequences.
        window: predecessors, at most.
        least: predecessors, at least; with fewer, and where there is no value, both are NaN.
    """
    rows, measurement = measurements(column)
    before = np.minimum(measurement - measurement[np.searchsorted(rows, column.begin[rows])], window)
    as_corrected = rows[np.diff(measurement, append=len(rows)) != 0]
    padded = np.concatenate([np.full(window, np.inf), column.values[as_corrected]])
    median, spread = np.full(len(column.values), np.nan), np.full(len(column.values), np.nan)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        past = [padded[measurement[part] + lag] for lag in range(window)]
        middle, away = _median_and_spread(past, before[part])
        enough = before[part] >= least
        median[rows[part]], spread[rows[part]] = np.where(enough, [middle, away], np.nan)
    return median, spread


def _median_and_spread(past: list[Floats], before: Rows) -> tuple[Floats, Floats]:
    """Return median and 1.4826 MAD of the last `before` [M] of the window's columns, the latest one last."""
    window = len(past)
    for lag, column in enumerate(past):
        column[window - lag > before] = np.inf
    median = _median(_sorted(past), before)
    away = [np.abs(column - median) for column in past]
    for lag, column in enumerate(away):
        column[window - lag > before] = np.inf
    return median, _MAD_TO_SIGMA * _median(_sorted(away), before)


def _sorted(columns: Sequence[Floats]) -> list[Floats]:
    """Return columns so that each row rises: odd-even transposition (Knuth, The Art of Computer Programming 3, 5.3.4).

    Whole columns change places, which for short windows is far faster than to sort each row.
    """
    ordered = list(columns)
    for turn in range(len(ordered)):
        for place in range(turn % 2, len(ordered) - 1, 2):
            low, high = ordered[place], ordered[place + 1]
            ordered[place], ordered[place + 1] = np.minimum(low, high), np.maximum(low, high)
    return ordered


def _median(ordered: Sequence[Floats], count: Rows) -> Floats:
    """Return the median of the first `count` [M] of sorted columns, 0 where there is none."""
    table = np.stack(ordered)
    row = np.arange(table.shape[1])
    lower, upper = table[np.maximum(count - 1, 0) // 2, row], table[count // 2, row]
    return np.where(count > 0, (lower + upper) / 2, 0.0)
