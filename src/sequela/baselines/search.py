"""Settings of a baseline that were tried, on whom they were judged, and who taught the model in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.examples import Examples, folds
from sequela.baselines.windows import WindowStatistics

Floats = NDArray[np.float64]
Setting = float | int | str
Predict = Callable[[WindowStatistics], Floats]  # -> [R] probabilities, or one output of a forecast

TUNING_PEOPLE, FOLDS, NOBODY = "tuning people", "folds of training people", "nobody"

_SURE = 1e-15  # a certainty that fails would cost infinitely much


def log_loss(labels: Floats, predicted: Floats) -> float:
    """Return the mean of -log of the probability that was given to what happened; NaN without a label.

    Example:
        >>> round(log_loss(np.array([1.0, 0.0]), np.array([0.5, 0.5])), 4)
        0.6931
    """
    if not len(labels):
        return float("nan")
    sure = np.clip(predicted, _SURE, 1 - _SURE)
    return float(-np.mean(np.where(labels > 0, np.log(sure), np.log1p(-sure))))


def rmse(labels: Floats, predicted: Floats) -> float:
    """Return the root of the mean squared error; NaN without a label."""
    return float(np.sqrt(np.mean((predicted - labels) ** 2))) if len(labels) else float("nan")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Settings that were tried, the trees at which boosting stopped, and the loss; None where nobody judged."""

    settings: dict[str, Setting]
    trees: int | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was tried for one baseline, or one output of it."""

    space: dict[str, list[float]]
    judged_by: str  # log_loss or rmse
    judge: str
    fitted_on: str  # in the end, with the settings that were chosen
    trials: list[Trial]
    of_all: Trial | None = None  # the chosen settings on all who teach, where trials were made on some of them

    @property
    def chosen(self) -> int:
        """Return the number of the trial with the lowest loss; the first where none was judged."""
        return min(range(len(self.trials)), key=lambda n: _or_infinite(self.trials[n].loss))

    @property
    def kept(self) -> Trial:
        """Return what came of the settings that were chosen."""
        return self.of_all or self.trials[self.chosen]

    @property
    def score(self) -> float:
        """Return the loss of what was kept; infinite where nobody could judge."""
        return _or_infinite(self.kept.loss)

    def to_dict(self) -> dict[str, object]:
        """Return the search for JSON."""
        return {
            "space": self.space,
            "judged_by": self.judged_by,
            "judge": self.judge,
            "chosen": self.chosen,
            "fitted_on": self.fitted_on,
            "trials": [self._to_dict(trial) for trial in self.trials],
        } | ({} if self.of_all is None else {"of_all": self._to_dict(self.of_all)})

    def _to_dict(self, trial: Trial) -> dict[str, object]:
        return {"settings": trial.settings, "trees": trial.trees, self.judged_by: trial.loss}


def _or_infinite(number: float | None) -> float:
    return float("inf") if number is None else number


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A baseline with the settings that judged best, and what was tried for it; None where nothing was."""

    first: Predict  # taught by training people alone: the one to ask about tuning people
    final: Predict  # taught by tuning people too, where the study trains again; else the same
    search: Search | None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Pairs of examples to fit on and examples of other people to judge by."""

    pairs: list[tuple[Examples, Examples]]
    by: str  # TUNING_PEOPLE, FOLDS or NOBODY
    everyone: Examples  # whom the chosen settings are fitted on in the end
    again: bool  # True: tuning people are among them

    @property
    def taught(self) -> str:
        """Return in words on whom the chosen settings are fitted in the end."""
        return "training and tuning people" if self.again else "training people"

    @property
    def rows(self) -> int:
        """Return the number of rows that judge."""
        return sum(len(judge.labels) for _, judge in self.pairs)

    def settled(self, search: Search, first: Predict | None, fit: Callable[[Examples], Predict]) -> Chosen:
        """Return the model that tuning people judged, and what `fit` makes of everyone where these teach in the end.

        Where tuning people did not judge, what `fit` makes of everyone is the only model.
        """
        if search.judge == TUNING_PEOPLE and first is not None:
            return Chosen(first=first, final=fit(self.everyone) if self.again else first, search=search)
        final = fit(self.everyone)
        return Chosen(first=final, final=final, search=search)

    def score(self, predict: Predict) -> float:
        """Return the log loss of a model that was not fitted on the judges; infinite where there is none."""
        if not self.rows:
            return float("inf")
        total = sum(log_loss(j.labels, predict(j.statistics)) * len(j.labels) for _, j in self.pairs)
        return total / self.rows


def judged_pairs(training: Examples, tuning: Examples | None, *, again: bool) -> Judged:
    """Return the training people judged by tuning people; without these, each fold of them judged by a fit on the rest.

    A fold whose remaining people all have the same label can teach nothing, and is left out. `again`: tuning people,
    where there are any, teach the model in the end.
    """
    if tuning is not None and len(tuning.labels):
        everyone = training.and_of(tuning) if again else training
        return Judged(pairs=[(training, tuning)], by=TUNING_PEOPLE, everyone=everyone, again=again)
    pairs = [(training.take(rest), training.take(fold)) for rest, fold in folds(training.person)]
    pairs = [pair for pair in pairs if len(np.unique(pair[0].labels)) > 1]
    return Judged(pairs=pairs, by=FOLDS if pairs else NOBODY, everyone=training, again=False)
