"""What may be told of acting at a threshold, so that no reader finds a group of 1 to 10.

Behind a threshold stand four `Groups`: with an alert and without, each followed by the event or not. Alerts of 100,
sensitivity, specificity, predictive values and net benefit are sums of their sizes, so that a reader can reckon back
from any of them. `Told` says how exactly each size may be told: as it is; as a range where it, or the rest, is 1 to 10;
and not at all where 1 to 10 lie between two thresholds that are told. All numbers of the page follow from that: exact,
as ranges (`Told.shares`, `benefit_range`), or in coarse steps (`coarse_benefit`), as where the event itself came so
seldom (`Crowd.has_few`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sequela.evaluate.benefit import odds
from sequela.report.files import RunFiles
from sequela.report.formats import Estimate, Measure, Metrics
from sequela.report.privacy import SMALLEST, WITHHELD, is_few
from sequela.report.results import block_of, events_of, found_in
from sequela.report.words import DASH, fixed, interval

_DECIMALS = 3  # of a range
_ALIKE = 1.3  # variances nearer than this give intervals whose widths tell nothing of the count behind them
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


def crowd_of(run: RunFiles) -> Crowd:
    """How many the held-out numbers rest on."""
    split = run.profile.split
    return Crowd(split.people.held_out, split.predictions.held_out, events_of(run.metrics))


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


@dataclass(frozen=True)
class Told:
    """The alerts at a threshold as they may be told: from the least to the most that each count may be.

    A count that leaves 1 to 10 on one side is told as all ten, or more, that it may be, and every number that rests on
    it as the range over these: so no number of the page tells more than that the group is small. A count that is told
    as it is has both ends alike.
    """

    true_alerts: tuple[int, int]
    false_alerts: tuple[int, int]
    events: int
    free: int

    @property
    def is_exact(self) -> bool:
        """True where both counts are told as they are."""
        return len({*self.true_alerts}) == len({*self.false_alerts}) == 1

    def shares(self) -> dict[str, tuple[float, float]]:
        """The least and the most that alerts of 100, sensitivity, specificity and predictive values may be."""
        (few, many), (least, most) = self.true_alerts, self.false_alerts
        return {
            "alerts_per_100": _range(few + least, many + most, self.events + self.free),
            "sensitivity": _range(few, many, self.events),
            "specificity": _range(self.free - most, self.free - least, self.free),
            "ppv": (few / max(1, few + most), many / max(1, many + least)),
            "npv": (
                (self.free - most) / max(1, self.free - most + self.events - few),
                (self.free - least) / max(1, self.free - least + self.events - many),
            ),
        }

    def benefit(self, threshold: float) -> tuple[float, float]:
        """The least and the most that the net benefit may be."""
        price, every = odds(threshold), self.events + self.free
        (few, many), (least, most) = self.true_alerts, self.false_alerts
        return (few - price * most) / every, (many - price * least) / every

    def benefit_with_interval(self, benefit: Estimate, threshold: float) -> Estimate | None:
        """The interval of a net benefit, moved outwards by the range; None where its width would tell the count.

        A net benefit varies as the root of its true alerts and of its false ones at the price squared.
        """
        price = odds(threshold) ** 2
        least, most = (self.true_alerts[end] + price * self.false_alerts[end] for end in (0, 1))
        if benefit.value is None or benefit.low is None or benefit.high is None or most > _ALIKE * least:
            return None
        low, high = self.benefit(threshold)
        return Estimate(low=low - (benefit.value - benefit.low), high=high + (benefit.high - benefit.value))


def _range(low: int, high: int, of: int) -> tuple[float, float]:
    return low / of, high / of


def told_at(
    rows: Sequence[Measure], model: str, thresholds: Sequence[float], crowd: Crowd
) -> Mapping[float, Told | None]:
    """What may be told of a model's groups at each threshold where they were measured; the first has the first claim.

    None where so few have a risk between it and another whose counts are told that nothing exact may be said of it.
    """
    found: dict[float, Told | None] = {}
    for threshold in thresholds:
        groups = groups_at(rows, model, threshold, crowd)
        if groups is None:
            continue
        events, free = groups.true_alerts + groups.missed, groups.false_alerts + groups.quiet
        here = Told(_all_it_may_be(groups.true_alerts, events), _all_it_may_be(groups.false_alerts, free), events, free)
        near = any(one is not None and _is_near(here, one) for one in found.values())
        found[threshold] = None if near else here
    return found


def _all_it_may_be(count: int, of: int) -> tuple[int, int]:
    """The least and the most of a part: itself, or where it or the rest is 1 to 10, all that it may be."""
    if not is_few(count) and not is_few(of - count):
        return count, count
    if of < 2 * SMALLEST:  # both may be few: which one it is would narrow it down
        return 1, of - 1
    return (1, SMALLEST - 1) if is_few(count) else (of - SMALLEST + 1, of - 1)


def _is_near(one: Told, other: Told) -> bool:
    """True where two thresholds have a count each that is told, and 1 to 10 between them."""
    pairs = ((one.true_alerts, other.true_alerts), (one.false_alerts, other.false_alerts))
    return any(a[0] == a[1] and b[0] == b[1] and is_few(abs(a[0] - b[0])) for a, b in pairs)


def shown_benefit(
    metrics: Metrics, model: str, benefit: Estimate, threshold: float, crowd: Crowd, *, decimals: int
) -> tuple[str, str]:
    """A headline's net benefit at the study's first threshold and its interval, as they may be told."""
    exact = fixed(benefit.value, decimals), interval(benefit.low, benefit.high, decimals)
    if benefit.value is None:
        return exact
    if crowd.has_few:
        return coarse_benefit(benefit, crowd.predictions), ""
    told = told_at(block_of(metrics), model, [threshold], crowd).get(threshold)
    return exact if told is None or told.is_exact else benefit_range(told, benefit, threshold)


def benefit_range(told: Told, benefit: Estimate | None, threshold: float) -> tuple[str, str]:
    """A net benefit as a range, and the interval around the range where there is one.

    Example:
        >>> told = Told((104, 113), (240, 240), 114, 686)
        >>> benefit_range(told, Estimate(value=0.1, low=0.08, high=0.12), 0.1)
        ('0.097 to 0.108', '[0.077, 0.128]')
    """
    around = told.benefit_with_interval(benefit, threshold) if benefit else None
    bounds = interval(around.low, around.high, _DECIMALS) if around else ""
    return spread(told.benefit(threshold), _DECIMALS), bounds


def spread(ends: tuple[float, float], decimals: int) -> str:
    """A range of numbers; one number where both ends read the same."""
    low, high = (fixed(end, decimals) for end in ends)
    return low if low == high else f"{low} to {high}"


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
