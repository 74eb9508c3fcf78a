"""The as-of rule: what is known about a person at an instant. Everything that sees records goes through here.

A value is known from `max(time, available_time)` on. The distinct instants at which anything became known are the
*steps* of a person, in that order, so what stands at or before a step has been known then: the rows of a history that a
prediction at t may see are those before `Timeline.known_until(person, t)`, and no other function finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.ascending import mark_steps, numbered
from sequela.records import BIRTH_PREFIX
from sequela.records.durations import MICROSECONDS_PER_HOUR

Rows = NDArray[np.int64]

NEVER = np.iinfo(np.int64).min


def known_time() -> pl.Expr:
    """Return the instant from which a record is known: `max(time, available_time)`."""
    return pl.max_horizontal("time", "available_time")


def known_by(events: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return static facts, births among them, and the events known at or before `now`."""
    is_fact = pl.col("time").is_null() | pl.col("code").str.starts_with(BIRTH_PREFIX)
    return events.filter(is_fact | (known_time() <= now))


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What became known of P people in N steps and M cells, sorted by person, step and variable.

    Times are microseconds of the study's clock. A variable is a code with categories, or one with numbers or without a
    value (a diagnosis); what is older than something known of the same variable is stale: its instant is a step, but it
    is no cell.
    """

    step_offsets: Rows  # [P+1], person p has the steps step_offsets[p] to step_offsets[p+1]
    step_time: Rows  # [N], when the step became known
    cell_offsets: Rows  # [N+1]
    cell_variable: NDArray[np.int32]  # [M], number of the variable
    cell_number: NDArray[np.float32]  # [M], NaN for a category, and for what came without a value
    cell_level: NDArray[np.int32]  # [M], number of the category in `levels`, -1 for a number
    cell_time: Rows  # [M], when it was measured
    variables: tuple[tuple[str, bool], ...]  # (code, holds categories)
    levels: tuple[tuple[str, str], ...]  # (code, category)
    stale: int  # values that arrived after a newer one of the same variable

    @property
    def people(self) -> int:
        """Return the number of people, also those without a step."""
        return len(self.step_offsets) - 1

    @property
    def steps_keep_their_time(self) -> bool:
        """True where every cell was known when it was measured."""
        return bool((self.cell_time == self.step_time[self.step_of_cell]).all())

    @property
    def step_of_cell(self) -> Rows:
        """Return the step of each cell [M]."""
        return np.repeat(np.arange(len(self.step_time)), np.diff(self.cell_offsets))

    @property
    def person_of_step(self) -> Rows:
        """Return the person of each step [N]."""
        return np.repeat(np.arange(self.people), np.diff(self.step_offsets))

    def known_until(self, person: Rows, time: Rows) -> Rows:
        """Return for each (person, time) the row after the last step known at or before that time [R]."""
        return last_at_or_before(self.step_offsets, self.step_time, person, time) + 1


def last_at_or_before(offsets: Rows, times: Rows, person: Rows, time: Rows) -> Rows:
    """Return for each (person, time) the last row of the person with `times <= time`; the row before the first if none.

    Args:
        offsets: [P+1] where each person's rows begin and end in `times`.
        times: sorted within each person.
        person: [R] whose rows.
        time: [R] the instant.
    """
    return first_after(times, offsets[person], offsets[person + 1], time) - 1


def first_after(times: Rows, first: Rows, stop: Rows, bound: Rows) -> Rows:
    """Return the first place in each span [first, stop) of sorted times that lies after its bound; stop where none."""
    low, high = first.copy(), stop.copy()
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        after = np.zeros(len(low), dtype=bool)
        after[open_] = times[middle[open_]] > bound[open_]
        low = np.where(open_ & ~after, middle + 1, low)
        high = np.where(open_ & after, middle, high)
    return low


def build_timeline(events: pl.DataFrame, people: int) -> Timeline:
    """Return the steps and cells of all timed events.

    Args:
        events: contract 1; rows without a time (static facts) and births are not looked at.
        people: number of people, whose `subject_id` are 0 to people - 1.
    """
    timed, codes, place = _timed(events)
    variable, variables = _variables(timed, codes, place)
    level, levels = _levels(timed)
    time = _microseconds(timed["time"])
    available = timed["available_time"].null_count() < len(timed)
    known = _microseconds(timed.select(known_time()).to_series()) if available else time
    person = timed["subject_id"].to_numpy()
    number = timed["numeric_value"].fill_null(float("nan")).to_numpy()
    steps = mark_steps(person, known, variable, people) if known is time or bool((known == time).all()) else None
    if steps is not None:
        return Timeline(
            step_offsets=steps.person_offsets,
            step_time=steps.time,
            cell_offsets=steps.cell_offsets,
            cell_variable=variable,
            cell_number=number,
            cell_level=level,
            cell_time=time,
            variables=variables,
            levels=levels,
            stale=0,
        )
    numbers = {"numeric_value": number, "level_number": level, "variable": variable}
    cells = pl.DataFrame({"subject_id": person, "known": known, "time": time, **numbers})
    return _sorted_timeline(cells, people, variables, levels)


def _sorted_timeline(
    cells: pl.DataFrame, people: int, variables: tuple[tuple[str, bool], ...], levels: tuple[tuple[str, str], ...]
) -> Timeline:
    """Return the timeline of cells in any order, the stale ones left out."""
    cells = cells.sort("subject_id", "known", "variable", "time")
    fresh = _without_stale(cells)
    steps = cells.select("subject_id", "known").unique(maintain_order=True)
    step_of_cell = fresh.join(
        steps.with_row_index("step"), on=["subject_id", "known"], how="left", maintain_order="left"
    )
    counts = np.bincount(step_of_cell["step"].to_numpy(), minlength=len(steps))
    return Timeline(
        step_offsets=offsets_by_person(steps["subject_id"].to_numpy(), people),
        step_time=steps["known"].to_numpy(),
        cell_offsets=_offsets(counts),
        cell_variable=fresh["variable"].to_numpy(),
        cell_number=fresh["numeric_value"].to_numpy(),
        cell_level=fresh["level_number"].to_numpy(),
        cell_time=fresh["time"].to_numpy(),
        variables=variables,
        levels=levels,
        stale=len(cells) - len(fresh),
    )


def _timed(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, NDArray[np.int32]]:
    """Return the events that make steps, with a time and no births; their codes, sorted; and the place of each code."""
    codes, place = numbered(events["code"])
    births = codes.str.starts_with(BIRTH_PREFIX).to_numpy()
    if not events["time"].null_count() and not births.any():
        return events, codes, place
    timed = events.filter(pl.Series(events["time"].is_not_null().to_numpy() & ~births[place]))
    return timed, *numbered(timed["code"])


def _variables(
    timed: pl.DataFrame, codes: pl.Series, place: NDArray[np.int32]
) -> tuple[NDArray[np.int32], tuple[tuple[str, bool], ...]]:
    """Return the variable of each event, and all of them, sorted: codes with categories apart from those without."""
    if timed["text_value"].null_count() == len(timed):
        return place, tuple((code, False) for code in codes)
    worded = pl.col("numeric_value").is_null() & pl.col("text_value").is_not_null()
    pair = 2 * place + timed.select(worded).to_series().to_numpy()
    there = np.flatnonzero(np.bincount(pair, minlength=2 * len(codes)))
    number = np.zeros(2 * len(codes), dtype=np.int32)
    number[there] = np.arange(len(there))
    return number[pair], tuple((codes[int(each) // 2], bool(each % 2)) for each in there)


def _levels(timed: pl.DataFrame) -> tuple[NDArray[np.int32], tuple[tuple[str, str], ...]]:
    """Return the category of each event, -1 where it has a number or no value, and all (code, category), sorted."""
    if timed["text_value"].null_count() == len(timed):
        return no_levels(len(timed)), ()
    level = np.full(len(timed), -1, dtype=np.int32)
    row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("row")
    worded = timed.lazy().select("code", "text_value", "numeric_value", row)
    worded = worded.filter(pl.col("numeric_value").is_null() & pl.col("text_value").is_not_null())
    found = worded.collect()
    levels = found.select("code", "text_value").unique().sort("code", "text_value")
    numbered = levels.with_row_index("level")
    place = found.join(numbered, on=["code", "text_value"], how="left", maintain_order="left")
    level[found["row"].to_numpy()] = place["level"].to_numpy()
    return level, tuple(levels.iter_rows())


def no_levels(cells: int) -> NDArray[np.int32]:
    """Return the level of cells of which none holds a category: one -1 in memory, seen so many times (read only)."""
    return np.broadcast_to(np.int32(-1), cells)


def _without_stale(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the cells that are at least as new as all known before, the newest one a step.

    Of several at one instant, which cleaned records do not hold, the highest stands: the order of rows decides nothing.
    """
    place = ["subject_id", "known", "variable"]
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in place)
    if (cells["known"] == cells["time"]).all() and not cells.select(again.any()).item():
        return cells
    worth = pl.col("numeric_value").fill_nan(float("-inf"))  # what comes without a value yields to a number
    ordered = cells.sort(*place, "time", worth, "level_number")
    ordered = ordered.with_columns(pl.col("time").cum_max().over("subject_id", "variable").alias("newest"))
    return ordered.filter(pl.col("time") == pl.col("newest")).unique(place, keep="last", maintain_order=True)


