from __future__ import annotations

import numpy as np
import pytest
from golden_numbers import numbers
from scipy.special import ndtri
from sklearn.preprocessing import QuantileTransformer

from sequela.prepare import scaling
from sequela.prepare.quantile import QuantileScale, fit_quantile_scale

VALUES = numbers("scalers", "values")


def test_scalings_are_those_of_scikit_learn() -> None:
    for scale in ("standard", "minmax", "robust"):
        center, spread = scaling(VALUES, scale)  # type: ignore[arg-type]
        assert np.allclose((VALUES - center) / spread, numbers("scalers", scale), rtol=1e-12, atol=1e-12)


def test_with_the_same_knots_it_is_the_transformer_of_scikit_learn() -> None:
    knots = [part.mean() for part in np.array_split(np.sort(VALUES), 20)]
    state = QuantileScale(knots=knots, shares=((np.arange(20) + 0.5) / 20).tolist())
    found = state.apply(numbers("scalers", "quantile_asked"))
    assert np.allclose(found, numbers("scalers", "quantile"), rtol=0, atol=1e-12)


def test_with_many_people_it_is_close_to_a_transformer_that_knows_every_value() -> None:
    values = np.exp(np.random.default_rng(3).normal(size=20_000))
    state = fit_quantile_scale(values, np.arange(20_000), min_people=11)
    every = QuantileTransformer(n_quantiles=2000, output_distribution="normal", subsample=None).fit(values[:, None])
    middle = np.quantile(values, np.linspace(0.02, 0.98, 200))
    assert np.abs(state.apply(middle) - every.transform(middle[:, None])[:, 0]).max() < 0.03


def test_knots_rest_on_enough_people_and_no_knot_is_a_persons_extreme() -> None:
    values = np.append(np.arange(99.0), 1e9)
    state = fit_quantile_scale(values, np.arange(100), min_people=11)
    assert len(state.knots) == 9
    assert (state.knots[0], state.knots[-1]) == (np.arange(11).mean(), values[88:].mean())
    assert (
        state.apply(np.array([-1e12, 1e12])).tolist()
        == state.apply(np.array([state.knots[0], state.knots[-1]])).tolist()
    )


def test_frequent_values_get_the_middle_of_their_shares_and_missing_ones_stay_missing() -> None:
    values = np.repeat([3.0, 15.0], [20, 20])
    state = fit_quantile_scale(values, np.arange(40), min_people=1)
    low, high, missing = state.apply(np.array([3.0, 15.0, np.nan]))
    assert low == -high
    assert abs(high - 0.6745) < 0.05  # the normal quantile of 3/4
    assert np.isnan(missing)


@pytest.mark.parametrize("people", [200, 700, 1700, 5000])
def test_a_frequent_value_has_one_rank_however_the_means_of_its_bins_are_rounded(people: int) -> None:
    place = np.arange(people)
    for value in np.log(np.arange(0.15, 10, 0.1)):
        values = np.where(place % 10 < 6, value, value + 1 + place / people)
        state = fit_quantile_scale(values, place, min_people=11)
        assert abs(state.apply(np.array([value]))[0] - ndtri(0.3)) < 0.1


def test_a_frequent_value_keeps_its_rank_where_another_processor_rounds_it_otherwise() -> None:
    values = np.log(np.repeat([0.3, 0.7, 2.0, 5.0], 300))
    state = fit_quantile_scale(values, np.arange(1200), min_people=11)
    as_fitted = state.apply(values)
    lower, higher = np.nextafter(values, -np.inf), np.nextafter(values, np.inf)
    assert np.allclose(state.apply(lower), as_fitted, rtol=0, atol=1e-9)
    assert np.allclose(state.apply(higher), as_fitted, rtol=0, atol=1e-9)
    mixed = fit_quantile_scale(np.where(np.arange(1200) % 2, lower, higher), np.arange(1200), min_people=11)
    assert np.allclose(mixed.apply(values), as_fitted, rtol=0, atol=1e-9)


def test_values_that_lie_close_together_have_ranks_of_their_own() -> None:
    values = 1e6 + np.arange(300.0)
    assert (np.diff(fit_quantile_scale(values, np.arange(300), 1).apply(values[3:-3])) > 0).all()


def test_a_value_that_never_varied_and_too_few_people_give_zero() -> None:
    for state in (
        fit_quantile_scale(np.full(9, 2.0), np.arange(9), 11),
        fit_quantile_scale(np.array([]), np.array([]), 1),
    ):
        assert state.apply(np.array([2.0, 5.0])).tolist() == [0, 0]
