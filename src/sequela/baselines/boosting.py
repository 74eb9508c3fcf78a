"""LightGBM for a risk: the same trees from the same seed, as many as people who did not teach it ask for.

Where a study trains again, it is then fitted on training and tuning people, with the same settings and as many trees.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from sequela.baselines.examples import Examples, Told, nobody_told
from sequela.baselines.search import (
    NOBODY,
    Chosen,
    Judged,
    PredictRisk,
    Search,
    Setting,
    Trial,
    log_loss,
)
from sequela.baselines.windows import WindowStatistics

Floats = NDArray[np.float64]

FEWEST_ROWS = 40  # LightGBM fails where a sample of rows is empty, and no tree can branch

_MOST_TREES, _TREES_WITHOUT_GAIN, _TREES_UNJUDGED = 3000, 100, 100

USUAL: dict[str, Setting] = {
    "learning_rate": 0.03,
    "num_leaves": 15,
    "max_depth": -1,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.2,
    "bagging_fraction": 0.65,
    "lambda_l1": 1.0,
    "lambda_l2": 5.0,
    "extra_trees": True,
}
"""What is tried first: many statistics that say nearly the same want small, strongly regularised trees."""

SPACE: dict[str, list[float]] = {
    "learning_rate": [0.015, 0.06],
    "num_leaves": [6, 40],
    "max_depth": [3, 10],
    "min_data_in_leaf": [10, 100],
    "feature_fraction": [0.05, 0.6],
    "bagging_fraction": [0.5, 0.9],
    "lambda_l1": [0.01, 10.0],
    "lambda_l2": [0.1, 50.0],
    "extra_trees": [0, 1],
}
"""Lowest and highest of what is drawn at random: on a log scale, but for depth, bagging and extra trees (0 or 1)."""

_EVEN = ("max_depth", "bagging_fraction", "extra_trees")
_WHOLE = ("num_leaves", "max_depth", "min_data_in_leaf")
_CLAIMS = ("extra_trees",)


def drawn_settings(trials: int, seed: int) -> list[dict[str, Setting]]:
    """Return the usual settings, then random ones from `SPACE`: the first n of a longer list are those of a shorter."""
    random = np.random.default_rng([seed, 2012])
    return [USUAL, *({name: _drawn(name, random.random()) for name in SPACE} for _ in range(trials - 1))][:trials]


def _drawn(name: str, share: float) -> Setting:
    low, high = SPACE[name]
    value = low + share * (high - low) if name in _EVEN else low * (high / low) ** share
    if name in _CLAIMS:
        return value >= (low + high) / 2
    return round(value) if name in _WHOLE else float(f"{value:.4g}")


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


def boosted_probability(judged: Judged, seed: int, threads: int, trials: int, told: Told = nobody_told) -> Chosen:
    """Return LightGBM with the settings that judged best, and all that were tried."""
    fixed = always(seed, threads) | {"objective": "binary", "metric": "binary_logloss"}
    races = [_Race(fit, judge, fixed) for fit, judge in judged.pairs if len(fit.labels) >= FEWEST_ROWS]
    tried = []
    drawn = drawn_settings(max(trials, 1) if races else 1, seed)
    for number, settings in enumerate(drawn, start=1):
        told(f"gradient_boosting, settings {number} of {len(drawn)}")
        tried.append(_tried(races, settings))
    judge = judged.by if races else NOBODY
    search = Search(space=SPACE, judge=judge, fitted_on=judged.taught, trials=[trial for trial, _ in tried])
    trial, boosters = tried[search.chosen]
    trees = trial.trees or _TREES_UNJUDGED

    def fit(everyone: Examples) -> PredictRisk:
        data = lightgbm.Dataset(everyone.statistics.matrix, everyone.labels)
        return _probability(lightgbm.train(fixed | trial.settings, data, num_boost_round=trees), trees, threads)

    return judged.settled(search, _probability(boosters[0], trees, threads) if boosters else None, fit)


def _probability(booster: lightgbm.Booster, trees: int, threads: int) -> PredictRisk:
    def predict(statistics: WindowStatistics) -> Floats:
        if not len(statistics.matrix):
            return np.zeros(0)
        return np.asarray(booster.predict(statistics.matrix, num_iteration=trees, num_threads=threads))

    return predict


def _tried(races: list[_Race], settings: dict[str, Setting]) -> tuple[Trial, list[lightgbm.Booster]]:
    """Return how settings did, and the booster of each race."""
    boosters = [race.run(settings) for race in races]
    rows = sum(len(race.judge.labels) for race in races)
    losses = [race.loss(booster) * len(race.judge.labels) for race, booster in zip(races, boosters, strict=True)]
    trees = round(float(np.mean([booster.best_iteration for booster in boosters]))) if boosters else None
    trial = Trial(settings=settings, trees=trees, log_loss=sum(losses) / rows if rows else None)
    return trial, boosters


@dataclass(frozen=True)
class _Race:
    """One pair of people to fit on and people who stop it; the columns are binned once for all trials."""

    fit: Examples
    judge: Examples
    fixed: dict[str, object]

    def __post_init__(self) -> None:
        fit = lightgbm.Dataset(self.fit.statistics.matrix, self.fit.labels, params=self.fixed)
        judge = lightgbm.Dataset(self.judge.statistics.matrix, self.judge.labels, reference=fit, params=self.fixed)
        object.__setattr__(self, "_data", (fit.construct(), judge.construct()))

    def run(self, settings: dict[str, Setting]) -> lightgbm.Booster:
        """Return the booster, stopped where the judges see no gain."""
        fit, judge = self._data  # type: ignore[attr-defined]
        return lightgbm.train(
            self.fixed | settings,
            fit,
            num_boost_round=_MOST_TREES,
            valid_sets=[judge],
            callbacks=[lightgbm.early_stopping(_TREES_WITHOUT_GAIN, verbose=False)],
        )

    def loss(self, booster: lightgbm.Booster) -> float:
        """Return the log loss of the judges."""
        return log_loss(self.judge.labels, np.asarray(booster.predict(self.judge.statistics.matrix)))