def offsets_by_person(person: Rows, people: int) -> Rows:
    """Return where the rows of each person begin and end [people + 1], given the sorted person of each row."""
    return _offsets(np.bincount(person, minlength=people))


def _offsets(counts: NDArray[np.int64]) -> Rows:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _microseconds(times: pl.Series) -> Rows:
    return times.cast(pl.Datetime("us")).to_physical().to_numpy()


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """S spans of steps, and the R predictions that read them: the only view of a timeline that a model is given.

    Sequence s holds the rows first[s] to stop[s] of the timeline. Prediction r reads the state after row `read[r]`
    (a row of the timeline, -1 = nothing known yet) of sequence `sequence[r]`; rows after it are there only where one
    pass serves several predictions, and every consumer must be causal.
    """

    person: Rows  # [S]
    first: Rows  # [S]
    stop: Rows  # [S]
    start_time: Rows  # [S] from where gaps of what was never seen are counted
    episode_start: Rows  # [S]
    sequence: Rows  # [R]
    read: Rows  # [R]
    read_time: Rows  # [R] the prediction time

    @property
    def lengths(self) -> Rows:
        """Return the number of steps of each sequence [S]."""
        return self.stop - self.first

    def read_lag_hours(self, timeline: Timeline) -> NDArray[np.float32]:
        """Return the hours from the row that is read to the prediction time [R]; 0 where nothing is read."""
        seen = self.read >= 0
        lag = np.zeros(len(self.read))
        lag[seen] = (self.read_time[seen] - timeline.step_time[self.read[seen]]) / MICROSECONDS_PER_HOUR
        return lag.astype(np.float32)

    def runs(self, rows: int) -> Iterator[tuple[Rows, Rows]]:
        """Yield the sequences in runs of about `rows` steps, and with each the predictions that read it."""
        by_sequence = np.argsort(self.sequence, kind="stable")
        edges = np.searchsorted(self.sequence[by_sequence], np.arange(len(self.person) + 1))
        ends = np.cumsum(self.lengths)
        for run in np.split(np.arange(len(ends)), np.flatnonzero(np.diff(ends // rows)) + 1):
            if len(run):
                yield run, by_sequence[edges[run[0]] : edges[run[-1] + 1]]

    def take(self, predictions: Rows) -> Sequences:
        """Return the sequences that these predictions read, each cut after its last read."""
        read = self.read[predictions]
        used, sequence = np.unique(self.sequence[predictions], return_inverse=True)
        last = np.full(len(used), -1, dtype=np.int64)
        np.maximum.at(last, sequence, read)
        return Sequences(
            person=self.person[used],
            first=self.first[used],
            stop=np.where(last >= 0, last + 1, self.first[used]),
            start_time=self.start_time[used],
            episode_start=self.episode_start[used],
            sequence=sequence.astype(np.int64),
            read=read,
            read_time=self.read_time[predictions],
        )


def one_pass(timeline: Timeline, *, person: Rows, episode_start: Rows, time: Rows) -> Sequences:
    """Return one sequence for each episode of a person, read by all its predictions. For `history = "all"`.

    Args:
        timeline: what became known.
        person: [R] whom a prediction is about.
        episode_start: [R] when its episode began, microseconds.
        time: [R] the prediction time, microseconds.
    """
    until = timeline.known_until(person, time)
    episodes, sequence = np.unique(np.stack([person, episode_start], axis=1), axis=0, return_inverse=True)
    sequence = sequence.reshape(-1).astype(np.int64)
    who, begin = episodes[:, 0], episodes[:, 1]
    first = timeline.step_offsets[who]
    stop = first.copy()
    np.maximum.at(stop, sequence, until)
    return Sequences(
        person=who,
        first=first,
        stop=stop,
        start_time=_earliest(timeline, first, stop, begin),
        episode_start=begin,
        sequence=sequence,
        read=np.where(until > first[sequence], until - 1, -1),
        read_time=time,
    )


def one_each(
    timeline: Timeline, *, person: Rows, episode_start: Rows, time: Rows, history: int | None = None
) -> Sequences:
    """Return one sequence for each prediction, cut at its time and, with `history`, that many microseconds before it.

    What became known at `time - history` or earlier is cut off too, before any preparation.
    """
    stop = timeline.known_until(person, time)
    person_first = timeline.step_offsets[person]
    start_time = _earliest(timeline, person_first, stop, episode_start)
    first = person_first
    if history is not None:
        first = timeline.known_until(person, time - history)
        start_time = np.maximum(start_time, time - history)
    return Sequences(
        person=person,
        first=first,
        stop=stop,
        start_time=start_time,
        episode_start=episode_start,
        sequence=np.arange(len(person)),
        read=np.where(stop > first, stop - 1, -1),
        read_time=time,
    )


def _earliest(timeline: Timeline, first: Rows, stop: Rows, episode_start: Rows) -> Rows:
    """Return the episode's start, or the first known step where that lies before it."""
    begin = episode_start.copy()
    some = stop > first
    begin[some] = np.minimum(begin[some], timeline.step_time[first[some]])
    return begin
