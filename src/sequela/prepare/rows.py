"""From cells to dense, prepared rows: the place where a history becomes numbers for a network.

Every step here is causal: row n of a sequence depends on its rows up to n and on nothing else. So one pass over a whole
history and a history cut at a prediction time give the same rows, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows, Sequences, Timeline
from sequela.cohort.facts import AGE, Facts
from sequela.prepare.state import CategoryState, NumberState, PreparedState, StaticNumberState, column_names
from sequela.records.durations import MICROSECONDS_PER_HOUR

Column = NDArray[np.intp]
UNKNOWN_COLUMN = -1


@dataclass(frozen=True, kw_only=True)
class PreparedRows:
    """Rows of several sequences one after the other; F dense columns."""

    values: NDArray[np.float32]  # [N, F]
    observed: NDArray[np.bool_]  # [N, F]
    gap_hours: NDArray[np.float32]  # [N, F]
    hours: NDArray[np.float32]  # [N]


class RowPreparation:
    """A fitted state, applied to the sequences of one timeline."""

    def __init__(self, timeline: Timeline, state: PreparedState) -> None:
        self.timeline, self.state = timeline, state
        self.first_column, self.last_column = _columns_of_variables(timeline, state)
        self._column_of_level = _columns_of_levels(timeline, state)
        self._measured_when_known = timeline.steps_keep_their_time
        numbers = [f for f in state.features for _ in column_names(f)]
        self.center = np.array([f.center if isinstance(f, NumberState) else 0.0 for f in numbers])
        self.spread = np.array([f.spread if isinstance(f, NumberState) else 1.0 for f in numbers])
        fill = np.array([_fill(feature, column) for feature in state.features for column in _column_numbers(feature)])
        self._fill = ((fill - self.center) / self.spread).astype(np.float32)
        self._carried = np.array([feature.missing == "last" for feature in numbers])

    def rows(self, sequences: Sequences, chosen: Rows) -> PreparedRows:
        """Return the prepared rows of the chosen sequences, in that order.

        Args:
            sequences: of the timeline.
            chosen: numbers of sequences [S].
        """
        first, lengths = sequences.first[chosen], sequences.lengths[chosen]
        begin = np.cumsum(lengths) - lengths
        source = spread_out(first, lengths)
        row_begin = np.repeat(begin, lengths)
        time = self.timeline.step_time[source]
        raw, observed, measured = self.measured(source)

        here = np.arange(len(source))[:, None]
        last = np.maximum.accumulate(np.where(observed, here, -1), axis=0)
        before = np.full_like(last, -1)
        before[1:] = last[:-1]
        known, known_before = last >= row_begin[:, None], before >= row_begin[:, None]

        scaled = ((raw.astype(np.float64) - self.center) / self.spread).astype(np.float32)
        values = np.where(observed, scaled, self._fill)
        carry = known & self._carried & ~observed
        values[carry] = np.take_along_axis(scaled, np.maximum(last, 0), axis=0)[carry]

        start = np.repeat(sequences.start_time[chosen], lengths)
        seen = (
            time[np.maximum(before, 0)]
            if measured is None
            else np.take_along_axis(measured, np.maximum(before, 0), axis=0)
        )
        since = time[:, None] - np.where(known_before, seen, start[:, None])
        hours = (time - np.repeat(sequences.episode_start[chosen], lengths)) / MICROSECONDS_PER_HOUR
        return PreparedRows(
            values=values,
            observed=observed,
            gap_hours=(since / MICROSECONDS_PER_HOUR).astype(np.float32),
            hours=hours.astype(np.float32),
        )

    def last_known(self, sequences: Sequences, chosen: Rows) -> tuple[NDArray[np.float32], Rows]:
        """Return the last known value of each column at each row [N, F] in its own unit, and since when it was known.

        Where nothing is known the time is `NEVER`.
        """
        lengths = sequences.lengths[chosen]
        source = spread_out(sequences.first[chosen], lengths)
        raw, observed, _ = self.measured(source)
        row_begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
        last = np.maximum.accumulate(np.where(observed, np.arange(len(raw))[:, None], -1), axis=0)
        place = np.maximum(last, 0)
        since = np.where(last >= row_begin[:, None], self.timeline.step_time[source][place], NEVER)
        return np.take_along_axis(raw, place, axis=0), since

    def measured(self, source: Rows) -> tuple[NDArray[np.float32], NDArray[np.bool_], Rows | None]:
        """Return the values measured at rows of the timeline, as they are.

        Returns:
            Values [N, F] in their own unit (a category's column holds 1), 0 where nothing was measured; where something
            was measured [N, F]; and when [N, F], or None where everything was known at the time of measurement.
        """
        timeline = self.timeline
        shape = (len(source), len(self.center))
        count = timeline.cell_offsets[source + 1] - timeline.cell_offsets[source]
        cell = spread_out(timeline.cell_offsets[source], count)
        row = np.repeat(np.arange(len(source)), count)
        variable, level = timeline.cell_variable[cell], timeline.cell_level[cell]
        first, last = self.first_column[variable], self.last_column[variable]
        used = first != UNKNOWN_COLUMN
        cell, row, level, first, last = cell[used], row[used], level[used], first[used], last[used]
        number = level < 0

        raw = np.zeros(shape, dtype=np.float32)
        observed = np.zeros(shape, dtype=bool)
        measured = None if self._measured_when_known else np.zeros(shape, dtype=np.int64)
        raw[row[number], first[number]] = timeline.cell_number[cell[number]]
        raw[row[~number], self._column_of_level[level[~number]]] = 1.0
        for offset in range(int((last - first).max(initial=0)) + 1):
            wide = first + offset <= last
            observed[row[wide], first[wide] + offset] = True
            if measured is not None:
                measured[row[wide], first[wide] + offset] = timeline.cell_time[cell[wide]]
        return raw, observed, measured


def spread_out(first: Rows, lengths: Rows) -> Rows:
    """Return first[0], first[0]+1, ... of each span, one after the other.

    Example:
        >>> spread_out(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    begin = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(begin - first, lengths)


def _column_numbers(feature: NumberState | CategoryState) -> range:
    return range(len(column_names(feature)))


def _fill(feature: NumberState | CategoryState, column: int) -> float:
    """Return what stands where nothing is known, in the code's own unit."""
    if feature.missing == "zero":
        return 0.0
    return feature.fill if isinstance(feature, NumberState) else feature.shares[column]


def _columns_of_variables(timeline: Timeline, state: PreparedState) -> tuple[Column, Column]:
    """Return the first and the last column of each variable of the timeline; -1 for those that are not used."""
    span: dict[tuple[str, bool], tuple[int, int]] = {}
    begin = 0
    for feature in state.features:
        width = len(column_names(feature))
        span[feature.code, isinstance(feature, CategoryState)] = (begin, begin + width - 1)
        begin += width
    pairs = [span.get(variable, (UNKNOWN_COLUMN, UNKNOWN_COLUMN)) for variable in timeline.variables]
    table = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _columns_of_levels(timeline: Timeline, state: PreparedState) -> Column:
    """Return the column of each level of the timeline; levels that are not kept fall to the code's last column."""
    column: dict[tuple[str, str], int] = {}
    other: dict[str, int] = {}
    begin = 0
    for feature in state.features:
        if isinstance(feature, CategoryState):
            column |= {(feature.code, level): begin + place for place, level in enumerate(feature.levels)}
            other[feature.code] = begin + len(feature.levels)
        begin += len(column_names(feature))
    of_level = [column.get((code, level), other.get(code, 0)) for code, level in timeline.levels]
    return np.array(of_level, dtype=np.intp)


def prepare_static(facts: Facts, state: PreparedState, sequences: Sequences, chosen: Rows) -> NDArray[np.float32]:
    """Return the static inputs of the chosen sequences [S, K]."""
    person = sequences.person[chosen]
    columns: list[NDArray[np.float32]] = []
    for fact in state.static:
        if isinstance(fact, StaticNumberState):
            if fact.code == AGE and facts.birth is not None:
                value = facts.age_years(person, sequences.episode_start[chosen])
            else:
                value = facts.numbers[fact.code][person] if fact.code in facts.numbers else np.full(len(person), np.nan)
            known = ~np.isnan(value)
            filled = (np.where(known, value, fact.fill) - fact.center) / fact.spread
            columns += [filled.astype(np.float32), known.astype(np.float32)]
        else:
            texts = facts.categories.get(fact.code)
            of_sequence = [texts[p] if texts is not None else None for p in person]
            hit = np.array([[text == level for level in fact.levels] for text in of_sequence], dtype=np.float32)
            hit = hit.reshape(len(person), len(fact.levels))
            other = np.array([text is not None for text in of_sequence], dtype=np.float32) - hit.sum(axis=1)
            columns += [*hit.T, other]
    return np.stack(columns, axis=1) if columns else np.zeros((len(person), 0), dtype=np.float32)
