"""Bootstrap over people with the fitted model held fixed: how far a measure would move with other held-out people.

A person's predictions are not independent, so people are drawn, with all their predictions, never rows (a cluster
bootstrap). The model is not fitted again: the interval speaks of this model, not of the method that made it.
The same resamples serve every model and every metric, so that differences are paired.

A metric that is a mean of something known per prediction (squared error, hit or miss, width) needs each person's sums
only: a resample is then the product of drawn counts with those sums. Any other metric goes through `bootstrap_metric`.

Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile intervals);
Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8 (hierarchical data).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from sequela.evaluate.arrays import Floats, Ids, finite, person_ids, same_length

FEWEST_PEOPLE = 10
"""With fewer held-out people no interval is given."""

TOO_FEW_PEOPLE = f"fewer than {FEWEST_PEOPLE} held-out people: no interval"
NO_PREDICTIONS = "no held-out prediction has an observed target here"
NO_RESAMPLES = "no resamples were asked for: no interval"
MOSTLY_UNDEFINED = "cannot be computed in more than 5 % of the resamples: no interval"

_TAILS = (0.025, 0.975)
_CELLS_A_CHUNK = 2_000_000  # drawn counts held at once: 16 MB as int64, and as much again as float64


@dataclass(frozen=True)
class Estimate:
    """A measure on held-out people with its 95 % interval; None with a reason where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the keys value, low, high, reason, for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Resamples:
    """Which people each resample draws, and how often: the same for every model and metric.

    Args:
        people: the held-out people, in any order, repeats allowed; kept sorted and distinct.
        count: resamples, at least 0.
        seed: same people, count and seed, same resamples.

    Raises:
        ValueError: no people, or a negative count.

    Example:
        >>> Resamples(["b", "a", "b"], 500, seed=1).people.tolist()
        ['a', 'b']
    """

    people: Ids = field(repr=False)
    count: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        distinct = np.unique(person_ids(self.people))
        distinct.setflags(write=False)
        object.__setattr__(self, "people", distinct)
        if not len(distinct):
            raise ValueError("resamples need at least one held-out person, got none")
        if self.count < 0:
            raise ValueError(f"count must be at least 0, got {self.count}")

    def index(self, person: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Return the position of every row's person in `people`.

        Raises:
            ValueError: a row of somebody who is not among `people`.
        """
        ids = person_ids(person)
        if not len(ids):
            return np.empty(0, dtype=np.intp)
        if (ids.dtype.kind == "U") != (self.people.dtype.kind == "U"):
            raise ValueError("resamples were made for other people: ids are text here and numbers there")
        place = np.minimum(np.searchsorted(self.people, ids), len(self.people) - 1)
        strangers = int((self.people[place] != ids).sum())
        if strangers:
            raise ValueError(f"resamples were made for other people: {strangers} rows are of somebody else")
        return place

    def draws(self) -> Iterator[Floats]:
        """Yield chunks [resamples, people] of how often each person is drawn; every row sums to the people's number."""
        size = len(self.people)
        generator = np.random.default_rng(self.seed)
        step = max(1, _CELLS_A_CHUNK // size)
        for start in range(0, self.count, step):
            rows = min(step, self.count - start)
            drawn = generator.integers(0, size, size=(rows, size))
            drawn += (np.arange(rows) * size)[:, None]
            yield np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)


def sums_by_person(index: np.ndarray[tuple[int], np.dtype[np.intp]], values: Floats | None, size: int) -> Floats:
    """Sum of `values` for each of `size` people; their number of rows when `values` is None."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64)


def resampled_means(sums: Floats, weights: Floats, resamples: Resamples) -> Floats:
    """Means in every resample, for many measures at once.

    Args:
        sums: [people, measures] each person's sum of weight times value.
        weights: [people, measures] each person's sum of weights.
        resamples: made for these people.

    Returns:
        [resamples, measures]; NaN where a resample draws nobody with a weight.
    """
    parts = [_ratio(counts @ sums, counts @ weights) for counts in resamples.draws()]
    return np.concatenate(parts) if parts else np.empty((0, sums.shape[1]))


def bootstrap_interval(
    values: ArrayLike,
    person: ArrayLike,
    *,
    resamples: Resamples,
    weight: ArrayLike | None = None,
    root: bool = False,
) -> Estimate:
    """Mean of a quantity known per prediction, with its 95 % interval over people.

    Args:
        values: one a prediction: squared errors, absolute errors, 1 for covered, widths.
        person: the person of every prediction.
        resamples: of all held-out people; those without a row here count nothing.
        weight: at least 0, one a prediction; all equal when None.
        root: True takes the root of the mean, so that squared errors become a root mean squared error.

    Raises:
        ValueError: a value that is missing or infinite, lengths that differ, people unknown to `resamples`.

    Example:
        Ten people with one prediction each, who all miss by 3: no resample can say otherwise.

        >>> bootstrap_interval([9.0] * 10, range(10), resamples=Resamples(range(10), 100), root=True)
        Estimate(value=3.0, low=3.0, high=3.0, reason=None)
    """
    numbers, index = finite("values", values), resamples.index(person)
    same_length(values=numbers, person=index)
    weights = np.ones(len(numbers)) if weight is None else finite("weight", weight)
    same_length(values=numbers, weight=weights)
    if bool((weights < 0).any()):
        raise ValueError("weight must be at least 0")
    size = len(resamples.people)
    above = sums_by_person(index, numbers * weights, size)[:, None]
    below = sums_by_person(index, weights, size)[:, None]
    value = _ratio(above.sum(axis=0), below.sum(axis=0))
    drawn = resampled_means(above, below, resamples)
    if root:
        value, drawn = np.sqrt(value), np.sqrt(drawn)
    return estimate(float(value[0]), drawn[:, 0], people=int((below > 0).sum()))


def bootstrap_metric(metric: Callable[[Floats], float | None], person: ArrayLike, *, resamples: Resamples) -> Estimate:
    """Any metric that takes weights, with its 95 % interval over people; slower than `bootstrap_interval`.

    Args:
        metric: maps weights [rows] (how often each row's person was drawn) to a number; None or NaN where it is not
            defined, such as a discrimination without an event.
        person: the person of every row.
        resamples: of all held-out people.

    Raises:
        ValueError: people unknown to `resamples`.

    Example:
        >>> age = np.arange(40.0)
        >>> bootstrap_metric(lambda w: float(age @ w / w.sum()), range(40), resamples=Resamples(range(40), 50)).value
        19.5
    """
    index = resamples.index(person)
    value = _defined(metric, np.ones(len(index)))
    drawn = np.array([_defined(metric, counts[index]) for chunk in resamples.draws() for counts in chunk])
    return estimate(value, drawn, people=len(np.unique(index)))


def estimate(value: float, drawn: Floats, *, people: int) -> Estimate:
    """Percentile interval (95 %) of resampled values around `value`.

    Args:
        value: the measure on the people as they are; NaN where it is not defined.
        drawn: the measure in every resample; NaN where it is not defined there.
        people: those that the measure rests on.

    Example:
        >>> estimate(5.0, np.arange(101.0), people=9).reason
        'fewer than 10 held-out people: no interval'
        >>> estimate(500.0, np.arange(1001.0), people=10)
        Estimate(value=500.0, low=25.0, high=975.0, reason=None)
    """
    if people == 0:
        return Estimate(None, reason=NO_PREDICTIONS)
    if not np.isfinite(value):
        return Estimate(None, reason="not defined on these people")
    if people < FEWEST_PEOPLE:
        return Estimate(float(value), reason=TOO_FEW_PEOPLE)
    if not len(drawn):
        return Estimate(float(value), reason=NO_RESAMPLES)
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < 0.95 * len(drawn):
        return Estimate(float(value), reason=MOSTLY_UNDEFINED)
    low, high = np.quantile(defined, _TAILS)
    return Estimate(float(value), float(low), float(high))


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below; NaN where below is 0."""
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def _defined(metric: Callable[[Floats], float | None], weight: Floats) -> float:
    """Return the metric, NaN where it is not defined."""
    if not bool((weight > 0).any()):
        return float("nan")
    value = metric(weight)
    return float("nan") if value is None else float(value)
