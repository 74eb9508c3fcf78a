"""The cells of each variable that a prediction sees: one span of the variable's cells, sorted by time.

Cells stand sorted by person and step, and no cell is older than the one before it. So the part of a span that was
measured after some instant is its end, and a value and its corrections stand side by side: of those that a prediction
sees the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline, first_after
from sequela.prepare.spread import by_number, spread_out
from sequela.records.durations import MICROSECONDS_PER_HOUR

_CELLS_AT_ONCE = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Spans:
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

    @property
    def hours_since(self) -> NDArray[np.float64]:
        """Return the hours since the last cell of each span was measured [R], NaN where it is empty."""
        found = np.full(len(self.now), np.nan)
        some = self.count > 0
        found[some] = (self.now[some] - self.time[self.stop[some] - 1]) / MICROSECONDS_PER_HOUR
        return found

    def where(self, kept: NDArray[np.bool_]) -> Spans:
        """Return the spans without the cells that are not kept."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return replace(
            self,
            number=self.number[kept],
            level=self.level[kept],
            time=self.time[kept],
            first=before[self.first],
            stop=before[self.stop],
        )

    def without_corrected(self, corrected: NDArray[np.bool_]) -> Spans:
        """Return the spans without the cells that the next cell corrects, where the span holds that one too.

        A span that ends before the correction of its last cell becomes a copy behind all others.
        """
        kept = self.where(~corrected)
        some = np.flatnonzero(self.count > 0)
        last = self.stop[some] - 1
        uncorrected, last = some[corrected[last]], last[corrected[last]]
        count = kept.count[uncorrected]
        copied, ends = spread_out(kept.first[uncorrected], count), np.cumsum(count)
        cells = {}
        for name in ("number", "level", "time"):
            left = getattr(kept, name)
            cells[name] = np.concatenate([left, np.insert(left[copied], ends, getattr(self, name)[last])])
        first, stop = kept.first.copy(), kept.stop.copy()
        stop[uncorrected] = len(kept.time) + np.cumsum(count + 1)
        first[uncorrected] = stop[uncorrected] - count - 1
        return replace(self, **cells, first=first, stop=stop)

    def of_last(self, hours: float | None) -> Spans:
        """Return the part of each span that was measured in the last hours before its prediction time."""
        if hours is None:
            return self
        return replace(self, first=self._first_after(hours))

    def between(self, older: float, newer: float) -> Spans:
        """Return the part of each span that was measured in (now - older, now - newer], in hours."""
        return replace(self, first=self._first_after(older), stop=self._first_after(newer))

    def standing(self, older: float, newer: float) -> Spans:
        """Return the same part, and the value before it, which still stood when it began."""
        part = self.between(older, newer)
        return replace(part, first=np.maximum(part.first - 1, self.first))

    def _first_after(self, hours: float) -> Rows:
        bound = self.now - round(hours * MICROSECONDS_PER_HOUR)
        return first_after(self.time, self.first, self.stop, bound)

    def runs(self) -> Iterator[Rows]:
        """Yield the numbers of the spans that are not empty, in runs of at most about four million cells."""
        some = np.flatnonzero(self.count > 0)
        cuts = np.flatnonzero(np.diff(np.cumsum(self.count[some]) // _CELLS_AT_ONCE)) + 1
        return (run for run in np.split(some, cuts) if len(run))


class CellsByVariable:
    """The cells of a timeline by variable, and what each of R predictions sees of them."""

    def __init__(self, timeline: Timeline, sequences: Sequences) -> None:
        self.timeline, self._now = timeline, sequences.read_time
        self._order, self._edges = by_number(timeline.cell_variable, len(timeline.variables))
        self._step = timeline.step_of_cell
        self._number = {variable: number for number, variable in enumerate(timeline.variables)}
        self._first = sequences.first[sequences.sequence]
        self._stop = np.maximum(sequences.read + 1, self._first)

    def seen(self, code: str, categorical: bool, *, valued: bool = True) -> Spans:
        """Return the cells of a variable and the span that each prediction sees; nothing of an unknown variable.

        Where a code comes with numbers and without, those without are left out unless `valued` is False.
        """
        cell = self._order[:0]
        if (code, categorical) in self._number:
            number = self._number[code, categorical]
            cell = self._order[self._edges[number] : self._edges[number + 1]]
        step = self._step[cell]
        seen = Spans(
            number=self.timeline.cell_number[cell],
            level=self.timeline.cell_level[cell],
            time=self.timeline.cell_time[cell],
            first=np.searchsorted(step, self._first),
            stop=np.searchsorted(step, self._stop),
            now=self._now,
        )
        if valued and not categorical and (missing := np.isnan(seen.number)).any():
            seen, step = seen.where(~missing), step[~missing]
        corrected = self._corrected(seen.time, step)
        return seen.without_corrected(corrected) if corrected.any() else seen

    def _corrected(self, time: Rows, step: Rows) -> NDArray[np.bool_]:
        """Return whether the next cell of a variable was measured of the same person at the same time."""
        corrected = np.zeros(len(time), dtype=bool)
        twice = np.flatnonzero(time[1:] == time[:-1])
        person, of_next = (np.searchsorted(self.timeline.step_offsets, step[at], "right") for at in (twice, twice + 1))
        corrected[twice] = person == of_next
        return corrected
