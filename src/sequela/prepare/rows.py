"""From cells to dense, prepared rows: the place where a history becomes numbers for a network.

The steps, in this order: outliers, transform, scale (these look at measured values only), then what stands where
nothing was measured. Every step but `linear` is causal: row n of a sequence depends on its rows up to n and on nothing
else. So one pass over a whole history and a history cut at a prediction time give the same rows, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import NEVER, Rows, Sequences, Timeline
from sequela.cohort.facts import AGE, Facts
from sequela.prepare.columns import NO_COLUMN, columns_of
from sequela.prepare.impute import on_the_line
from sequela.prepare.impute_jointly import values_before
from sequela.prepare.measured import cells_of, cells_of_rows, with_rules
from sequela.prepare.passes import BUILT, Cells, Columns, Filled, Spans, fill_rows
from sequela.prepare.rules import FARTHEST, Column
from sequela.prepare.spread import spread_out
from sequela.prepare.state import NumberState, PreparedState, StaticNumberState
from sequela.records.durations import MICROSECONDS_PER_HOUR


@dataclass(frozen=True, kw_only=True)
class PreparedRows:
    """Rows of several sequences one after the other; F dense columns."""

    values: NDArray[np.float32]  # [N, F]
    observed: NDArray[np.bool_]  # [N, F]
    gap_hours: NDArray[np.float32]  # [N, F]
    hours: NDArray[np.float32]  # [N]
    provenance: NDArray[np.uint8] | None = None  # [N, F]
    late_hours: NDArray[np.float32] | None = None  # [N, F] from a measurement to when it was known, 0 where none stands


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured in rows of several sequences, in each code's own unit, outliers taken out or moved."""

    values: NDArray[np.float32]  # [N, F]; a category's column holds 1; 0 where nothing was measured
    observed: NDArray[np.bool_]  # [N, F]
    time: Rows | None  # [N, F] when, microseconds; None where everything was known when it was measured


