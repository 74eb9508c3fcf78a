"""What a network must beat in a forecast: persistence, the person's mean, ridge regression and gradient boosting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from sequela.baselines.examples import Examples, Standardised, Told, folds, nobody_told
from sequela.baselines.ridge import Blocks, RidgeModel, RidgePath
from sequela.baselines.windows import Matrix, WindowStatistics
from sequela.cohort.asof import Rows

Floats = NDArray[np.float64]
Predict = Callable[[WindowStatistics], Floats]

PERSISTENCE, MEAN, LINEAR, GRADIENT_BOOSTING = "persistence", "mean", "linear", "gradient_boosting"
FORECAST_BASELINES = (PERSISTENCE, MEAN, LINEAR, GRADIENT_BOOSTING)

_RIDGE_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
_MOST_TREES, _TREES_WITHOUT_GAIN = 2000, 50
_FEWEST_IN_LEAF = 20
_CELLS_AT_ONCE = 1 << 27  # of a standardised table: 1 GiB


@dataclass(frozen=True, kw_only=True)
class FittedBaselines:
    """Baselines by name, and how far off each was on people that it was not fitted on (the first target)."""

    predict: dict[str, Predict]
    selection_rmse: dict[str, float]  # infinite where nobody could judge
    judging_labels: int

    @property
    def best(self) -> str | None:
        """Return the name of the best one, chosen without held-out people; None where there is none."""
        return min(self.selection_rmse, key=self.selection_rmse.__getitem__) if self.selection_rmse else None


def fit_forecast_baselines(
    names: Sequence[str],
    training: Examples,
    tuning: Examples | None,
    *,
    seed: int,
    threads: int,
    told: Told = nobody_told,
) -> FittedBaselines:
    """Return fitted baselines.

    Tuning people choose the ridge penalty and stop the boosting, as they stop the network. Without tuning people, five
    folds of the training people do. So they do where no tuning person has a label of the first target.

    Args:
        names: of `FORECAST_BASELINES`.
        training: examples of training people.
        tuning: examples of tuning people, or None.
        seed: of the boosting.
        threads: that LightGBM may use.
        told: is told what is fitted now.
    """
    predict = {}
    for name in names:
        told(name)
        predict[name] = _fit(name, training, tuning, seed, threads)
    judged = [(predict, tuning)] if tuning is not None and _labels(tuning) else []
    if not judged:
        labelled = training.take(np.asarray(~np.isnan(training.labels[:, :, 0]).all(axis=1)))
        for number, (rest, fold) in enumerate(folds(labelled.person), start=1):
            told(f"judging them by the others, fold {number}")
            fit, judges = labelled.take(rest), labelled.take(fold)
            judged.append(({name: _fit(name, fit, judges, seed, threads) for name in names}, judges))
    return FittedBaselines(
        predict=predict,
        selection_rmse={name: _rmse([(models[name], judges) for models, judges in judged]) for name in names},
        judging_labels=sum(_labels(judges) for _, judges in judged),
    )


def _labels(examples: Examples) -> int:
    """Return the number of labels of the first target."""
    return int((~np.isnan(examples.labels[:, :, 0])).sum())


def _rmse(judged: list[tuple[Predict, Examples]]) -> float:
    """Return the error of models in the first target, each on people of its own; infinite where it cannot be told."""
    errors = [(model(judges.statistics) - judges.labels)[:, :, 0] for model, judges in judged]
    known = [error[~np.isnan(judges.labels[:, :, 0])] for error, (_, judges) in zip(errors, judged, strict=True)]
    found = float(np.sqrt(np.mean(np.concatenate(known) ** 2))) if known else np.inf
    return found if np.isfinite(found) else np.inf


def _fit(name: str, training: Examples, tuning: Examples | None, seed: int, threads: int) -> Predict:
    if name in (PERSISTENCE, MEAN):
        return _carry(name, _mean_of_known(training.labels), training.labels)
    fit_one = _fit_linear if name == LINEAR else _fit_boosting
    outputs = [
        [fit_one(training, tuning, (j, k), seed, threads) for k in range(training.labels.shape[2])]
        for j in range(training.labels.shape[1])
    ]
    return lambda statistics: np.stack([np.stack([f(statistics) for f in row], axis=1) for row in outputs], axis=1)


def _mean_of_known(labels: Floats) -> Floats:
    """Return the mean label of each target over predictions and horizons, NaN where none is known."""
    known = ~np.isnan(labels)
    count = known.sum(axis=(0, 1))
    total = np.where(known, labels, 0.0).sum(axis=(0, 1))
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _carry(name: str, fallback: Floats, labels: Floats) -> Predict:
    horizons = labels.shape[1]

    def predict(statistics: WindowStatistics) -> Floats:
        of_person = statistics.last_target if name == PERSISTENCE else statistics.mean_target
        filled = np.where(np.isnan(of_person), fallback, of_person)
        return np.repeat(filled[:, None, :], horizons, axis=1)

    return predict


def _known(examples: Examples, output: tuple[int, int]) -> tuple[Matrix, Floats, Rows]:
    label = examples.labels[:, output[0], output[1]]
    known = ~np.isnan(label)
    if known.all():  # nothing is left out, and nothing copied
        return examples.statistics.matrix, label, examples.person
    return examples.statistics.matrix[known], label[known], examples.person[known]


def _constant(value: float) -> Callable[[WindowStatistics], Floats]:
    return lambda statistics: np.full(len(statistics.matrix), value)


def _fit_linear(
    training: Examples, tuning: Examples | None, output: tuple[int, int], seed: int, threads: int
) -> Callable[[WindowStatistics], Floats]:
    """Return ridge regression on standardised statistics, missing ones filled by the mean and marked."""
    del seed, threads
    matrix, label, person = _known(training, output)
    if not len(label):
        return _constant(float("nan"))
    table = Standardised(matrix)
    judge, judge_label, _ = _known(tuning, output) if tuning is not None else (matrix[:0], label[:0], person[:0])
    if len(judge_label):
        ridge = RidgePath(_rows(table, matrix, label))
        models = [ridge.model(penalty) for penalty in _RIDGE_PENALTIES]
        model = models[_least(_errors(models, _rows(table, judge, judge_label)))]
    else:
        errors = np.zeros(len(_RIDGE_PENALTIES))
        inner_folds = folds(person)
        for rest, fold in inner_folds:
            others = matrix[rest]
            inner = Standardised(others)
            ridge = RidgePath(_rows(inner, others, label[rest]))
            models = [ridge.model(penalty) for penalty in _RIDGE_PENALTIES]
            errors += _errors(models, _rows(inner, matrix[fold], label[fold]))
        model = RidgePath(_rows(table, matrix, label)).model(_RIDGE_PENALTIES[_least(errors)] if inner_folds else 1.0)
    weights, intercept = model.weights, model.intercept
    return lambda statistics: table.weighed(statistics.matrix, weights) + intercept


def _rows(table: Standardised, matrix: Matrix, label: Floats) -> Blocks:
    """Return standardised rows with their labels in blocks; studies of some ten thousand people are one block."""
    step = max(_CELLS_AT_ONCE // table.width, 1)
    return lambda: (
        (table(matrix[begin : begin + step]), label[begin : begin + step]) for begin in range(0, len(label), step)
    )


def _errors(models: Sequence[RidgeModel], blocks: Blocks) -> Floats:
    """Return the sum of squared errors of each model."""
    errors = np.zeros(len(models))
    for rows, label in blocks():
        errors += [np.sum((model(rows) - label) ** 2) for model in models]
    return errors


def _least(errors: Floats) -> int:
    return min(range(len(errors)), key=errors.__getitem__)


def _fit_boosting(
    training: Examples, tuning: Examples | None, output: tuple[int, int], seed: int, threads: int
) -> Callable[[WindowStatistics], Floats]:
    """Return LightGBM on the statistics, stopped by tuning people (or by folds of the training people)."""
    matrix, label, person = _known(training, output)
    if len(label) < 2 * _FEWEST_IN_LEAF:  # no tree can branch, and LightGBM fails where a sample of rows is empty
        return _constant(float(label.mean()) if len(label) else float("nan"))
    settings = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": _FEWEST_IN_LEAF,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
    if tuning is not None and len(_known(tuning, output)[1]):
        booster = _boost(settings, (matrix, label), _known(tuning, output)[:2])
        trees = booster.best_iteration
    else:
        found = [
            _boost(settings, (matrix[rest], label[rest]), (matrix[fold], label[fold])).best_iteration
            for rest, fold in folds(person)
            if rest.sum() >= 2 * _FEWEST_IN_LEAF
        ]
        trees = round(float(np.mean(found))) if found else 100
        booster = lightgbm.train(settings, lightgbm.Dataset(matrix, label), num_boost_round=max(trees, 1))

    def predict(statistics: WindowStatistics) -> Floats:
        if not len(statistics.matrix):
            return np.zeros(0)
        predicted = booster.predict(statistics.matrix, num_iteration=trees, num_threads=threads)
        return np.asarray(predicted, dtype=np.float64)

    return predict


def _boost(settings: dict[str, object], fit: tuple[Matrix, Floats], judge: tuple[Matrix, Floats]) -> lightgbm.Booster:
    data = lightgbm.Dataset(*fit)
    return lightgbm.train(
        settings,
        data,
        num_boost_round=_MOST_TREES,
        valid_sets=[lightgbm.Dataset(*judge, reference=data)],
        callbacks=[lightgbm.early_stopping(_TREES_WITHOUT_GAIN, verbose=False)],
    )
