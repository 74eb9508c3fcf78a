from __future__ import annotations

import numpy as np
import pytest
from golden_numbers import numbers, one_person

from sequela.prepare.outliers import FixedLimits, HampelLimits, fit_outliers, past_median_and_spread, without_outliers
from sequela.prepare.rules import Column

VALUES = numbers("outliers", "values")


@pytest.mark.parametrize("rule", ["iqr", "mad"])
def test_limits_are_those_of_scipy(rule: str) -> None:
    found = fit_outliers(rule, one_person(VALUES))  # type: ignore[arg-type]
    assert isinstance(found, FixedLimits)
    assert [found.low, found.high] == pytest.approx(numbers("outliers", rule), rel=1e-12)


def test_a_value_that_is_written_as_a_fence_does_not_stand_out() -> None:
    """Quartiles of 36.6 and 37.0 reach up to 38.2, also where each is stored in single precision."""
    for first in range(355, 375):
        for reach in range(1, 12):
            quartiles = np.array([first, first + reach])
            values = np.repeat((quartiles / 10).astype(np.float32).astype(np.float64), 50)
            fences = ((quartiles + np.array([-3, 3]) * reach) / 10).astype(np.float32).astype(np.float64)
            beyond = fences + np.array([-0.01, 0.01])
            limits = fit_outliers("iqr", one_person(values)).limits(one_person(fences))
            assert not limits.touched(fences).any()
            assert limits.touched(beyond).all()


def test_the_past_median_and_its_spread_are_those_of_scipy() -> None:
    median, spread = past_median_and_spread(one_person(VALUES), 7, 3)
    assert np.allclose(median, numbers("outliers", "hampel_median"), rtol=0, atol=1e-12, equal_nan=True)
    assert np.allclose(spread, numbers("outliers", "hampel_spread"), rtol=0, atol=1e-12, equal_nan=True)


def test_hampel_marks_a_typing_error_and_lets_a_true_change_become_the_new_usual() -> None:
    pressure = np.array([120, 122, 118, 121, 119, 1200, 120, 121, 70, 71, 69, 70, 72, 68], dtype=np.float64)
    touched = HampelLimits(least_spread=3.0).limits(one_person(pressure)).touched(pressure)
    assert np.flatnonzero(touched).tolist() == [5, 8, 9, 10]


def test_hampel_says_nothing_of_the_first_three_values_of_a_person() -> None:
    values = np.array([1.0, 500.0, 2.0, 900.0, 7001.0, 7001.0, 7001.0, 7900.0])
    column = Column(values=values, begin=np.array([0, 0, 0, 0, 4, 4, 4, 4]), hours=np.arange(8.0))
    assert HampelLimits(least_spread=1.0).limits(column).touched(values).tolist() == [False, False, False, True] * 2


def test_hampel_counts_a_value_and_its_correction_once_as_each_was_known() -> None:
    """The third value, 1200, is corrected to 120 before the fourth comes; of the second person nothing is."""
    values = np.array([118.0, 122.0, 1200.0, 120.0, 121.0, 119.0, 100.0, 101.0])
    measured = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0])
    begin = np.array([0, 0, 0, 0, 0, 0, 6, 6])
    column = Column(values=values, begin=begin, hours=np.arange(8.0), measured_hours=measured)
    median, spread = past_median_and_spread(column, 7, 1)
    assert np.array_equal(median, [np.nan, 118, 120, 120, 120, 120.5, np.nan, 100], equal_nan=True)
    assert spread[5] == pytest.approx(1.4826)
    assert np.isnan(past_median_and_spread(column, 7, 3)[0][:4]).all()


def test_hampel_looks_back_as_far_as_it_says_and_no_further() -> None:
    state, values = HampelLimits(least_spread=0.1), np.arange(12.0)
    high = state.limits(one_person(values)).high[-1]
    for back, moves in ((state.lookback.values - 1, True), (state.lookback.values, False)):
        changed = np.where(np.arange(12) == 11 - back, 99.0, values)
        assert bool(state.limits(one_person(changed)).high[-1] != high) is moves


def test_a_constant_history_does_not_make_every_small_change_an_outlier() -> None:
    training = one_person(np.tile([7.0, 7.0, 7.0, 7.0, 7.0, 7.5], 20))
    state = fit_outliers("hampel", training)
    assert isinstance(state, HampelLimits)
    assert state.least_spread == pytest.approx(1.2533 * 0.5 * 20 / 119)
    assert (state.window, state.least, state.threshold) == (7, 3, 3.0)
    steady = one_person(np.array([7.0, 7.0, 7.0, 7.0, 7.2, 9.0]))
    assert state.limits(steady).touched(steady.values).tolist() == [False] * 5 + [True]


@pytest.mark.parametrize("rule", ["iqr", "mad", "hampel"])
def test_a_code_that_never_varies_has_no_outliers(rule: str) -> None:
    state = fit_outliers(rule, one_person(np.full(9, 4.2)))  # type: ignore[arg-type]
    other = one_person(np.array([4.2, 4.2, 4.2, 4.2, 99.0]))
    assert not state.limits(other).touched(other.values).any()


def test_mad_of_mostly_equal_values_falls_back_to_the_mean_deviation() -> None:
    state = fit_outliers("mad", one_person(np.array([3.0] * 8 + [4.0, 5.0])))
    assert isinstance(state, FixedLimits)
    assert state.high == pytest.approx(3 + 3.5 * 1.2533 * 0.3)


@pytest.mark.parametrize(
    ("action", "expected"), [("flag", [1, 50, -9]), ("missing", [1, np.nan, np.nan]), ("clip", [1, 10, 0])]
)
def test_actions(action: str, expected: list[float]) -> None:
    values = np.array([1.0, 50.0, -9.0])
    limits = FixedLimits(rule="iqr", low=0.0, high=10.0).limits(one_person(values))
    assert np.array_equal(without_outliers(values, limits, action), expected, equal_nan=True)  # type: ignore[arg-type]


def test_missing_values_stay_missing_under_every_action() -> None:
    values = np.array([np.nan, 50.0])
    limits = FixedLimits(rule="iqr", low=0.0, high=10.0).limits(one_person(values))
    assert not limits.touched(values)[0]
    assert all(np.isnan(without_outliers(values, limits, action)[0]) for action in ("flag", "missing", "clip"))
