"""From risks to the entries of `metrics.json`: headline, every measure, every comparison.

All models are scored on the same predictions and drawn with the same resamples of people. `models` and `comparisons`
speak of what a model gives out in the end: its recalibrated risk where there is one. `measures` holds its own risk
(`recalibrated` false) and the recalibrated one, over all prediction times, by prediction time and by subgroup, each
counted by predictions and by people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sequela.evaluate.arrays import Floats, Ids, finite, person_ids, same_length
from sequela.evaluate.bootstrap import FEWEST_PEOPLE, Estimate, Resamples, estimate
from sequela.evaluate.calibration import checked
from sequela.evaluate.compare import Difference, difference_between, outcome_of
from sequela.evaluate.discrimination import binary
from sequela.evaluate.distances import DISTANCES, distance_difference, distance_interval
from sequela.evaluate.forecast import person_weights
from sequela.evaluate.measures import OWN_MODELS, WEIGHTINGS, Measures, Row
from sequela.evaluate.risk_samples import HEADLINE, PLAIN_METRICS, Key, RiskSample, least, row_draws
from sequela.evaluate.thresholds import THRESHOLD_METRICS

FEWEST_EVENTS = 5
TOO_FEW_PEOPLE = f"too few to say: fewer than {FEWEST_PEOPLE} held-out people"
TOO_FEW_EVENTS = f"too few to say: fewer than {FEWEST_EVENTS} predictions with the event, or as few without"
TREAT_ALL = "treat_all"
MOST_LANDMARKS = 48

COMPARED = ("auroc", "auprc", "brier", "net_benefit")
"""Metrics of comparisons; net benefit at the first threshold."""

LOWER_IS_BETTER = ("brier", "ici", "e50", "e90")

_NOT_KNOWN = "not known"

_UNDEFINED = {
    "calibration_slope": "one risk parts all with the event from all without, or all risks are the same",
    "ppv": "nobody reaches the threshold",
    "npv": "everybody reaches the threshold",
}


@dataclass(frozen=True, eq=False)
class RiskAsked:
    """What held-out people were asked, and what came: R predictions.

    Args:
        target: [R] 1 with the event, 0 without.
        person: [R] the person of each prediction.
        outcome: name of the outcome, as the study says.
        at_hours: [R] prediction time in hours from the start of the episode; None where there are no landmarks.
        horizon_hours: within which the event counts; None without an end.

    Raises:
        ValueError: lengths that differ, a target other than 0 and 1, an hour that is missing.
    """

    target: Floats
    person: Ids
    outcome: str = "outcome"
    at_hours: Floats | None = None
    horizon_hours: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", binary(self.target))
        same_length(target=self.target, person=person_ids(self.person))
        if self.at_hours is not None:
            object.__setattr__(self, "at_hours", finite("at_hours", self.at_hours))
            same_length(target=self.target, at_hours=self.at_hours)


def risk_measures(
    asked: RiskAsked,
    predicted: Mapping[str, Floats],
    *,
    recalibrated: Mapping[str, Floats] | None = None,
    resamples: Resamples,
    thresholds: Sequence[float] = (0.1, 0.2),
    subgroups: Mapping[str, Sequence[str | None]] | None = None,
    told: Callable[[str], None] = lambda words: None,
) -> Measures:
    """Score every model on the same predictions, with 95 % intervals over people.

    Args:
        asked: what was asked of held-out people, and what came.
        predicted: [R] risks by model, before recalibration. "network" and "hybrid" are the study's own, every other
            name is a baseline.
        recalibrated: [R] risks of those models that the study recalibrates.
        resamples: of all held-out people; give the same to every other measure of the study.
        thresholds: risks from which on somebody is alerted; the first is the headline's.
        subgroups: [R] level by name of the subgroup; None where it is not known.
        told: is told which predictions are scored now.

    Raises:
        ValueError: lengths that differ, a risk outside of 0 to 1, a threshold that cannot be, a recalibrated model
            that was not predicted, people unknown to `resamples`.
    """
    risks = checked_risks(asked, predicted, recalibrated or {}, thresholds)
    found = Measures({}, [], [])
    words = ""
    for block in _blocks(asked, subgroups or {}):
        if block.in_words != words:
            told(words := block.in_words)
        scores = RiskScores(asked, risks, block, resamples, thresholds)
        found.measures.extend(_rows(scores, asked, thresholds))
        if block.is_whole:
            final = {model: (model, (model, True) in risks) for model in predicted}
            found.models.update(_headline(scores, final, thresholds))
            found.comparisons.extend(_comparisons(scores, final, asked.outcome, thresholds))
    return found


_Name = tuple[str, bool]  # model, and whether recalibrated


@dataclass(frozen=True, eq=False)
class RiskBlock:
    """Predictions that are scored together."""

    rows: NDArray[np.intp]
    at: str | None = None
    subgroup: Row | None = None

    @property
    def in_words(self) -> str:
        """Return which predictions these are; a level is not named."""
        if self.subgroup is not None:
            return f"subgroup {self.subgroup['name']}"
        return "all predictions" if self.at is None else f"predictions at {self.at}"

    @property
    def is_whole(self) -> bool:
        """True for all predictions together."""
        return self.at is None and self.subgroup is None


@dataclass(eq=False)
class RiskScores:
    """All metrics of all models in one block, on the people as they are and in every resample."""

    asked: RiskAsked
    risks: Mapping[_Name, Floats]
    block: RiskBlock
    resamples: Resamples
    thresholds: Sequence[float]
    value: dict[tuple[_Name, str], dict[Key, float]] = field(init=False, default_factory=dict)
    drawn: dict[tuple[_Name, str], dict[Key, Floats]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.block.rows
        event, person = self.asked.target[rows], person_ids(self.asked.person)[rows]
        self.people, self.events = len(np.unique(person)), int(event.sum())
        enough = min(self.events, len(event) - self.events) >= FEWEST_EVENTS
        self.reason = None if enough else TOO_FEW_EVENTS
        self.reason = TOO_FEW_PEOPLE if self.people < FEWEST_PEOPLE else self.reason
        index = self.resamples.index(person)
        if self.reason is None:
            self._score(event, person, index)

    def _score(self, event: Floats, person: Ids, index: NDArray[np.intp]) -> None:
        size = len(self.resamples.people)
        weights = {"predictions": np.ones(len(event))}
        if self.people < len(event):  # where everybody has one prediction, people and predictions count the same
            weights["people"] = person_weights(person)
        samples = {
            (name, weighting): RiskSample(event, risk[self.block.rows], index, size, weight, self.thresholds)
            for name, risk in self.risks.items()
            for weighting, weight in weights.items()
        }
        parts: dict[tuple[_Name, str], list[dict[Key, Floats]]] = {key: [] for key in samples}
        for counts, rows in row_draws(self.resamples, index):
            for weighting, weight in weights.items():
                weighted = rows if weighting == "predictions" else rows * weight
                for name in self.risks:
                    parts[name, weighting].append(samples[name, weighting].drawn(counts, weighted))
        self.value = {key: sample.value for key, sample in samples.items()}
        self.drawn = {key: {each: _joined(found, each) for each in samples[key].keys} for key, found in parts.items()}

    def sample(self, name: _Name, key: Key, weighting: str) -> tuple[float, Floats]:
        """Return a metric on the people as they are, and in every resample."""
        return self.value[self._at(name, weighting)][key], self.drawn[self._at(name, weighting)][key]

    def _at(self, name: _Name, weighting: str) -> tuple[_Name, str]:
        """Return where the metrics stand: of people as of predictions, where everybody has one."""
        return name, weighting if (name, weighting) in self.value else "predictions"

    def estimate(self, name: _Name, key: Key, weighting: str = "predictions") -> Estimate:
        """Return a metric with its interval."""
        if self.reason is not None:
            return Estimate(None, reason=self.reason)
        value, drawn = self.sample(name, key, weighting)
        if not np.isfinite(value):
            return Estimate(None, reason=_UNDEFINED.get(key[0], "not defined on these people"))
        if key[0] in DISTANCES:
            smallest = self.drawn[self._at(name, weighting)][least(key[0])]
            return distance_interval(value, drawn, smallest, people=self.people)
        return estimate(value, drawn, people=self.people)

    def difference(self, name: _Name, against: _Name, key: Key) -> Row:
        """Return how much a metric of one model differs from that of another, with what it decides."""
        if self.reason is not None:
            return {"difference": None, "low": None, "high": None, "outcome": "no_difference", "reason": self.reason}
        ours, theirs = (self.sample(each, key, "predictions") for each in (name, against))
        if key[0] in DISTANCES:
            one, other = self.estimate(name, key), self.estimate(against, key)
            gap = distance_difference(one, other, ours[1] - theirs[1], people=self.people)
            return Difference(gap.value, gap.low, gap.high, outcome_of(gap), gap.reason).as_dict()
        value, drawn = np.array([ours[0], theirs[0]]), np.stack([ours[1], theirs[1]], axis=1)
        return difference_between(value, drawn, people=self.people, lower_is_better=key[0] in LOWER_IS_BETTER).as_dict()


def landmark(hours: float) -> str:
    """Return a prediction time as text: the unit in which a study would write it.

    Example:
        >>> [landmark(hours) for hours in (0, 0.5, 6, 48, 72, 730.5, 1.75, 26298)]
        ['0h', '30min', '6h', '48h', '3d', '1mo', '105min', '3y']
    """
    units = ((8766.0, 1, "y"), (730.5, 1, "mo"), (24.0, 3, "d"), (1.0, 0, "h"))
    written = (f"{hours / length:.0f}{unit}" for length, fewest, unit in units
               if hours % length == 0 and hours >= fewest * length)  # fmt: skip
    return next(written, f"{hours * 60:.10g}min")


def checked_risks(
    asked: RiskAsked, predicted: Mapping[str, Floats], recalibrated: Mapping[str, Floats], thresholds: Sequence[float]
) -> dict[_Name, Floats]:
    """Return the risks by model and whether they are recalibrated, checked."""
    strangers = sorted(set(recalibrated) - set(predicted))
    if strangers:
        raise ValueError(f"recalibrated holds models that were not predicted: {', '.join(strangers)}")
    if any(not 0 < threshold < 1 for threshold in thresholds):
        raise ValueError(f"thresholds must lie above 0 and below 1, got {list(thresholds)}")
    risks: dict[_Name, Floats] = {}
    for model, risk in predicted.items():
        for is_recalibrated, each in ((False, risk), (True, recalibrated.get(model))):
            if each is not None:
                risks[model, is_recalibrated] = checked(asked.target, each, None)[1]
    return risks


def _blocks(asked: RiskAsked, subgroups: Mapping[str, Sequence[str | None]]) -> Iterator[RiskBlock]:
    """Yield all predictions, those of each prediction time, those of each level of each subgroup."""
    every = np.arange(len(asked.target))
    yield RiskBlock(every)
    hours = np.empty(0) if asked.at_hours is None else np.unique(asked.at_hours)
    if 1 < len(hours) <= MOST_LANDMARKS:
        for hour in hours.tolist():
            yield RiskBlock(every[asked.at_hours == hour], at=landmark(hour))
    for name, given in subgroups.items():
        if len(given) != len(every):
            raise ValueError(f"subgroup {name} must have one level a prediction: {len(every)}, got {len(given)}")
        levels = np.array([_NOT_KNOWN if level is None else str(level) for level in given])
        for level in sorted(np.unique(levels).tolist(), key=_place):
            yield RiskBlock(every[levels == level], subgroup={"name": name, "level": level})


def _place(level: str) -> tuple[int, float, bool, str]:
    """Return where a level stands among others: numbers in their order, then words, then what is not known."""
    try:
        number = float(level.removeprefix("below ").partition(" ")[0])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return (2 if level == _NOT_KNOWN else 1, 0.0, False, level)
    return 0, number, not level.startswith("below "), level


def _rows(scores: RiskScores, asked: RiskAsked, thresholds: Sequence[float]) -> list[Row]:
    """Entries of `measures` for one block."""
    keys: list[Key] = [(metric, None) for metric in PLAIN_METRICS]
    keys += [(metric, threshold) for threshold in thresholds for metric in THRESHOLD_METRICS]
    rows = [
        _row(scores, asked, name, key, weighting, scores.estimate(name, key, weighting))
        for name in scores.risks
        for key in keys
        for weighting in WEIGHTINGS
    ]
    first = next(iter(scores.risks), None)
    if first is not None:
        rows += [
            _row(scores, asked, (TREAT_ALL, False), ("net_benefit", threshold), weighting,
                 _treat_all(scores, first, threshold, weighting))
            for threshold in thresholds
            for weighting in WEIGHTINGS
        ]  # fmt: skip
    return rows


def _row(scores: RiskScores, asked: RiskAsked, name: _Name, key: Key, weighting: str, found: Estimate) -> Row:
    return {
        "model": name[0],
        "metric": key[0],
        "target": asked.outcome,
        "horizon_hours": asked.horizon_hours,
        "cause": None,
        "at": scores.block.at,
        "subgroup": scores.block.subgroup,
        "threshold": key[1],
        "recalibrated": name[1],
        "weighting": weighting,
        **found.as_dict(),
        "people": scores.people,
        "events": scores.events,
    }


def _treat_all(scores: RiskScores, name: _Name, threshold: float, weighting: str) -> Estimate:
    """Net benefit of treating everybody: from the share of events, which no model changes."""
    if scores.reason is not None:
        return Estimate(None, reason=scores.reason)
    value, drawn = scores.sample(name, ("observed_risk", None), weighting)
    weight = threshold / (1 - threshold)
    return estimate(value - (1 - value) * weight, drawn - (1 - drawn) * weight, people=scores.people)


def _headline(scores: RiskScores, final: Mapping[str, _Name], thresholds: Sequence[float]) -> dict[str, dict[str, Row]]:
    """Entries of `models`: by model and metric, every prediction counted once."""
    keys: dict[str, Key] = {metric: (metric, None) for metric in HEADLINE}
    if thresholds:
        keys["net_benefit"] = ("net_benefit", thresholds[0])
    return {
        model: {metric: scores.estimate(name, key).as_dict() for metric, key in keys.items()}
        for model, name in final.items()
    }


def _comparisons(
    scores: RiskScores, final: Mapping[str, _Name], outcome: str, thresholds: Sequence[float]
) -> list[Row]:
    """Entries of `comparisons`: each own model against each baseline, and the hybrid against the network."""
    pairs = [(own, other) for own in final if own in OWN_MODELS for other in final if other not in OWN_MODELS]
    pairs += [("hybrid", "network")] if {"hybrid", "network"} <= set(final) else []
    keys: list[Key] = [(metric, None) for metric in COMPARED if metric != "net_benefit"]
    keys += [("net_benefit", threshold) for threshold in thresholds[:1]]
    return [
        {
            "model": model,
            "against": against,
            "metric": key[0],
            "target": outcome,
            "at": None,
            "threshold": key[1],
            **scores.difference(final[model], final[against], key),
        }
        for model, against in pairs
        for key in keys
    ]


def _joined(parts: list[dict[Key, Floats]], key: Key) -> Floats:
    return np.concatenate([part[key] for part in parts]) if parts else np.empty(0)
