"""Values in another form, and back again.

difference           x_n - x_m, m the last value of the variable before n; the first one has none and is missing
moving_average:k     the mean of the last k values, this one included; fewer at the start
                     (of both: a value that was corrected counts as corrected, once)
log                  ln x; a value of zero or below has none: it becomes missing and is counted, and where more than
                     one training value in twenty has none the code is refused
yeo_johnson          ((x + 1)^l - 1) / l            x >= 0, ln(x + 1) for l = 0
                     -((1 - x)^(2-l) - 1) / (2 - l)  x < 0, -ln(1 - x) for l = 2
                     l by maximum likelihood of a normal distribution: Yeo and Johnson (2000),
                     doi:10.1093/biomet/87.4.954
quantile (a scale)   the normal quantile of the share of training values below x, linear between knots
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from sequela.errors import StudyError
from sequela.prepare.rules import (
    Column,
    Floats,
    Lookback,
    RuleState,
    at,
    measured_earlier,
)

_MOST_WITHOUT_LOG = 0.05
_SHAPES_WITH_INVERSE = (0.0, 2.0)  # between them every real number is some value's transform, and no two share one
_LARGEST = float(np.finfo(np.float32).max)
_NARROWEST = 1e-9  # of transformed values, relative: narrower, double precision no longer tells them apart well


class NoTransform(RuleState):
    """Values as they are."""

    kind: Literal["none"] = "none"

    def apply(self, column: Column) -> Floats:
        """Return the values [N]."""
        return column.values

    def inverse(self, transformed: Floats, last: Floats | None = None) -> Floats:
        """Return the values [N]."""
        return transformed


class Difference(RuleState):
    """The change since the last value before."""

    kind: Literal["difference"] = "difference"

    @property
    def lookback(self) -> Lookback:
        """Return this value and the one before."""
        return Lookback(2)

    def apply(self, column: Column) -> Floats:
        """Return the changes [N]; missing at a sequence's first value."""
        return column.values - at(column.values, measured_earlier(column))

    def inverse(self, transformed: Floats, last: Floats | None = None) -> Floats:
        """Return the values [R] that lie so far from the last known ones [R]."""
        if last is None:
            raise ValueError("a difference needs the last known value to come back")
        return transformed + last


class MovingAverage(RuleState):
    """The mean of the last values, this one included; for inputs only."""

    kind: Literal["moving_average"] = "moving_average"
    window: Annotated[int, Field(ge=2, le=1000)]

    @property
    def lookback(self) -> Lookback:
        """Return the window."""
        return Lookback(self.window)

    def apply(self, column: Column) -> Floats:
        """Return the means [N], missing where the value is. Summed from the newest to the oldest of each window."""
        earlier, row = measured_earlier(column), np.arange(len(column.values))
        total, count = column.values.copy(), np.ones(len(row))
        for _ in range(1, min(self.window, len(row))):
            row = np.where(row >= 0, earlier[row], -1)
            reaches = row >= 0
            if not reaches.any():
                break
            total[reaches] += column.values[row[reaches]]
            count += reaches
        return total / count


class Log(RuleState):
    """The natural logarithm."""

    kind: Literal["log"] = "log"

    def apply(self, column: Column) -> Floats:
        """Return the logarithms [N]; missing where a value is zero or below."""
        return np.log(np.where(column.values > 0, column.values, np.nan))

    def inverse(self, transformed: Floats, last: Floats | None = None) -> Floats:
        """Return exp of what was transformed [N]."""
        return np.exp(transformed)


class YeoJohnson(RuleState):
    """The power that makes training values as normal as a power can."""

    kind: Literal["yeo_johnson"] = "yeo_johnson"
    shape: FiniteFloat  # lambda

    def apply(self, column: Column) -> Floats:
        """Return the transformed values [N]."""
        values = column.values
        above, below = _power(np.maximum(values, 0), self.shape), _power(np.maximum(-values, 0), 2 - self.shape)
        return np.where(values >= 0, above, -below)

    def inverse(self, transformed: Floats, last: Floats | None = None) -> Floats:
        """Return the values [N]; missing where none has such a transform, never with a shape between 0 and 2."""
        above = _power_inverse(np.maximum(transformed, 0), self.shape)
        below = _power_inverse(np.maximum(-transformed, 0), 2 - self.shape)
        return np.where(transformed >= 0, above, -below)


