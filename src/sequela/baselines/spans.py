"""Statistics of the last hours, the last day and all of a history: what the simple models of a risk are given.

The cells of a variable that a prediction sees are one span of that variable's cells, since these stand sorted by person
and step; and the part of a span that was measured after some instant is its end, since no cell is older than the one
before it. So every statistic is a reduction over spans, each by itself: its bits depend on no other person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.windows import WindowStatistics
from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import Facts
from sequela.prepare.rows import prepare_static
from sequela.prepare.spread import spread_out
from sequela.prepare.state import CategoryState, NumberState, PreparedState, WordState
from sequela.records.durations import MICROSECONDS_PER_HOUR

Floats = NDArray[np.float64]
Column = NDArray[np.float32]

SPAN_STATISTICS = ("last", "first", "min", "max", "mean", "std", "median", "count", "hours since")
SPAN_HOURS: tuple[float | None, ...] = (None, 24.0, 6.0)
"""All that is seen, the last day, the last six hours."""

_CELLS_AT_ONCE = 1 << 22
_MOST_WORDS = 256
_OTHER_LEVEL = "(other)"


def span_statistics(
    timeline: Timeline,
    facts: Facts,
    state: PreparedState,
    sequences: Sequences,
    *,
    hours: Sequence[float | None] = SPAN_HOURS,
) -> WindowStatistics:
    """Return for each prediction, span of time and code: last, first, min, max, mean, std, median, count, hours since.

    A span of h hours holds what was measured in (t - h, t] and known at t; None is all that the prediction may see.
    Categories give their last level, once, and a count for each span; codes that come as events (the first 256 of the
    vocabulary) a count for each span. Hours since the episode began, the number of records and the static facts follow.
    Work grows with the cells that all predictions see together; at most four million cells are held at once.

    Args:
        timeline: what became known.
        facts: static facts.
        state: fitted preparation; it says which codes and levels there are. Values are taken as they were measured.
        sequences: the R predictions.
        hours: lengths of the spans.
    """
    cells = _CellsByVariable(timeline, sequences)
    parts = [part for feature in state.features for part in _of_feature(cells, feature, hours)]
    parts += [part for word in state.words[:_MOST_WORDS] for part in _of_word(cells, state, word, hours)]
    begun = sequences.episode_start[sequences.sequence]
    records = np.where(sequences.read >= 0, sequences.read - sequences.first[sequences.sequence] + 1, 0)
    parts.append(("hours since the start", _single((sequences.read_time - begun) / MICROSECONDS_PER_HOUR)))
    parts.append(("records", _single(records)))
    static = prepare_static(facts, state, sequences, np.arange(len(sequences.person)))[sequences.sequence]
    no_targets = np.zeros((len(sequences.read), 0))
    return WindowStatistics(
        matrix=np.concatenate([np.stack([column for _, column in parts], axis=1), static], axis=1),
        names=[name for name, _ in parts] + state.static_columns,
        last_target=no_targets,
        mean_target=no_targets,
    )


def _single(numbers: NDArray[np.float64] | Rows) -> Column:
    return numbers.astype(np.float32)


def _suffix(hours: float | None) -> str:
    return "" if hours is None else f", last {hours:g} h"


Part = tuple[str, Column]  # name, [R]


def _of_feature(
    cells: _CellsByVariable, feature: NumberState | CategoryState, hours: Sequence[float | None]
) -> Iterator[Part]:
    seen = cells.seen(feature.code, isinstance(feature, CategoryState))
    if isinstance(feature, CategoryState):
        yield from _last_level(seen, feature, cells.timeline)
    for length in hours:
        span = seen.of_last(length)
        if isinstance(feature, CategoryState):
            yield f"count {feature.code}{_suffix(length)}", _single(span.count)
            continue
        table = _number_statistics(span)
        for place, statistic in enumerate(SPAN_STATISTICS):
            yield f"{statistic} {feature.code}{_suffix(length)}", table[:, place]


def _of_word(
    cells: _CellsByVariable, state: PreparedState, word: WordState, hours: Sequence[float | None]
) -> Iterator[Part]:
    """Yield how often a code, or a category of a code of many, came in each span."""
    seen = cells.seen(word.code, word.level is not None, valued=False)
    if word.level is not None:
        named = {other.level for other in state.words if other.code == word.code} - {_OTHER_LEVEL}
        is_other = [code == word.code and level not in named for code, level in cells.timeline.levels]
        is_it = [(code, level) == (word.code, word.level) for code, level in cells.timeline.levels]
        seen = seen.where(np.array(is_other if word.level == _OTHER_LEVEL else is_it, dtype=bool)[seen.level])
    for length in hours:
        yield f"count {word.name}{_suffix(length)}", _single(seen.of_last(length).count)


@dataclass(frozen=True, kw_only=True)
class _Spans:
    """For each of R predictions a span [first, stop) of the cells of one variable, sorted by time."""

    number: NDArray[np.float32]  # [cells of the variable]
    level: NDArray[np.int32]  # [cells of the variable]
    time: Rows  # [cells of the variable] when it was measured
    first: Rows  # [R]
    stop: Rows  # [R]
    now: Rows  # [R] the prediction time

    @property
    def count(self) -> Rows:
        """Return the number of cells of each span [R]."""
        return self.stop - self.first

    def where(self, kept: NDArray[np.bool_]) -> _Spans:
        """Return the spans without the cells that are not kept."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return _Spans(
            number=self.number[kept],
            level=self.level[kept],
            time=self.time[kept],
            first=before[self.first],
            stop=before[self.stop],
            now=self.now,
        )

    def of_last(self, hours: float | None) -> _Spans:
        """Return the part of each span that was measured in the last hours before its prediction time."""
        if hours is None:
            return self
        bound = self.now - round(hours * MICROSECONDS_PER_HOUR)
        first = _first_after(self.time, self.first, self.stop, bound)
        return _Spans(number=self.number, level=self.level, time=self.time, first=first, stop=self.stop, now=self.now)


