"""Columns that a clinician would read off a chart: time beyond usual ranges, scores, amounts an hour.

Each is a reduction over what one prediction sees of one code, so its bits depend on no other person and on nothing
that becomes known later. Which there are stands in the study ([prepare.clinical]); nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.seen import CellsByVariable, Spans
from sequela.cohort.asof import Sequences
from sequela.cohort.facts import AGE, Facts
from sequela.prepare.clinical import ClinicalSettings, Score, ScorePart, amount_codes
from sequela.prepare.plausible import single
from sequela.prepare.spread import spread_out
from sequela.records.durations import MICROSECONDS_PER_HOUR

Floats = NDArray[np.float64]
Named = tuple[str, Floats]  # a column's name, [R]

_AMOUNT_HOURS = (6.0, 12.0, 24.0)
_SHORTEST = 1.0  # hours; what came in less says little about an amount an hour


def clinical_columns(
    cells: CellsByVariable, facts: Facts, settings: ClinicalSettings, sequences: Sequences
) -> Iterator[Named]:
    """Yield the columns of ranges, scores and amounts of the R predictions, NaN where nothing tells.

    A value stands until the next one of its code, the last one until the prediction time.

    Ranges: for each code the share of time below and above, since its first value; whether the last one is outside;
    and the sums of these over all codes.
    Scores: for each part its points in the window that ends at the prediction time and in the one before, then their
    sums over the known parts, the change and the larger one. The value that stood when a window began belongs to it,
    and a static fact to every window. A sum of values has points only where the history covers the window.
    Amounts: what came in an hour in the last 6, 12 and 24 hours, in the 24 hours before those, and in all.

    Args:
        cells: what the predictions see.
        facts: static facts, which may be parts of a score.
        settings: of the study.
        sequences: the predictions.
    """
    chart = _Chart(cells, facts, sequences)
    yield from _ranges(chart, settings)
    for name, score in settings.scores.items():
        yield from _score(chart, name, score)
    for text in settings.amounts:
        yield from _amounts(chart, text)


class _Chart:
    """What the predictions see, by code, and for how long."""

    def __init__(self, cells: CellsByVariable, facts: Facts, sequences: Sequences) -> None:
        self._cells, self._facts, self._sequences = cells, facts, sequences
        start = sequences.start_time[sequences.sequence]
        self.hours = np.maximum((sequences.read_time - start) / MICROSECONDS_PER_HOUR, 0.0)  # [R] of history

    def seen(self, code: str) -> Spans:
        """Return the numbers of a code that each prediction sees."""
        return self._cells.seen(code, categorical=False)

    def fact(self, code: str) -> Floats:
        """Return a static number [R], NaN where there is none of that name."""
        person = self._sequences.person
        value = np.full(len(person), np.nan)
        if code == AGE and self._facts.birth is not None:
            value = self._facts.age_years(person, self._sequences.episode_start)
        elif code in self._facts.numbers:
            value = self._facts.numbers[code][person]
        return np.asarray(value[self._sequences.sequence])

    def last(self, code: str) -> Floats:
        """Return the last known number of a code, or the static one [R]; NaN where there is none."""
        seen, value = self.seen(code), self.fact(code)
        known = seen.count > 0
        value[known] = seen.number[seen.stop[known] - 1]
        return value


def _ranges(chart: _Chart, settings: ClinicalSettings) -> Iterator[Named]:
    sums = {name: np.zeros(len(chart.hours)) for name in ("time below", "time above", "outside at the end")}
    for code, (low, high) in settings.reference.items():
        seen = chart.seen(code)
        ends = {"time below": ("below", low), "time above": ("above", high)}
        last = chart.last(code)
        outside = np.zeros(len(last))
        for name, (side, end) in ends.items():
            if isinstance(end, str):
                continue
            share = _share_of_time(seen, _beyond(side, end))
            sums[name] += np.nan_to_num(share)
            outside += _beyond(side, end)(last)
            yield f"share of {name} {end:g}: {code}", share
        sums["outside at the end"] += outside
        yield f"outside at the end: {code}", np.where(np.isnan(last), np.nan, outside)
    if settings.reference:
        yield from ((f"{name}: all ranges", total) for name, total in sums.items())


def _beyond(side: str, end: float) -> Callable[[NDArray[np.floating]], NDArray[np.bool_]]:
    """Return what tells the values below, or above, the end of a range, in single precision as values are."""
    limit = single(end)
    below = side == "below"
    return lambda value: value.astype(np.float32) < limit if below else value.astype(np.float32) > limit


def _share_of_time(seen: Spans, is_it: Callable[[NDArray[np.floating]], NDArray[np.bool_]]) -> Floats:
    """Return the share of the time since the first value in which the last one was so [R], NaN where none is known."""
    found = np.full(len(seen.first), np.nan)
    for chosen in seen.runs():
        first, count = seen.first[chosen], seen.count[chosen]
        place = spread_out(first, count)
        begin, end = np.cumsum(count) - count, np.cumsum(count) - 1
        until = np.append(seen.time[place[1:]], 0)
        until[end] = seen.now[chosen]
        stood = (until - seen.time[place]).astype(np.float64)
        so = is_it(seen.number[place])
        whole = np.add.reduceat(stood, begin)
        share = np.add.reduceat(np.where(so, stood, 0.0), begin) / np.where(whole > 0, whole, 1.0)
        found[chosen] = np.where(whole > 0, share, so[end])
    return found


def _score(chart: _Chart, name: str, score: Score) -> Iterator[Named]:
    hours = score.hours
    windows = {f"last {hours:g} h": (hours, 0.0), f"{hours:g} h before": (2 * hours, hours)}
    seen = {code: chart.seen(code) for code in score.parts}
    facts = {code: _points(part, fact := chart.fact(code), fact) for code, part in score.parts.items()}
    totals = []
    for words, (older, newer) in windows.items():
        total = np.zeros(len(chart.hours))
        known = np.zeros(len(chart.hours), dtype=bool)  # anything in the window; a static fact alone is no score
        for code, part in score.parts.items():
            points = _points_of_window(chart, seen[code], part, older, newer)
            known |= ~np.isnan(points)
            points = np.where(np.isnan(points), facts[code], points)
            total += np.nan_to_num(points)
            yield f"{name}, {words}: {code}", points
        totals.append(np.where(known, total, np.nan))
        yield f"{name}, {words}", totals[-1]
    yield f"{name}, change", totals[0] - totals[1]
    yield f"{name}, larger", np.fmax(*totals)


def _points_of_window(chart: _Chart, seen: Spans, part: ScorePart, older: float, newer: float) -> Floats:
    if part.of == "sum":
        total = _reduced(np.add, seen.between(older, newer))
        total[chart.hours < older] = np.nan
        return _points(part, total, total)
    window = seen.standing(older, newer)
    return _points(part, _reduced(np.minimum, window), _reduced(np.maximum, window))


def _points(part: ScorePart, lowest: Floats, highest: Floats) -> Floats:
    """Return the most points that any line gives [R], NaN where no value is known.

    Values are compared in single precision, as they are stored: else 0.7 would not be at least 0.7.
    """
    most = np.zeros(len(lowest))
    least, greatest = lowest.astype(np.float32), highest.astype(np.float32)
    for limit, points in part.below:
        most = np.where(least < single(limit), np.maximum(most, points), most)
    for limit, points in part.at_least:
        most = np.where(greatest >= single(limit), np.maximum(most, points), most)
    return np.where(np.isnan(lowest), np.nan, most)


def _reduced(how: np.ufunc, span: Spans) -> Floats:
    """Return the sum, least or greatest of the values of each span [R], NaN where it is empty."""
    found = np.full(len(span.first), np.nan)
    for chosen in span.runs():
        count = span.count[chosen]
        values = span.number[spread_out(span.first[chosen], count)].astype(np.float64)
        found[chosen] = how.reduceat(values, np.cumsum(count) - count)
    return found


def _amounts(chart: _Chart, text: str) -> Iterator[Named]:
    code, per = amount_codes(text)
    seen = chart.seen(code)
    divisor = np.ones(len(chart.hours)) if per is None else chart.last(per)
    divisor = np.where(divisor > 0, divisor, np.nan)
    for hours in _AMOUNT_HOURS:
        came = _an_hour(seen.of_last(hours), np.minimum(chart.hours, hours))
        yield f"{text} an hour, last {hours:g} h", came / divisor
    longest = _AMOUNT_HOURS[-1]
    before = _an_hour(seen.between(2 * longest, longest), np.minimum(chart.hours - longest, longest))
    yield f"{text} an hour, {longest:g} h before", before / divisor
    yield f"{text} an hour", _an_hour(seen, chart.hours) / divisor


def _an_hour(span: Spans, hours: Floats) -> Floats:
    """Return what came in a span, an hour [R]; NaN where nothing was told, or the span is shorter than an hour."""
    return np.asarray(_reduced(np.add, span) / np.where(hours >= _SHORTEST, hours, np.nan))
