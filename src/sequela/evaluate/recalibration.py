"""Risks made to come true: what was learned on tuning people maps a model's risk to a calibrated one.

Platt's map is a logistic line in the log odds; the isotonic one is a staircase drawn through at its steps. A fitted map
is plain numbers. Fit it on people whose outcomes the network did not train on (tuning people), and judge it on others;
`cross_fitted` gives the tuning people themselves risks from maps that have not seen them.

Source: Platt, Probabilistic outputs for support vector machines (1999), without its smoothed targets; Zadrozny & Elkan,
Transforming classifier scores into accurate multiclass probability estimates (KDD 2002); Ayer, Brunk, Ewing, Reid &
Silverman, An empirical distribution function for sampling with incomplete information (1955): pool adjacent violators.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from sequela.evaluate.arrays import Floats, Ids, finite, person_ids, same_length
from sequela.evaluate.calibration import checked, risks
from sequela.evaluate.curves import MIN_PEOPLE
from sequela.evaluate.logistic import expit, logistic_fit, logit

Kind = Literal["platt", "isotonic"]
FOLDS = 5


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UnchangedState(_State):
    """No map could be fitted: risks stay as they are, for a reason that the report shows."""

    kind: Literal["none"] = "none"
    reason: str

    def apply(self, predicted: ArrayLike) -> Floats:
        """Return the risks as they are."""
        return risks(predicted)


class PlattState(_State):
    """Log odds become intercept + slope times log odds."""

    kind: Literal["platt"] = "platt"
    intercept: float
    slope: Annotated[float, Field(gt=0)]

    def apply(self, predicted: ArrayLike) -> Floats:
        """Return the calibrated risks, one a risk.

        Example:
            >>> PlattState(intercept=0.0, slope=1.0).apply([0.25]).round(9).tolist()
            [0.25]
        """
        return expit(self.intercept + self.slope * logit(risks(predicted)))


class IsotonicState(_State):
    """Straight lines between knots, level beyond the first and the last.

    Each knot is the mean risk and the share of events of at least `min_people` people.
    """

    kind: Literal["isotonic"] = "isotonic"
    predicted: Annotated[list[float], Field(min_length=1)]
    observed: Annotated[list[float], Field(min_length=1)]

    @model_validator(mode="after")
    def _rises(self) -> IsotonicState:
        if len(self.predicted) != len(self.observed):
            raise ValueError("predicted and observed must have one entry a knot")
        for name, knots in (("predicted", self.predicted), ("observed", self.observed)):
            if any(after < before for before, after in itertools.pairwise(knots)):
                raise ValueError(f"{name} must not fall from knot to knot")
            if not all(0 <= knot <= 1 for knot in knots):
                raise ValueError(f"{name} must lie between 0 and 1")
        return self

    def apply(self, predicted: ArrayLike) -> Floats:
        """Return the calibrated risks, one a risk.

        Example:
            >>> IsotonicState(predicted=[0.1, 0.3], observed=[0.2, 0.4]).apply([0.0, 0.2, 0.9]).round(9).tolist()
            [0.2, 0.3, 0.4]
        """
        calibrated: Floats = np.interp(risks(predicted), self.predicted, self.observed)
        return calibrated


RecalibrationState = Annotated[PlattState | IsotonicState | UnchangedState, Field(discriminator="kind")]
"""A fitted map; `.apply(predicted)` gives the calibrated risks."""

_READER: TypeAdapter[PlattState | IsotonicState | UnchangedState] = TypeAdapter(RecalibrationState)


def read_recalibration(content: object) -> PlattState | IsotonicState | UnchangedState:
    """Return a map from the plain numbers that its `model_dump()` gave.

    Raises:
        pydantic.ValidationError: for anything else.
    """
    return _READER.validate_python(content)


def fit_recalibration(
    kind: Kind, predicted: ArrayLike, target: ArrayLike, person: ArrayLike, *, min_people: int = MIN_PEOPLE
) -> PlattState | IsotonicState | UnchangedState:
    """Learn how risks must be changed to come true.

    Args:
        kind: "platt" for a logistic line in the log odds, "isotonic" for a staircase, which needs many events.
        predicted: the risk, 0 to 1, of people whose outcomes the model did not train on.
        target: 1 with the event, 0 without, one a prediction.
        person: the person of each prediction.
        min_people: that each knot of an isotonic map rests on, and that any map needs.

    Returns:
        A map that keeps the order of risks; `UnchangedState` with a reason where there are too few people, or no finite
        slope above 0.

    Raises:
        ValueError: numbers outside of their range, lengths that differ, no predictions.
    """
    events, risk, weight = checked(target, predicted, None)
    ids = person_ids(person)
    same_length(predicted=risk, target=events, person=ids)
    if kind not in ("platt", "isotonic"):
        raise ValueError(f"kind must be platt or isotonic, got {kind}")
    if len(np.unique(ids)) < min_people:
        return UnchangedState(reason=f"fewer than {min_people} people to recalibrate on")
    if events.all() or not events.any():
        return UnchangedState(reason="all people to recalibrate on have the event, or none has")
    if kind == "isotonic":
        return _isotonic(events, risk, ids, min_people)
    found = logistic_fit(events, logit(risk), weight)
    if found is None:
        return UnchangedState(reason="one risk parts all with the event from all without, or all risks are the same")
    if found[1] <= 0:
        return UnchangedState(
            reason="those with higher risks had the event no more often, and no map may turn risks round"
        )
    return PlattState(intercept=found[0], slope=found[1])


def cross_fitted(
    kind: Kind,
    predicted: ArrayLike,
    target: ArrayLike,
    person: ArrayLike,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    min_people: int = MIN_PEOPLE,
) -> Floats:
    """Recalibrated risks of the very people that the map is learned on, each from a map without them.

    Args:
        kind: as in `fit_recalibration`.
        predicted: [R] risks of tuning people.
        target: [R] 1 with the event, 0 without.
        person: [R] the person of each prediction; a person is in one fold with all predictions.
        folds: at least 2; people with the event and people without are spread evenly.
        seed: same people and seed, same folds.
        min_people: as in `fit_recalibration`.

    Returns:
        [R]; the risk as it was where the other folds allow no map.
    """
    events, risk, _ = checked(target, predicted, None)
    fold = folds_of_people(events, person, folds=folds, seed=seed)
    found = np.empty(len(risk))
    ids = person_ids(person)
    for number in np.unique(fold):
        left = fold == number
        state = UnchangedState(reason="nobody else") if left.all() else fit_recalibration(
            kind, risk[~left], events[~left], ids[~left], min_people=min_people
        )  # fmt: skip
        found[left] = state.apply(risk[left])
    return found


def folds_of_people(target: ArrayLike, person: ArrayLike, *, folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold [R] of each prediction: people are dealt out, those with an event first.

    Raises:
        ValueError: fewer than 2 folds.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    people, index = np.unique(person_ids(person), return_inverse=True)
    has_event = np.zeros(len(people), dtype=bool)
    has_event[index[finite("target", target) == 1]] = True
    order = np.random.default_rng(seed).permutation(len(people))
    dealt = order[np.argsort(~has_event[order], kind="stable")]
    fold = np.empty(len(people), dtype=np.intp)
    fold[dealt] = np.arange(len(people)) % folds
    return fold[index]


def pooled_blocks(risk: Floats, event: Floats) -> list[NDArray[np.intp]]:
    """Rows of each step of the rising staircase nearest to the events in squares, from low risk to high.

    Predictions of the same risk are on one step.
    """
    order = np.argsort(risk, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(risk[order]) > 0])
    sizes = np.diff(np.r_[starts, len(order)])
    blocks: list[tuple[float, int]] = []  # sum of events and number of rows
    for sum_of, size in zip(np.add.reduceat(event[order], starts).tolist(), sizes.tolist(), strict=True):
        total, count = sum_of, size
        while blocks and blocks[-1][0] * count >= total * blocks[-1][1]:  # not lower than this one: pool
            before = blocks.pop()
            total, count = total + before[0], count + before[1]
        blocks.append((total, count))
    return np.split(order, np.cumsum([count for _, count in blocks])[:-1])


def _isotonic(event: Floats, risk: Floats, person: Ids, min_people: int) -> IsotonicState:
    blocks = _joined(pooled_blocks(risk, event), event, person, min_people)
    people = np.array([len(np.unique(person[rows])) for rows in blocks])
    observed = _never_certain(np.array([event[rows].mean() for rows in blocks]), people)
    means = np.array([risk[rows].mean() for rows in blocks])
    rising = np.maximum.accumulate(means)  # of risks that differ in their last digit, the rounding of a mean may fall
    return IsotonicState(predicted=rising.tolist(), observed=observed.tolist())


def _joined(blocks: list[NDArray[np.intp]], event: Floats, person: Ids, min_people: int) -> list[NDArray[np.intp]]:
    """Join each step of too few people to the neighbour whose share of events is nearer; the stairs still rise."""
    blocks = list(blocks)
    while len(blocks) > 1:
        people = [len(np.unique(person[rows])) for rows in blocks]
        small = int(np.argmin(people))
        if people[small] >= min_people:
            break
        share = [float(event[rows].mean()) for rows in blocks]
        sides = [side for side in (small - 1, small + 1) if 0 <= side < len(blocks)]
        other = min(sides, key=lambda side: abs(share[side] - share[small]))
        first, last = min(small, other), max(small, other)
        blocks[first : last + 1] = [np.concatenate([blocks[first], blocks[last]])]
    return blocks


def _never_certain(share: Floats, people: NDArray[np.intp]) -> Floats:
    """Return rising shares with those of 0 and 1 half an event off: that many people say nothing of certainty."""
    edge = 0.5 / (people + 1)
    share = np.where(share == 0, np.minimum(edge, np.min(share[share > 0], initial=1)), share)
    return np.where(share == 1, np.maximum(1 - edge, np.max(share[share < 1], initial=0)), share)
