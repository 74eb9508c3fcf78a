"""Any tables that a study names, as one checked table of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from sequela.errors import RecordsError
from sequela.records.clock import Clock
from sequela.records.events import OUTCOME_SCHEMA, births_after_records, gathered, merged_events, split_off
from sequela.records.layouts import part_of
from sequela.records.missing_codes import numbers_that_may_be_missing
from sequela.records.parts import Count, Part, source_ids
from sequela.records.settings import TableSettings
from sequela.records.sources import raw_table
from sequela.records.values import Kind
from sequela.records.written import WrittenColumn, written_columns

COUNTS = {"table": pl.String, "reason": pl.String, "code": pl.String, "rows": pl.Int64}
NOT_A_PERSON = "person in an outcome table only, left out"
IN_CAPITALS = "id that differs from another in capitals only, taken as another person's"
ALIKE_CODE = "code that differs from another in capitals only, taken as another code"
SPLIT_ONLY = "person in the source's splits only, left out"


@dataclass(frozen=True)
class TableSummary:
    """What was read from one table.

    Args:
        name: the table's name in the study.
        files: names of its files without their folders, or of the frame.
        rows: data rows read, duplicates and all.
        people: ids in it.
        codes: codes that it gives, sorted.
        first_time, last_time: of its events (UTC, or counted from the origin); None where it has no times.
        role: input, or outcome.
    """

    name: str
    files: tuple[str, ...]
    rows: int
    people: int
    codes: tuple[str, ...]
    first_time: datetime | None
    last_time: datetime | None
    role: Literal["input", "outcome"] = "input"


@dataclass(frozen=True)
class Records:
    """Contract 1, who the people are, and what was merged or left out on the way.

    Args:
        events: the long table of contract 1, sorted by person, by when it was known, by time and code.
            Nothing of an outcome table is in it.
        subjects: subject_id (0, 1, ... by sorted source id), source_id (String or Int64, as in the source) and
            appearance (0, 1, ... in the order in which people first appear in the tables as given).
        clock: how the study writes times.
        counts: table, reason, code (null where the reason is not a code's), rows (or cells).
        tables: what was read from each table.
        outcomes: what outcome tables and columns set apart say of these people, as contract 1 has it, but numbers in
            double precision.
        source_split: subject_id and split (train, tuning, held_out), where a source divides its people itself.
        written: by code, the outcome's own columns row by row, for refusals that name the rows.
    """

    events: pl.DataFrame
    subjects: pl.DataFrame
    clock: Clock
    counts: pl.DataFrame
    tables: list[TableSummary] = field(default_factory=list)
    outcomes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OUTCOME_SCHEMA))
    source_split: pl.DataFrame | None = None
    written: Mapping[str, WrittenColumn] = field(default_factory=dict)


def read_records(
    tables: Sequence[TableSettings],
    folder: Path,
    *,
    frames: Mapping[str, pl.DataFrame] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    day_resolution: bool | None = None,
    apart: Collection[str] = (),
) -> Records:
    """The records of a study: every table read, checked and put into one sorted table.

    Args:
        tables: what the study says about each.
        folder: what relative paths are relative to.
        frames: by table name, a frame that is read instead of the table's file, with the same checks.
        kinds: by code, whether its values are numbers or text where an earlier reading has settled that (new
            records for a bundle); default: what the cells hold. With it, tables without rows are read too, and
            outcome tables are not.
        day_resolution: whether a date is known on its day (True) or at its end (False); default: on its day if all
            stamps of the tables are dates only.
        apart: codes of input tables that are an outcome's own; they stand in `outcomes`, not in `events`.

    Raises:
        RecordsError: a table cannot be read as the study says; names file, column, data rows and remedy.
    """
    frames = frames or {}
    _check_names(tables, frames)
    parts: list[Part] = []
    for table in tables:
        if table.role == "input" or kinds is None:
            parts.append(_part(table, folder, frames, kinds, apart))
            _check_codes(parts)
            _check_clocks(parts)
    inputs = [part for part in parts if part.table.role == "input"]
    if kinds is None:
        _check_people(inputs)
        _count_alike_codes(inputs)
    clock = _clock(inputs, day_resolution)
    subjects = _subjects(inputs)
    summaries = [_summary(part) for part in parts]
    said = [_of_known_people(part, subjects) for part in parts if part.table.role == "outcome"]
    split = _source_split(inputs, subjects)
    written = written_columns([*inputs, *said], subjects)
    counts = [count for part in parts for count in part.counts]
    visible, hidden = split_off(gathered(inputs, subjects, day_resolution=clock.day_resolution), apart)
    events, merged = merged_events(visible)
    outcomes, also = merged_events(hidden, OUTCOME_SCHEMA)
    merged += also
    if said:
        told, also = merged_events(gathered(said, subjects, day_resolution=clock.day_resolution), OUTCOME_SCHEMA)
        outcomes, merged = pl.concat([told, outcomes]), merged + also
    if kinds is None:
        merged += numbers_that_may_be_missing(events, visible.table_of)
        merged += births_after_records(events, visible.table_of)
    rows = [(count.table, count.reason, count.code, count.rows) for count in [*counts, *merged]]
    found = pl.DataFrame(rows, schema=COUNTS, orient="row")
    return Records(events, subjects, clock, found, summaries, outcomes, split, written)


def _part(
    table: TableSettings,
    folder: Path,
    frames: Mapping[str, pl.DataFrame],
    kinds: Mapping[str, Kind] | None,
    apart: Collection[str],
) -> Part:
    raw = raw_table(table, folder, frames, may_be_empty=kinds is not None)
    try:
        return part_of(table, raw, kinds or {}, apart)
    except pl.exceptions.PolarsError as error:  # its message may hold cells
        problem = f"the table holds something that cannot be read ({type(error).__name__})"
        raise raw.origin.refusal(problem, "Check the types of its columns") from None


def _check_names(tables: Sequence[TableSettings], frames: Mapping[str, pl.DataFrame]) -> None:
    names = [table.name for table in tables]
    if not names:
        raise RecordsError("records", "the study names no table", "Add a [[records]] table")
    if all(table.role == "outcome" for table in tables):
        raise RecordsError("records", "the study names outcome tables only", 'Add a table of role "input"')
    for table in tables:
        if names.count(table.name) > 1:
            raise RecordsError(f"table '{table.name}'", "two tables have this name", "Give each its own `name`")
    for name in frames:
        if name not in names:
            listed = ", ".join(f"'{known}'" for known in names)
            raise RecordsError(f"frame '{name}'", "the study has no table of this name", f"Name one of {listed}")


def _check_codes(parts: list[Part]) -> None:
    newest = parts[-1]
    for part in parts[:-1]:
        if both := sorted(set(part.codes) & set(newest.codes)):
            problem = f"the code '{both[0]}' stands in table '{part.table.name}' too"
            remedy = f'Rename one, such as rename = {{ {both[0]} = "{both[0]}_{newest.table.name}" }}'
            raise newest.origin.refusal(problem, remedy)


def _count_alike_codes(inputs: list[Part]) -> None:
    alike = Counter(code.lower() for part in inputs for code in part.codes)
    for part in inputs:
        if twice := [place for place, code in enumerate(part.codes) if alike[code.lower()] > 1]:
            rows = part.events["code"].filter(part.events["code"].is_in(twice)).value_counts().sort("code")
            part.counts += [Count(part.table.name, ALIKE_CODE, part.codes[place], n) for place, n in rows.iter_rows()]


def _check_clocks(parts: list[Part]) -> None:
    newest = parts[-1]
    for part in parts[:-1]:
        if None not in (part.calendar, newest.calendar) and part.calendar != newest.calendar:
            ways = {True: "dates", False: "numbers"}
            problem = (
                f"times are {ways[newest.calendar is True]} here and {ways[part.calendar is True]} in table "
                f"'{part.table.name}'"
            )
            raise newest.origin.refusal(problem, "Write all times of a study in one way", column=newest.table.time)


def _check_people(inputs: list[Part]) -> None:
    """Refuses a table of a study whose ids are written otherwise than others: then people fall in two. Counts those
    that differ in capitals only.

    Some are those of others with a decimal point, as 7.0 of 7, or with leading zeros, as 007, also of one table; or all
    are strangers to the other tables; or some differ from a stranger there by leading zeros only.
    """
    ids = [part.people.cast(pl.String) for part in inputs]
    if alike := int(pl.concat(ids).unique().str.to_lowercase().is_duplicated().sum()):
        inputs[0].counts.append(Count(inputs[0].table.name, IN_CAPITALS, None, alike))
    for part, own in zip(inputs, ids, strict=True):
        if own.str.extract(r"^(-?[0-9]+)\.0*$", 1).drop_nulls().is_in(pl.concat(ids).implode()).any():
            problem = "ids are written with a decimal point here and without one elsewhere, as 7.0 and 7"
            raise part.origin.refusal(problem, "Write ids alike in all files", column=part.table.subject)
        if _without_zeros(own).is_duplicated().any():
            problem = "some ids differ from each other by leading zeros only, as 007 and 7"
            raise part.origin.refusal(problem, "Write a person's id alike in all rows", column=part.table.subject)
        others = [other for other in ids if other is not own]
        if not others:
            return
        known = pl.concat(others)
        here, there = own.filter(~own.is_in(known.implode())), known.filter(~known.is_in(own.implode()))
        remedy = "Check `subject`: ids must be written alike in all tables"
        if here.len() == own.len():
            problem = "none of its people stands in another table of role input"
            raise part.origin.refusal(problem, remedy, column=part.table.subject)
        if _without_zeros(here).is_in(_without_zeros(there).implode()).any():
            problem = "ids differ from those of another table by leading zeros only"
            raise part.origin.refusal(problem, remedy, column=part.table.subject)


def _written_otherwise(here: pl.Series, there: pl.Series) -> bool:
    """Whether an id here is one of those there, but for leading zeros or a decimal point, as 007 and 7.0 are 7."""
    bare = _without_zeros(here.str.replace(r"\.0*$", ""))
    return bool(bare.is_in(_without_zeros(there).implode()).any())


def _without_zeros(ids: pl.Series) -> pl.Series:
    return ids.str.extract("^0*([0-9]+)$", 1).drop_nulls()


def _clock(parts: list[Part], day_resolution: bool | None) -> Clock:
    timed = [part for part in parts if part.is_timed] or [part for part in parts if part.calendar is not None]
    first = timed[0] if timed else parts[0]
    stamped = [part.all_days for part in parts if part.is_timed and part.all_days is not None]
    calendar = any(part.calendar for part in parts)
    by_day = calendar and bool(stamped) and all(stamped)
    return Clock(
        calendar=calendar,
        unit=first.unit or "days",
        time_zone=first.table.time_zone,
        day_resolution=by_day if day_resolution is None else calendar and day_resolution,
    )


def _subjects(parts: list[Part]) -> pl.DataFrame:
    """Ids are whole numbers only where every id of every table is written as Python writes one: "7", never "007"."""
    whole = [_whole_numbers(part.people) for part in parts]
    found = [ids for ids in whole if ids is not None]
    if len(found) < len(parts):
        found = [part.people.cast(pl.String) for part in parts]
    order = pl.concat([ids.alias("source_id") for ids in found]).unique(maintain_order=True)
    appeared = order.to_frame().with_row_index("appearance").with_columns(pl.col("appearance").cast(pl.Int64))
    subjects = appeared.sort("source_id").with_row_index("subject_id").with_columns(pl.col("subject_id").cast(pl.Int64))
    return subjects.select("subject_id", "source_id", "appearance")


def _of_known_people(part: Part, subjects: pl.DataFrame) -> Part:
    """An outcome table without those whom no input table knows.

    Raises:
        RecordsError: it knows none of the people, or writes ids of some otherwise.
    """
    ids = source_ids(part.people, subjects.schema["source_id"])
    known = ids.is_in(subjects["source_id"].implode()).fill_null(value=False)
    if not known.any():
        problem = "none of its people stands in a table of role input"
        remedy = "Check `subject`: ids must be written alike in all tables"
        raise part.origin.refusal(problem, remedy, column=part.table.subject)
    if strangers := int((~known).sum()):
        left = subjects["source_id"].filter(~subjects["source_id"].is_in(ids.implode())).cast(pl.String)
        if _written_otherwise(part.people.cast(pl.String).filter(~known), left):
            problem = "ids differ from those of the tables of role input by leading zeros or a decimal point only"
            raise part.origin.refusal(problem, "Write ids alike in all tables", column=part.table.subject)
        part.counts.append(Count(part.table.name, NOT_A_PERSON, None, strangers))
    events = part.events.filter(known.gather(part.events["person"]))
    return replace(part, people=ids, events=events)


def _source_split(parts: list[Part], subjects: pl.DataFrame) -> pl.DataFrame | None:
    """The splits that sources come with, of the people at hand.

    Raises:
        RecordsError: two tables put a person into different splits.
    """
    own = [(part, part.split) for part in parts if part.split is not None]
    if not own:
        return None
    found = []
    for part, split in own:
        ids = split.with_columns(source_ids(split["source_id"], subjects.schema["source_id"]).alias("source_id"))
        here = subjects.select("subject_id", "source_id").join(ids, on="source_id").select("subject_id", "split")
        if strangers := split.height - here.height:
            part.counts.append(Count(part.table.name, SPLIT_ONLY, None, strangers))
        found.append(here)
    together = pl.concat(found).unique().sort("subject_id")
    if together["subject_id"].is_duplicated().any():
        problem = "the tables' own splits put a person into different ones"
        raise own[-1][0].origin.refusal(problem, "Give each person one split")
    return together


def _whole_numbers(ids: pl.Series) -> pl.Series | None:
    if ids.dtype == pl.Int64:
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    same = (numbers.cast(pl.String) == ids).fill_null(value=False)
    return numbers if same.all() else None


def _summary(part: Part) -> TableSummary:
    time = part.events["time"]
    first, last = time.min(), time.max()
    return TableSummary(
        name=part.table.name,
        files=tuple(name if name.startswith("frame ") else Path(name).name for name in part.origin.sources),
        rows=part.rows,
        people=part.people.len(),
        codes=tuple(sorted(part.codes)),
        first_time=first if isinstance(first, datetime) else None,
        last_time=last if isinstance(last, datetime) else None,
        role=part.table.role,
    )
