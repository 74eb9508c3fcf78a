"""What a network must beat in a forecast: persistence, the person's mean, ridge regression and gradient boosting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.boosting import FEWEST_ROWS, FORECAST, Settings, boosted
from sequela.baselines.examples import Examples, Standardised, Told, folds, nobody_told
from sequela.baselines.ridge import RidgeModel, ridge_lines
from sequela.baselines.search import Predict, Search, judged_pairs
from sequela.baselines.windows import WindowStatistics

Floats = NDArray[np.float64]
Output = tuple[int, int]  # horizon and target

PERSISTENCE, MEAN, LINEAR, GRADIENT_BOOSTING = "persistence", "mean", "linear", "gradient_boosting"
FORECAST_BASELINES = (PERSISTENCE, MEAN, LINEAR, GRADIENT_BOOSTING)

_RIDGE_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
_CELLS_AT_ONCE = 1 << 24  # of a standardised table: 128 MiB


@dataclass(frozen=True, kw_only=True)
class FittedBaselines:
    """Baselines by name, how far off each was on people that it was not fitted on (the first target), and what was
    tried for the boosting of each output.
    """

    predict: dict[str, Predict]
    selection_rmse: dict[str, float]  # infinite where nobody could judge
    judging_labels: int
    searches: dict[Output, Search]


def fit_forecast_baselines(
    names: Sequence[str],
    training: Examples,
    tuning: Examples | None,
    *,
    seed: int,
    threads: int,
    trials: int,
    told: Told = nobody_told,
) -> FittedBaselines:
    """Return fitted baselines.

    Tuning people choose the ridge penalty and the settings of the boosting, and stop it, as they stop the network.
    Without tuning people, five folds of the training people do. So they do where no tuning person has a label of the
    first target.

    Args:
        names: of `FORECAST_BASELINES`.
        training: examples of training people.
        tuning: examples of tuning people, or None.
        seed: of the boosting and of the settings that are tried.
        threads: that LightGBM may use; settings are tried so many at once.
        trials: settings of the boosting that are tried for each output, the usual ones first and then random ones.
        told: is told what is fitted now.
    """
    outputs = [(j, k) for j in range(training.labels.shape[1]) for k in range(training.labels.shape[2])]
    tried = dict.fromkeys(outputs, FORECAST.drawn(trials, seed))
    predict, searches = {}, dict[Output, Search]()
    for name in names:
        if name != GRADIENT_BOOSTING:
            told(name)
        predict[name], found = _fit(name, training, tuning, _Boosting(tried, seed, threads, told))
        searches |= found
    judged = [(predict, tuning)] if tuning is not None and _labels(tuning) else []
    if not judged:
        labelled = training.take(np.asarray(~np.isnan(training.labels[:, :, 0]).all(axis=1)))
        kept = {output: [searches[output].kept.settings] if output in searches else tried[output] for output in outputs}
        alone = _Boosting(kept, seed, threads, nobody_told)
        for number, (rest, fold) in enumerate(folds(labelled.person), start=1):
            told(f"judging them by the others, fold {number}")
            fit, judges = labelled.take(rest), labelled.take(fold)
            judged.append(({name: _fit(name, fit, judges, alone)[0] for name in names}, judges))
    return FittedBaselines(
        predict=predict,
        selection_rmse={name: _rmse([(models[name], judges) for models, judges in judged]) for name in names},
        judging_labels=sum(_labels(judges) for _, judges in judged),
        searches=searches,
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


@dataclass(frozen=True)
class _Boosting:
    """How gradient boosting is fitted."""

    tried: dict[Output, list[Settings]]
    seed: int
    threads: int
    told: Told


def _fit(
    name: str, training: Examples, tuning: Examples | None, boosting: _Boosting
) -> tuple[Predict, dict[Output, Search]]:
    """Return a baseline [R] -> [R, horizons, targets], and what was tried for it."""
    if name in (PERSISTENCE, MEAN):
        return _carry(name, _mean_of_known(training.labels), training.labels), {}
    outputs: dict[Output, Predict] = {}
    searches: dict[Output, Search] = {}
    for output in boosting.tried:
        fit, judge = _of(training, output), None if tuning is None else _of(tuning, output)
        if name == LINEAR:
            outputs[output] = _linear(fit, judge)
            continue
        outputs[output], search = _boosted(fit, judge, output, boosting)
        searches |= {} if search is None else {output: search}
    shape = training.labels.shape[1:]

    def predict(statistics: WindowStatistics) -> Floats:
        said = np.stack([model(statistics) for model in outputs.values()], axis=1)
        return said.reshape(len(said), *shape)

    return predict, searches


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


def _of(examples: Examples, output: Output) -> Examples:
    """Return the examples that have a label of an output, with this alone [R]; where all have, nothing is copied."""
    label = examples.labels[:, output[0], output[1]]
    known = ~np.isnan(label)
    alone = Examples(statistics=examples.statistics, labels=label, person=examples.person)
    return alone if known.all() else alone.take(known)


def _constant(value: float) -> Predict:
    return lambda statistics: np.full(len(statistics.matrix), value)


def _boosted(
    training: Examples, tuning: Examples | None, output: Output, by: _Boosting
) -> tuple[Predict, Search | None]:
    """Return LightGBM on the statistics, chosen and stopped by tuning people (or by folds of the training people)."""
    if len(training.labels) < FEWEST_ROWS:
        return _constant(float(training.labels.mean()) if len(training.labels) else float("nan")), None
    judged = judged_pairs(training, tuning, again=False)
    chosen = boosted(judged, FORECAST, by.tried[output], by.seed, by.threads, by.told)
    return chosen.final, chosen.search


def _linear(training: Examples, tuning: Examples | None) -> Predict:
    """Return ridge regression on standardised statistics, missing ones filled by the mean and marked."""
    if not len(training.labels):
        return _constant(float("nan"))
    table = Standardised(training.statistics.matrix)
    if tuning is not None and len(tuning.labels):
        models = ridge_lines(_rows(table, training), _RIDGE_PENALTIES)
        model = models[_least(_errors(models, _rows(table, tuning)))]
    else:
        errors = np.zeros(len(_RIDGE_PENALTIES))
        inner_folds = folds(training.person)
        for rest, fold in inner_folds:
            others = training.take(rest)
            inner = Standardised(others.statistics.matrix)
            models = ridge_lines(_rows(inner, others), _RIDGE_PENALTIES)
            errors += _errors(models, _rows(inner, training.take(fold)))
        penalty = _RIDGE_PENALTIES[_least(errors)] if inner_folds else 1.0
        (model,) = ridge_lines(_rows(table, training), [penalty])
    weights, intercept = model.weights, model.intercept
    return lambda statistics: table.weighed(statistics.matrix, weights) + intercept


def _rows(table: Standardised, examples: Examples) -> Iterable[tuple[Floats, Floats]]:
    """Return standardised rows with their labels in blocks."""
    matrix, label, step = examples.statistics.matrix, examples.labels, max(_CELLS_AT_ONCE // table.width, 1)
    return ((table(matrix[begin : begin + step]), label[begin : begin + step]) for begin in range(0, len(label), step))


def _errors(models: Sequence[RidgeModel], blocks: Iterable[tuple[Floats, Floats]]) -> Floats:
    """Return the sum of squared errors of each model."""
    errors = np.zeros(len(models))
    for rows, label in blocks:
        errors += [np.sum((model(rows) - label) ** 2) for model in models]
    return errors


def _least(errors: Floats) -> int:
    return min(range(len(errors)), key=errors.__getitem__)
