"""The four groups behind acting at a threshold, and a net benefit that tells none of 1 to 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sequela.report.formats import Estimate, Measure, Metrics
from sequela.report.privacy import SMALLEST, WITHHELD, is_few
from sequela.report.results import block_of, found_in
from sequela.report.words import DASH, fixed

_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Crowd:
    """Those whom the held-out numbers rest on."""

    people: int
    predictions: int
    events: int | None

    @property
    def has_few(self) -> bool:
        """True where those with the event, or those without, are so few that nothing may tell how many."""
        return self.events is None or is_few(self.events) or is_few(self.predictions - self.events)


@dataclass(frozen=True)
class Groups:
    """How many predictions are alerts and how many are not, with the event and without."""

    true_alerts: int
    missed: int
    false_alerts: int
    quiet: int

    @property
    def alerts(self) -> int:
        """All alerts."""
        return self.true_alerts + self.false_alerts

    @property
    def has_few(self) -> bool:
        """True where one of the four is 1 to 10."""
        return any(map(is_few, (self.true_alerts, self.missed, self.false_alerts, self.quiet)))


def groups_at(rows: Sequence[Measure], model: str, threshold: float, crowd: Crowd) -> Groups | None:
    """The groups of a model at a threshold; None where they were not measured."""
    sensitivity, specificity = (
        found_in(rows, model, metric, threshold=threshold) for metric in ("sensitivity", "specificity")
    )
    if sensitivity is None or specificity is None or crowd.events is None:
        return None
    if sensitivity.value is None or specificity.value is None:
        return None
    hits, free = round(sensitivity.value * crowd.events), crowd.predictions - crowd.events
    quiet = round(specificity.value * free)
    return Groups(true_alerts=hits, missed=crowd.events - hits, false_alerts=free - quiet, quiet=quiet)


def coarse_at(rows: Sequence[Measure], model: str, thresholds: Sequence[float], crowd: Crowd) -> set[float]:
    """The thresholds at which nothing exact may be said of a model, the first having the first claim.

    That is where a group is 1 to 10, or where so few have a risk between it and another whose numbers are exact.
    """
    exact: list[Groups] = []
    coarse = set()
    for threshold in thresholds:
        here = groups_at(rows, model, threshold, crowd)
        if here is None:
            continue
        between = [
            gap
            for other in exact
            for gap in (here.true_alerts - other.true_alerts, here.false_alerts - other.false_alerts)
        ]
        if here.has_few or any(is_few(abs(gap)) for gap in between):
            coarse.add(threshold)
        else:
            exact.append(here)
    return coarse


def tells_few(metrics: Metrics, model: str, threshold: float, crowd: Crowd) -> bool:
    """True where a net benefit, which weighs two of the groups against each other, would tell one of 1 to 10."""
    groups = groups_at(block_of(metrics), model, threshold, crowd)
    return crowd.has_few or (groups is not None and groups.has_few)


def coarse_benefit(benefit: Estimate | None, predictions: int) -> str:
    """A net benefit in steps of 22 predictions or more, without its interval.

    Example:
        >>> coarse_benefit(Estimate(value=0.1728), 1500), coarse_benefit(Estimate(value=0.1728), 60)
        ('about 0.18', 'not shown')
    """
    if benefit is None or benefit.value is None:
        return DASH
    step = next((step for step in _STEPS if step * predictions >= 2 * SMALLEST), None)
    if step is None:
        return WITHHELD
    return f"about {fixed(round(benefit.value / step) * step, len(str(step)) - 2)}"
