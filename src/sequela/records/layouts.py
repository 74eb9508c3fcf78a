"""From the columns of a table to its events: one function a layout, or a source that has a layout of its own.

A check that needs row numbers runs while every row is still in its place; rows are left out only afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

import polars as pl

from sequela.records.durations import duration
from sequela.records.long_layout import long_part
from sequela.records.meds import meds_part
from sequela.records.missing_codes import FAR_AWAY, times_far_away
from sequela.records.origin import remedy_for
from sequela.records.parts import BIRTH_PREFIX, Part, Reading
from sequela.records.physionet2012 import physionet2012_part
from sequela.records.series_names import NAMED_OTHERWISE, named_otherwise
from sequela.records.settings import Layout, Source, TableSettings
from sequela.records.sources import RawTable
from sequela.records.stamped import person_and_time
from sequela.records.times import INSTANT, LATEST, Stamps, as_iso, stamps
from sequela.records.values import (
    NAN,
    Kind,
    Values,
    are_categories,
    are_numbers,
    as_number,
    cells,
    column_values,
    parts_thousands,
    refuse_dates,
    refuse_parted,
)
from sequela.records.written import note_column

_LEAST_ROWS = 20  # of a column that counts them: fewer may be a measurement
_NAMELESS = re.compile(r"|Unnamed: [0-9]+|__index_level_[0-9]+__")  # the latter two in files that pandas wrote
EMPTY, NO_VALUE, DUPLICATE = "empty cell", "no value at all", "duplicate row"


def part_of(table: TableSettings, raw: RawTable, kinds: Mapping[str, Kind], apart: Collection[str] = ()) -> Part:
    """The events of one table, read as its layout says; the values of codes `apart` are kept with their rows too.

    Raises:
        RecordsError: the table cannot be read as the study says.
    """
    read = _READERS_OF_SOURCES.get(table.source) or _READERS[table.layout]
    part = read(Reading(table, raw, kinds, apart))
    part.split = raw.split
    return part


def _wide_part(reading: Reading) -> Part:
    columns, codes = _value_columns(reading)
    rows = reading.raw.frame.height
    part = person_and_time(reading, rows=rows)
    table, births = reading.table, {}
    odd: dict[str, dict[str, int]] = {}
    frame = part.events
    for place, (column, code) in enumerate(zip(columns, codes, strict=True)):
        raw = reading.take(column)
        if table.layout == "static" and code.startswith(BIRTH_PREFIX):
            births[code] = read = _birth(raw, reading)
            part.calendar = _one_kind(part, read, reading, column)
            if read.calendar and not reading.kinds:
                reading.count(FAR_AWAY, times_far_away(read.time), code)
            values = Values(number=read.time)
        else:
            # A column that an earlier reading did not know is no input: its cells refuse nothing.
            kind = reading.kinds.get(code, "text" if reading.kinds else None)
            is_category = column in table.categorical
            is_outcome = code in reading.apart or table.role == "outcome"
            if is_outcome:  # whose settings say what its values mean
                raw = raw.cast(pl.String) if are_categories(raw) else as_iso(raw, reading.origin)
            values = column_values(raw, table, reading.origin, kind=kind, categorical=is_category)
            if kind is None and not (is_category or is_outcome):
                refuse_dates(values, reading.origin)
            if code in reading.apart:
                note_column(part, code, column, {"numeric_value": values.number, "text_value": values.text})
        odd[code] = values.odd
        if (present := values.present) is not None:
            frame = frame.with_columns(present.alias(f"value {place}"))
    frame = _one_row_each(_merged_rows(frame, reading), reading)
    part.codes = codes
    part.events = _unpivoted(frame, part, odd, reading, births=set(births))
    return part


def _series_part(reading: Reading) -> Part:
    table = reading.table
    assert table.series is not None
    settings = table.series
    columns, _ = _value_columns(reading)
    strangers = named_otherwise(columns, settings, reading.origin)
    code = table.rename.get(settings.code, settings.code)
    every, unit = duration(settings.every)
    if (len(columns) - 1) * every > LATEST:
        problem = f"the last of {len(columns)} columns lies too far from the first for a time"
        raise reading.origin.refusal(problem, "Check `series.every`")
    rows = reading.raw.frame.height
    for column in strangers:
        reading.count(NAMED_OTHERWISE, rows, column)
    part = person_and_time(reading, rows=rows)
    part.calendar, part.all_days, part.unit, part.codes = False, False, table.time_unit or unit, [code]
    kind = reading.kinds.get(code) or _kind_together([reading.raw.frame.get_column(name) for name in columns], table)
    if kind == "number" and not reading.kinds:
        _refuse_parted_together(columns, reading)
    frame, odd = part.events, {}
    for place, column in enumerate(columns):
        is_category = settings.code in table.categorical
        values = column_values(reading.take(column), table, reading.origin, kind=kind, categorical=is_category)
        odd[column] = values.odd
        if (present := values.present) is not None:
            frame = frame.with_columns(present.alias(f"value {place}"))
    frame = _one_row_each(_merged_rows(frame, reading), reading)
    pieces, empty, nan = [], 0, 0
    for place, column in enumerate(columns):
        name = f"value {place}"
        nan += odd[column].get(NAN, 0)
        if name not in frame.columns:
            empty += frame.height - odd[column].get(NAN, 0)
            continue
        kept = frame.select("person", pl.col(name)).drop_nulls(name)
        empty += frame.height - kept.height - odd[column].get(NAN, 0)
        instant = pl.lit(place * every, pl.Int64).cast(INSTANT).alias("time")
        target = "text" if kept[name].dtype == pl.String else "number"
        pieces.append(kept.select("person", instant, pl.lit(0, pl.UInt32).alias("code"), pl.col(name).alias(target)))
    reading.count(NAN, nan, code)
    reading.count(EMPTY if pieces else NO_VALUE, max(empty, 0), code)
    part.events = _joined(pieces)
    return part


def _value_columns(reading: Reading) -> tuple[list[str], list[str]]:
    """The columns that hold values, and the code of each.

    Raises:
        RecordsError: the study names a column that the table has not, or two columns give one code.
    """
    table, origin, known = reading.table, reading.origin, reading.raw.frame.columns
    roles = {"subject": table.subject, "time": table.time, "available": table.available}
    for key, name in roles.items():
        if name is not None:
            origin.require(name, known, key=key)
    taken = [name for name in roles.values() if name is not None]
    if len(set(taken)) < len(taken):
        keys = ", ".join(f"`{key}`" for key, name in roles.items() if name is not None)
        raise origin.refusal(f"{keys} name one column for two uses", "Name each column for one use")
    if table.columns is None:
        columns = [name for name in known if name not in taken]
    else:
        columns = list(table.columns)
        for name in columns:
            origin.require(name, known, key="columns")
            if name in taken or columns.count(name) > 1:
                problem = "`columns` lists this column, which is named more than once"
                raise origin.refusal(problem, "Name each column for one use", column=name)
    if not columns:
        raise origin.refusal("there is no column with values", "List some in `columns`, or leave `columns` out")
    if nameless := [name for name in columns if _NAMELESS.fullmatch(name)]:
        remedy = "Name it in the header, or list `columns` without it"
        raise origin.refusal("a column has no name", remedy, column=nameless[0] or None)
    if table.columns is None and len(columns) > 1 and not reading.kinds:
        _refuse_row_numbers(columns, reading)
    named = [table.series.code] if table.layout == "series" and table.series else columns
    for key, names in (("categorical", table.categorical), ("rename", list(table.rename))):
        for name in names:
            if name not in named:
                raise origin.refusal(f"there is no column '{name}' with values (key `{key}`)", remedy_for(name, named))
    codes = [table.rename.get(name, name) for name in columns]
    for code in codes:
        if codes.count(code) > 1:
            problem = f"two columns give the code '{code}'"
            raise origin.refusal(problem, "Give them different names through `rename`")
    births = [code for code in codes if code.startswith(BIRTH_PREFIX)]
    if births and table.layout != "static":
        problem = f"the code '{births[0]}' is an instant, and columns of layout '{table.layout}' are values"
        raise origin.refusal(problem, "Give births in a table of layout 'static'")
    return columns, codes


def _refuse_row_numbers(columns: list[str], reading: Reading) -> None:
    """Refuses a column that counts the rows, as R writes it: it tells how the file is sorted, and of nobody's state.

    One that stands alone is taken for a measurement that rises.

    Raises:
        RecordsError: names the column.
    """
    frame = reading.raw.frame
    for name in columns:
        if frame.height < _LEAST_ROWS or str(frame[name][0]) not in ("0", "1"):
            continue
        number = pl.col(name).cast(pl.Int64, strict=False)
        if frame.select(((number - pl.int_range(pl.len())) == number.first()).all(ignore_nulls=False)).item():
            remedy = "List `columns`, without it unless it is a measurement"
            raise reading.origin.refusal("it holds the number of its row", remedy, column=name)


def _birth(raw: pl.Series, reading: Reading) -> Stamps:
    return stamps(raw, reading.table, reading.origin)


def _one_kind(part: Part, birth: Stamps, reading: Reading, column: str) -> bool | None:
    if birth.calendar is None:
        return part.calendar
    if part.calendar is not None and part.calendar != birth.calendar:
        problem = "births are calendar times and other times are numbers, or the other way round"
        raise reading.origin.refusal(problem, "Write all times of a study in one way", column=column)
    part.unit = part.unit or reading.table.time_unit
    return birth.calendar


def _merged_rows(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Rows that say the same thing once."""
    used = [name for name in frame.columns if name != "row"]
    distinct = frame.unique(subset=used, keep="first", maintain_order=True)
    reading.count(DUPLICATE, frame.height - distinct.height)
    return distinct


