from __future__ import annotations

import numpy as np
import pytest
from golden_numbers import GOLDEN, numbers, one_person
from hypothesis import given
from hypothesis import strategies as st

from sequela.errors import StudyError
from sequela.prepare.rules import Column, bins_of_people
from sequela.prepare.smearing import Smearing, residual_bins, smeared_inverse
from sequela.prepare.transforms import (
    Difference,
    Log,
    NoTransform,
    YeoJohnson,
    fit_transform,
    without_log,
)

VALUES = numbers("transforms", "values")
NUMBERS = st.floats(-1e4, 1e4)


def test_yeo_johnson_is_that_of_scipy_and_scikit_learn() -> None:
    state = fit_transform("yeo_johnson", one_person(VALUES), "x")
    assert isinstance(state, YeoJohnson)
    assert state.shape == pytest.approx(GOLDEN["transforms"]["yeo_johnson_shape"], rel=1e-7)
    assert state.shape == pytest.approx(GOLDEN["transforms"]["yeo_johnson_shape_scipy"], rel=1e-6)
    assert np.allclose(state.apply(one_person(VALUES)), numbers("transforms", "yeo_johnson"), rtol=1e-6, atol=1e-7)
    found = state.inverse(np.linspace(-2, 2, 9))
    assert np.allclose(found, numbers("transforms", "yeo_johnson_inverse"), rtol=1e-7, atol=1e-12)


def test_log_difference_and_moving_average_are_those_of_numpy_and_scipy() -> None:
    column = one_person(VALUES)
    assert np.allclose(Log().apply(one_person(np.abs(VALUES))), numbers("transforms", "log"), rtol=1e-14)
    assert np.allclose(Difference().apply(column)[1:], numbers("transforms", "difference"), rtol=1e-14)
    averaged = fit_transform("moving_average:3", column, "x").apply(column)
    assert np.allclose(averaged[2:], numbers("transforms", "moving_average_3"), rtol=1e-12)
    assert averaged[:2].tolist() == [VALUES[0], (VALUES[0] + VALUES[1]) / 2]


def test_gaps_are_stepped_over_and_sequences_kept_apart() -> None:
    values = np.array([1.0, np.nan, 4.0, 9.0, 7.0, np.nan, 8.0])
    column = Column(values=values, begin=np.array([0, 0, 0, 0, 4, 4, 4]), hours=np.arange(7.0))
    change = fit_transform("difference", column, "x").apply(column)
    assert np.array_equal(change, [np.nan, np.nan, 3, 5, np.nan, np.nan, 1], equal_nan=True)
    mean = fit_transform("moving_average:2", column, "x").apply(column)
    assert np.array_equal(mean, [1, np.nan, 2.5, 6.5, 7, np.nan, 7.5], equal_nan=True)


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.floats(0, 2))
def test_what_is_transformed_comes_back(values: list[float], shape: float) -> None:
    array = np.array(values)
    state = YeoJohnson(shape=shape)
    assert np.allclose(state.inverse(state.apply(one_person(array))), array, rtol=1e-6, atol=1e-6)
    positive = np.abs(array) + 1e-3
    assert np.allclose(Log().inverse(Log().apply(one_person(positive))), positive)
    assert np.allclose(Difference().inverse(array, positive), array + positive)