TransformState = Annotated[NoTransform | Difference | MovingAverage | Log | YeoJohnson, Field(discriminator="kind")]


def fit_transform(
    rule: str, column: Column, code: str, *, target: bool = False
) -> NoTransform | Difference | MovingAverage | Log | YeoJohnson:
    """Return the transform of a code as learned from training rows.

    Args:
        rule: none, difference, moving_average:k, log or yeo_johnson.
        column: training rows only.
        code: for the message.
        target: whether it must come back: then yeo_johnson keeps to shapes that every forecast can come back from.

    Raises:
        StudyError: for a rule that there is not, for `log` where more than one value in twenty has none, and for
            `moving_average` of a target.
    """
    check_transform(rule, code, target=target)
    if rule == "log":
        _refuse_log(column.values, code)
        return Log()
    if rule == "yeo_johnson":
        return YeoJohnson(shape=_likeliest_shape(column.values, target=target))
    if rule.startswith("moving_average"):
        return MovingAverage(window=int(rule.split(":")[1]))
    return Difference() if rule == "difference" else NoTransform()


def check_transform(rule: str, code: str, *, target: bool = False) -> None:
    """Refuse a transform that there is not.

    Raises:
        StudyError: with those that there are.
    """
    if rule not in ("none", "difference", "log", "yeo_johnson") and not re.fullmatch(
        r"moving_average:([2-9]|[1-9]\d{1,2}|1000)", rule
    ):
        raise StudyError(
            f"[prepare] transform of '{code}': expected none, difference, moving_average:k with k from 2 to 1000, "
            f"log or yeo_johnson, got '{rule}'."
        )
    if target and rule.startswith("moving_average"):
        raise StudyError(
            f"[prepare] transform: '{code}' is a target, and a moving average of it cannot come back to its own unit. "
            f'Write another transform for it, such as transform = {{ "{code}" = "none", "*" = "{rule}" }}.'
        )


def without_log(values: Floats) -> int:
    """Return how many values have no logarithm because they are zero or below."""
    return int((values <= 0).sum())


def _refuse_log(values: Floats, code: str) -> None:
    measured, without = int((~np.isnan(values)).sum()), without_log(values)
    if without > _MOST_WITHOUT_LOG * measured:
        raise StudyError(
            f"[prepare] transform = log: more than one training value of '{code}' in twenty is zero or below and has "
            f'no logarithm. Write transform = {{ "{code}" = "yeo_johnson" }}, which has no such limit.'
        )


def _power(values: Floats, shape: float) -> Floats:
    """Return ((x + 1)^l - 1) / l of x >= 0, exact near l = 0."""
    logs = np.log1p(values)
    if abs(shape) < np.spacing(1.0):
        return logs
    with np.errstate(over="ignore"):
        return np.asarray(np.expm1(shape * logs) / shape)


def _power_inverse(transformed: Floats, shape: float) -> Floats:
    if abs(shape) < np.spacing(1.0):
        return np.expm1(transformed)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.expm1(np.log1p(shape * transformed) / shape))


def _likeliest_shape(values: Floats, *, target: bool) -> float:
    """Return lambda as scikit-learn finds it; 1, which changes nothing, where values do not vary.

    Of a target, and where large values would all become nearly the same number, or one beyond single precision, the
    nearest one from 0 to 2.
    """
    from sklearn.preprocessing import PowerTransformer

    known = values[~np.isnan(values)]
    if len(np.unique(known)) < 2:
        return 1.0
    with np.errstate(all="ignore"):
        shape = float(PowerTransformer(standardize=False).fit(known[:, None]).lambdas_[0])
    if not np.isfinite(shape):
        return 1.0
    inside = float(np.clip(shape, *_SHAPES_WITH_INVERSE))
    if target:
        return inside
    rows = np.arange(len(known))
    bent = YeoJohnson(shape=shape).apply(Column(values=known, begin=rows, hours=rows.astype(np.float64)))
    largest = np.abs(bent).max()
    with np.errstate(invalid="ignore", over="ignore"):
        return shape if _NARROWEST * largest < bent.std() and largest < _LARGEST else inside
