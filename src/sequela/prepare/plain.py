"""The passes of `passes` with numpy, column by column: the same bits as the native core, and no [N, F] of integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows
from sequela.prepare.passes import (
    AGGREGATES,
    FOR_EVER,
    Binned,
    Bytes,
    Cells,
    Columns,
    Courses,
    Filled,
    Places,
    Spans,
)
from sequela.prepare.spread import spread_out
from sequela.records.durations import MICROSECONDS_PER_HOUR


def fill_rows(cells: Cells, columns: Columns, spans: Spans, made: Filled) -> None:
    """Write the rows of the sequences into `made`."""
    lengths = spans.stop - spans.first
    source = spread_out(spans.first, lengths)
    rows = _Rows(
        time=cells.step_time[source],
        begin=np.repeat(np.cumsum(lengths) - lengths, lengths),
        start=np.repeat(spans.start, lengths),
        place=np.arange(len(source)) if spans.place is None else spans.place,
    )
    row, column, value, measured = _entries(cells, columns, source)
    edges = np.searchsorted(column, np.arange(len(columns.center) + 1))
    for c in range(len(columns.center)):
        chosen = slice(edges[c], edges[c + 1])
        _fill_column(made, columns, c, rows, (row[chosen], value[chosen], measured[chosen]))


class _Rows:
    """N rows of sequences, one after the other."""

    def __init__(self, *, time: Rows, begin: Rows, start: Rows, place: Rows) -> None:
        self.time, self.begin, self.start, self.place = time, begin, start, place


def _entries(cells: Cells, columns: Columns, source: Rows) -> tuple[Rows, Places, NDArray[np.float32], Rows]:
    """Return row, column, scaled value and time of every measured cell of a dense column, by column and then row."""
    count = cells.offsets[source + 1] - cells.offsets[source]
    cell = spread_out(cells.offsets[source], count)
    row = np.repeat(np.arange(len(source)), count)
    variable = cells.variable[cell]
    used = (columns.first[variable] >= 0) & ((cells.level[cell] >= 0) | ~np.isnan(cells.number[cell]))
    cell, row, variable = cell[used], row[used], variable[used]
    width = columns.last[variable] - columns.first[variable] + 1
    each = np.repeat(np.arange(len(cell)), width)
    column = spread_out(columns.first[variable], width).astype(np.int32)
    value = _values(cells, columns, cell[each], column, column == columns.first[variable][each])
    order = np.argsort(column, kind="stable")
    return row[each][order], column[order], value[order], cells.time[cell[each]][order]


def _values(
    cells: Cells, columns: Columns, cell: Rows, column: Places, leads: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the prepared value of each entry: a scaled number, a flag, or whether the category is the column's."""
    number = cells.number[cell].astype(np.float64)
    scaled = ((number - columns.center[column]) / columns.spread[column]).astype(np.float32)
    flag = np.zeros(len(cell), dtype=bool) if cells.flagged is None else cells.flagged[cell] != 0
    level = cells.level[cell]
    hit = columns.of_level[np.maximum(level, 0)] == column if len(columns.of_level) else flag
    return np.where(level >= 0, hit, np.where(leads, scaled, flag)).astype(np.float32)


def _fill_column(
    made: Filled, columns: Columns, c: int, rows: _Rows, entries: tuple[Rows, NDArray[np.float32], Rows]
) -> None:
    row, value, measured = entries
    observed = np.zeros(len(rows.time), dtype=bool)
    observed[row] = True
    # One more entry, before every sequence: who has none looks it up as number -1.
    row, value, measured = np.append(row, -1), np.append(value, np.float32(0)), np.append(measured, 0)
    latest = np.cumsum(observed) - 1  # the entry of this row, or the last before it
    before = latest - observed
    since = np.where(row[before] >= rows.begin, measured[before], rows.start)
    stands = (row[latest] >= rows.begin) & bool(columns.carried[c])
    if columns.limit[c] < FOR_EVER:
        stands &= observed | (rows.time - measured[latest] <= columns.limit[c])
    made.values[rows.place, c] = np.where(observed | stands, value[latest], columns.fill[c])
    made.observed[rows.place, c] = observed
    made.gap_hours[rows.place, c] = ((rows.time - since) / MICROSECONDS_PER_HOUR).astype(np.float32)
    if made.provenance is not None:
        source = np.where(stands, columns.stands[c], columns.empty[c])
        made.provenance[rows.place, c] = np.where(observed, 0, source)


