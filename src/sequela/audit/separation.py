"""How well one column tells the outcome, and whether an honest one could."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from scipy.special import bdtrc

from sequela.audit.finding import Severity
from sequela.audit.series import Flags, Floats
from sequela.cohort.asof import Rows
from sequela.evaluate import auroc

HONEST, STRONGEST = 0.95, 0.98  # AUROC of an honest column that is very strong, and of one beyond which none is known
_DRAWS, _MOST = 1999, 200
_FOLDS = 5
FEWEST = 5  # people with and without the outcome, below which nothing is said


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How far a score parts predictions with the outcome from those without."""

    auroc: float  # 0.5 to 1: whichever way round
    with_outcome: int  # people
    without: int  # people

    @property
    def severity(self) -> Severity | None:
        """Return how sure it is that no honest column does this; None where one could.

        The figure is compared with those that chance gives a column whose true AUROC is 0.95 (likely) or 0.98
        (certain), with as many people. So a strong score of past values passes, at any number of people.
        """
        fewer = min(self.with_outcome, self.without)
        if fewer < FEWEST or self.auroc < 0.97:
            return None
        if self.auroc >= 0.995 and fewer > 10 and self.by_chance(STRONGEST) < 0.01:
            return "certain"
        return "likely" if self.by_chance(HONEST) < (0.02 if self.auroc >= 0.9995 else 0.004) else None

    def by_chance(self, true_auroc: float) -> float:
        """Return how often a column of this true AUROC does as well by chance."""
        drawn = _drawn(true_auroc, min(self.with_outcome, _MOST), min(self.without, _MOST))
        return float((1 + len(drawn) - np.searchsorted(drawn, self.auroc - 1e-12)) / (1 + len(drawn)))


@lru_cache(maxsize=512)
def _drawn(true_auroc: float, with_outcome: int, without: int) -> Floats:
    """Return sorted AUROC of samples of two normal distributions that differ in their mean only."""
    random = np.random.default_rng(0)
    apart = 2**0.5 * NormalDist().inv_cdf(true_auroc)
    above = random.normal(apart, 1, (_DRAWS, with_outcome))
    below = np.sort(random.normal(0, 1, (_DRAWS, without)), axis=1)
    beaten = [np.searchsorted(row, high).mean() / without for row, high in zip(below, above, strict=True)]
    return np.sort(np.array(beaten))


def separation(label: Floats, score: Floats, person: Rows) -> Separation | None:
    """Return how far a score parts R predictions; None where all have the outcome or none has.

    Args:
        label: [R] 0 or 1.
        score: [R] finite.
        person: [R].
    """
    found = auroc(label, score) if len(label) else None
    if found is None:
        return None
    return Separation(
        auroc=max(found, 1 - found),
        with_outcome=len(np.unique(person[label == 1])),
        without=len(np.unique(person[label == 0])),
    )


def rates_of_others(level: Rows, label: Floats, person: Rows) -> Floats:
    """Return for each prediction the share with the outcome among other people of the same level [R].

    People are dealt into five folds, and a fold is told by the other four; a level that is new there has the share of
    all, so that a column of names tells nothing.
    """
    fold = person % _FOLDS
    _, place = np.unique(level, return_inverse=True)
    rate = np.empty(len(label))
    for part in range(_FOLDS):
        there = fold != part
        count = np.bincount(place[there], minlength=place.max() + 1)
        events = np.bincount(place[there], label[there], minlength=place.max() + 1)
        overall = label[there].mean() if there.any() else 0.5
        rate[~there] = ((events + overall) / (count + 1))[place[~there]]
    return rate


@dataclass(frozen=True, kw_only=True)
class Purity:
    """Of the people whom a mark is seen of: how many have the outcome whenever it is seen."""

    marked: int
    always: int
    reached: float  # share of the people with the outcome who bear the mark
    base: float  # share of predictions with the outcome, every person weighing the same

    @property
    def severity(self) -> Severity | None:
        """Return how sure it is that the mark comes of the outcome; None where it may foretell it honestly."""
        if self.marked <= 10 or self.always < 0.99 * self.marked:
            return None
        if self.marked >= 40 and self.reached >= 0.8 and self.base <= 0.5:
            return "certain"
        honest = max(0.8, (1 + self.base) / 2)
        return "likely" if bdtrc(self.always - 1, self.marked, honest) < 0.01 else None


def purity(mark: Flags, label: Floats, person: Rows) -> Purity:
    """Return how surely the outcome follows where a mark is seen.

    Args:
        mark: [R] True where it is seen.
        label: [R] 0 or 1.
        person: [R].
    """
    who, place = np.unique(person, return_inverse=True)
    rows = np.bincount(place, minlength=len(who))
    mean = np.bincount(place, label, minlength=len(who)) / rows
    marked = np.bincount(place, mark, minlength=len(who))
    events = np.bincount(place, mark * label, minlength=len(who))
    affected = mean > 0
    return Purity(
        marked=int((marked > 0).sum()),
        always=int(((marked > 0) & (events == marked)).sum()),
        reached=float(((marked > 0) & affected).sum() / max(affected.sum(), 1)),
        base=float(mean.mean()) if len(mean) else 0.0,
    )