def _one_row_each(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Refuses two different rows of one person where a row is a person."""
    if "row" not in frame.columns:
        return frame
    twice = frame.filter(pl.col("person").is_duplicated())
    if twice.height:
        rows = pl.Series([False]).new_from_index(0, sum(reading.origin.heights)).scatter(twice["row"], values=True)
        problem = "one id stands in several rows that differ, and a row is a person here"
        remedy = (
            "Keep one row a person, or give the table a `time`"
            if reading.table.layout == "static"
            else ("Keep one row a person")
        )
        raise reading.origin.refusal(problem, remedy, column=reading.table.subject, faulty=rows)
    return frame.drop("row")


def _unpivoted(
    frame: pl.DataFrame, part: Part, odd: dict[str, dict[str, int]], reading: Reading, *, births: set[str]
) -> pl.DataFrame:
    when = [name for name in ("available", "available_end") if name in frame.columns]
    pieces = []
    for place, code in enumerate(part.codes):
        name = f"value {place}"
        for reason, cells_of_it in odd[code].items():
            reading.count(reason, cells_of_it, code)
        missing = frame[name].null_count() if name in frame.columns else frame.height
        if missing == frame.height:
            reading.count(NO_VALUE, missing, code)
            continue
        reading.count(EMPTY, max(missing - odd[code].get(NAN, 0), 0), code)
        kept = frame.select("person", "time", *when, name)
        if missing:
            kept = kept.drop_nulls(name)
        label = pl.lit(place, pl.UInt32).alias("code")
        if code in births:
            pieces.append(kept.select("person", pl.col(name).alias("time"), label))
            continue
        target = "text" if kept[name].dtype == pl.String else "number"
        pieces.append(kept.select("person", "time", label, *when, pl.col(name).alias(target)))
    return _joined(pieces)


def _joined(pieces: list[pl.DataFrame]) -> pl.DataFrame:
    if not pieces:
        return pl.DataFrame(schema={"person": pl.UInt32, "time": INSTANT, "code": pl.UInt32, "number": pl.Float64})
    return pl.concat(pieces, how="diagonal")


def _kind_together(columns: list[pl.Series], table: TableSettings) -> Kind | None:
    """Successive readings of one code are of one kind: numbers where half of all cells are, and none is typed as a
    category.
    """
    numbers = 0
    unread = [pl.Series(dtype=pl.String)]
    for raw in columns:
        if are_categories(raw):
            return "text"
        read = cells(raw, table)
        if read.dtype == pl.String:
            number = as_number(read, table)
            numbers += number.count()
            unread.append(read.filter(read.is_not_null() & number.is_null()))
        elif read.dtype.is_numeric():
            numbers += read.count()
        elif read.dtype == pl.Boolean:
            unread.append(read.drop_nulls().cast(pl.String))
    others = pl.concat(unread)
    if not numbers and not others.len():
        return None
    return "number" if are_numbers(numbers, others, table) else "text"


def _refuse_parted_together(columns: list[str], reading: Reading) -> None:
    """Refuses successive readings of one code whose decimal sign seems to part thousands.

    Raises:
        RecordsError: names the first column and its rows.
    """
    read = [cells(reading.raw.frame.get_column(name), reading.table) for name in columns]
    texts = [column for column in read if column.dtype == pl.String]
    if not texts:
        return
    faulty = parts_thousands(pl.concat([column.alias("cell") for column in texts]), reading.table)
    for place, column in enumerate(texts):
        refuse_parted(faulty.slice(place * column.len(), column.len()), reading.origin, column=column.name)


_READERS: dict[Layout, Callable[[Reading], Part]] = {
    "visits": _wide_part,
    "static": _wide_part,
    "series": _series_part,
    "long": long_part,
}
_READERS_OF_SOURCES: dict[Source, Callable[[Reading], Part]] = {
    "meds": meds_part,
    "physionet2012": physionet2012_part,
}
