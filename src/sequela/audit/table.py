"""The audit of a table that another tool wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from sequela.audit.alone import told_alone
from sequela.audit.columns import sampled
from sequela.audit.finding import Audit, Finding, concluded
from sequela.audit.outcome_time import age_at_outcome, beyond_the_last, holds_time_ahead
from sequela.audit.quantities import Ahead, Measured
from sequela.audit.relation import FEWEST, KINDS, grain, relation
from sequela.audit.series import Floats
from sequela.audit.table_file import Examples, examples, read_table
from sequela.audit.table_parts import differs_by_split, parts_overlap, same_histories, same_rows
from sequela.audit.words import people, share
from sequela.records.durations import MICROSECONDS

_DAY = MICROSECONDS["days"]


def audit_table(
    frame: pl.DataFrame,
    *,
    subject: str,
    label: str,
    time: str | None = None,
    split: str | None = None,
    name: str = "table",
) -> Audit:
    """Return what speaks against a table of examples, one a row.

    Args:
        frame: the table.
        subject: the column that says who.
        label: the column to be predicted: 0 and 1, two words, or a number.
        time: the column that says when, where there is one.
        split: the column that says in which part a row is, where there is one.
        name: what messages call the table.

    Raises:
        RecordsError: where a column is missing or cannot be what it is said to be.
    """
    rows = examples(frame, {"subject": subject, "label": label, "time": time, "split": split}, name)
    found = [
        *parts_overlap(rows),
        *same_histories(rows),
        *same_rows(rows),
        *differs_by_split(rows),
        *_alone(rows),
        *_times(rows, label),
    ]
    return replace(concluded(found, []), of_study=False)


def audit_table_file(
    path: Path, *, subject: str, label: str, time: str | None = None, split: str | None = None
) -> Audit:
    """Return the audit of a CSV or Parquet file (see `audit_table`).

    Raises:
        RecordsError: where the file cannot be read, or a column is missing.
    """
    return audit_table(read_table(path, subject), subject=subject, label=label, time=time, split=split, name=path.name)


def _alone(rows: Examples) -> list[Finding]:
    """Return columns that tell the label alone."""
    if not rows.binary:
        return [one for column in rows.columns if (one := _is_number(column.name, column.number, rows)) is not None]
    kept = sampled(rows.label)
    found = [told_alone(column.take(kept), rows.label[kept], rows.person[kept]) for column in rows.columns]
    return [one for one in found if one is not None]


def _is_number(name: str, number: Floats, rows: Examples) -> Finding | None:
    """Return a column that is the label, but for unit, constant and rounding."""
    held = relation(number, rows.label, grain(number))
    both = ~np.isnan(number)
    who = len(np.unique(rows.person[both]))
    if held is None or who < FEWEST:
        return None
    return Finding(
        finding="equals_outcome",
        severity="certain",
        table=rows.name,
        column=name,
        evidence=f"It is the label{_in_words(held.slope, held.constant)}, but for rounding: in "
        f"{share(held.holding, held.people)} of the rows of {people(who)}.",
        remedy="Remove the column.",
    )


def _in_words(slope: float, constant: float) -> str:
    times = "" if slope == 1 else f" times {slope:.6g}"
    return times + (" plus a constant" if constant else "")


def _times(rows: Examples, label: str) -> list[Finding]:
    """Return columns that hold a time that lies ahead: of the label where that is one, or of a person's last row."""
    measured, begin, last, count = _of_each(rows)
    nothing = np.full(rows.people, np.nan)
    ahead: list[Ahead] = []
    if not rows.binary:
        value = _one_each(rows.label, rows)
        if (~np.isnan(value)).sum() >= FEWEST:
            ahead.append(Ahead(finding="outcome_time", words=f"the label '{label}'", value=value, instant=nothing))
    if rows.time is not None:
        if not rows.binary:  # a label that counts down to an end
            end = _one_each(np.round(rows.time + rows.label, 6), rows)
            if (~np.isnan(end)).sum() >= FEWEST:
                words = f"the time plus the label '{label}'"
                ahead.append(Ahead(finding="outcome_time", words=words, value=end, instant=nothing))
        later = np.where(last > begin, last, np.nan)
        happened = _first_event(rows)
        spans = [
            ("outcome_time", "the time of the first row with the label", happened, happened),
            ("outcome_time", "the time from the first row to the first with the label", happened - begin, happened),
            ("length_of_record", "the time of the last row", later, later),
            ("length_of_record", "the time from the first row to the last", later - begin, later),
            ("length_of_record", "the number of rows", np.where(count > 1, count, np.nan), later),
        ]
        ahead += [Ahead(finding=f, words=w, value=v, instant=at * _DAY) for f, w, v, at in spans]
    table_of = {one.name: rows.name for one in measured}
    equal = set() if rows.binary else {one.column for one in _alone(rows)}
    rest = [one for one in measured if one.name not in equal]
    found = holds_time_ahead(rest, ahead, [begin], table_of)
    named = {one.column for one in found}
    ends, more = beyond_the_last([one for one in rest if one.name not in named], begin, last, table_of)
    others = [one for one in rest if one.name not in named and one.name not in {end.column for end in ends}]
    plus = [one for one in holds_time_ahead(others, more, [begin], table_of) if one.column not in named]
    taken = named | {one.column for one in plus}
    outcomes = [what for what in [*ahead, *more] if what.finding == "outcome_time"]
    units = [replace(what, years=years) for what in outcomes for years in (1.0, 1 / 12, 1 / 365.25)]
    ages = age_at_outcome([one for one in others if one.name not in taken], units, begin, table_of)
    return [*found, *ends, *plus, *ages]


