"""Statistics of the last hours, the last day and all of a history: what the simple models of a risk are given.

Every statistic is a reduction over the span of a variable's cells that a prediction sees, each by itself: its bits
depend on no other person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sequela.baselines.clinical import clinical_columns
from sequela.baselines.seen import CellsByVariable, Spans
from sequela.baselines.windows import WindowStatistics
from sequela.baselines.words import MOST_WORDS, has_amounts, last_number, seen_word
from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.cohort.facts import Facts
from sequela.prepare.measured import limited_timeline
from sequela.prepare.rows import prepare_static
from sequela.prepare.spread import spread_out
from sequela.prepare.state import CategoryState, NumberState, PreparedState, WordState
from sequela.prepare.words import OTHER_LEVEL
from sequela.records.durations import MICROSECONDS_PER_HOUR

Floats = NDArray[np.float64]
Column = NDArray[np.float32]

SPAN_STATISTICS = ("last", "first", "min", "max", "mean", "std", "median", "count", "hours since")
SPAN_HOURS: tuple[float | None, ...] = (None, 24.0, 6.0)
"""All that is seen, the last day, the last six hours."""


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
    Categories give their last level and the hours since, once, and a count for each span; codes that come as events
    (the first 256 of the vocabulary) a count for each span, and their last amount where they have one. What the study
    asks for as `[prepare.clinical]`, hours since the episode began, the number of records and the static facts follow.
    Work grows with the cells that all predictions see together; at most four million cells are held at once.

    Args:
        timeline: what became known.
        facts: static facts.
        state: fitted preparation; it says which codes and levels there are, and which values count as not measured or
            are moved because they stand out. What `[prepare.clinical]` asks for is told of all that was measured.
        sequences: the R predictions.
        hours: lengths of the spans.
    """
    cells = CellsByVariable(timeline, sequences)
    limits = limited_timeline(timeline, state)
    limited = cells if limits is timeline else CellsByVariable(limits, sequences)
    parts = [part for feature in state.features for part in _of_feature(limited, feature, hours)]
    parts += [part for word in state.words[:MOST_WORDS] for part in _of_word(cells, state, word, hours)]
    parts += [(name, _single(column)) for name, column in clinical_columns(cells, facts, state.clinical, sequences)]
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
    cells: CellsByVariable, feature: NumberState | CategoryState, hours: Sequence[float | None]
) -> Iterator[Part]:
    seen = cells.seen(feature.code, isinstance(feature, CategoryState))
    if isinstance(feature, CategoryState):
        yield from _last_level(seen, feature, cells.timeline)
        yield f"hours since {feature.code}", _single(seen.hours_since)
    for length in hours:
        span = seen.of_last(length)
        if isinstance(feature, CategoryState):
            yield f"count {feature.code}{_suffix(length)}", _single(span.count)
            continue
        table = _number_statistics(span)
        for place, statistic in enumerate(SPAN_STATISTICS):
            yield f"{statistic} {feature.code}{_suffix(length)}", table[:, place]


def _of_word(
    cells: CellsByVariable, state: PreparedState, word: WordState, hours: Sequence[float | None]
) -> Iterator[Part]:
    """Yield how often a code, or a category of a code of many, came in each span, and its last amount."""
    seen = seen_word(cells, state, word)
    for length in hours:
        yield f"count {word.name}{_suffix(length)}", _single(seen.of_last(length).count)
    if has_amounts(word):
        yield f"last {word.name}", _single(last_number(cells.seen(word.code, categorical=False)))


def _last_level(seen: Spans, feature: CategoryState, timeline: Timeline) -> Iterator[Part]:
    """Yield a column for each kept level and one for all others: 1 where the last category is it, NaN before any."""
    known = seen.count > 0
    place = {(feature.code, level): number for number, level in enumerate(feature.levels)}
    of_level = np.array([place.get(level, len(feature.levels)) for level in timeline.levels], dtype=np.int64)
    last = np.full(len(known), -1)
    last[known] = of_level[seen.level[seen.stop[known] - 1]]
    for number, level in enumerate([*feature.levels, OTHER_LEVEL]):
        yield f"last {feature.code} = {level}", _single(np.where(known, last == number, np.nan))


def _number_statistics(span: Spans) -> Column:
    """Return `SPAN_STATISTICS` of each span [R, statistics], NaN where it is empty."""
    table = np.full((len(span.first), len(SPAN_STATISTICS)), np.nan, dtype=np.float32)
    table[:, SPAN_STATISTICS.index("count")] = span.count
    for chosen in span.runs():
        table[chosen] = _reduced(span, chosen)
    return table


def _reduced(span: Spans, chosen: Rows) -> Column:
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
