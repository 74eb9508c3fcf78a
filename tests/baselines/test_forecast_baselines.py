from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from sequela.baselines import (
    FORECAST_BASELINES,
    Examples,
    FittedBaselines,
    WindowStatistics,
    boosting,
    fit_forecast_baselines,
)
from sequela.baselines import examples as examples_module
from sequela.baselines.boosting import FORECAST, Goal
from sequela.baselines.examples import Standardised, folds
from sequela.baselines.forecast import _RIDGE_PENALTIES
from sequela.baselines.ridge import ridge_lines

Floats = NDArray[np.float64]


def examples(seed: int, count: int = 60, *, gaps: bool = True, horizons: int = 1) -> Examples:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(count, 4)) * [1, 10, 100, 0] + [0, 5, 50, 3]
    labels = matrix[:, :2].sum(axis=1)[:, None, None] + random.normal(size=(count, horizons, 1))
    if gaps:
        matrix[random.random((count, 4)) < 0.2] = np.nan
        labels[random.random(labels.shape) < 0.1] = np.nan
    last = np.where(random.random((count, 1)) < 0.2, np.nan, random.normal(size=(count, 1)))
    statistics = WindowStatistics(matrix=matrix, names=list("abcd"), last_target=last, mean_target=last / 2)
    return Examples(statistics=statistics, labels=labels, person=np.arange(count) // 3)


def fit(name: str, training: Examples, tuning: Examples | None = None, **keys: int) -> FittedBaselines:
    return fit_forecast_baselines([name], training, tuning, **{"seed": 0, "threads": 1, "trials": 2} | keys)


@pytest.mark.parametrize(("name", "of"), [("persistence", "last_target"), ("mean", "mean_target")])
def test_persistence_and_mean_say_what_was_known_else_the_training_mean(name: str, of: str) -> None:
    training, new = examples(0, horizons=2), examples(1, horizons=2)
    predicted = fit(name, training).predict[name](new.statistics)
    known = getattr(new.statistics, of)[:, 0]
    expected = np.where(np.isnan(known), np.nanmean(training.labels), known)
    assert predicted.shape == (60, 2, 1)
    for horizon in range(2):
        assert np.array_equal(predicted[:, horizon, 0], expected)


def by_hand(training: Examples, new: Floats, penalty: float) -> Floats:
    """Ridge as a pipeline of scikit-learn: standardise, fill with the mean, mark what was missing."""
    from sklearn.impute import MissingIndicator

    known = ~np.isnan(training.labels[:, 0, 0])
    filled = make_pipeline(StandardScaler(), SimpleImputer(strategy="constant", fill_value=0.0))
    table = make_union(filled, MissingIndicator(features="missing-only", error_on_new=False))
    model = make_pipeline(table, Ridge(alpha=penalty))
    model.fit(training.statistics.matrix[known], training.labels[known, 0, 0])
    return np.asarray(model.predict(new))


def test_linear_is_the_pipeline_of_scikit_learn_with_the_penalty_that_tuning_people_choose() -> None:
    training, tuning, new = examples(0), examples(1), examples(2)
    predicted = fit("linear", training, tuning).predict["linear"](new.statistics)[:, 0, 0]
    judge = tuning.labels[:, 0, 0]

    def error(penalty: float) -> float:
        return float(np.nansum((by_hand(training, tuning.statistics.matrix, penalty) - judge) ** 2))

    best = min(_RIDGE_PENALTIES, key=error)
    assert np.allclose(predicted, by_hand(training, new.statistics.matrix, best), rtol=1e-9)


def test_a_linear_prediction_has_the_same_bits_whatever_stands_beside_it() -> None:
    training, new = examples(0), examples(2)
    predict = fit("linear", training).predict["linear"]
    whole = predict(new.statistics)
    for r in range(0, 60, 7):
        one = np.arange(60) == r
        assert predict(new.take(one).statistics).tobytes() == whole[one].tobytes()


def test_many_penalties_give_the_lines_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    for count in (5, 40, 300):  # fewer rows than columns, and more
        rows, label = random.normal(size=(count, 12)), random.normal(size=count)
        for penalty, model in zip(_RIDGE_PENALTIES, ridge_lines([(rows, label)], _RIDGE_PENALTIES), strict=True):
            expected = Ridge(alpha=penalty).fit(rows, label)
            assert np.allclose(model.weights, expected.coef_, rtol=1e-9, atol=1e-12)
            assert np.isclose(model.intercept, expected.intercept_, rtol=1e-9, atol=1e-12)


def test_lines_from_blocks_are_those_of_all_rows() -> None:
    random = np.random.default_rng(0)
    rows, label = random.normal(size=(300, 12)) + 3, random.normal(size=300)
    parts = (slice(0, 100), slice(100, 200), slice(200, 300))
    (whole,) = ridge_lines([(rows, label)], [10.0])
    (blocks,) = ridge_lines(((rows[part], label[part]) for part in parts), [10.0])
    assert np.allclose(blocks.weights, whole.weights, rtol=1e-11)
    assert np.isclose(blocks.intercept, whole.intercept, rtol=1e-11)


def test_a_standardised_table_does_not_depend_on_the_rows_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = examples(0).statistics.matrix
    weights = np.arange(1.0, 5.0 + int(np.isnan(matrix).any(axis=0).sum()))
    whole = Standardised(matrix)
    monkeypatch.setattr(examples_module, "_CELLS_AT_ONCE", 30)
    parts = Standardised(matrix)
    assert parts.mean.tobytes() == whole.mean.tobytes()
    assert parts.std.tobytes() == whole.std.tobytes()
    assert parts(matrix).tobytes() == whole(matrix).tobytes()
    assert parts.weighed(matrix, weights).tobytes() == (whole(matrix) * weights).sum(axis=1).tobytes()


def test_the_unit_of_a_column_changes_nothing_that_is_standardised() -> None:
    matrix = np.append(examples(0).statistics.matrix, np.full((60, 1), 0.1), axis=1)
    whole, tiny = (Standardised(unit * matrix)(unit * matrix) for unit in (1.0, 1e-15))
    assert np.allclose(whole, tiny, atol=1e-9)
    assert (np.abs(whole[:, [3, 4]]) < 1e-9).all()


@pytest.mark.parametrize("known", [True, False])
def test_an_absurd_value_moves_a_linear_forecast_no_farther_than_five_deviations(known: bool) -> None:
    training, new = examples(0, gaps=known), examples(2, gaps=False).take(np.arange(1))
    center, spread = (f(training.statistics.matrix[:, 1]) for f in (np.nanmean, np.nanstd))
    predict = fit("linear", training, examples(1)).predict["linear"]
    said = []
    for value in (center + 5 * spread, 1e9, center - 5 * spread, -1e9):
        new.statistics.matrix[0, 1] = value
        said.append(predict(new.statistics).item())
    assert said[:2] == pytest.approx([said[0]] * 2, rel=1e-9)
    assert said[2:] == pytest.approx([said[2]] * 2, rel=1e-9)
    assert said[0] > said[2] + spread


def test_the_settings_and_trees_with_the_least_error_on_tuning_people_are_kept() -> None:
    fitted = fit("gradient_boosting", examples(0, 300), examples(1, 200), trials=4)
    search = fitted.searches[0, 0]
    assert [trial.settings for trial in search.trials] == FORECAST.drawn(4, 0)
    assert search.score == min(trial.loss for trial in search.trials if trial.loss is not None)
    assert search.score == pytest.approx(fitted.selection_rmse["gradient_boosting"])
    assert search.to_dict()["judged_by"] == "rmse"


def test_the_unit_of_a_target_changes_no_choice_of_settings() -> None:
    found = []
    for unit in (1.0, 2.0**-20):
        training, tuning, new = (
            replace(part, labels=unit * part.labels) for part in map(examples, range(3), [300] * 3)
        )
        fitted = fit("gradient_boosting", training, tuning, trials=4)
        trials = fitted.searches[0, 0].trials
        found.append(([trial.trees for trial in trials], fitted.predict["gradient_boosting"](new.statistics) / unit))
    (trees, predicted), (others, same) = found
    assert trees == others
    assert same == pytest.approx(predicted, rel=1e-6)


@pytest.mark.parametrize("with_tuning", [True, False])
def test_settings_that_some_chose_are_fitted_on_all(with_tuning: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    training, new = examples(0, 300, gaps=False), examples(2)
    tuning = examples(1, 100, gaps=False) if with_tuning else None
    monkeypatch.setattr(boosting, "_MOST_TRIED_ON", 120)
    fitted = fit("gradient_boosting", training, tuning)
    search = fitted.searches[0, 0]
    assert search.of_all is not None
    assert search.of_all.settings == search.trials[search.chosen].settings
    assert search.of_all.loss != search.trials[search.chosen].loss
    monkeypatch.undo()
    monkeypatch.setattr(Goal, "drawn", lambda *_: [search.kept.settings])
    alone = fit("gradient_boosting", training, tuning)
    assert alone.searches[0, 0].of_all is None
    assert alone.searches[0, 0].kept == search.of_all
    predicted = (one.predict["gradient_boosting"](new.statistics) for one in (fitted, alone))
    assert next(predicted).tobytes() == next(predicted).tobytes()


@pytest.mark.parametrize("with_tuning", [True, False])
def test_boosting_says_the_same_twice_and_follows_its_seed(with_tuning: bool) -> None:
    training, new = examples(0, 300), examples(2)
    tuning = examples(1, 100) if with_tuning else None
    one, again, other = (
        fit("gradient_boosting", training, tuning, seed=seed, trials=1).predict["gradient_boosting"](new.statistics)
        for seed in (0, 0, 1)
    )
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()


def test_the_choice_rests_on_tuning_people_or_on_folds_of_whole_people() -> None:
    training, tuning = examples(0), examples(1)
    names = ["persistence", "mean", "linear"]
    fitted = fit_forecast_baselines(names, training, tuning, seed=0, threads=1, trials=1)
    for name in names:
        error = fitted.predict[name](tuning.statistics) - tuning.labels
        assert fitted.selection_rmse[name] == pytest.approx(np.sqrt(np.nanmean(error**2)))
    folded = fit_forecast_baselines(names, training, None, seed=0, threads=1, trials=1)
    assert all(np.isfinite(list(folded.selection_rmse.values())))
    for errors in (fitted.selection_rmse, folded.selection_rmse):
        assert min(errors, key=errors.__getitem__) == "linear"


def test_a_horizon_without_a_label_predicts_nothing() -> None:
    training = examples(0, horizons=2)
    training.labels[:, 1] = np.nan
    predicted = fit("linear", training).predict["linear"](training.statistics)
    assert np.isfinite(predicted[:, 0]).all()
    assert np.isnan(predicted[:, 1]).all()


def test_a_target_that_few_people_have_still_leaves_a_choice() -> None:
    training = examples(0)
    training.labels[training.person != 4] = np.nan
    training.labels[training.person == 9] = 1.0
    fitted = fit_forecast_baselines(FORECAST_BASELINES, training, None, seed=0, threads=1, trials=2)
    assert all(np.isfinite(list(fitted.selection_rmse.values())))


def test_where_no_tuning_person_has_the_first_target_folds_of_training_people_choose() -> None:
    training, tuning = examples(0), examples(1)
    tuning.labels[:] = np.nan
    found, expected = (
        fit_forecast_baselines(FORECAST_BASELINES, training, who, seed=0, threads=1, trials=2) for who in (tuning, None)
    )
    assert found.selection_rmse == expected.selection_rmse
    assert found.judging_labels == expected.judging_labels == np.count_nonzero(~np.isnan(training.labels))


def test_folds_weigh_every_label_of_every_horizon_once() -> None:
    training = examples(0, horizons=2)
    training.labels[::2, 1] = np.nan
    fitted = fit_forecast_baselines(["persistence"], training, None, seed=0, threads=1, trials=1)
    errors = []
    for rest, fold in folds(training.person):
        model = fit("persistence", training.take(rest)).predict["persistence"]
        errors.append(model(training.take(fold).statistics) - training.labels[fold])
    assert fitted.selection_rmse["persistence"] == pytest.approx(np.sqrt(np.nanmean(np.concatenate(errors) ** 2)))


def test_where_nobody_can_judge_no_error_is_told() -> None:
    alone = examples(0)
    alone.labels[alone.person > 0] = np.nan
    assert fit("mean", alone).selection_rmse == {"mean": np.inf}


def test_boosting_on_a_handful_of_predictions_says_their_mean() -> None:
    few = examples(0, 3, gaps=False)
    for tuning in (examples(1, gaps=False), None):
        predicted = fit("gradient_boosting", few, tuning).predict["gradient_boosting"](few.statistics)
        assert predicted[:, 0, 0] == pytest.approx(few.labels.mean())