class RowPreparation:
    """A fitted state, applied to the sequences of one timeline."""

    def __init__(self, timeline: Timeline, state: PreparedState) -> None:
        self.timeline, self.state = timeline, state
        self.columns = columns_of(timeline, state)
        self._numbers = state.numbers
        begins = zip(state.features, state.first_columns, strict=True)
        self.leads = np.array(
            [begin for feature, begin in begins if isinstance(feature, NumberState)], dtype=np.int64
        )  # the first columns of the numbers
        self._ruled = {
            variable: feature
            for feature in self._numbers
            if not feature.as_measured and (variable := _variable(timeline, feature.code)) is not None
        }
        rules = {feature.missing for feature in self._numbers}
        self._told = bool(rules & {"linear", "regression", "knn"})
        self.deviation = np.zeros(len(self.columns.center), dtype=np.float32)
        self.deviation[self.leads] = [min(feature.deviation, FARTHEST) for feature in self._numbers]

    @property
    def is_quick(self) -> bool:
        """True where preparing rows costs no more than copying them."""
        return BUILT and not self._ruled and not self._told

    def rows(
        self,
        sequences: Sequences,
        chosen: Rows,
        *,
        place: Rows | None = None,
        provenance: bool = False,
        lateness: bool = False,
    ) -> PreparedRows:
        """Return the prepared rows of the chosen sequences.

        Args:
            sequences: of the timeline.
            chosen: numbers of sequences [S].
            place: where each row is written [N]; None: one sequence after the other, in the order of `chosen`.
            provenance: say where each value comes from.
            lateness: say how late each value was known, where one was.
        """
        lengths = sequences.lengths[chosen]
        filled = self._filled(sequences, chosen, place, provenance=provenance)
        source = spread_out(sequences.first[chosen], lengths)
        since = self.timeline.step_time[source] - np.repeat(sequences.episode_start[chosen], lengths)
        hours = (since / MICROSECONDS_PER_HOUR).astype(np.float32)
        late = self._late_hours(source) if lateness and self._is_late else None
        return PreparedRows(
            values=filled.values,
            observed=filled.observed,
            gap_hours=filled.gap_hours,
            hours=hours if place is None else _placed(hours, place),
            provenance=filled.provenance,
            late_hours=late if late is None or place is None else _placed(late, place),
        )

    @cached_property
    def _is_late(self) -> bool:
        """True where something was known later than it was measured."""
        return not self.timeline.steps_keep_their_time

    def _late_hours(self, source: Rows) -> NDArray[np.float32]:
        """Return from when each value of the rows was measured to when it was known [N, F]; 0 where none stands."""
        _, observed, measured = measured_rows(cells_of(self.timeline), self.columns, source, timed=True)
        assert measured is not None
        late = np.where(observed, self.timeline.step_time[source][:, None] - measured, 0)
        return (late / MICROSECONDS_PER_HOUR).astype(np.float32)

    def _filled(self, sequences: Sequences, chosen: Rows, place: Rows | None, *, provenance: bool) -> Filled:
        if not self._told:
            cells, spans = self._course(sequences, chosen, transformed=True)
            return fill_rows(cells, self.columns, replace(spans, place=place), provenance=provenance)
        cells, spans = self._course(sequences, chosen, transformed=True, copied=True)
        filled = self._without_gaps(fill_rows(cells, self.columns, spans, provenance=True), cells, spans)
        return filled if place is None else _all_placed(filled, place)

    def _course(
        self, sequences: Sequences, chosen: Rows, *, transformed: bool, copied: bool = False
    ) -> tuple[Cells, Spans]:
        """Return the cells of the chosen sequences, and where each sequence stands among their rows."""
        start = sequences.start_time[chosen]
        ruled = self._ruled if transformed or self.state.grid is None else {}
        if not ruled and not copied:
            return cells_of(self.timeline), Spans(
                first=sequences.first[chosen], stop=sequences.stop[chosen], start=start
            )
        lengths = sequences.lengths[chosen]
        cells = cells_of_rows(self.timeline, spread_out(sequences.first[chosen], lengths))
        stop = np.cumsum(lengths)
        spans = Spans(first=stop - lengths, stop=stop, start=start)
        return with_rules(cells, lengths, ruled, transformed=transformed), spans

    def course(self, sequences: Sequences, chosen: Rows) -> Measured:
        """Return what was measured in the rows of the chosen sequences, one sequence after the other.

        Outliers are taken out or moved where the study says so, but not those of a grid, whose limits are of what its
        bins add up to; nothing is transformed, scaled or filled in.
        """
        cells, spans = self._course(sequences, chosen, transformed=False)
        source = spread_out(spans.first, spans.stop - spans.first)
        values, observed, measured = measured_rows(cells, self.columns, source)
        return Measured(values=values, observed=observed, time=measured)

    def last_known(self, sequences: Sequences, chosen: Rows) -> tuple[NDArray[np.float32], Rows]:
        """Return the last known value of each column at each row [N, F] in its own unit, and since when it was known.

        Where nothing is known the time is `NEVER`.
        """
        lengths = sequences.lengths[chosen]
        source = spread_out(sequences.first[chosen], lengths)
        raw, observed, _ = measured_rows(cells_of(self.timeline), self.columns, source)
        row_begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
        here = np.arange(len(raw), dtype=np.int32)[:, None]
        last = np.maximum.accumulate(np.where(observed, here, np.int32(-1)), axis=0)
        place = np.maximum(last, 0)
        since = np.where(last >= row_begin[:, None], self.timeline.step_time[source][place], NEVER)
        return np.take_along_axis(raw, place, axis=0), since

    def _without_gaps(self, filled: Filled, cells: Cells, spans: Spans) -> Filled:
        """Return the rows with the gaps of some columns told from the values around, or from other columns."""
        assert filled.provenance is not None
        lengths = spans.stop - spans.first
        begin = np.repeat(spans.first, lengths)
        known = np.where(filled.observed, filled.values, np.float32(np.nan))[:, self.leads].astype(np.float64)
        hours = cells.step_time / MICROSECONDS_PER_HOUR
        measured = None
        if (cells.time != np.repeat(cells.step_time, np.diff(cells.offsets))).any():
            measured = measured_rows(cells, self.columns, np.arange(len(begin)), timed=True)[2]
        told: dict[str, tuple[NDArray[np.float64], NDArray[np.uint8]]] = {}
        for name, joint in (("regression", self.state.regression), ("knn", self.state.knn)):
            if joint is not None:
                found = joint.fill(known, values_before(known, begin, hours))
                told[name] = found.values, found.provenance
        for place, (feature, column) in enumerate(zip(self._numbers, self.leads.tolist(), strict=True)):
            if feature.missing == "linear":
                own = None if measured is None else measured[:, column] / MICROSECONDS_PER_HOUR
                numbers = Column(values=known[:, place], begin=begin, hours=hours, measured_hours=own)
                line = on_the_line(numbers, float(self.columns.fill[column]))
                filled.values[:, column], filled.provenance[:, column] = line.values, line.provenance
            elif feature.missing in told:
                values, source = told[feature.missing]
                filled.values[:, column], filled.provenance[:, column] = values[:, place], source[:, place]
        return filled


