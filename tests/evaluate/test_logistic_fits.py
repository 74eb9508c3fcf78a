"""Logistic fits under many weights: their score equations hold, and where there is no finite line none is given."""

import numpy as np
import pytest
from risk_cohorts import expit

from sequela.evaluate import calibration_intercept, calibration_slope
from sequela.evaluate.logistic import intercept_fits, logistic_fit, logistic_fits


def drawn_weights(rng, size):
    """Weights of resamples and one of halves and thirds."""
    drawn = np.stack([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(8)])
    return np.concatenate([drawn, rng.choice([0, 1 / 3, 0.5], (1, size))])


def cases(spread):
    rng = np.random.default_rng(3)
    for size in (8, 15, 60) * 6:
        x = rng.normal(rng.normal(-1, 2), spread, size).round(1)
        x[0] = 16.1
        event = (rng.random(size) < expit(x * rng.choice([0.2, 1.0, 2.0]))).astype(float)
        if 0 < event.sum() < size:
            yield event, x, drawn_weights(rng, size)


def overlap(event, x):
    one, other = x[event == 1], x[event == 0]
    return len(one) > 0 and len(other) > 0 and one.max() > other.min() and other.max() > one.min()


@pytest.mark.parametrize("spread", [0.3, 3.0, 12.0])
def test_lines_solve_their_equations_and_are_found_exactly_where_both_kinds_overlap(spread):
    fitted = 0
    for event, x, weights in cases(spread):
        line = logistic_fit(event, x, np.ones(len(x)))
        found = logistic_fits(event, x, weights, start=line or (0.0, 1.0), tolerance=1e-7)
        for weight, (intercept, slope) in zip(weights, found, strict=True):
            used = weight > 0
            alone = logistic_fit(event, x, weight)
            assert (alone is not None) == overlap(event[used], x[used])
            if line is not None:
                assert np.isfinite([intercept, slope]).all() == (alone is not None)
            if alone is None:
                continue
            assert line is None or alone == pytest.approx((intercept, slope), rel=1e-4, abs=1e-4)
            miss = weight * (event - expit(alone[0] + alone[1] * x))
            assert [miss.sum(), miss @ x] == pytest.approx([0, 0], abs=1e-7 * len(x))
            fitted += 1
    assert fitted > 40


@pytest.mark.parametrize("spread", [0.3, 3.0, 12.0])
def test_intercepts_solve_their_equation_from_any_start(spread):
    for event, x, weights in cases(spread):
        for start in (0.0, 40.0):
            found = intercept_fits(event, x - 16, weights, start=start, tolerance=1e-9)
            for weight, intercept in zip(weights, found, strict=True):
                has_both = weight @ event > 0 and weight @ (1 - event) > 0
                assert np.isfinite(intercept) == has_both
                assert not has_both or weight @ (event - expit(intercept + x - 16)) == pytest.approx(0, abs=1e-7)


def test_risks_of_0_and_1_are_taken_as_a_ten_millionth_away():
    event, risk = np.array([0.0, 1, 0, 1, 1, 0]), np.array([0.0, 0.1, 0.3, 0.4, 1.0, 1.0])
    near = np.clip(risk, 1e-7, 1 - 1e-7)
    assert calibration_slope(event, risk) == calibration_slope(event, near)
    assert calibration_slope(event, risk) != calibration_slope(event, np.clip(risk, 1e-6, 1 - 1e-6))
    assert calibration_intercept(event, risk) == calibration_intercept(event, near)
