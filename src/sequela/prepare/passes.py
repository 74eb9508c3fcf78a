"""The two passes over every measured value: onto a regular clock, and into dense rows.

Both are written twice, with the same bits: in the native core (native/rows.hpp), which does 10 million values in a
second, and with numpy (`plain`), which runs where the core was not built and says what the core does.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, no_levels

Bytes = NDArray[np.uint8]
Singles = NDArray[np.float32]
Places = NDArray[np.int32]

# A core that was built before it had these passes counts as none: numpy gives the same bits.
BUILT = importlib.util.find_spec("sequela._native") is not None and hasattr(
    importlib.import_module("sequela._native"), "most_bins"
)
FOR_EVER = np.iinfo(np.int64).max
AGGREGATES = ("mean", "last", "min", "max", "sum")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """M measured values in the order of N rows; row n has the cells offsets[n] to offsets[n + 1]."""

    step_time: Rows  # [N] microseconds
    offsets: Rows  # [N+1]
    variable: Places  # [M]
    number: Singles  # [M], NaN for a category, and for what came without a value
    level: Places  # [M], -1 where there is no category
    time: Rows  # [M] when it was measured, microseconds
    flagged: Bytes | None = None  # [M] stands out; None where nothing is flagged


@dataclass(frozen=True, kw_only=True)
class Columns:
    """F dense columns, and which of them the V variables fill."""

    center: NDArray[np.float64]  # [F]
    spread: NDArray[np.float64]  # [F]
    fill: Singles  # [F] scaled; stands where nothing is known
    carried: Bytes  # [F] the last value stands until the next
    limit: Rows  # [F] for how many microseconds
    empty: Bytes  # [F] provenance of `fill`
    stands: Bytes  # [F] provenance of a value that stands
    first: Places  # [V] the first column of a variable, -1 where it has none
    last: Places  # [V]
    of_level: Places  # [levels] the column of a category


@dataclass(frozen=True, kw_only=True)
class Spans:
    """S sequences: the rows first to stop of the cells, written one after the other."""

    first: Rows  # [S]
    stop: Rows  # [S]
    start: Rows  # [S] from where gaps of what was never seen are counted, microseconds
    place: Rows | None = None  # [rows] where each row is written; None: in order


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Dense rows; F columns."""

    values: Singles  # [rows, F]
    observed: NDArray[np.bool_]  # [rows, F]
    gap_hours: Singles  # [rows, F]
    provenance: Bytes | None  # [rows, F], places in PROVENANCE


@dataclass(frozen=True, kw_only=True)
class Courses:
    """C courses that get a regular clock: the rows first to stop, bins from `origin` on, at least to `reach`."""

    first: Rows  # [C]
    stop: Rows  # [C]
    origin: Rows  # [C] microseconds
    reach: Rows  # [C]


@dataclass(frozen=True, kw_only=True)
class Binned:
    """Courses on a regular clock."""

    rows: Rows  # [C] of each course
    cells: Cells  # `step_time` and `time` are the right edges of the bins


def fill_rows(cells: Cells, columns: Columns, spans: Spans, *, provenance: bool = False) -> Filled:
    """Return the rows of the sequences: measured values scaled, the rest filled in, and how old each is.

    Row n of a sequence depends on its rows up to n and on nothing else.
    """
    shape = (int((spans.stop - spans.first).sum()), len(columns.center))
    made = Filled(
        values=np.empty(shape, dtype=np.float32),
        observed=np.empty(shape, dtype=bool),
        gap_hours=np.empty(shape, dtype=np.float32),
        provenance=np.empty(shape, dtype=np.uint8) if provenance else None,
    )
    (_native_rows if BUILT else _plain().fill_rows)(cells, columns, spans, made)
    return made


def on_clock(cells: Cells, courses: Courses, span: int, aggregate: Bytes) -> Binned:
    """Return the courses with one row for each bin: for those that hold something and, from the first of them and the
    origin on, for the empty ones too.

    Args:
        cells: of a timeline.
        courses: whose clock begins where.
        span: of a bin in microseconds; bins are right-closed.
        aggregate: [V] how the numbers of a variable are summed up, places in AGGREGATES.
    """
    return (_native_clock if BUILT else _plain().on_clock)(cells, courses, span, aggregate)


def _plain() -> Any:
    return importlib.import_module("sequela.prepare.plain")


def _native() -> Any:
    return importlib.import_module("sequela._native")


def _native_rows(cells: Cells, columns: Columns, spans: Spans, made: Filled) -> None:
    lengths = spans.stop - spans.first
    c = columns
    _native().fill_rows(
        *_arrays(cells),
        *(c.center, c.spread, c.fill, c.carried, c.limit, c.empty, c.stands, c.first, c.last, c.of_level),
        [spans.first, spans.stop, spans.start, np.cumsum(lengths) - lengths],
        *(cells.step_time, cells.flagged, spans.place),
        *(made.values, made.observed.view(np.uint8), made.gap_hours, made.provenance),
        torch.get_num_threads(),
    )


def _native_clock(cells: Cells, courses: Courses, span: int, aggregate: Bytes) -> Binned:
    bounds = [courses.first, courses.stop, courses.origin, courses.reach]
    given = (span, bounds, cells.step_time, aggregate, *_arrays(cells))
    most_rows, most_cells = _native().most_bins(*given)
    rows, edge, offsets = np.empty_like(courses.first), _room(most_rows, np.int64), _room(most_rows + 1, np.int64)
    variable, number = _room(most_cells, np.int32), _room(most_cells, np.float32)
    level = None if _no_levels(cells) else _room(most_cells, np.int32)
    time = _room(most_cells, np.int64)
    made = (edge, offsets, variable, number, level, time)
    total, measured = _native().fill_bins(*given, rows, *made, torch.get_num_threads())
    for array, length in zip(made, (total, total + 1, *[measured] * 4), strict=True):
        if array is not None:
            array.resize(length, refcheck=False)  # gives back what was too much
    clocked = Cells(
        step_time=edge,
        offsets=offsets,
        variable=variable,
        number=number,
        level=no_levels(measured) if level is None else level,
        time=time,
    )
    return Binned(rows=rows, cells=clocked)


def _room(length: int, kind: type[np.generic]) -> NDArray[Any]:
    return np.empty(length, dtype=kind)


def _no_levels(cells: Cells) -> bool:
    """Return whether the levels are those of `no_levels`."""
    return cells.level.strides == (0,)


def _arrays(cells: Cells) -> tuple[Rows, Places, Singles, Places | None, Rows]:
    level = None if _no_levels(cells) else cells.level
    return cells.offsets, cells.variable, cells.number, level, cells.time
