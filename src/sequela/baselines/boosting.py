"""LightGBM: the same trees from the same seed, as many as people who did not teach it ask for.

Several settings are tried, the usual ones first and then random ones. Of more than 100,000 predictions that teach,
trials see so many, and all teach with the settings that judged best. Where a study trains again, these are fitted on
training and tuning people in the end, with as many trees.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.examples import Examples, Told, nobody_told
from sequela.baselines.growing import binned, complete_columns, grow, grow_while_it_gains, read_booster
from sequela.baselines.search import NOBODY, Chosen, Judged, Predict, Search, Setting, Trial, log_loss, rmse
from sequela.baselines.side_by_side import Stop, side_by_side
from sequela.baselines.trees import read_grown, write_trees
from sequela.baselines.windows import WindowStatistics

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = NDArray[np.float64]
Settings = dict[str, Setting]

FEWEST_ROWS = 40  # LightGBM fails where a sample of rows is empty, and no tree can branch

_TREES_UNJUDGED = 100
_MOST_TRIED_ON = 100_000  # predictions
_WORTH_SHARING = 4_000_000  # numbers in a table; below, LightGBM's threads wait for each other more than they help

_EVEN = ("max_depth", "bagging_fraction", "extra_trees")  # all others are drawn on a log scale
_WHOLE = ("num_leaves", "max_depth", "min_data_in_leaf")
_CLAIMS = ("extra_trees",)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What boosting is for: LightGBM's objective and metric, the loss that judges, and what is tried."""

    objective: str
    written: str  # the objective in LightGBM's text
    metric: str
    judged_by: str
    loss: Callable[[Floats, Floats], float]  # of labels and predictions
    usual: Settings  # tried first
    space: dict[str, list[float]]  # lowest and highest of what is drawn at random; extra trees: 0 or 1
    trees_without_gain: int

    def drawn(self, trials: int, seed: int) -> list[Settings]:
        """Return the usual settings, then `trials` - 1 random ones: a longer list begins with a shorter one."""
        random = np.random.default_rng([seed, 2012])
        return [
            self.usual,
            *({name: self._drawn(name, random.random()) for name in self.space} for _ in range(trials - 1)),
        ]

    def in_force(self, settings: Settings, labels: Floats) -> Settings:
        """Return settings as LightGBM takes them, with `lambda_l1` of a forecast in standard deviations of the labels.

        LightGBM takes it off sums of gradients, which have the labels' unit: what is hardly felt in mmHg would let no
        tree branch in bar.
        """
        unit = float(np.std(labels)) if self.objective == FORECAST.objective else 1.0
        return settings | {"lambda_l1": float(settings["lambda_l1"]) * unit}

    def _drawn(self, name: str, share: float) -> Setting:
        low, high = self.space[name]
        value = low + share * (high - low) if name in _EVEN else low * (high / low) ** share
        if name in _CLAIMS:
            return value >= (low + high) / 2
        return round(value) if name in _WHOLE else float(f"{value:.4g}")


RISK = Goal(
    objective="binary",
    written="binary sigmoid:1",
    metric="binary_logloss",
    judged_by="log_loss",
    loss=log_loss,
    usual={
        "learning_rate": 0.03,
        "num_leaves": 15,
        "max_depth": -1,
        "min_data_in_leaf": 40,
        "feature_fraction": 0.2,
        "bagging_fraction": 0.65,
        "lambda_l1": 1.0,
        "lambda_l2": 5.0,
        "extra_trees": True,
    },
    space={
        "learning_rate": [0.015, 0.06],
        "num_leaves": [6, 40],
        "max_depth": [3, 10],
        "min_data_in_leaf": [10, 100],
        "feature_fraction": [0.05, 0.6],
        "bagging_fraction": [0.5, 0.9],
        "lambda_l1": [0.01, 10.0],
        "lambda_l2": [0.1, 50.0],
        "extra_trees": [0, 1],
    },
    trees_without_gain=100,
)
"""Many statistics that say nearly the same want small, strongly regularised trees."""

FORECAST = Goal(
    objective="regression",
    written="regression",
    metric="l2",
    judged_by="rmse",
    loss=rmse,
    usual={
        "learning_rate": 0.05,
        "num_leaves": 31,
        "max_depth": -1,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.8,
        "lambda_l1": 0.0,
        "lambda_l2": 0.0,
        "extra_trees": True,
    },
    space=RISK.space
    | {
        "learning_rate": [0.03, 0.1],
        "num_leaves": [6, 60],
        "min_data_in_leaf": [5, 100],
        "feature_fraction": [0.3, 1.0],
        "bagging_fraction": [0.5, 1.0],
    },
    trees_without_gain=50,
)
"""A few statistics, as the last value and the mean, say most of a forecast: a tree must be let to see them."""


