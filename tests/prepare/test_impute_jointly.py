from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden_numbers import numbers

from sequela.batch import PROVENANCE
from sequela.prepare.centroids import CentroidFill, fit_centroids
from sequela.prepare.impute_jointly import people_for, values_before
from sequela.prepare.regressions import fit_regression

TABLE, NEW = numbers("joint_imputers", "table"), numbers("joint_imputers", "new")
F = TABLE.shape[1] // 2


def test_regression_is_scikit_learns_iterative_imputer() -> None:
    state = fit_regression(TABLE[:, :F], TABLE[:, F:], np.arange(len(TABLE)), min_people=1, seed=0)
    filled = state.fill(NEW[:, :F], NEW[:, F:])
    assert np.allclose(filled.values, numbers("joint_imputers", "regression"), rtol=0, atol=1e-8)
    assert np.array_equal(filled.provenance == PROVENANCE.index("regression"), np.isnan(NEW[:, :F]))


def test_knn_on_centroids_is_scikit_learns_imputer() -> None:
    centroids = numbers("joint_imputers", "centroids")
    state = CentroidFill(
        means=[0.0] * F,
        spreads=numbers("joint_imputers", "spreads").tolist(),
        centroids=[[None if np.isnan(cell) else cell for cell in row] for row in centroids.tolist()],
    )
    filled = state.fill(NEW[:, :F], np.full((len(NEW), F), np.nan))
    assert np.allclose(filled.values, numbers("joint_imputers", "knn"), rtol=0, atol=1e-8)


def test_a_row_that_is_a_centroid_is_told_by_it_alone() -> None:
    state = CentroidFill(means=[0.0] * 2, spreads=[1.0] * 2, centroids=[[3.0, 7.0], [4.0, 9.0], [3.0, 8.0]])
    asked = np.array([[3.0, np.nan], [5.0, np.nan]])
    filled = state.fill(asked, np.full_like(asked, np.nan)).values
    away = np.sqrt(2) * np.array([2, 1, 2])
    assert filled[:, 1] == pytest.approx([7.5, np.average([7, 9, 8], weights=1 / away)])


def test_a_row_has_the_same_bits_alone_and_among_others() -> None:
    values, before = NEW[:, :F], NEW[:, F:]
    for fit in (fit_regression, fit_centroids):
        state = fit(TABLE[:, :F], TABLE[:, F:], np.arange(len(TABLE)), min_people=1, seed=0)
        together = state.fill(values, before).values
        alone = np.concatenate([state.fill(values[[n]], before[[n]]).values for n in range(len(values))])
        assert np.array_equal(together, alone)


def test_many_variables_add_up_in_the_same_order_for_one_row_and_for_many() -> None:
    random = np.random.default_rng(8)
    values = np.where(
        random.random((300, 40)) < 0.4, np.nan, random.normal(size=(300, 1)) + random.normal(size=(300, 40))
    )
    before = np.roll(values, 1, axis=0)
    state = fit_regression(values, before, np.arange(300), min_people=11, seed=0)
    together = state.fill(values, before).values
    for count in (1, 2, 7, 33):
        assert np.array_equal(together[5 : 5 + count], state.fill(values[5 : 5 + count], before[5 : 5 + count]).values)


