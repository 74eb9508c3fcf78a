from __future__ import annotations

import json

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sequela.baselines import RISK_BASELINES, Examples, FittedRiskBaselines, WindowStatistics, fit_risk_baselines
from sequela.baselines.boosting import FORECAST, RISK, Goal, always
from sequela.baselines.growing import binned

Floats = NDArray[np.float64]


def examples(seed: int, count: int = 300, *, gaps: bool = True) -> Examples:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(count, 4)) * [1, 10, 100, 0] + [0, 5, 50, 3]
    margin = matrix[:, 0] + matrix[:, 1] / 10 - 1
    labels = (random.random(count) < 1 / (1 + np.exp(-margin))).astype(float)
    if gaps:
        matrix[random.random((count, 4)) < 0.2] = np.nan
        labels[random.random(count) < 0.1] = np.nan
    nothing = np.zeros((count, 0))
    statistics = WindowStatistics(
        matrix=matrix.astype(np.float32), names=list("abcd"), last_target=nothing, mean_target=nothing
    )
    return Examples(statistics=statistics, labels=labels, person=np.arange(count) // 3)


def fit(name: str, training: Examples, tuning: Examples | None, **keys: int) -> FittedRiskBaselines:
    return fit_risk_baselines([name], training, tuning, **{"seed": 0, "threads": 1, "trials": 2} | keys)


@pytest.mark.parametrize("name", RISK_BASELINES)
@pytest.mark.parametrize("with_tuning", [True, False])
def test_probabilities_tell_who_has_the_event(name: str, with_tuning: bool) -> None:
    fitted = fit(name, examples(0), examples(1) if with_tuning else None)
    new = examples(2, gaps=False)
    predicted = fitted.predict[name](new.statistics)
    assert predicted.shape == (300,)
    assert (predicted > 0).all()
    assert (predicted < 1).all()
    assert log_loss(new.labels, predicted) < 0.62
    assert fitted.selection_log_loss[name] < 0.68
    judge = "tuning people" if with_tuning else "folds of training people"
    assert fitted.searches[name].judge == judge


@pytest.mark.parametrize("name", RISK_BASELINES)
def test_the_lowest_log_loss_of_tuning_people_chooses(name: str) -> None:
    training, tuning = examples(0), examples(1)
    fitted = fit(name, training, tuning, trials=4)
    known = ~np.isnan(tuning.labels)
    predicted = fitted.first[name](tuning.statistics)[known]
    search = fitted.searches[name]
    losses = [trial.loss for trial in search.trials]
    assert losses[search.chosen] == min(losses)  # type: ignore[type-var]
    assert fitted.selection_log_loss[name] == pytest.approx(log_loss(tuning.labels[known], predicted), rel=1e-4)


def test_logistic_is_that_of_scikit_learn_fitted_before_and_after_tuning_people_chose() -> None:
    training, tuning, new = examples(0, gaps=False), examples(1, gaps=False), examples(2, gaps=False)
    fitted = fit("logistic", training, tuning, again=True)
    search = fitted.searches["logistic"]
    penalty = search.trials[search.chosen].settings["penalty"]
    for taught, predict in ((training, fitted.first), (training.and_of(tuning), fitted.predict)):
        matrix = taught.statistics.matrix.astype(np.float64)
        spread = np.where(matrix.std(axis=0) > 1e-9, matrix.std(axis=0), 1)
        table = (matrix - matrix.mean(axis=0)) / spread
        model = LogisticRegression(C=1 / float(penalty), tol=1e-8, max_iter=10_000).fit(table, taught.labels)
        expected = model.predict_proba((new.statistics.matrix - matrix.mean(axis=0)) / spread)[:, 1]
        assert predict["logistic"](new.statistics) == pytest.approx(expected, abs=1e-3)


def test_boosting_is_fitted_again_on_training_and_tuning_people_with_what_these_chose() -> None:
    training, tuning, new = (examples(seed, gaps=False) for seed in range(3))
    fitted = fit("gradient_boosting", training, tuning, trials=3, again=True)
    search = fitted.searches["gradient_boosting"]
    trial = search.trials[search.chosen]
    settings = always(0, 1) | trial.settings | {"objective": "binary"}
    both = binned(
        np.concatenate([training.statistics.matrix, tuning.statistics.matrix]),
        np.concatenate([training.labels, tuning.labels]),
        settings,
    )
    assert trial.trees is not None
    booster = lightgbm.train(settings, both, trial.trees)
    predicted = fitted.predict["gradient_boosting"](new.statistics)
    assert predicted == pytest.approx(np.asarray(booster.predict(new.statistics.matrix)), rel=1e-9)
    assert search.to_dict()["fitted_on"] == "training and tuning people"


@pytest.mark.parametrize("name", RISK_BASELINES)
def test_what_only_tuning_people_show_is_learned_and_not_told_of_themselves(name: str) -> None:
    training, tuning, new = examples(0, gaps=False), examples(1, 1500, gaps=False), examples(2, gaps=False)
    noise = np.random.default_rng(3)
    for part in (tuning, new):  # the same number for all training people
        part.statistics.matrix[:, 3] = 3 + 5 * part.labels + noise.normal(size=len(part.labels))
    fitted = fit(name, training, tuning, again=True)
    before, after = (log_loss(new.labels, model[name](new.statistics)) for model in (fitted.first, fitted.predict))
    assert after < before - 0.15
    assert fitted.selection_log_loss[name] > log_loss(tuning.labels, fitted.predict[name](tuning.statistics)) + 0.15


@pytest.mark.parametrize("name", RISK_BASELINES)
@pytest.mark.parametrize(("tuning", "again"), [(None, True), (1, False)])
def test_without_tuning_people_or_training_again_there_is_one_fit(name: str, tuning: int | None, again: bool) -> None:
    fitted = fit(name, examples(0), None if tuning is None else examples(tuning), again=again)
    new = examples(2).statistics
    assert fitted.first[name](new).tobytes() == fitted.predict[name](new).tobytes()
    assert fitted.searches[name].to_dict()["fitted_on"] == "training people"


def test_what_is_missing_counts_when_it_tells_something() -> None:
    training, tuning, new = (examples(seed, gaps=False) for seed in (0, 1, 2))
    for part in (training, tuning, new):
        part.statistics.matrix[part.labels > 0, 3] = np.nan
    predicted = fit("logistic", training, tuning).predict["logistic"](new.statistics)
    assert predicted[new.labels > 0].min() > predicted[new.labels == 0].max()


@pytest.mark.parametrize("levels", [1, 2])
def test_trees_with_random_thresholds_part_the_highest_level_from_the_others(levels: int) -> None:
    training, tuning, new = (examples(seed, gaps=False) for seed in range(3))
    for part in (training, tuning, new):
        others = np.arange(len(part.labels)) % levels
        part.statistics.matrix[:] = np.where(part.labels > 0, levels, others)[:, None] + 1  # no value is 0
    predicted = fit("gradient_boosting", training, tuning, trials=1).predict["gradient_boosting"](new.statistics)
    assert predicted[new.labels > 0].min() > predicted[new.labels == 0].max() + 0.5


@pytest.mark.parametrize("name", RISK_BASELINES)
def test_what_misses_for_the_first_time_is_no_zero(name: str) -> None:
    training, tuning, new = (examples(seed, 600, gaps=False) for seed in (0, 1, 2))
    for part in (training, tuning, new):
        part.statistics.matrix[:, 0] += 100
    fitted = fit(name, training, tuning).predict[name]
    usual, low, missing = (new.statistics.take(np.arange(20)) for _ in range(3))
    usual.matrix[:, 0], low.matrix[:, 0], missing.matrix[:, 0] = 100, 0, np.nan
    assert fitted(missing) == pytest.approx(fitted(usual), abs=0.1)
    assert (fitted(low) < fitted(missing)).all()


def test_one_typing_error_does_not_decide_a_risk() -> None:
    fitted = fit("logistic", examples(0), examples(1))
    new = examples(2, gaps=False)
    new.statistics.matrix[0, 2] = 1e30
    predicted = fitted.predict["logistic"](new.statistics)
    assert 1e-3 < predicted[0] < 1 - 1e-3


@pytest.mark.parametrize("name", RISK_BASELINES)
def test_the_same_seed_gives_the_same_bits_whatever_stands_beside_a_row(name: str) -> None:
    training, tuning, new = examples(0), examples(1), examples(2)
    one, again = (fit(name, training, tuning).predict[name] for _ in range(2))
    whole = one(new.statistics)
    assert whole.tobytes() == again(new.statistics).tobytes()
    for r in range(0, 300, 37):
        assert one(new.statistics.take(np.array([r]))).tobytes() == whole[r].tobytes()
    assert one(new.statistics.take(np.arange(0))).shape == (0,)


def test_boosting_gives_the_same_bits_with_more_threads() -> None:
    training, tuning, new = examples(0), examples(1), examples(2)
    one, three = (fit("gradient_boosting", training, tuning, threads=n, trials=4) for n in (1, 3))
    predicted = [model.predict["gradient_boosting"](new.statistics).tobytes() for model in (one, three)]
    assert predicted[0] == predicted[1]
    assert one.searches == three.searches


@pytest.mark.parametrize("name", RISK_BASELINES)
@pytest.mark.parametrize("with_tuning", [True, False])
def test_one_class_gives_a_risk_that_is_no_certainty(name: str, with_tuning: bool) -> None:
    training, tuning = examples(0, gaps=False), examples(1) if with_tuning else None
    training.labels[:] = 0
    fitted = fit(name, training, tuning)
    assert fitted.predict[name](training.statistics) == pytest.approx(0.5 / 301)
    assert fitted.searches == {}


@pytest.mark.parametrize("name", RISK_BASELINES)
def test_a_handful_of_rows_give_their_share_of_events(name: str) -> None:
    few = examples(0, 9, gaps=False)
    predicted = fit(name, few, None).predict[name](few.statistics)
    assert predicted == pytest.approx((few.labels.sum() + 0.5) / 10)


def test_tuning_people_of_one_class_still_judge() -> None:
    training, tuning = examples(0), examples(1)
    tuning.labels[tuning.labels > 0] = np.nan
    for name in RISK_BASELINES:
        assert np.isfinite(fit(name, training, tuning).selection_log_loss[name])


@pytest.mark.parametrize("goal", [RISK, FORECAST], ids=["risk", "forecast"])
def test_more_trials_begin_with_the_same_and_stay_in_the_space(goal: Goal) -> None:
    assert goal.drawn(12, 7)[:5] == goal.drawn(5, 7)
    assert goal.drawn(3, 7) != goal.drawn(3, 8)
    for settings in goal.drawn(50, 0)[1:]:
        for name, (low, high) in goal.space.items():
            assert low <= float(settings[name]) <= high


def test_the_search_can_be_printed() -> None:
    fitted = fit_risk_baselines(list(RISK_BASELINES), examples(0), examples(1), seed=0, threads=1, trials=3)
    written = json.loads(json.dumps({name: search.to_dict() for name, search in fitted.searches.items()}))
    assert len(written["gradient_boosting"]["trials"]) == 3
    assert written["gradient_boosting"]["space"] == RISK.space
