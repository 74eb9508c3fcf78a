"""Histograms of risks that neither each other nor the thresholds complete to a count of 1 to 10.

Whoever takes the bars of those without the event from the bars of everybody has those with the event, bar by bar. The
bars of `curves.json` are safe from that among themselves (`evaluate/risk_curves.py`), except in a run of an older
version, and they do not know of the counts that a page tells at thresholds. So the bars by outcome share their ends,
which are ends of both or thresholds whose counts the page tells, and of the bars of everybody those ends go that would
leave a difference of 1 to 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
        with_event, without = _below(events, at), _below(free, at)
        if with_event is not None and without is not None:
            counts.add(at, with_event, without)
    by_outcome = None
    if len(counts.below) > 2:
        by_outcome = ByOutcome(event=_bars({at: each for at, (each, _) in counts.below.items()}),
                               no_event=_bars({at: each for at, (_, each) in counts.below.items()}))  # fmt: skip
    return SafeBars(None if everybody is None else _of_everybody(everybody, counts, thresholds, benefit), by_outcome)


class _Counts:
    """What a page tells of how many have a risk below another: with the event, without it, and together."""

    def __init__(self, events: int, free: int) -> None:
        self.events, self.free = events, free
        self.below = {0.0: (0, 0), 1.0: (events, free)}
        self.with_event, self.without = [0, events], [0, free]

    def add_threshold(self, at: float, told: Told) -> None:
        """Take note of a threshold, whose counts have been told already."""
        missed, quiet = self.events - told.true_alerts[0], self.free - told.false_alerts[0]
        if told.is_exact:
            self.below[at] = missed, quiet
        if told.true_alerts[0] == told.true_alerts[1]:
            self.with_event.append(missed)
        if told.false_alerts[0] == told.false_alerts[1]:
            self.without.append(quiet)

    def add(self, at: float, events: int, free: int) -> None:
        """Tell another, where that may be."""
        if self.noted(events, free):
            self.below[at] = events, free

    def noted(self, events: int, free: int) -> bool:
        """Note two counts as told; False, and nothing is noted, where 1 to 10 lie between one and another told."""
        pairs = ((events, self.with_event), (free, self.without))
        if any(is_few(abs(count - other)) for count, others in pairs for other in others):
            return False
        self.with_event.append(events)
        self.without.append(free)
        return True


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
            if not counts.noted(counts.events - hits, counts.free - alerts + hits):
                continue
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
