"""Logistic regression of an event on one number, by Newton's method, under many weights at once.

What calibration and Platt's recalibration need: intercept and slope, or the intercept alone beside a slope of 1. The
many weights are resamples of people; each starts from the solution for the people as they are, and needs a few steps.
"""

from __future__ import annotations

import numpy as np

from sequela.evaluate.arrays import Floats

_EDGE = 1e-7
"""Risks nearer to 0 or 1 than this are taken as this far from it: the resolution of float32, in which networks end."""

_MOST_STEPS = 40


def logit(risk: Floats) -> Floats:
    """Log odds of risks; 0 and 1 are taken as 1e-7 away from themselves."""
    inside = np.clip(risk, _EDGE, 1 - _EDGE)
    odds: Floats = np.log(inside / (1 - inside))
    return odds


def expit(logits: Floats) -> Floats:
    """Risk of log odds, without overflow."""
    risk = np.clip(logits, -700, 700)
    np.negative(risk, out=risk)
    np.exp(risk, out=risk)
    risk += 1
    return np.reciprocal(risk, out=risk)


def overlaps(event: Floats, x: Floats) -> bool:
    """True where a logistic slope is finite: neither kind lies wholly above the other, and x is not constant.

    Source: Albert & Anderson, On the existence of maximum likelihood estimates in logistic regression models,
    Biometrika 71 (1984), 1-10.
    """
    with_event, without = x[event == 1], x[event == 0]
    if not len(with_event) or not len(without):
        return False
    return bool(with_event.min() < without.max() and without.min() < with_event.max())


def logistic_fit(event: Floats, x: Floats, weight: Floats) -> tuple[float, float] | None:
    """Intercept and slope of a weighted logistic regression of an event on x; None where the slope is not finite.

    Args:
        event: [R] 0 or 1.
        x: [R] one number a prediction.
        weight: [R] at least 0.
    """
    used = weight > 0
    if not overlaps(event[used], x[used]):
        return None
    centre, spread = float(x[used].mean()), float(x[used].std())
    scaled = (x - centre) / spread  # Newton's steps are the same in any scale, their rounding is not
    found = logistic_fits(event, scaled, weight[None], start=(0.0, 0.0), tolerance=1e-11)[0]
    if not np.isfinite(found).all():
        return None
    slope = float(found[1] / spread)
    return float(found[0] - slope * centre), slope


def logistic_fits(
    event: Floats, x: Floats, weights: Floats, *, start: tuple[float, float], tolerance: float = 1e-7
) -> Floats:
    """Intercept and slope [B, 2] for each of B weights [B, R]; NaN where Newton's steps do not end.

    From a near start a few plain steps do. Where they run away, steps that lower the likelihood are halved. The
    likelihood is concave: wherever steps end is its only top.
    """
    powers = np.stack([np.ones(len(x)), x, x * x], axis=1)
    found = _plain_steps(event, powers, weights, start, tolerance)
    far = ~np.isfinite(found).all(axis=1)
    if far.any():
        found[far] = _halved_steps(event, powers, weights[far], start, tolerance)
    return found


def _plain_steps(
    event: Floats, powers: Floats, weights: Floats, start: tuple[float, float], tolerance: float
) -> Floats:
    """Newton's steps [B, 2], at most eight; NaN where they have not ended by then."""
    found = np.tile(np.asarray(start, dtype=np.float64), (len(weights), 1))
    left = np.arange(len(weights))
    for _ in range(8):
        weight = weights if len(left) == len(weights) else weights[left]
        step = _solved(*_derivatives(event, powers, weight, found[left]))
        found[left] += step
        with np.errstate(invalid="ignore"):
            is_on_the_way = (np.abs(step) > tolerance * (1 + np.abs(found[left]))).any(axis=1)
        left = left[is_on_the_way & np.isfinite(step).all(axis=1)]
        if not len(left):
            return found
    found[left] = np.nan
    return found


def _halved_steps(
    event: Floats, powers: Floats, weights: Floats, start: tuple[float, float], tolerance: float
) -> Floats:
    """Newton's steps [B, 2], halved where they lower the likelihood; NaN where they do not end."""
    size = len(weights)
    found = np.tile(np.asarray(start, dtype=np.float64), (size, 1))
    before = np.full(size, -np.inf)
    step = np.zeros((size, 2))
    left = np.arange(size)
    for _ in range(_MOST_STEPS):
        weight = weights[left]
        likelihood = _log_likelihood(event, powers, weight, found[left])
        worse = likelihood < before[left] - 1e-9 * np.abs(before[left])
        step[left[worse]] /= 2
        found[left[worse]] -= step[left[worse]]
        good = left[~worse]
        before[good] = likelihood[~worse]
        step[good] = _solved(*_derivatives(event, powers, weight[~worse], found[good]))
        found[good] += step[good]
        lost = ~np.isfinite(step[left]).all(axis=1) | (np.abs(found[left]) > 1e4).any(axis=1)
        found[left[lost]] = np.nan
        left = left[~lost]
        left = left[(np.abs(step[left]) > tolerance * (1 + np.abs(found[left]))).any(axis=1)]
        if not len(left):
            return found
    found[left] = np.nan
    return found


def intercept_fits(event: Floats, x: Floats, weights: Floats, *, start: float = 0.0, tolerance: float = 1e-9) -> Floats:
    """Intercept [B] beside a slope of 1 for each of B weights [B, R]; NaN where one of the two kinds has no weight."""
    found = np.full(len(weights), float(start))
    total = weights @ event
    defined = (total > 0) & (weights @ (1 - event) > 0)  # the sum of all weights less `total` would be off by rounding
    found[~defined] = np.nan
    left = np.flatnonzero(defined)
    for _ in range(4 * _MOST_STEPS):
        if not len(left):
            return found
        risk = expit(found[left, None] + x)
        weight = weights if len(left) == len(weights) else weights[left]
        slope = total[left] - np.einsum("br,br->b", weight, risk)
        bend = np.einsum("br,br->b", weight, risk * (1 - risk))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.clip(slope / bend, -1, 1)  # the likelihood is concave: steps this short cannot run away
        found[left] += step
        left = left[np.abs(step) > tolerance]
    found[left] = np.nan
    return found


def _derivatives(event: Floats, powers: Floats, weights: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Gradient [B, 2] of the log likelihood and minus its second derivatives [B, 3]."""
    risk = expit(at[:, :1] + at[:, 1:] * powers[:, 1])
    gradient = (weights * (event - risk)) @ powers[:, :2]
    risk -= risk * risk
    risk *= weights
    return gradient, risk @ powers


def _log_likelihood(event: Floats, powers: Floats, weights: Floats, at: Floats) -> Floats:
    """Log likelihood [B]."""
    logits = at[:, :1] + at[:, 1:] * powers[:, 1]
    log_risk = event * logits - np.logaddexp(0, logits)
    total: Floats = np.einsum("br,br->b", weights, log_risk)
    return total


def _solved(gradient: Floats, bend: Floats) -> Floats:
    """Newton's step [B, 2]; not finite where the second derivatives are singular."""
    area = bend[:, 0] * bend[:, 2] - bend[:, 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        area = np.where(area > 1e-12 * bend[:, 0] * bend[:, 2], area, np.nan)
        first = (bend[:, 2] * gradient[:, 0] - bend[:, 1] * gradient[:, 1]) / area
        second = (bend[:, 0] * gradient[:, 1] - bend[:, 1] * gradient[:, 0]) / area
    return np.stack([first, second], axis=1)
