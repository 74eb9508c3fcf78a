"""Intervals around forecasts, wide enough for a stated share of new people's predictions.

Split conformal prediction: how far forecasts missed on people that the network was not fitted to says how wide an
interval must be. A person's misses resemble each other, so people, not predictions, are what is exchangeable: each
person gets the same weight, spread over their predictions.

What is guaranteed, for any network and any distribution: if the calibration people and a new person are exchangeable
(with all their predictions, however many) and the network did not use them, then the value of *one prediction chosen at
random among the new person's* lies within the half-width of its forecast with probability at least the level, on
average over the draw of calibration people. Not guaranteed: the level for each person, for all of a person's
predictions at once, for given inputs, or for the share of all predictions pooled, in which people with many predictions
weigh more. Where tuning people also stop the training, the network has used them a little: the guarantee is then
approximate, and held-out coverage says how well it held.

Source: Papadopoulos, Proedrou, Vovk & Gammerman, Inductive confidence machines for regression (ECML 2002); Vovk,
Gammerman & Shafer, Algorithmic Learning in a Random World (2005); Lei, G'Sell, Rinaldo, Tibshirani & Wasserman,
Distribution-free predictive inference for regression, JASA 113 (2018), 1094-1111 (split conformal). For several rows a
person: Dunn, Wasserman & Ramdas, Distribution-free prediction sets for two-layer hierarchical models, JASA 118 (2023),
arXiv:1809.07441 (pooling of people's distribution functions, which covers asymptotically); Lee, Barber & Willett,
Distribution-free inference with hierarchical data, arXiv:2306.06342 (the same pooling with mass 1/(n + 1) at infinity,
which covers with finitely many people: the rule here).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import finite, same_length, weighted_mean
from sequela.evaluate.forecast import person_weights


@dataclass(frozen=True)
class HalfWidth:
    """Half the width of an interval around a forecast, in the target's unit; None with the reason.

    `people` is the number of people that it rests on.
    """

    value: float | None
    people: int
    reason: str | None = None


def conformal_half_width(residual: ArrayLike, person: ArrayLike, level: float = 0.9) -> HalfWidth:
    """How far from its forecast a new person's value may lie, with probability at least `level`.

    Each of n people has mass 1 / (n + 1), spread equally over their residuals, and infinity has mass 1 / (n + 1). The
    half-width is the smallest r such that residuals up to r hold at least `level` of the mass.

    Args:
        residual: observed minus predicted of calibration (tuning) people, in the target's unit; the sign is ignored.
            One horizon and one target at a time.
        person: the person of every residual.
        level: above 0 and below 1.

    Returns:
        At least 0, or None with the smallest number of people that the level needs. The top of this file says what is
        guaranteed.

    Raises:
        ValueError: a residual that is missing or infinite, lengths that differ, a level that cannot be.

    Example:
        Nine people miss by 1 to 9; with a tenth, unknown one, 9 of 10 lie within 9.

        >>> conformal_half_width([1, -2, 3, -4, 5, 6, 7, 8, 9], range(9), level=0.9)
        HalfWidth(value=9.0, people=9, reason=None)
        >>> conformal_half_width([1, 2, 3], [1, 2, 3], level=0.9).reason
        'an interval of 90 % needs at least 9 tuning people with an observed target, got fewer'
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie above 0 and below 1, got {level}")
    size, mass = np.abs(finite("residual", residual)), person_weights(person)
    same_length(residual=size, person=mass)
    people = round(float(mass.sum()))
    needed = fewest_people(level)
    if people < needed:
        return HalfWidth(
            None, people, f"an interval of {100 * level:.4g} % needs at least {needed} tuning people with an observed "
            "target, got fewer"
        )  # fmt: skip
    order = np.lexsort((mass, size))
    reached = np.cumsum(mass[order])
    wanted = level * (people + 1) - 1e-9 * people  # sums of thirds and sevenths round by less than that
    return HalfWidth(float(size[order][np.searchsorted(reached, wanted)]), people)


def fewest_people(level: float) -> int:
    """Smallest number of calibration people with which an interval of that level is finite: n / (n + 1) >= level.

    Example:
        >>> [fewest_people(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)]
        [1, 4, 9, 19, 99]
    """
    return max(1, math.ceil(level / (1 - level) - 1e-9))


def coverage(target: ArrayLike, lower: ArrayLike, upper: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Share of values that lie in their interval, the bounds included.

    Args:
        target: what was measured.
        lower: lower bound of each interval.
        upper: upper bound, at least `lower`.
        weight: at least 0, one a prediction; all equal when None. With `person_weights` it is the probability that
            `conformal_half_width` speaks of.

    Returns:
        0 to 1.

    Raises:
        ValueError: no predictions, a number that is missing or infinite, an upper bound below the lower one.

    Example:
        >>> coverage([120, 140], [110, 110], [130, 130])
        0.5
    """
    y, low, high = finite("target", target), finite("lower", lower), finite("upper", upper)
    same_length(target=y, lower=low, upper=high)
    _refuse_crossed(int((high < low).sum()))
    return weighted_mean(((low <= y) & (y <= high)).astype(np.float64), weight)


def width(lower: ArrayLike, upper: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean width of intervals.

    Args, Raises:
        as `coverage`.

    Returns:
        At least 0, in the target's unit.

    Example:
        >>> width([110, 110], [130, 140])
        25.0
    """
    low, high = finite("lower", lower), finite("upper", upper)
    same_length(lower=low, upper=high)
    _refuse_crossed(int((high < low).sum()))
    return weighted_mean(high - low, weight)


def _refuse_crossed(count: int) -> None:
    """Raise ValueError when an upper bound lies below its lower one."""
    if count:
        raise ValueError(f"upper must be at least lower, got {count} intervals the other way round")
