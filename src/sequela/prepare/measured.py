"""Rules that look at measured values only, variable by variable: what stands out, and values in another form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sequela.cohort.asof import Rows, Timeline
from sequela.prepare.outliers import without_outliers
from sequela.prepare.passes import Cells
from sequela.prepare.rules import FARTHEST, Column, Floats, Mask
from sequela.prepare.spread import by_number, spread_out
from sequela.prepare.state import NumberState, PreparedState
from sequela.records.durations import MICROSECONDS_PER_HOUR


def cells_of(timeline: Timeline) -> Cells:
    """Return the cells of a whole timeline."""
    return Cells(
        step_time=timeline.step_time,
        offsets=timeline.cell_offsets,
        variable=timeline.cell_variable,
        number=timeline.cell_number,
        level=timeline.cell_level,
        time=timeline.cell_time,
    )


def cells_of_rows(timeline: Timeline, source: Rows) -> Cells:
    """Return copies of the cells of some rows of a timeline, row after row."""
    count = timeline.cell_offsets[source + 1] - timeline.cell_offsets[source]
    cell = spread_out(timeline.cell_offsets[source], count)
    return Cells(
        step_time=timeline.step_time[source],
        offsets=np.concatenate([[0], np.cumsum(count)]),
        variable=timeline.cell_variable[cell],
        number=timeline.cell_number[cell],
        level=timeline.cell_level[cell],
        time=timeline.cell_time[cell],
    )


def cells_where(cells: Cells, kept: Mask) -> Cells:
    """Return the cells that are kept [M]; rows stay."""
    before = np.concatenate([[0], np.cumsum(kept)])
    return Cells(
        step_time=cells.step_time,
        offsets=before[cells.offsets],
        variable=cells.variable[kept],
        number=cells.number[kept],
        level=cells.level[kept],
        time=cells.time[kept],
    )


def with_rules(cells: Cells, lengths: Rows, features: Mapping[int, NumberState], *, transformed: bool) -> Cells:
    """Return the cells with the numbers of some variables limited and, where wanted, transformed; NaN is taken out.

    Transformed numbers are scaled here, in double precision: a power may bend values onto a span so narrow that single
    precision cannot tell them apart (those around 120 onto 1e-5, with a shape of -2).

    Args:
        cells: of sequences, one after the other.
        lengths: rows of each sequence.
        features: of variables, by their number.
        transformed: transform, rank and scale too.
    """
    number, flagged = cells.number.copy(), np.zeros(len(cells.number), dtype=np.uint8)
    row = np.repeat(np.arange(len(cells.step_time)), np.diff(cells.offsets))
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    of_variable, edges = by_number(cells.variable, int(cells.variable.max(initial=max(features, default=0))) + 1)
    for variable, feature in features.items():
        cell = of_variable[edges[variable] : edges[variable + 1]]
        cell = cell[~np.isnan(number[cell])]
        if len(cell):
            values = number[cell].astype(np.float64)
            column = column_of(values, sequence[row[cell]], cells.step_time[row[cell]], cells.time[cell])
            values, touched = limited(feature, column)
            number[cell] = scaled(feature, replace(column, values=values)) if transformed else values
            flagged[cell] = touched
    return replace(cells, number=number, flagged=flagged)


def limited_timeline(timeline: Timeline, state: PreparedState) -> Timeline:
    """Return the timeline with the numbers that stand out taken out or moved, as the study says; steps stay.

    For whoever reads cells instead of prepared rows. What stands out is told from a person's whole past, also where a
    prediction sees a part of it only. Limits of a grid are of what its bins add up to, and touch no single value.
    """
    features = {
        timeline.variables.index((feature.code, False)): feature
        for feature in state.numbers
        if feature.outliers is not None
        and feature.outlier_action != "flag"
        and (feature.code, False) in timeline.variables
    }
    if not features or state.grid is not None:
        return timeline
    cells = with_rules(cells_of(timeline), np.diff(timeline.step_offsets), features, transformed=False)
    left = cells_where(cells, ~np.isnan(cells.number) | np.isnan(timeline.cell_number))
    return replace(
        timeline,
        cell_offsets=left.offsets,
        cell_variable=left.variable,
        cell_number=left.number,
        cell_level=left.level,
        cell_time=left.time,
    )


def column_of(values: Floats, sequence: Rows, step_time: Rows, time: Rows) -> Column:
    """Return measured values of one variable, one sequence after the other, as rules take them.

    Args:
        values: [M] none missing.
        sequence: [M] whose, in runs.
        step_time: [M] when each became known, microseconds.
        time: [M] when it was measured, microseconds.
    """
    starts = np.flatnonzero(np.diff(sequence, prepend=sequence[0] - 1)) if len(sequence) else sequence
    begin = np.repeat(starts, np.diff(np.append(starts, len(sequence))))
    return Column(
        values=values,
        begin=begin,
        hours=step_time / MICROSECONDS_PER_HOUR,
        measured_hours=time / MICROSECONDS_PER_HOUR,
    )


def limited(feature: NumberState, column: Column) -> tuple[Floats, Mask]:
    """Return the values with outliers kept, taken out (NaN) or moved, as the study says, and which stood out [M]."""
    if feature.outliers is None:
        return column.values, np.zeros(len(column.values), dtype=bool)
    limits = feature.outliers.limits(column)
    return without_outliers(column.values, limits, feature.outlier_action), limits.touched(column.values)


def scaled(feature: NumberState, column: Column) -> Floats:
    """Return the values [M] transformed and scaled; none is infinite, however far it lies from those of training."""
    return np.clip((in_other_form(feature, column) - feature.center) / feature.spread, -FARTHEST, FARTHEST)


def in_other_form(feature: NumberState, column: Column) -> Floats:
    """Return the values [M] transformed and, where the scale is by ranks, ranked."""
    values = feature.transform.apply(column)
    return values if feature.quantiles is None else feature.quantiles.apply(values)
