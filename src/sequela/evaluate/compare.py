"""Is one model better than another, on the same predictions of the same people?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import Floats, finite, same_length
from sequela.evaluate.bootstrap import Estimate, Resamples, estimate, resampled_means, sums_by_person

Outcome = Literal["better", "no_difference", "worse"]


@dataclass(frozen=True)
class Difference:
    """A model's measure minus another's, with its 95 % interval over people and what it decides."""

    difference: float | None
    low: float | None
    high: float | None
    outcome: Outcome
    reason: str | None = None

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the keys difference, low, high, outcome, reason, for JSON."""
        return asdict(self)


def paired_difference(
    values: ArrayLike,
    against: ArrayLike,
    person: ArrayLike,
    *,
    resamples: Resamples,
    weight: ArrayLike | None = None,
    root: bool = False,
    lower_is_better: bool = True,
) -> Difference:
    """How much a model's mean loss differs from another's, both drawn with the same people.

    Args:
        values: the model's loss, one a prediction (squared or absolute errors).
        against: the other's loss on the same predictions.
        person: the person of every prediction.
        resamples: of all held-out people.
        weight: at least 0, one a prediction; all equal when None.
        root: True compares the roots of the means (root mean squared errors).
        lower_is_better: False for measures of which more is better.

    Returns:
        Model minus other: below 0 says that the model errs less. Whether the interval excludes 0 decides the outcome;
        without an interval it is "no_difference", with the reason.

    Raises:
        ValueError: a value that is missing or infinite, lengths that differ, people unknown to `resamples`.

    Example:
        >>> found = paired_difference([1.0] * 10, [4.0] * 10, range(10), resamples=Resamples(range(10), 99), root=True)
        >>> found.difference, found.outcome
        (-1.0, 'better')
    """
    ours, theirs = finite("values", values), finite("against", against)
    index = resamples.index(person)
    weights = np.ones(len(ours)) if weight is None else finite("weight", weight)
    same_length(values=ours, against=theirs, person=index, weight=weights)
    if bool((weights < 0).any()):
        raise ValueError("weight must be at least 0")
    size = len(resamples.people)
    below = sums_by_person(index, weights, size)
    above = np.stack([sums_by_person(index, each * weights, size) for each in (ours, theirs)], axis=1)
    people = int((below > 0).sum())
    value = above.sum(axis=0) / below.sum() if people else np.full(2, np.nan)
    drawn = resampled_means(above, np.stack([below, below], axis=1), resamples)
    if root:
        value, drawn = np.sqrt(value), np.sqrt(drawn)
    return difference_between(value, drawn, people=people, lower_is_better=lower_is_better)


def difference_between(value: Floats, drawn: Floats, *, people: int, lower_is_better: bool = True) -> Difference:
    """Difference of two measures from their resampled values.

    Args:
        value: [2] the model's measure and the other's.
        drawn: [resamples, 2] both in every resample, the same people in a row.
        people: those that the measures rest on.
        lower_is_better: False for measures of which more is better.
    """
    found = estimate(float(value[0] - value[1]), drawn[:, 0] - drawn[:, 1], people=people)
    return Difference(found.value, found.low, found.high, outcome_of(found, lower_is_better), found.reason)


def outcome_of(found: Estimate, lower_is_better: bool = True) -> Outcome:
    """What the interval of a difference (model minus other) decides.

    Example:
        >>> outcome_of(Estimate(-0.4, -0.6, -0.2)), outcome_of(Estimate(-0.4, -0.9, 0.1))
        ('better', 'no_difference')
    """
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return "no_difference"
    return "better" if (found.high < 0) == lower_is_better else "worse"