def _of_each(rows: Examples) -> tuple[list[Measured], Floats, Floats, Floats]:
    """Return each column's first number of each person, the time of the first and of the last row, and their number."""
    time = np.zeros(len(rows.person)) if rows.time is None else rows.time
    order = np.lexsort((time, rows.person))
    _, first, count = np.unique(rows.person[order], return_index=True, return_counts=True)
    measured = []
    for column in rows.columns:
        there = order[~np.isnan(column.number[order])]
        who, place = np.unique(rows.person[there], return_index=True)
        if len(np.unique(column.number[there])) < KINDS:
            continue
        value, when = np.full(rows.people, np.nan), np.full(rows.people, np.nan)
        value[who], when[who] = column.number[there[place]], time[there[place]]
        constant = np.isnan(_one_each(column.number, rows)[who]).mean() < 0.05
        measured.append(
            Measured(
                name=column.name,
                value=value,
                days=np.full(rows.people, np.nan) if constant else when,
                lasting=bool(constant),
            )
        )
    begin, last = time[order[first]], time[order[first + count - 1]]
    return measured[:200], begin, last, count.astype(np.float64)


def _one_each(values: Floats, rows: Examples) -> Floats:
    """Return the number of each person who has one only [P]."""
    low, high = np.full(rows.people, np.inf), np.full(rows.people, -np.inf)
    there = ~np.isnan(values)
    np.minimum.at(low, rows.person[there], values[there])
    np.maximum.at(high, rows.person[there], values[there])
    return np.where((low == high) & np.isfinite(low), low, np.nan)


def _first_event(rows: Examples) -> Floats:
    """Return when the label of each person turns 1, of those in whom it was 0 before [P]."""
    assert rows.time is not None
    when = np.full(rows.people, np.nan)
    if not rows.binary:
        return when
    first = np.full(rows.people, np.inf)
    np.minimum.at(first, rows.person[rows.label == 1], rows.time[rows.label == 1])
    begin = np.full(rows.people, np.inf)
    np.minimum.at(begin, rows.person, rows.time)
    return np.where(np.isfinite(first) & (first > begin), first, np.nan)
