"""What a network must beat in a risk: logistic regression and gradient boosting on statistics of the records.

Tuning people choose between settings by the mean log loss, and stop the boosting. Where a study trains again, both are
then fitted with what they chose on training and tuning people, as networks and a hybrid are; what is asked of tuning
people is asked of the models before that. Without tuning people, folds of the training people choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.boosting import FEWEST_ROWS, RISK, boosted
from sequela.baselines.examples import Examples, Standardised, Told, nobody_told
from sequela.baselines.search import (
    Chosen,
    Judged,
    Predict,
    Search,
    Trial,
    judged_pairs,
    log_loss,
)
from sequela.baselines.windows import WindowStatistics

Floats = NDArray[np.float64]

LOGISTIC, GRADIENT_BOOSTING = "logistic", "gradient_boosting"
RISK_BASELINES = (LOGISTIC, GRADIENT_BOOSTING)

_PENALTIES = (10000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 1.0)
_STEPS = 5000


@dataclass(frozen=True, kw_only=True)
class FittedRiskBaselines:
    """Baselines by name, how good each was on people that it was not fitted on, and what was tried for it."""

    predict: dict[str, Predict]  # the final ones
    first: dict[str, Predict]  # fitted on training people alone: those to ask about tuning people
    selection_log_loss: dict[str, float]  # infinite where nobody could judge
    judging_labels: int
    searches: dict[str, Search]


def fit_risk_baselines(
    names: Sequence[str],
    training: Examples,
    tuning: Examples | None,
    *,
    seed: int,
    threads: int,
    trials: int,
    again: bool = False,
    told: Told = nobody_told,
) -> FittedRiskBaselines:
    """Return fitted baselines that give probabilities.

    Args:
        names: of `RISK_BASELINES`.
        training: examples of training people, labels [R] of 0 and 1, NaN where unknown.
        tuning: examples of tuning people, or None.
        seed: of the boosting and of the settings that are tried.
        threads: that LightGBM may use; settings are tried so many at once.
        trials: settings of the boosting that are tried, the usual ones first and then random ones.
        again: True fits the models once more, on training and tuning people, with what these chose.
        told: is told what is fitted now.
    """
    training, tuning = _labelled(training), None if tuning is None else _labelled(tuning)
    judged = judged_pairs(training, tuning, again=again)
    chosen: dict[str, Chosen] = {}
    for name in names:
        if _too_little(training):
            chosen[name] = _constant(training.labels)
        elif name == LOGISTIC:
            told(name)
            chosen[name] = _logistic(judged)
        else:
            chosen[name] = boosted(judged, RISK, RISK.drawn(trials, seed), seed, threads, told)
    searches = {name: one.search for name, one in chosen.items() if one.search is not None}
    scores = {name: searches[name].score if name in searches else judged.score(chosen[name].first) for name in names}
    return FittedRiskBaselines(
        predict={name: one.final for name, one in chosen.items()},
        first={name: one.first for name, one in chosen.items()},
        selection_log_loss=scores,
        judging_labels=judged.rows,
        searches=searches,
    )


def _labelled(examples: Examples) -> Examples:
    return examples.take(~np.isnan(examples.labels))


def _too_little(training: Examples) -> bool:
    """Return whether one class only, or hardly a row, is there to learn from."""
    return len(np.unique(training.labels)) < 2 or len(training.labels) < FEWEST_ROWS


def _constant(labels: Floats) -> Chosen:
    """Return the share of events, half an event and half a non-event added: never a certainty."""
    share = (labels.sum() + 0.5) / (len(labels) + 1)

    def predict(statistics: WindowStatistics) -> Floats:
        return np.full(len(statistics.matrix), share)

    return Chosen(first=predict, final=predict, search=None)


def _logistic(judged: Judged) -> Chosen:
    """Return logistic regression on standardised statistics, missing ones filled by the mean and marked."""
    paths = [_logistic_path(fit, _PENALTIES) for fit, _ in judged.pairs]
    totals = np.zeros(len(_PENALTIES))
    for (_, judge), path in zip(judged.pairs, paths, strict=True):
        totals += [log_loss(judge.labels, model(judge.statistics)) * len(judge.labels) for model in path]
    rows = judged.rows
    trials = [
        Trial(settings={"penalty": penalty}, trees=None, loss=float(total / rows) if rows else None)
        for penalty, total in zip(_PENALTIES, totals, strict=True)
    ]
    space = {"penalty": list(_PENALTIES)}
    search = Search(space=space, judged_by=RISK.judged_by, judge=judged.by, fitted_on=judged.taught, trials=trials)
    first = paths[0][search.chosen] if paths else None
    return judged.settled(search, first, lambda everyone: _logistic_path(everyone, _PENALTIES[: search.chosen + 1])[-1])


def _logistic_path(training: Examples, penalties: Sequence[float]) -> list[Predict]:
    """Return a model for each penalty, from the strongest on, each begun where the one before it ended."""
    from sklearn.linear_model import LogisticRegression

    table = Standardised(training.statistics.matrix, distinct=True)
    rows = table(training.statistics.matrix)
    model = LogisticRegression(warm_start=True, max_iter=_STEPS, tol=1e-4)
    found = []
    for penalty in penalties:
        model.set_params(C=1 / penalty).fit(rows, training.labels)
        found.append(_linear_risk(table, model.coef_[0].copy(), float(model.intercept_[0])))
    return found


def _linear_risk(table: Standardised, weights: Floats, intercept: float) -> Predict:
    def predict(statistics: WindowStatistics) -> Floats:
        margin = table.weighed(statistics.matrix, weights) + intercept
        return np.asarray(1 / (1 + np.exp(-margin)))

    return predict