def on_clock(cells: Cells, courses: Courses, span: int, aggregate: Bytes) -> Binned:
    """Return the courses on a regular clock."""
    lengths = courses.stop - courses.first
    source = spread_out(courses.first, lengths)
    course = np.repeat(np.arange(len(lengths)), lengths)
    step_bin = -((courses.origin[course] - cells.step_time[source]) // span)
    pairs = np.concatenate(
        [np.stack([course, step_bin], axis=1), _empty_bins(course, step_bin, courses.reach)]
    )  # [steps and empty bins, 2]
    bins, row = np.unique(pairs, axis=0, return_inverse=True)
    edge = courses.origin[bins[:, 0]] + bins[:, 1] * span
    count = cells.offsets[source + 1] - cells.offsets[source]
    cell = spread_out(cells.offsets[source], count)
    row_of_cell = np.repeat(row.reshape(-1)[: len(source)], count)
    made_row, variable, number, level = _summed_up(cells, cell, row_of_cell, aggregate)
    offsets = np.searchsorted(made_row, np.arange(len(edge) + 1)).astype(np.int64)
    made = Cells(step_time=edge, offsets=offsets, variable=variable, number=number, level=level, time=edge[made_row])
    return Binned(rows=np.bincount(bins[:, 0], minlength=len(lengths)), cells=made)


def _empty_bins(course: Rows, step_bin: Rows, reach: Rows) -> Rows:
    """Return (course, bin) of every bin from the first that holds something, or the first after the origin, on."""
    who, begins = np.unique(course, return_index=True)
    ends = np.append(begins[1:], len(course)) - 1
    first = np.maximum(step_bin[begins] if len(who) else who, 1)
    last = np.maximum(step_bin[ends] if len(who) else who, reach[who])
    count = np.maximum(last - first + 1, 0)
    return np.stack([np.repeat(who, count), spread_out(first, count)], axis=1)


def _summed_up(
    cells: Cells, cell: Rows, row: Rows, aggregate: Bytes
) -> tuple[Rows, Places, NDArray[np.float32], Places]:
    """Return row, variable, number and category of each (row, variable) that has a cell, in that order."""
    variable = cells.variable[cell]
    order = np.lexsort((variable, row))
    cell, row, variable = cell[order], row[order], variable[order]
    begins = np.ones(len(cell), dtype=bool)
    begins[1:] = (row[1:] != row[:-1]) | (variable[1:] != variable[:-1])
    group = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    ends = np.append(starts, len(cell))[1:] - 1
    number = _numbers(cells.number[cell].astype(np.float64), group, len(starts), aggregate[variable[starts]])
    return row[starts], variable[starts], number, cells.level[cell[ends]]


def _numbers(number: NDArray[np.float64], group: Rows, groups: int, aggregate: Bytes) -> NDArray[np.float32]:
    """Return each group's numbers summed up, one after the other in double precision; NaN where it has none."""
    some = ~np.isnan(number)
    number, group = number[some], group[some]
    count = np.bincount(group, minlength=groups)
    total = np.bincount(group, weights=number, minlength=groups)
    lowest, highest, last = np.full(groups, np.inf), np.full(groups, -np.inf), np.zeros(groups)
    np.minimum.at(lowest, group, number)
    np.maximum.at(highest, group, number)
    last[group] = number
    by_name = {"mean": total / np.maximum(count, 1), "last": last, "min": lowest, "max": highest, "sum": total}
    found = np.choose(aggregate, [by_name[name] for name in AGGREGATES])
    return np.where(count > 0, found, np.nan).astype(np.float32)