def always(seed: int, threads: int) -> dict[str, object]:
    """Return the settings that make LightGBM say the same twice, with any number of threads."""
    return {
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "feature_pre_filter": False,
        "num_threads": threads,
        "verbosity": -1,
    }


def boosted(
    judged: Judged, goal: Goal, drawn: list[Settings], seed: int, threads: int, told: Told = nobody_told
) -> Chosen:
    """Return LightGBM with the settings that judged best, and all that were tried, side by side."""
    shared = threads if judged.everyone.statistics.matrix.size >= _WORTH_SHARING else 1
    of_goal = {"objective": goal.objective, "metric": goal.metric}
    fixed = always(seed, shared) | of_goal
    pairs = [(fit, judge) for fit, judge in judged.pairs if len(fit.labels) >= FEWEST_ROWS]
    drawn = drawn if pairs else drawn[:1]
    are_some = len(drawn) > 1 and any(len(fit.labels) > _MOST_TRIED_ON for fit, _ in pairs)
    most = _MOST_TRIED_ON if are_some else sys.maxsize
    alone = fixed if len(drawn) == 1 else always(seed, 1) | of_goal
    races = [_Race(fit.at_most(most, seed), judge, goal, alone) for fit, judge in pairs]
    told("gradient_boosting")
    tried = side_by_side(
        lambda settings, stop: _tried(races, settings, goal, stop),
        drawn,
        threads,
        lambda count: told(f"gradient_boosting, settings tried: {count} of {len(drawn)}"),
    )
    judge = judged.by if races else NOBODY
    search = Search(
        space=goal.space,
        judged_by=goal.judged_by,
        judge=judge,
        fitted_on=judged.taught,
        trials=[trial for trial, _ in tried],
    )
    boosters = tried[search.chosen][1]
    if are_some:
        told("gradient_boosting, the settings that were chosen")
        of_all, boosters = _tried([_Race(*pair, goal, fixed) for pair in pairs], search.kept.settings, goal)
        search = replace(search, of_all=of_all)
    settings, trees = search.kept.settings, search.kept.trees or _TREES_UNJUDGED

    def fit(everyone: Examples) -> Predict:
        matrix, in_force = everyone.statistics.matrix, fixed | goal.in_force(settings, everyone.labels)
        booster = grow(in_force, binned(matrix, everyone.labels, in_force), trees)
        return _predicting(_answering(booster, goal, complete_columns(matrix)), shared)

    return judged.settled(search, _predicting(boosters[0], shared) if boosters else None, fit)


def _answering(booster: Booster, goal: Goal, complete: NDArray[np.bool_]) -> Booster:
    """Return the trees up to the best one, in a booster that knows what to do with values that never missed before."""
    trees = read_grown(booster, trees=booster.best_iteration, objective=goal.written, complete=complete)
    return read_booster(write_trees(trees, features=booster.num_feature(), objective=goal.written, start=(0.0, 0.0)))


def _predicting(booster: Booster, threads: int) -> Predict:
    def predict(statistics: WindowStatistics) -> Floats:
        if not len(statistics.matrix):
            return np.zeros(0)
        return np.asarray(booster.predict(statistics.matrix, num_threads=threads))

    return predict


def _tried(races: list[_Race], settings: Settings, goal: Goal, *stops: Stop) -> tuple[Trial, list[Booster]]:
    """Return how settings did, and the booster of each race."""
    boosters = [race.run(settings, *stops) for race in races]
    if not boosters:
        return Trial(settings=settings, trees=None, loss=None), boosters
    labels = np.concatenate([race.judge.labels for race in races])
    predicted = np.concatenate([race.said(booster) for race, booster in zip(races, boosters, strict=True)])
    trees = round(float(np.mean([booster.num_trees() for booster in boosters])))
    return Trial(settings=settings, trees=trees, loss=goal.loss(labels, predicted)), boosters


class _Race:
    """One pair of people to fit on and people who stop it; the columns are binned once for all trials."""

    def __init__(self, fit: Examples, judge: Examples, goal: Goal, fixed: dict[str, object]) -> None:
        self.judge, self._labels, self._goal, self._fixed = judge, fit.labels, goal, fixed
        self._complete = complete_columns(fit.statistics.matrix)
        self._fit = binned(fit.statistics.matrix, fit.labels, fixed).construct()
        self._stop = self._fit.create_valid(judge.statistics.matrix, judge.labels, params=fixed).construct()

    def run(self, settings: Settings, *stops: Stop) -> Booster:
        """Return the booster, stopped where the judges see no gain."""
        in_force, patience = self._goal.in_force(settings, self._labels), self._goal.trees_without_gain
        booster = grow_while_it_gains(self._fixed | in_force, self._fit, self._stop, *stops, patience=patience)
        return _answering(booster, self._goal, self._complete)

    def said(self, booster: Booster) -> Floats:
        """Return what a booster says of the judges."""
        return np.asarray(booster.predict(self.judge.statistics.matrix, num_threads=1))
