"""What the records hold of each code, and the last of it that is known at a prediction time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.audit.words import FEW
from sequela.cohort.asof import Rows, known_time, last_at_or_before, offsets_by_person
from sequela.cohort.facts import BIRTH

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Series:
    """The M records of one code, sorted by person and by when they were known; times in microseconds."""

    code: str
    person: Rows  # [M]
    known: Rows  # [M]
    time: Rows  # [M]
    number: Floats  # [M], NaN where there is none
    level: Rows  # [M] number of the text in `levels`, -1 where there is none
    levels: tuple[str, ...]

    def last_known(self, person: Rows, time: Rows, people: int) -> Rows:
        """Return for each (person, time) the row of the last record known by then, -1 where there is none."""
        offsets = offsets_by_person(self.person, people)
        row = last_at_or_before(offsets, self.known, person, time)
        return np.where(row >= offsets[person], row, -1)

    def of_each(self, which: str, people: int) -> tuple[Floats, Rows]:
        """Return the first or the last number of each person [P] and its time; NaN and 0 where there is none."""
        rows = np.flatnonzero(~np.isnan(self.number))
        if (self.time != self.known).any():  # otherwise they are in order already
            rows = rows[np.lexsort((self.time[rows], self.person[rows]))]
        if which == "last":
            rows = rows[::-1]
        who, place = np.unique(self.person[rows], return_index=True)
        value, when = np.full(people, np.nan), np.zeros(people, dtype=np.int64)
        value[who], when[who] = self.number[rows[place]], self.time[rows[place]]
        return value, when


def series_of(events: pl.DataFrame) -> Iterator[Series]:
    """Yield the timed records of each code that more than ten people have; births are facts."""
    timed = events.lazy().filter(pl.col("time").is_not_null() & ~pl.col("code").str.starts_with(BIRTH))
    rows = (
        timed.select("code", "subject_id", "time", "numeric_value", "text_value", known=known_time())
        .sort("code", "subject_id", "known", "time", "numeric_value")
        .collect()
    )
    person, number = rows["subject_id"].to_numpy(), rows["numeric_value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known, time = (rows[name].cast(pl.Datetime("us")).to_physical().to_numpy() for name in ("known", "time"))
    runs = rows["code"].rle().struct.unnest()
    ends = np.cumsum(runs["len"].to_numpy())
    for code, end, count in zip(runs["value"], ends, runs["len"], strict=True):
        part = slice(end - count, end)
        if len(np.unique(person[part])) > FEW:
            level, levels = numbered(rows["text_value"][part])
            yield Series(
                code=code,
                person=person[part],
                known=known[part],
                time=time[part],
                number=number[part],
                level=level,
                levels=levels,
            )


def numbered(texts: pl.Series) -> tuple[Rows, tuple[str, ...]]:
    """Return the number of each text among the sorted distinct ones, -1 where there is none."""
    if texts.null_count() == len(texts):
        return np.full(len(texts), -1), ()
    levels = texts.drop_nulls().unique().sort()
    number = texts.replace_strict(levels, np.arange(len(levels)), default=-1, return_dtype=pl.Int64)
    return number.to_numpy(), tuple(levels)
