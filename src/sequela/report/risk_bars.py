"""Histograms of risks that neither each other nor the thresholds complete to a count of 1 to 10.

`curves.json` keeps 11 people in a bar, for each histogram by itself. On a page they stand together: whoever takes the
bars of those without the event from the bars of everybody has those with the event, bar by bar. So the bars by outcome
share their ends, which are ends of both or thresholds whose counts the page tells, and of the bars of everybody those
ends go that would leave such a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from sequela.evaluate.benefit import odds
from sequela.report.curve_formats import Bars, ByOutcome, ModelBenefit, ModelCurves
from sequela.report.privacy import is_few
from sequela.report.risk_groups import Told


@dataclass(frozen=True)
class SafeBars:
    """Risks as a model gives them out: of everybody, and by outcome; None where nothing may be drawn."""

    everybody: Bars | None
    by_outcome: ByOutcome | None


def safe_bars(one: ModelCurves, told: Iterable[tuple[float, Told | None]], benefit: ModelBenefit | None) -> SafeBars:
    """The histograms of a model's final risks.

    Args:
        one: the model's curves.
        told: what the page tells of alerts at each threshold of the study.
        benefit: the model's decision curve.
    """
    everybody, found = (one.after or one.before).histogram, one.distribution
    thresholds = {at: each for at, each in told if each is not None}
    if found is None or found.event is None or found.no_event is None:
        return SafeBars(None if thresholds else everybody, None)
    counts = _Counts(sum(found.event.predictions), sum(found.no_event.predictions))
    for at, each in thresholds.items():
        counts.add_threshold(at, each)
    events, free = _running(found.event), _running(found.no_event)
    for at in sorted({*found.event.low, *found.no_event.low}):
        if (pair := (_below(events, at), _below(free, at))) != (None, None) and None not in pair:
            counts.add(at, pair[0] or 0, pair[1] or 0)
    by_outcome = None
    if len(counts.below) > 2:
        by_outcome = ByOutcome(event=_bars({at: each for at, (each, _) in counts.below.items()}),
                               no_event=_bars({at: each for at, (_, each) in counts.below.items()}))  # fmt: skip
    return SafeBars(None if everybody is None else _of_everybody(everybody, counts, thresholds, benefit), by_outcome)


@dataclass
class _Counts:
    """What a page tells of how many have a risk below another: with the event, without it, and together."""

    events: int
    free: int
    below: dict[float, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.below = {0.0: (0, 0), 1.0: (self.events, self.free)}
        self.with_event, self.without = [0, self.events], [0, self.free]

    def add_threshold(self, at: float, told: Told) -> None:
        """Take note of a threshold, whose counts have been told already."""
        missed, quiet = (
            [self.events - end for end in told.true_alerts],
            [self.free - end for end in told.false_alerts],
        )
        if told.is_exact:
            self.below[at] = missed[0], quiet[0]
        self.with_event += missed[:1] * (missed[0] == missed[1])
        self.without += quiet[:1] * (quiet[0] == quiet[1])

    def add(self, at: float, events: int, free: int) -> None:
        """Tell another, unless 1 to 10 would lie between it and what is told."""
        if self.may_tell(events, free):
            self.below[at] = events, free
            self.with_event.append(events)
            self.without.append(free)

    def may_tell(self, events: int, free: int) -> bool:
        """True where nobody, or 11 and more, lie between these and all that are told."""
        pairs = ((events, self.with_event), (free, self.without))
        return not any(is_few(abs(count - other)) for count, others in pairs for other in others)


def _of_everybody(bars: Bars, counts: _Counts, thresholds: Mapping[float, Told], benefit: ModelBenefit | None) -> Bars:
    """The bars of everybody, with the ends of the bars by outcome and those of its own that may stand beside them."""
    running, every = _running(bars), counts.events + counts.free
    shown = {at: sum(pair) for at, pair in counts.below.items()}
    worth = dict(zip(benefit.threshold, benefit.net_benefit, strict=True)) if benefit is not None else {}
    for at, below in sorted(running.items()):
        if at in shown or any(is_few(abs(below - other)) for other in shown.values()):
            continue
        if any(_narrows(at, every - below, threshold, told) for threshold, told in thresholds.items()):
            continue
        if (net := worth.get(at)) is not None:  # alerts and net benefit together tell the true ones
            price, alerts = odds(at), every - below
            hits = round((net * every + price * alerts) / (1 + price))
            pair = counts.events - hits, counts.free - alerts + hits
            if not counts.may_tell(*pair):
                continue
            counts.with_event.append(pair[0])
            counts.without.append(pair[1])
        shown[at] = below
    return _bars(shown)


def _narrows(at: float, alerts: int, threshold: float, told: Told) -> bool:
    """True where the alerts at one risk rule out a count that a range leaves open at another."""
    if told.is_exact:
        return False
    least, most = (told.true_alerts[end] + told.false_alerts[end] for end in (0, 1))
    return (at <= threshold and alerts < most) or (at >= threshold and alerts > least)


def _running(bars: Bars) -> dict[float, int]:
    """How many lie below each end of a bar."""
    found, count = {bars.low[0]: 0}, 0
    for high, more in zip(bars.high, bars.predictions, strict=True):
        count += more
        found[high] = count
    return found


def _below(running: Mapping[float, int], at: float) -> int | None:
    """How many lie below a risk; None within a bar."""
    ends = sorted(running)
    return 0 if at <= ends[0] else running[ends[-1]] if at >= ends[-1] else running.get(at)


def _bars(below: Mapping[float, int]) -> Bars:
    """Bars between risks, from how many lie below each."""
    ends = sorted(below)
    counts = [below[high] - below[low] for low, high in pairwise(ends)]
    return Bars(low=ends[:-1], high=ends[1:], predictions=counts, share=[count / sum(counts) for count in counts])
