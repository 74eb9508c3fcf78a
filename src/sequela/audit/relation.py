"""Is one quantity of people another one, plus a constant or plus a third? Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.audit.series import Flags, Floats

FEWEST = 20  # people on whom a relation must hold
HOLDS = 0.95  # of whom, at least
_NEARLY = 0.98  # squared correlation that rounding may leave of an exact relation
_GROUPS, _GROUP = 12, 40
_WORST = 3  # groups that typing errors may spoil
_UNITS = (1.0, 7.0, 12.0, 24.0, 30.4375, 52.1775, 60.0, 168.0, 365.0, 365.25, 730.5, 1440.0, 3600.0, 8766.0, 86400.0)


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A quantity is `slope` times another, plus a constant, for `holding` of `people`."""

    slope: float
    constant: float
    holding: int
    people: int


def grain(values: Floats) -> float:
    """Return the step in which numbers are written, 1 to 0.0001, or how finely a 32-bit number tells them apart.

    Example:
        >>> grain(np.array([1.5, 2.25, 7.0])), grain(np.array([3.0, 4.0]))
        (0.01, 1.0)
    """
    known = values[~np.isnan(values)]
    blur = 2.0**-22 * np.abs(known).max(initial=1e-9)
    for step in (1.0, 0.1, 0.01, 0.001, 0.0001):
        if (np.abs(known - np.round(known / step) * step) <= blur).all():
            return step
    return float(blur)


def relation(value: Floats, time: Floats, blur: float) -> Relation | None:
    """Return how a quantity hangs on another where it does exactly, but for rounding, for nearly everybody.

    Args:
        value: [P] NaN where unknown.
        time: [P] NaN where unknown.
        blur: the step in which `value` is known, besides that of `time`.

    Returns:
        None where it does not, where fewer than 20 people have both, or where too few different times are there.
    """
    both = ~np.isnan(value) & ~np.isnan(time)
    value, time = value[both], time[both]
    if len(time) < FEWEST or not _varies(time):
        return None
    slope = _slope(value, time)
    if slope is None:
        return None
    slack = 0.5 * (blur + abs(slope) * grain(time)) + 1e-9 + 2e-6 * np.abs(value).max()
    centre = _densest(value - slope * time, slack)
    off = np.abs(value - slope * time - centre)
    holding = int((off <= 1.01 * slack).sum())
    spread = np.subtract(*np.percentile(slope * time, (90, 10)))
    if holding < HOLDS * len(time) or spread < 4 * slack:
        return None
    return Relation(slope=slope, constant=centre if abs(centre) > slack else 0.0, holding=holding, people=len(time))


def _densest(residual: Floats, slack: float) -> float:
    """Return the middle of the interval of twice `slack` that holds most residuals."""
    ordered = np.sort(residual)
    held = np.searchsorted(ordered, ordered + 2.02 * slack, side="right") - np.arange(len(ordered))
    first = int(held.argmax())
    return float((ordered[first] + ordered[first + held[first] - 1]) / 2)


def _varies(time: Floats) -> bool:
    """True where times differ enough to tell a relation from a coincidence."""
    values, counts = np.unique(time, return_counts=True)
    return len(values) >= 8 and counts.max() <= 0.5 * len(time)


def _slope(value: Floats, time: Floats) -> float | None:
    """Return the slope that most pairs of people agree on, a ratio of units of time where it is near one."""
    random = np.random.default_rng(0)
    first, second = random.integers(0, len(time), (2, 4000))
    apart = np.abs(time[first] - time[second])
    far = apart > np.percentile(apart, 40)
    if not far.any():
        return None
    slopes = (value[first] - value[second])[far] / (time[first] - time[second])[far]
    middle = float(np.median(slopes))
    if middle == 0 or not np.isfinite(middle) or (np.abs(slopes - middle) <= 0.1 * abs(middle)).mean() < 0.6:
        return None
    ratios = np.array([*_UNITS, *(1 / unit for unit in _UNITS)])
    near = ratios[np.abs(ratios - abs(middle)).argmin()]
    if abs(near - abs(middle)) <= 0.01 * near:
        return float(np.sign(middle) * near)
    return middle