@given(st.floats(-1e3, 1e3), st.floats(0, 2))
def test_every_forecast_of_a_target_comes_back(forecast: float, shape: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(
            YeoJohnson(shape=max(shape, 0.05) if shape < 1 else min(shape, 1.95)).inverse(np.array([forecast / 10]))
        )[0]


def test_the_shape_of_a_target_keeps_to_those_that_every_forecast_comes_back_from() -> None:
    steep = one_person(np.exp(np.random.default_rng(0).normal(0, 2, 300)))
    free, target = fit_transform("yeo_johnson", steep, "x"), fit_transform("yeo_johnson", steep, "x", target=True)
    assert isinstance(free, YeoJohnson)
    assert isinstance(target, YeoJohnson)
    assert free.shape < 0 == target.shape


def test_large_values_stay_apart() -> None:
    counts = 1e8 + 1e7 * np.random.default_rng(1).standard_normal(300)
    counts[:12] += 1e8  # a tail to the right asks for a shape of which 1e8 to that power is nothing
    state = fit_transform("yeo_johnson", one_person(counts), "platelets")
    bent = state.apply(one_person(np.array([0.9e8, 1e8, 1.1e8])))
    assert np.diff(bent).min() > 1e-8 * np.abs(bent).max()


def test_a_code_that_never_varies_keeps_its_values() -> None:
    assert fit_transform("yeo_johnson", one_person(np.full(5, 3.0)), "x") == YeoJohnson(shape=1.0)


def test_values_without_a_logarithm_become_missing_and_are_counted() -> None:
    values = np.array([1.0, 0.0, -2.0, np.nan, np.e])
    assert np.array_equal(Log().apply(one_person(values)), [0, np.nan, np.nan, np.nan, 1], equal_nan=True)
    assert without_log(values) == 2


def test_a_code_with_many_zeros_is_refused_a_logarithm() -> None:
    fit_transform("log", one_person(np.array([0.0] * 50 + [1.0] * 950)), "x")
    with pytest.raises(StudyError, match=r"'urine' in twenty .*yeo_johnson"):
        fit_transform("log", one_person(np.array([0.0] * 51 + [1.0] * 949 + [np.nan] * 99)), "urine")


@pytest.mark.parametrize("rule", ["moving_average:1", "moving_average", "moving_average:1001", "sqrt", "log:2"])
def test_a_transform_that_there_is_not_is_refused_with_those_that_there_are(rule: str) -> None:
    with pytest.raises(StudyError, match=f"moving_average:k .* got '{rule}'"):
        fit_transform(rule, one_person(VALUES), "x")


def test_a_moving_average_of_a_target_is_refused() -> None:
    with pytest.raises(StudyError, match="cannot come back"):
        fit_transform("moving_average:3", one_person(VALUES), "x", target=True)


def test_smearing_is_duans_mean_over_residuals() -> None:
    residuals = numbers("transforms", "residuals")
    exact = GOLDEN["transforms"]["smeared_exp_of_1"]
    every = residual_bins(residuals, np.arange(500), min_people=1)
    found = smeared_inverse(Log(), np.array([1.0]), every)[0]
    assert found == pytest.approx(exact, rel=5e-4)  # bins of five residuals
    assert smeared_inverse(Log(), np.array([1.0]), residual_bins(residuals, np.arange(500), 11))[0] == pytest.approx(
        exact, rel=5e-3
    )
    assert abs(np.exp(1) - exact) / exact > 0.05  # what it mends
    assert residual_bins(np.array([0.0, 0.0, 3.0]), np.arange(3), 3) == Smearing(residuals=[1.0], shares=[1.0])
    assert np.isfinite(smeared_inverse(Log(), np.array([1e4]), every)).all()


def test_every_bin_of_residuals_rests_on_enough_people_and_too_few_say_nothing() -> None:
    random = np.random.default_rng(1)
    residuals, person = random.normal(size=300), random.integers(0, 40, 300)
    bins = bins_of_people(residuals, person, 11)
    assert min(len(np.unique(person[rows])) for rows in bins) >= 11
    assert sorted(np.concatenate(bins).tolist()) == list(range(300))
    assert len(residual_bins(residuals, person, 11).residuals) == len(bins) > 5
    assert residual_bins(residuals, person, 41) == Smearing(residuals=[0.0], shares=[1.0])


def test_a_linear_transform_needs_no_smearing() -> None:
    far = Smearing(residuals=[9.0], shares=[1.0])
    assert smeared_inverse(NoTransform(), np.array([1.0]), far).tolist() == [1.0]
    assert smeared_inverse(Difference(), np.array([1.0]), far, np.array([5.0])).tolist() == [6.0]


def test_a_shape_that_takes_values_beyond_single_precision_is_none() -> None:
    """Without a scale such values would be infinite as inputs."""
    values = np.array([128.0, 133.0, 133.5, 133.8, 134.0])
    bent = fit_transform("yeo_johnson", one_person(values), "x")
    assert isinstance(bent, YeoJohnson)
    assert bent.shape == 2.0
    assert np.isfinite(bent.apply(one_person(values)).astype(np.float32)).all()
