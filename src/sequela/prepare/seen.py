"""The cells that training predictions see: what preparation may learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sequela.cohort.asof import Rows, Sequences, Timeline
from sequela.prepare.measured import column_of
from sequela.prepare.rules import Column, Floats
from sequela.records.durations import MICROSECONDS_PER_HOUR

_DAY_HOURS = 24.0


class SeenCells:
    """The cells that predictions see, once each, sorted by variable, person and time."""

    def __init__(self, timeline: Timeline, sequences: Sequences, *, clocked: bool = False) -> None:
        """Find the cells.

        Args:
            timeline: what became known.
            sequences: what the predictions see.
            clocked: the timeline is on a grid, so that each episode of a person has rows of its own.
        """
        seen = np.zeros(len(timeline.step_time) + 1, dtype=np.int64)
        np.add.at(seen, sequences.first, 1)
        np.add.at(seen, sequences.stop, -1)
        step_is_seen = np.cumsum(seen)[:-1] > 0
        self.timeline = timeline
        self.steps = int(step_is_seen.sum())
        cells_of_person = np.diff(timeline.cell_offsets[timeline.step_offsets])
        person = np.repeat(np.arange(timeline.people), cells_of_person)
        variable = timeline.cell_variable
        if self.steps < len(step_is_seen):
            cell = np.flatnonzero(np.repeat(step_is_seen, np.diff(timeline.cell_offsets)))
            variable, person = variable[cell], person[cell]
        # Few variables are sorted by radix.
        order = np.argsort(variable.astype(np.uint16) if len(timeline.variables) < 1 << 16 else variable, kind="stable")
        self.cell = order if self.steps == len(step_is_seen) else cell[order]
        self.person = person[order]
        counts = np.bincount(variable, minlength=len(timeline.variables))
        self._edges = np.concatenate([[0], np.cumsum(counts)])
        self._begins = _first_rows(sequences) if clocked else None

    def of(self, variable: int) -> slice:
        """Return where the cells of a variable stand, sorted by person and time."""
        return slice(int(self._edges[variable]), int(self._edges[variable + 1]))

    def people(self, chosen: slice) -> int:
        """Return how many people have such a cell."""
        return count_people(self.person[chosen])

    def numbers(self, variable: int) -> tuple[Floats, Rows]:
        """Return the numbers of a variable [M], and whose each is."""
        chosen = self.of(variable)
        values = self.timeline.cell_number[self.cell[chosen]].astype(np.float64)
        known = ~np.isnan(values)
        return (values, self.person[chosen]) if known.all() else (values[known], self.person[chosen][known])

    def column(self, variable: int) -> Column:
        """Return the numbers of a variable as rules take them, one course a sequence."""
        chosen = self.of(variable)
        known = ~np.isnan(self.timeline.cell_number[self.cell[chosen]])
        cell = self.cell[chosen][known]
        values, _ = self.numbers(variable)
        course = self._course(chosen)[known]
        return column_of(values, course, self.timeline.step_time[self._step(cell)], self.timeline.cell_time[cell])

    def typical_gap_hours(self, chosen: slice, min_people: int) -> float:
        """Return the median time between two values of one course; a day where fewer than `min_people` have two."""
        course, gaps = self._course(chosen), np.diff(self.timeline.cell_time[self.cell[chosen]])
        between = (course[1:] == course[:-1]) & (gaps > 0)
        if count_people(self.person[chosen][1:][between]) < min_people:
            return _DAY_HOURS
        return float(np.median(gaps[between])) / MICROSECONDS_PER_HOUR

    def _course(self, chosen: slice) -> Rows:
        """Return whose course each cell belongs to: a person's, or on a grid an episode's."""
        if self._begins is None:
            return self.person[chosen]
        return np.searchsorted(self._begins, self._step(self.cell[chosen]), side="right")

    def _step(self, cell: Rows) -> Rows:
        return np.searchsorted(self.timeline.cell_offsets, cell, side="right") - 1


def _first_rows(sequences: Sequences) -> Rows:
    """Return the first row that is seen of each episode of a person, in their order."""
    keys = np.stack([sequences.person, sequences.episode_start], axis=1)
    episodes, episode = np.unique(keys, axis=0, return_inverse=True)
    first = np.full(len(episodes), np.iinfo(np.int64).max)
    np.minimum.at(first, episode.reshape(-1), sequences.first)
    return np.sort(first)


def count_people(person: NDArray[np.int64]) -> int:
    """Return how many people there are in a sorted list of them."""
    return int((np.diff(person) != 0).sum()) + 1 if len(person) else 0
