"""The inputs of a study at its prediction times, one column at a time, as the audit attacks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sequela.audit.series import Flags, Floats, Series, numbered
from sequela.cohort.asof import Rows, Timeline
from sequela.cohort.facts import AGE, Facts


@dataclass(frozen=True, kw_only=True)
class Column:
    """One input at R predictions: its last number or text that is known, and whether there is any record of it."""

    name: str
    table: str | None
    number: Floats  # [R], NaN where there is none
    level: Rows  # [R], -1 where there is none
    levels: tuple[str, ...]
    present: Flags  # [R]
    fresh: Flags  # [R] recorded at the last instant at which anything was; facts always

    def take(self, rows: Rows) -> Column:
        """Return the column at some of the predictions."""
        return replace(
            self, number=self.number[rows], level=self.level[rows], present=self.present[rows], fresh=self.fresh[rows]
        )


def column_at(series: Series, person: Rows, time: Rows, timeline: Timeline, table: str | None) -> Column:
    """Return the last record of a code known at each prediction."""
    row = series.last_known(person, time, timeline.people)
    last = timeline.known_until(person, time) - 1
    newest = timeline.step_time[last]
    there = row >= 0
    return Column(
        name=series.code,
        table=table,
        number=np.where(there, series.number[row], np.nan),
        level=np.where(there, series.level[row], -1),
        levels=series.levels,
        present=there,
        fresh=there & (series.known[row] >= newest),
    )


def fact_columns(facts: Facts, person: Rows, time: Rows, table_of: Mapping[str, str]) -> Iterator[Column]:
    """Yield static facts as the predictions see them: numbers, categories, and the age."""
    for code, number in facts.numbers.items():
        values = number[person]
        yield _fact(code, table_of, values, np.full(len(values), -1), (), ~np.isnan(values))
    for code, texts in facts.categories.items():
        level, levels = numbered(pl.Series(texts, dtype=pl.String))
        yield _fact(code, table_of, np.full(len(person), np.nan), level[person], levels, level[person] >= 0)
    if facts.birth is not None:
        age = facts.age_years(person, time)
        yield _fact(AGE, table_of, age, np.full(len(age), -1), (), ~np.isnan(age))


def _fact(
    code: str, table_of: Mapping[str, str], number: Floats, level: Rows, levels: tuple[str, ...], present: Flags
) -> Column:
    return Column(
        name=code, table=table_of.get(code), number=number, level=level, levels=levels, present=present, fresh=present
    )


def sampled(label: Floats, most: int = 4096) -> Rows:
    """Return predictions that are enough to attack: all, or of many some at random, with the event and without.

    Args:
        label: [R] 0 or 1; of a forecast, 0 for all.
        most: of each kind.
    """
    random = np.random.default_rng(0)
    parts = [np.flatnonzero(label == value) for value in np.unique(label)]
    kept = [part if len(part) <= most else random.choice(part, most, replace=False) for part in parts]
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.int64)