@dataclass(frozen=True, kw_only=True)
class PairRelation:
    """Column `of` minus (or plus) column `other` is a relation of the time."""

    of: int
    other: int
    minus: bool
    relation: Relation


def pair_relations(values: Floats, time: Floats) -> list[PairRelation]:
    """Return the pairs of columns whose difference or sum is the time, but for unit, constant and rounding.

    Args:
        values: [F, P] NaN where unknown; none of them a relation of the time by itself.
        time: [P] NaN where unknown.
    """
    steps = [grain(row) for row in values]
    found = []
    for minus in (True, False):
        for of, other in _candidates(values, time, minus=minus):
            combined = values[of] - values[other] if minus else values[of] + values[other]
            one = relation(combined, time, steps[of] + steps[other])
            if one is not None and not _is_one_of_both(values[of], values[other], combined):
                if one.slope < 0 and minus:
                    of, other = other, of
                    one = Relation(slope=-one.slope, constant=-one.constant, holding=one.holding, people=one.people)
                found.append(PairRelation(of=of, other=other, minus=minus, relation=one))
    return found


def _is_one_of_both(first: Floats, second: Floats, combined: Floats) -> bool:
    """True where one of the two is nearly constant, so that it says nothing."""
    spread = np.nanstd(combined)
    return bool(min(np.nanstd(first), np.nanstd(second)) < 0.02 * spread)


def _candidates(values: Floats, time: Floats, *, minus: bool) -> list[tuple[int, int]]:
    """Return pairs whose difference or sum goes with the time in most small groups of people."""
    known = np.flatnonzero(~np.isnan(time))
    if len(known) < FEWEST or len(values) < 2:
        return []
    random = np.random.default_rng(0)
    size = min(_GROUP, len(known))
    good = np.zeros((len(values), len(values)), dtype=np.int64)
    for _ in range(_GROUPS):
        group = random.choice(known, size, replace=False)
        good += _squared_correlation(values[:, group], time[group], minus=minus) >= _NEARLY
    pairs = np.argwhere(np.triu(good >= _WORST, k=1))
    return [(int(i), int(j)) for i, j in pairs[:2000]]


def _squared_correlation(values: Floats, time: Floats, *, minus: bool) -> Floats:
    """Return the squared correlation with the time of the difference (or sum) of each two columns [F, F].

    Of the people who have both; NaN where fewer than eight do.
    """
    there: NDArray[np.float64] = (~np.isnan(values)).astype(np.float64)
    middle = np.array([np.median(row[~np.isnan(row)]) if (~np.isnan(row)).any() else 0.0 for row in values])
    centred = np.nan_to_num(values - middle[:, None]) * there
    y = time - np.median(time)
    count = there @ there.T
    sign = -1.0 if minus else 1.0
    of, of2, ofy = centred @ there.T, centred**2 @ there.T, (centred * y) @ there.T
    u = of + sign * of.T
    u2 = of2 + of2.T + 2 * sign * (centred @ centred.T)
    uy = ofy + sign * ofy.T
    ys, y2 = (there * y) @ there.T, (there * y**2) @ there.T
    with np.errstate(invalid="ignore", divide="ignore"):
        var_u, var_y = u2 - u**2 / count, y2 - ys**2 / count
        squared = (uy - u * ys / count) ** 2 / (var_u * var_y)
    return np.where((count >= 8) & (var_u > 1e-9) & (var_y > 0), squared, np.nan)


def same(first: Floats, second: Floats) -> Flags:
    """Return where two quantities are equal, as 32-bit numbers tell them apart."""
    return np.abs(first - second) <= 2.0**-22 * np.maximum(np.abs(first), np.abs(second))
