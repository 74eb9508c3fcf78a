"""Records on a regular clock: bins of one span from the episode's start, each with one value a code."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from sequela.cohort.asof import Rows, Sequences, Timeline, last_at_or_before
from sequela.errors import CohortError, StudyError
from sequela.prepare.measured import cells_of, cells_of_rows, cells_where
from sequela.prepare.passes import AGGREGATES, Bytes, Cells, Courses, on_clock
from sequela.prepare.settings import Aggregate, GridState, PrepareSettings, rule_for
from sequela.prepare.spread import spread_out
from sequela.records.durations import parse_duration

_MOST_BINS = 200_000_000


class AsksAt(Protocol):
    """What a grid wants to know of a question."""

    @property
    def at(self) -> str | list[str]:
        """Return when it is asked."""

    @property
    def history(self) -> str:
        """Return how far back it looks."""

    @property
    def reads_at_records(self) -> bool:
        """True where it is asked at records."""


def check_grid(settings: PrepareSettings, question: AsksAt) -> None:
    """Refuse prediction times that do not lie on the edges of the grid's bins.

    Raises:
        StudyError: with what to write instead.
    """
    if settings.grid_state is None:
        return
    span = settings.grid_state.microseconds
    if question.reads_at_records:
        raise StudyError(
            f'[prepare] grid = "{settings.grid}": the question is asked at records, which lie between the edges of the '
            f'bins. Write at = "every {settings.grid}" or a multiple of it in [question], or grid = "none".'
        )
    spans = [question.at] if isinstance(question.at, str) else question.at
    for text in [*(text.removeprefix("every ") for text in spans), question.history]:
        if text != "all" and parse_duration(text) % span:
            raise StudyError(
                f'[prepare] grid = "{settings.grid}": "{text}" in [question] is no multiple of it, so it does not lie '
                "on the edges of the bins. Write a multiple for `at` and `history`, or another grid."
            )


def on_grid(timeline: Timeline, sequences: Sequences, grid: GridState | None) -> tuple[Timeline, Sequences]:
    """Return what the predictions see on a regular clock; the same things where there is no grid.

    Bins are right-closed and count from the episode's start; a step is the right edge of its bin, and gaps count from
    there. What became known in a bin enters that bin and none before it; of a value and its corrections the last one.
    From the first record of an episode on every bin is a step, also an empty one; of what lies before the start only
    bins that hold something are. A person with several episodes has the steps of each, one after the other.

    Args:
        timeline: what became known.
        sequences: of the predictions; their times lie on edges.
        grid: the clock, or None.

    Raises:
        StudyError: where a prediction time does not lie on an edge.
        CohortError: where the bins would be too many.
    """
    if grid is None:
        return timeline, sequences
    since = sequences.read_time - sequences.episode_start[sequences.sequence]
    if (since % grid.microseconds).any():
        raise StudyError(
            "[prepare] grid: some prediction times do not lie on the edges of its bins, which count from the episode's "
            "start. Ask at multiples of the grid, or take another grid."
        )
    courses, course, whose = _courses(timeline, sequences, since // grid.microseconds)
    _refuse_too_many(timeline, courses, grid.microseconds)
    cells = cells_of(timeline)
    if not timeline.steps_keep_their_time:
        cells, courses = _without_corrected(timeline, courses, grid.microseconds)
    made = on_clock(cells, courses, grid.microseconds, _aggregates(timeline, grid))
    offsets = np.concatenate([[0], np.cumsum(made.rows)])
    rows_of_person = np.bincount(whose, weights=made.rows, minlength=timeline.people).astype(np.int64)
    clocked = Timeline(
        step_offsets=np.concatenate([[0], np.cumsum(rows_of_person)]),
        step_time=made.cells.step_time,
        cell_offsets=made.cells.offsets,
        cell_variable=made.cells.variable,
        cell_number=made.cells.number,
        cell_level=made.cells.level,
        cell_time=made.cells.time,
        variables=timeline.variables,
        levels=timeline.levels,
        stale=timeline.stale,
    )
    return clocked, _moved(timeline, clocked, sequences, course, offsets)


def _courses(timeline: Timeline, sequences: Sequences, read_bin: Rows) -> tuple[Courses, Rows, Rows]:
    """Return one course for each episode of a person, the course of each sequence [S], and the person of each course.

    A course begins with the person's first step, and ends with the last one that one of its predictions sees.
    """
    keys = np.stack([sequences.person, sequences.episode_start], axis=1)
    episodes, course = np.unique(keys, axis=0, return_inverse=True)
    course = course.reshape(-1)
    first = timeline.step_offsets[episodes[:, 0]]
    stop = first.copy()
    seen = sequences.read >= 0
    np.maximum.at(stop, course[sequences.sequence[seen]], sequences.read[seen] + 1)
    reach = np.full(len(episodes), np.iinfo(np.int64).min)
    np.maximum.at(reach, course[sequences.sequence[seen]], read_bin[seen])
    origin = np.ascontiguousarray(episodes[:, 1])
    return Courses(first=first, stop=stop, origin=origin, reach=reach), course, episodes[:, 0]


def _refuse_too_many(timeline: Timeline, courses: Courses, span: int) -> None:
    some = courses.stop > courses.first
    begin = timeline.step_time[courses.first[some]]
    bins = courses.reach[some] - np.maximum((begin - courses.origin[some]) // span, 0)
    if (total := int(np.maximum(bins, 0).sum())) > _MOST_BINS:
        raise CohortError(
            f"[prepare] grid: {total:,} bins are more than {_MOST_BINS:,}. Take a longer grid, or an earlier end of "
            "the episodes (`to` in [question])."
        )


def _without_corrected(timeline: Timeline, courses: Courses, span: int) -> tuple[Cells, Courses]:
    """Return the cells of the courses, one after the other, without numbers that a later one of the same time and bin
    corrects; and where the courses stand among them.
    """
    lengths = courses.stop - courses.first
    cells = cells_of_rows(timeline, spread_out(courses.first, lengths))
    course = np.repeat(np.arange(len(lengths)), lengths)
    row = np.repeat(np.arange(len(cells.step_time)), np.diff(cells.offsets))
    bins = ((courses.origin[course] - cells.step_time) // span)[row]
    number = np.flatnonzero(~np.isnan(cells.number))
    order = number[np.argsort(cells.variable[number], kind="stable")]  # no cell is older than the one before it
    place = np.stack([cells.variable, cells.time, bins, course[row]])[:, order]
    corrected = (place[:, 1:] == place[:, :-1]).all(axis=0)
    kept = np.ones(len(row), dtype=bool)
    kept[order[:-1][corrected]] = False
    stop = np.cumsum(lengths)
    return cells_where(cells, kept), replace(courses, first=stop - lengths, stop=stop)


def _aggregates(timeline: Timeline, grid: GridState) -> Bytes:
    default: Aggregate = "mean"
    names = [rule_for(grid.aggregate, code, default) for code, _ in timeline.variables]
    return np.array([AGGREGATES.index(name) for name in names], dtype=np.uint8)


def _moved(timeline: Timeline, clocked: Timeline, sequences: Sequences, course: Rows, offsets: Rows) -> Sequences:
    """Return the sequences as rows of the clocked timeline: from the bin of their first step to what is read last."""
    some = sequences.stop > sequences.first
    first = offsets[course]
    begins = timeline.step_time[sequences.first[some]]
    first[some] = last_at_or_before(offsets, clocked.step_time, course[some], begins - 1) + 1
    seen = sequences.read >= 0
    read = np.full(len(sequences.read), -1)
    read[seen] = last_at_or_before(
        offsets, clocked.step_time, course[sequences.sequence[seen]], sequences.read_time[seen]
    )
    stop = first.copy()
    np.maximum.at(stop, sequences.sequence[seen], read[seen] + 1)
    return replace(sequences, first=first, stop=stop, read=read)