def groups(people: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    center = np.where(np.arange(people) % 2, 10.0, -10.0)[:, None]
    values = center + random.normal(size=(people, 3))
    values[random.random(values.shape) < 0.3] = np.nan
    return values, np.arange(people)


def test_centroids_find_the_groups_and_each_number_rests_on_enough_people() -> None:
    values, person = groups(200)
    state = fit_centroids(values, np.full_like(values, np.nan), person, min_people=11, seed=0)
    found = np.array(state.centroids, dtype=np.float64)
    assert 2 <= len(found) <= 200 // 33
    assert np.all(np.abs(np.abs(found[~np.isnan(found)]) - 10) < 2)
    asked = np.array([[9.0, np.nan, np.nan], [np.nan, -9.0, np.nan]])
    filled = state.fill(asked, np.full_like(asked, np.nan)).values
    assert np.sign(filled).tolist() == [[1, 1, 1], [-1, -1, -1]]


def test_centroids_rest_on_what_was_known_before_too_and_on_no_unit() -> None:
    values, person = groups(200)
    before = np.where(np.arange(3) == 2, values, np.nan)
    now = np.where(np.arange(3) == 2, np.nan, values)
    unit = np.array([1.0, 1000.0, 1.0])
    wanted = np.array(fit_centroids(values, before, person, min_people=11, seed=0).centroids, dtype=np.float64)
    large = fit_centroids(values * unit, before * unit, person, min_people=11, seed=0)
    assert np.array(large.centroids, dtype=np.float64) == pytest.approx(wanted * unit, nan_ok=True)
    apart = np.array(fit_centroids(now, before, person, min_people=11, seed=0).centroids, dtype=np.float64)
    assert np.isfinite(apart[:, 2]).any()


def test_a_small_cluster_is_dissolved_among_the_others() -> None:
    values, person = groups(200)
    values[:20] = 500.0
    person[:20] %= 5
    state = fit_centroids(values, np.full_like(values, np.nan), person, min_people=11, seed=0)
    found = np.array(state.centroids, dtype=np.float64)
    assert np.nanmax(found) < 400  # no centroid of the five alone, though they have twenty rows
    assert not np.isnan(found).all(axis=1).any()


def test_there_are_no_more_centroids_than_states() -> None:
    values = np.tile([[1.0, 2.0], [3.0, 4.0]], (50, 1))
    state = fit_centroids(values, np.full_like(values, np.nan), np.arange(100), min_people=11, seed=0)
    assert sorted(state.centroids) == [[1, 2], [3, 4]]


def test_a_variable_that_few_people_have_is_neither_told_nor_tells() -> None:
    values, person = groups(100)
    values[20:, 2] = np.nan
    person //= 4  # five people have the third variable, at more than eleven times
    before = np.full_like(values, np.nan)
    regression = fit_regression(values, before, person, min_people=11, seed=0)
    assert {step.column for step in regression.regressions} == {0, 1}
    assert all(step.coefficients[2] == 0 for step in regression.regressions)
    assert regression.means[3:] == pytest.approx(regression.means[:3])  # of the values, also for those before
    told = regression.fill(np.array([[1.0, np.nan, np.nan]]), np.full((1, 3), np.nan))
    assert told.values[0, 2] == pytest.approx(np.nanmean(values[:, 2]))
    assert [PROVENANCE[code] for code in told.provenance[0]] == ["measured", "regression", "mean"]
    centroids = fit_centroids(values, before, person, min_people=11, seed=0)
    assert {row[2] for row in centroids.centroids} == {None}
    told = centroids.fill(np.array([[1.0, np.nan, np.nan]]), np.full((1, 3), np.nan))
    assert [PROVENANCE[code] for code in told.provenance[0]] == ["measured", "knn", "mean"]


def test_where_nothing_is_known_the_training_mean_stands() -> None:
    values, person = groups(100)
    state = fit_centroids(values, np.full_like(values, np.nan), person, min_people=11, seed=0)
    empty = np.full((1, 3), np.nan)
    assert state.fill(empty, empty).values[0].tolist() == state.means
    known_before = state.fill(empty, np.array([[10.0, np.nan, np.nan]])).values[0]
    assert (known_before > 5).all()


def test_fitting_draws_whole_people_up_to_a_bound_and_the_seed_decides_which() -> None:
    person = np.repeat(np.arange(100), 7)
    rows = people_for(person, seed=1, min_people=1, most_rows=70)
    assert len(rows) == 70
    assert len(np.unique(person[rows])) == 10
    assert np.array_equal(rows, people_for(person, seed=1, min_people=1, most_rows=70))
    assert not np.array_equal(rows, people_for(person, seed=2, min_people=1, most_rows=70))
    assert len(np.unique(person[people_for(person, seed=1, min_people=11, most_rows=70)])) == 11


@pytest.mark.parametrize("fit", [fit_regression, fit_centroids])
def test_long_histories_of_few_people_still_teach(fit: Any) -> None:
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(15), 1200)  # nine of them have more than 10,000 rows
    x = generator.normal(size=len(person))
    values = np.stack([x, np.where(generator.random(len(x)) < 0.5, 2 * x, np.nan)], axis=1)
    before = np.full_like(values, np.nan)
    filled = fit(values, before, person, min_people=11, seed=0).fill(values, before)
    told = {PROVENANCE[place] for place in np.unique(filled.provenance[np.isnan(values)])}
    assert told <= {"regression", "knn"}


def test_regressions_do_not_run_away_from_training_values() -> None:
    values, person = groups(100)
    state = fit_regression(values, np.full_like(values, np.nan), person, min_people=11, seed=0)
    told = state.fill(np.array([[1e9, np.nan, np.nan]]), np.full((1, 3), np.nan)).values[0, 1:]
    mean, spread = np.nanmean(values, axis=0)[1:], np.nanstd(values, axis=0)[1:]
    assert np.abs(told - mean) == pytest.approx(5 * spread)


@pytest.mark.parametrize("fit", [fit_regression, fit_centroids])
def test_a_huge_number_that_never_changes_is_told_as_it_is(fit: Any) -> None:
    values = np.random.default_rng(4).normal(size=(60, 3))
    values[:, 0] = 1e30
    values[::7] = np.nan
    state = fit(values, np.full((60, 3), np.nan), np.arange(60), min_people=5, seed=0)
    assert np.allclose(state.fill(values, values).values[:, 0], 1e30, rtol=1e-6)


def test_the_values_before_are_those_of_the_same_sequence() -> None:
    values = np.array([[1.0], [np.nan], [3.0], [4.0], [np.nan]])
    found = values_before(values, np.array([0, 0, 0, 3, 3]), np.arange(5.0))
    assert np.array_equal(found, [[np.nan], [1], [1], [np.nan], [4]], equal_nan=True)