def measured_rows(
    cells: Cells, columns: Columns, source: Rows, *, timed: bool | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_], Rows | None]:
    """Return what was measured at rows of the cells.

    Args:
        cells: of a timeline or of sequences.
        columns: which variable fills which.
        source: rows [N].
        timed: also when; None: where something was known later than it was measured.

    Returns:
        Values [N, F] in their own unit (a category's column holds 1), 0 where nothing was measured; where something
        was measured [N, F]; and when [N, F], or None.
    """
    shape = (len(source), len(columns.center))
    count = cells.offsets[source + 1] - cells.offsets[source]
    cell = spread_out(cells.offsets[source], count)
    row = np.repeat(np.arange(len(source)), count)
    if timed is None:
        timed = bool((cells.time[cell] != cells.step_time[source[row]]).any())
    variable, level = cells.variable[cell], cells.level[cell]
    first, last = columns.first[variable], columns.last[variable]
    used = (first != NO_COLUMN) & ((level >= 0) | ~np.isnan(cells.number[cell]))
    cell, row, level, first, last = cell[used], row[used], level[used], first[used], last[used]
    number = level < 0

    raw = np.zeros(shape, dtype=np.float32)
    observed = np.zeros(shape, dtype=bool)
    measured = np.zeros(shape, dtype=np.int64) if timed else None
    raw[row[number], first[number]] = cells.number[cell[number]]
    raw[row[~number], columns.of_level[level[~number]]] = 1.0
    if cells.flagged is not None:
        flagged = number & (last > first) & (cells.flagged[cell] != 0)
        raw[row[flagged], last[flagged]] = 1.0
    for offset in range(int((last - first).max(initial=0)) + 1):
        wide = first + offset <= last
        observed[row[wide], first[wide] + offset] = True
        if measured is not None:
            measured[row[wide], first[wide] + offset] = cells.time[cell[wide]]
    return raw, observed, measured


def _placed(values: NDArray[Any], place: Rows) -> NDArray[Any]:
    moved = np.empty_like(values)
    moved[place] = values
    return moved


def _all_placed(filled: Filled, place: Rows) -> Filled:
    assert filled.provenance is not None
    return Filled(
        values=_placed(filled.values, place),
        observed=_placed(filled.observed, place),
        gap_hours=_placed(filled.gap_hours, place),
        provenance=_placed(filled.provenance, place),
    )


def _variable(timeline: Timeline, code: str) -> int | None:
    return timeline.variables.index((code, False)) if (code, False) in timeline.variables else None


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