class _CellsByVariable:
    """The cells of a timeline by variable, and what each of R predictions sees of them."""

    def __init__(self, timeline: Timeline, sequences: Sequences) -> None:
        self.timeline, self._now = timeline, sequences.read_time
        self._order = np.argsort(timeline.cell_variable, kind="stable")
        numbers = np.arange(len(timeline.variables) + 1)
        self._edges = np.searchsorted(timeline.cell_variable[self._order], numbers)
        self._step = timeline.step_of_cell
        self._number = {variable: number for number, variable in enumerate(timeline.variables)}
        self._first = sequences.first[sequences.sequence]
        self._stop = np.maximum(sequences.read + 1, self._first)

    def seen(self, code: str, categorical: bool, *, valued: bool = True) -> _Spans:
        """Return the cells of a variable and the span that each prediction sees; nothing of an unknown variable.

        Where a code comes with numbers and without, those without are left out unless `valued` is False.
        """
        cell = self._order[:0]
        if (code, categorical) in self._number:
            number = self._number[code, categorical]
            cell = self._order[self._edges[number] : self._edges[number + 1]]
        step = self._step[cell]
        seen = _Spans(
            number=self.timeline.cell_number[cell],
            level=self.timeline.cell_level[cell],
            time=self.timeline.cell_time[cell],
            first=np.searchsorted(step, self._first),
            stop=np.searchsorted(step, self._stop),
            now=self._now,
        )
        missing = np.isnan(seen.number) if valued and not categorical else np.zeros(len(cell), dtype=bool)
        return seen.where(~missing) if missing.any() else seen


def _first_after(times: Rows, first: Rows, stop: Rows, bound: Rows) -> Rows:
    """Return the first place in each span [first, stop) of sorted times that lies after its bound; stop where none."""
    low, high = first.copy(), stop.copy()
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        after = np.zeros(len(low), dtype=bool)
        after[open_] = times[middle[open_]] > bound[open_]
        low = np.where(open_ & ~after, middle + 1, low)
        high = np.where(open_ & after, middle, high)
    return low


def _last_level(seen: _Spans, feature: CategoryState, timeline: Timeline) -> Iterator[Part]:
    """Yield a column for each kept level and one for all others: 1 where the last category is it, NaN before any."""
    known = seen.count > 0
    place = {(feature.code, level): number for number, level in enumerate(feature.levels)}
    of_level = np.array([place.get(level, len(feature.levels)) for level in timeline.levels], dtype=np.int64)
    last = np.full(len(known), -1)
    last[known] = of_level[seen.level[seen.stop[known] - 1]]
    for number, level in enumerate([*feature.levels, "(other)"]):
        yield f"last {feature.code} = {level}", _single(np.where(known, last == number, np.nan))


def _number_statistics(span: _Spans) -> Column:
    """Return `SPAN_STATISTICS` of each span [R, statistics], NaN where it is empty."""
    table = np.full((len(span.first), len(SPAN_STATISTICS)), np.nan, dtype=np.float32)
    table[:, SPAN_STATISTICS.index("count")] = span.count
    some = np.flatnonzero(span.count > 0)
    cuts = np.flatnonzero(np.diff(np.cumsum(span.count[some]) // _CELLS_AT_ONCE)) + 1
    for chosen in np.split(some, cuts):
        if len(chosen):
            table[chosen] = _reduced(span, chosen)
    return table


def _reduced(span: _Spans, chosen: Rows) -> Column:
    """Return the statistics of the chosen spans, none of them empty."""
    first, last, count = span.first[chosen], span.stop[chosen] - 1, span.count[chosen]
    begin = np.cumsum(count) - count
    single = span.number[spread_out(first, count)]
    value = single.astype(np.float64)
    mean = np.add.reduceat(value, begin) / count
    square = np.add.reduceat((value - np.repeat(mean, count)) ** 2, begin)
    columns = (
        span.number[last],
        span.number[first],
        np.minimum.reduceat(single, begin),
        np.maximum.reduceat(single, begin),
        mean,
        np.sqrt(square / count),
        _medians(single, begin, count),
        count,
        (span.now[chosen] - span.time[last]) / MICROSECONDS_PER_HOUR,
    )
    return np.stack([column.astype(np.float32) for column in columns], axis=1)


def _medians(values: Column, begin: Rows, count: Rows) -> Floats:
    """Return the median of each run of values: sorted all at once by (run, value) as one whole number.

    The bits of a float sort as its value does once a negative one is inverted and a positive one gets the highest bit.
    """
    bits = values.view(np.uint32)
    ordered = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)
    run = np.repeat(np.arange(len(begin), dtype=np.uint64), count)
    low = (np.sort((run << np.uint64(32)) | ordered) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    sorted_values = np.where(low >> 31 == 1, low & np.uint32(0x7FFFFFFF), ~low).view(np.float32).astype(np.float64)
    return np.asarray((sorted_values[begin + (count - 1) // 2] + sorted_values[begin + count // 2]) / 2)
