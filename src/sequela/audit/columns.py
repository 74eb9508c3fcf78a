"""The inputs of a study at its prediction times, one column at a time, as the audit attacks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from sequela.audit.series import Flags, Floats, Series, numbered
from sequela.audit.words import FEW
from sequela.cohort.asof import Rows
from sequela.cohort.facts import AGE, BIRTH, Facts


@dataclass(frozen=True, kw_only=True)
class Column:
    """One input at R predictions: its last number or text that is known, and whether there is any record of it."""

    name: str
    table: str | None
    number: Floats  # [R], NaN where there is none
    level: Rows  # [R], -1 where there is none
    levels: tuple[str, ...]
    present: Flags  # [R]


def column_at(series: Series, person: Rows, time: Rows, people: int, table: str | None) -> Column:
    """Return the last record of a code known at each prediction."""
    row = series.last_known(person, time, people)
    there = row >= 0
    return Column(
        name=series.code,
        table=table,
        number=np.where(there, series.number[row], np.nan),
        level=np.where(there, series.level[row], -1),
        levels=series.levels,
        present=there,
    )


def fact_columns(
    facts: Facts, events: pl.DataFrame, person: Rows, time: Rows, table_of: Mapping[str, str]
) -> Iterator[Column]:
    """Yield static facts as the predictions see them: numbers, texts, what is only there or not, and the age."""
    for code, number in facts.numbers.items():
        values = number[person]
        yield _fact(code, table_of, values, np.full(len(values), -1), (), ~np.isnan(values))
    for code, texts in facts.categories.items():
        level, levels = numbered(pl.Series(texts, dtype=pl.String))
        yield _fact(code, table_of, np.full(len(person), np.nan), level[person], levels, level[person] >= 0)
    if facts.birth is not None:
        age = facts.age_years(person, time)
        yield _fact(AGE, table_of, age, np.full(len(age), -1), (), ~np.isnan(age))
    valued = [*facts.numbers, *facts.categories]
    timeless = events.filter(pl.col("time").is_null() & ~pl.col("code").is_in(valued))
    for (code,), rows in timeless.group_by("code", maintain_order=True):
        who = rows["subject_id"].unique().to_numpy()
        if len(who) > FEW and not str(code).startswith(BIRTH):
            there = np.isin(person, who)
            yield _fact(str(code), table_of, np.full(len(person), np.nan), np.full(len(person), -1), (), there)


def _fact(
    code: str, table_of: Mapping[str, str], number: Floats, level: Rows, levels: tuple[str, ...], present: Flags
) -> Column:
    return Column(name=code, table=table_of.get(code), number=number, level=level, levels=levels, present=present)


def sampled(label: Sequence[float] | Floats, most: int = 4096) -> Rows:
    """Return predictions that are enough to attack: all, or of many at random `most` with the event and as many without.

    Args:
        label: [R] 0 or 1; of a forecast, 0 for all.
        most: of each kind.
    """
    claims = np.asarray(label)
    random = np.random.default_rng(0)
    parts = [np.flatnonzero(claims == value) for value in np.unique(claims)]
    kept = [part if len(part) <= most else random.choice(part, most, replace=False) for part in parts]
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.int64)
