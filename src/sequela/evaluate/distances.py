"""How far the smoothed curve of events lies from the risks (ICI, E50, E90), in resamples, with intervals that hold.

The smooth follows noise, so that the distance found lies above the truth, and in a resample, where noise is added once
more, above that again. Percentiles of resampled distances would almost never hold the distance of calibrated risks. An
interval therefore goes

- from the least distance with which the one found is not among the largest 2.5 %: curves of the same shape, c times as
  far from the risks (c from 0 to 1), with the noise of the resamples;
- to the 97.5th percentile of the resampled distances, which lies rather too high.

In simulated cohorts such intervals held the truth about as often as they say (docs/lab/risk_intervals.md).

Source: Austin & Steyerberg, The Integrated Calibration Index (ICI) and related metrics, Stat Med 38 (2019), 4051-4065;
Davison & Hinkley, Bootstrap Methods and their Application (1997), section 5.5 (bootstrap tests turned into intervals),
here along a family of one parameter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sequela.evaluate.arrays import Floats
from sequela.evaluate.bootstrap import Estimate, estimate
from sequela.evaluate.lowess import Smoother, lowess

_CENTILES = {"e50": 0.5, "e90": 0.9}
DISTANCES = ("ici", *_CENTILES)
_HALVINGS = 12  # the least distance is found to 1/4096 of the distance

By = dict[str, Floats]  # by distance, [B] one a resample


class Distances:
    """Mean, median and 90th centile of the distance between curve and risk.

    Args:
        event: [R] 0 or 1.
        risk: [R] 0 to 1.
        index: [R] place of each prediction's person among those that resamples draw from.
        people: how many people these are.
        weight: [R] above 0.
    """

    def __init__(self, event: Floats, risk: Floats, index: NDArray[np.intp], people: int, weight: Floats) -> None:
        self._smoother = Smoother(risk, event, index, people, weight)
        line, mass = self._smoother.lines(np.ones((1, people)))
        self._curve = line - self._smoother.places  # [1, places]
        self._found = _distances(np.abs(self._curve), mass)  # at the places, as of resamples
        exact = np.abs(lowess(risk, event, weight=weight) - risk)[None]
        self.value = {name: float(each[0]) for name, each in _distances(exact, weight[None]).items()}
        """On the people as they are, with the curve at every risk."""

    def drawn(self, counts: Floats) -> tuple[By, By]:
        """Return the distances [B] in resamples, and the least that their noise would take for the one found.

        Args:
            counts: [B, people] how often each person is drawn.
        """
        line, mass = self._smoother.lines(counts)
        curve = line - self._smoother.places
        return (
            _distances(np.abs(curve), mass),
            {name: self._least(name, curve - self._curve, mass) for name in DISTANCES},
        )

    def _least(self, name: str, noise: Floats, mass: Floats) -> Floats:
        """Return the least distance [B] that noise [B, places] takes to the one found; 0 where noise alone does."""
        low, high = np.zeros(len(noise)), np.ones(len(noise))
        by_noise = _reaches(name, noise, mass, self._found[name])
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            reaches = _reaches(name, middle[:, None] * self._curve + noise, mass, self._found[name])
            low, high = np.where(reaches, low, middle), np.where(reaches, middle, high)
        factor = np.where(by_noise, 0, (low + high) / 2)
        return np.where(mass.sum(axis=1) > 0, factor * self.value[name], np.nan)


def distance_interval(value: float, drawn: Floats, least: Floats, *, people: int) -> Estimate:
    """Return a distance with its 95 % interval.

    Args:
        value: on the people as they are.
        drawn: [B] in every resample.
        least: [B] the least distance by the noise of every resample.
        people: those that it rests on.
    """
    found, lowest = estimate(value, drawn, people=people), estimate(value, least, people=people)
    if found.high is None or lowest.low is None:
        return found
    return Estimate(found.value, min(lowest.low, value), max(found.high, value))


def distance_difference(ours: Estimate, theirs: Estimate, drawn: Floats, *, people: int) -> Estimate:
    """Return the difference of two distances of the same people, with an interval that is rather too wide.

    How far two curves that are alike lie apart in distance depends on which side of the risks they lie, and that is
    what is not known: resampled differences held the truth in half of simulated cohorts. The interval covers both the
    basic bootstrap interval and the one that the intervals of the two distances give as if they were independent.

    Source: Davison & Hinkley (1997), section 5.2.1 (basic intervals); Zou & Donner, Construction of confidence limits
    about effect measures: a general approach, Stat Med 27 (2008), 1693-1702.

    Args:
        ours: a distance with its interval.
        theirs: the other's.
        drawn: [B] ours minus theirs in every resample.
        people: those that both rest on.
    """
    if ours.value is None or theirs.value is None:
        return ours if ours.value is None else theirs
    gap = ours.value - theirs.value
    basic = estimate(gap, 2 * gap - drawn, people=people)
    if basic.low is None or basic.high is None or ours.low is None or theirs.low is None:
        return basic
    assert ours.high is not None
    assert theirs.high is not None
    if gap == 0 and not drawn.any():  # the same risks
        return basic
    low = gap - math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    high = gap + math.hypot(ours.high - ours.value, theirs.value - theirs.low)
    return Estimate(gap, min(low, basic.low), max(high, basic.high))


def _distances(away: Floats, mass: Floats) -> By:
    """Return mean, median and 90th centile [B] of distances [B, N] that count so much."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(mass > 0, away * mass, 0).sum(axis=1) / mass.sum(axis=1)
    return {"ici": mean, **{name: weighted_centiles(away, mass, share) for name, share in _CENTILES.items()}}


def _reaches(name: str, curve: Floats, mass: Floats, found: Floats) -> NDArray[np.bool_]:
    """Say of each curve [B, places] whether its distance is no smaller than the one found."""
    away = np.abs(curve)
    reaches: NDArray[np.bool_]
    if name == "ici":
        reaches = np.where(mass > 0, (away - found) * mass, 0).sum(axis=1) >= 0
    else:
        reaches = np.where(away < found, mass, 0).sum(axis=1) < _CENTILES[name] * mass.sum(axis=1)
    return reaches


def weighted_centiles(values: Floats, weights: Floats, share: float) -> Floats:
    """Return the smallest of the values [B, N] that at least `share` of the weight does not exceed, for each row."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    place = (reached < share * reached[:, -1:] * (1 - 1e-12)).sum(axis=1)
    picked = np.take_along_axis(order, np.minimum(place, values.shape[1] - 1)[:, None], axis=1)
    centiles: Floats = np.take_along_axis(values, picked, axis=1)[:, 0]
    return centiles
