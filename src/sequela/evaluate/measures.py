"""From forecasts to the entries of `metrics.json`: headline, every measure, every comparison.

All models are scored on the same predictions and drawn with the same resamples. The headline and the comparisons pool
predictions over horizons; the headline speaks of the first target. `measures` holds each target, pooled over horizons
(`horizon_hours` null) and by horizon; a study with one horizon has one entry, which bears that horizon (null for the
next record). Each stands twice: `weighting` "predictions" counts every prediction once, "people" every person once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.evaluate.arrays import Floats, Ids, person_ids
from sequela.evaluate.bootstrap import Estimate, Resamples, estimate, resampled_means, sums_by_person
from sequela.evaluate.compare import Difference, difference_between

OWN_MODELS = ("network", "hybrid")
"""Models of the study; every other name is a baseline."""

WEIGHTINGS = ("predictions", "people")
NO_BAND = "some of these predictions have no interval: too few tuning people"

_LOSS = {"rmse": "squared", "mae": "absolute", "mse": "squared", "coverage": "covered", "width": "width"}
_ERRORS = ("rmse", "mae", "mse")

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Asked:
    """What held-out people were asked: R predictions, each for some horizons and targets.

    Args:
        target: [R, horizons, targets] what was measured, in each target's own unit; anything where not observed.
        observed: [R, horizons, targets] True where a target was measured.
        person: [R] the person of each prediction.
        horizon_hours: one a horizon; None alone for the next record.
        targets: names of the targets.

    Raises:
        ValueError: shapes that do not fit, "next record" beside other horizons, an observed target that is no number.
    """

    target: Floats
    observed: NDArray[np.bool_]
    person: Ids
    horizon_hours: Sequence[float | None]
    targets: Sequence[str]

    def __post_init__(self) -> None:
        expected = (len(person_ids(self.person)), len(self.horizon_hours), len(self.targets))
        for name, array in (("target", self.target), ("observed", self.observed)):
            if array.shape != expected:
                raise ValueError(f"{name} must be [predictions, horizons, targets] = {expected}, got {array.shape}")
        if self.observed.dtype != np.bool_:
            raise ValueError(f"observed must be bool, got {self.observed.dtype}")
        if not self.horizon_hours or not self.targets:
            raise ValueError("at least one horizon and one target are needed")
        if len(self.horizon_hours) > 1 and None in self.horizon_hours:
            raise ValueError("the next record cannot stand beside other horizons")
        _refuse_gaps("target", self.target, self.observed)


@dataclass(frozen=True)
class Measures:
    """The three parts of `metrics.json` that hold numbers: `models`, `measures`, `comparisons`."""

    models: dict[str, dict[str, Row]]
    measures: list[Row]
    comparisons: list[Row]


def forecast_measures(
    asked: Asked,
    predicted: Mapping[str, Floats],
    *,
    band: tuple[Floats, Floats] | None = None,
    resamples: Resamples,
) -> Measures:
    """Score every model on the same predictions, with 95 % intervals over people.

    Args:
        asked: what was asked of held-out people, and what came.
        predicted: [R, horizons, targets] by model, in the targets' units. "network" and "hybrid" are the study's own,
            every other name is a baseline.
        band: lower and upper bounds of the network's intervals, each [R, horizons, targets]; NaN in both where there is
            none. None: no coverage and no width are given.
        resamples: of all held-out people; give the same to every other measure of the study.

    Raises:
        ValueError: shapes that differ, a forecast that is missing or infinite where the target was observed, bounds the
            wrong way round, a band without a network, people unknown to `resamples`.
    """
    _check(asked, predicted, band)
    index = resamples.index(asked.person)
    found = Measures({}, [], [])
    single = len(asked.horizon_hours) == 1
    for place, target in enumerate(asked.targets):
        for horizon in [None, *range(len(asked.horizon_hours))][int(single) :]:
            chosen = list(range(len(asked.horizon_hours))) if horizon is None else [horizon]
            hours = None if horizon is None else asked.horizon_hours[horizon]
            block = _Block(_losses(asked, predicted, band, (chosen, place)), index, resamples, asked, (chosen, place))
            found.measures.extend(_rows(block, target, hours))
            if single or horizon is None:
                found.comparisons.extend(_comparisons(block, target))
                if place == 0:
                    found.models.update(_headline(block))
    return found


_Cells = tuple[list[int], int]  # horizons, and the place of the target


class _Block:
    """Losses of all models on some cells, summed by person and drawn once for all of them."""

    def __init__(
        self,
        losses: dict[tuple[str, str], Floats | None],
        index: NDArray[np.intp],
        resamples: Resamples,
        asked: Asked,
        cells: _Cells,
    ) -> None:
        rows = np.nonzero(asked.observed[:, cells[0], cells[1]])[0]
        place, size = index[rows], len(resamples.people)
        asked_of = sums_by_person(place, None, size)
        self.losses = losses
        self.people = int((asked_of > 0).sum())
        keys = [key for key, loss in losses.items() if loss is not None]
        self.column = {(*key, how): 2 * at + of for at, key in enumerate(keys) for of, how in enumerate(WEIGHTINGS)}
        above, below = np.zeros((size, 2 * len(keys))), np.zeros((size, 2 * len(keys)))
        for at, key in enumerate(keys):
            above[:, 2 * at] = sums_by_person(place, losses[key], size)
            above[:, 2 * at + 1] = above[:, 2 * at] / np.maximum(asked_of, 1)
            below[:, 2 * at], below[:, 2 * at + 1] = asked_of, asked_of > 0
        self.value = above.sum(axis=0) / below.sum(axis=0) if self.people else np.full(2 * len(keys), np.nan)
        self.drawn = resampled_means(above, below, resamples)

    def metrics(self) -> list[tuple[str, str]]:
        """Return model and metric of everything that is known here."""
        return [(model, name) for model, loss in self.losses for name, needs in _LOSS.items() if needs == loss]

    def sample(self, model: str, metric: str, weighting: str) -> tuple[Floats, Floats]:
        """Return a metric on the people as they are, and in every resample."""
        column = self.column[model, _LOSS[metric], weighting]
        value, drawn = self.value[column : column + 1], self.drawn[:, column]
        return (np.sqrt(value), np.sqrt(drawn)) if metric == "rmse" else (value, drawn)

    def estimate(self, model: str, metric: str, weighting: str = "predictions") -> Estimate:
        """Return a metric with its interval."""
        if self.losses[model, _LOSS[metric]] is None:
            return Estimate(None, reason=NO_BAND)
        value, drawn = self.sample(model, metric, weighting)
        return estimate(float(value[0]), drawn, people=self.people)

    def difference(self, model: str, against: str, metric: str) -> Difference:
        """Return how much a metric of one model differs from that of another."""
        ours, theirs = (self.sample(each, metric, "predictions") for each in (model, against))
        value = np.concatenate([ours[0], theirs[0]])
        return difference_between(value, np.stack([ours[1], theirs[1]], axis=1), people=self.people)


def _losses(
    asked: Asked, predicted: Mapping[str, Floats], band: tuple[Floats, Floats] | None, cells: _Cells
) -> dict[tuple[str, str], Floats | None]:
    """Losses of the observed cells by model and kind; None where some of them have no interval."""
    horizons, place = cells
    seen = asked.observed[:, horizons, place]
    target = asked.target[:, horizons, place][seen].astype(np.float64)
    losses: dict[tuple[str, str], Floats | None] = {}
    for model, forecast in predicted.items():
        error = forecast[:, horizons, place][seen].astype(np.float64) - target
        losses[model, "squared"], losses[model, "absolute"] = error**2, np.abs(error)
    if band is not None:
        lower, upper = (bound[:, horizons, place][seen].astype(np.float64) for bound in band)
        known = not bool(np.isnan(lower).any())
        losses["network", "covered"] = ((lower <= target) & (target <= upper)).astype(np.float64) if known else None
        losses["network", "width"] = upper - lower if known else None
    return losses


def _rows(block: _Block, target: str, hours: float | None) -> list[Row]:
    """Entries of `measures` for one block."""
    return [
        {
            "model": model,
            "metric": metric,
            "target": target,
            "horizon_hours": hours,
            "cause": None,
            "at": None,
            "subgroup": None,
            "threshold": None,
            "recalibrated": False,
            "weighting": weighting,
            **block.estimate(model, metric, weighting).as_dict(),
            "people": block.people,
            "events": None,
        }
        for model, metric in block.metrics()
        for weighting in WEIGHTINGS
    ]


def _headline(block: _Block) -> dict[str, dict[str, Row]]:
    """Entries of `models`: by model and metric, every prediction counted once."""
    headline: dict[str, dict[str, Row]] = {}
    for model, metric in block.metrics():
        headline.setdefault(model, {})[metric] = block.estimate(model, metric).as_dict()
    return headline


def _comparisons(block: _Block, target: str) -> list[Row]:
    """Entries of `comparisons`: each own model against each baseline, and the hybrid against the network."""
    models = list(dict.fromkeys(model for model, _ in block.losses))
    pairs = [(own, other) for own in models if own in OWN_MODELS for other in models if other not in OWN_MODELS]
    pairs += [("hybrid", "network")] if {"hybrid", "network"} <= set(models) else []
    return [
        {
            "model": model,
            "against": against,
            "metric": metric,
            "target": target,
            "at": None,
            "threshold": None,
            **block.difference(model, against, metric).as_dict(),
        }
        for model, against in pairs
        for metric in _ERRORS
    ]


def _check(asked: Asked, predicted: Mapping[str, Floats], band: tuple[Floats, Floats] | None) -> None:
    """Refuse forecasts and bounds that cannot be scored."""
    arrays = [(f"predicted of {model}", array) for model, array in predicted.items()]
    arrays += [(name, bound) for name, bound in zip(("lower", "upper"), band or (), strict=False)]
    for name, array in arrays:
        if array.shape != asked.target.shape:
            raise ValueError(f"{name} must have the shape of the target {asked.target.shape}, got {array.shape}")
    for name, array in arrays[: len(predicted)]:
        _refuse_gaps(name, array, asked.observed)
    if band is None:
        return
    if "network" not in predicted:
        raise ValueError("a band belongs to the network, whose predictions are missing")
    lower, upper = band
    if bool((np.isnan(lower) != np.isnan(upper))[asked.observed].any()):
        raise ValueError("lower and upper must be missing together")
    if bool((lower > upper)[asked.observed].any()) or bool((np.isinf(lower) | np.isinf(upper))[asked.observed].any()):
        raise ValueError("upper must be at least lower, and both finite or missing")


def _refuse_gaps(name: str, array: Floats, observed: NDArray[np.bool_]) -> None:
    """Raise ValueError unless all values are finite where a target was observed."""
    bad = int((~np.isfinite(array))[observed].sum())
    if bad:
        raise ValueError(f"{name} must be finite, got {bad} of {int(observed.sum())} missing or infinite")
