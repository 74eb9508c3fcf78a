"""Cells to instants: numbers with a unit, ISO 8601 text, or columns that hold times already.

A local time that a change of the clocks makes ambiguous or skips is read with the offset in force before the change
(RFC 5545): 02:30 in the skipped hour becomes 03:30, 02:30 in the repeated hour is its first occurrence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from sequela.errors import RecordsError
from sequela.records.durations import MICROSECONDS
from sequela.records.origin import Origin
from sequela.records.settings import TableSettings
from sequela.records.values import are_dates_in_one, as_number, cells

INSTANT = pl.Datetime("us")
EPOCH = datetime(1970, 1, 1)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
# Numbers have no calendar, but every instant must be one that Python's datetime can hold.
EARLIEST = (datetime(1, 1, 2) - EPOCH) // timedelta(microseconds=1)
LATEST = (datetime(9999, 12, 30) - EPOCH) // timedelta(microseconds=1)
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_OFFSET = r"(Z|z|[+-][0-9]{2}(?::?[0-5][0-9])?)$"
_INSTANT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)? ?(Z|z|[+-][0-9]{2}(:?[0-5][0-9])?)?$"
)
_END_OF_DAY = r"[T ]24:00(:00)?"
_CHUNK = 500_000
_DAY_MICROSECONDS = MICROSECONDS["days"]


@dataclass(frozen=True)
class Stamps:
    """The instants of one column.

    Args:
        time: UTC, null = missing; a date is its midnight.
        day_end: the last microsecond of the day where a stamp is a date only, else null. None: no stamp is.
        calendar: False = numbers counted from the origin; None = every cell is missing.
        all_days: every stamp is a date only.
        turned: how many local times a change of the clocks skips or repeats.
        local: how many carry no offset, where others do.
    """

    time: pl.Series
    day_end: pl.Series | None
    calendar: bool | None
    all_days: bool
    turned: int = 0
    local: int = 0


def stamps(column: pl.Series, table: TableSettings, origin: Origin) -> Stamps:
    """The instants of a column.

    Raises:
        RecordsError: cells that are no times, a unit missing or out of place, times out of range.
    """
    dtype = column.dtype
    if isinstance(dtype, (pl.Date, pl.Datetime)):
        if table.time_unit is not None:
            raise _unit_out_of_place(origin, column.name)
        return _from_instants(column, table, origin)
    read = cells(column, table)
    if read.null_count() == read.len():
        return Stamps(pl.Series(column.name, [None], INSTANT).new_from_index(0, read.len()), None, None, all_days=True)
    if read.dtype == pl.String:
        return _from_text(read, table, origin)
    if not read.dtype.is_numeric():
        problem = f"expected times, this column is of type {dtype.base_type()}"
        raise origin.refusal(problem, "Give numbers with `time_unit`, or dates", column=column.name)
    return _from_numbers(read.cast(pl.Float64), table, origin)


def _from_text(read: pl.Series, table: TableSettings, origin: Origin) -> Stamps:
    number = as_number(read, table)
    _refuse_both_ways(read, number, table, origin)
    if table.time_unit is not None:
        faulty = read.is_not_null() & number.is_null()
        if faulty.any():
            if 2 * iso_instants(read.filter(faulty), table.time_zone)["time"].count() >= faulty.sum():
                raise _unit_out_of_place(origin, read.name)
            problem = f"expected times as numbers of {table.time_unit}, here stands something else"
            raise origin.refusal(problem, "Correct the cells, or set `decimal`", column=read.name, faulty=faulty)
        return _from_numbers(number, table, origin)
    if 2 * number.count() >= read.count():
        return _from_numbers(number, table, origin)
    found = iso_instants(read, table.time_zone)
    faulty = read.is_not_null() & found["time"].is_null()
    if faulty.any():
        problem = "expected times in ISO 8601 such as 2024-05-31 or 2024-05-31T14:30:00Z, here stands something else"
        remedy = "Write them so, or correct the cells"
        if read.filter(faulty).str.contains(_END_OF_DAY).all():
            problem, remedy = "here stands 24:00", "Write 00:00 of the next day"
        raise origin.refusal(problem, remedy, column=read.name, faulty=faulty)
    return _checked(found, read.name, origin)


def _refuse_both_ways(read: pl.Series, number: pl.Series, table: TableSettings, origin: Origin) -> None:
    """Refuses dates of which a spreadsheet kept some as the number of their day."""
    others = read.is_not_null() & number.is_null()
    if not number.count() or not others.any():
        return
    dates = iso_instants(read, table.time_zone)["time"].is_not_null() & others
    if dates.any():
        problem = "times are dates and numbers in one column, and these are the fewer"
        remedy = "Write all of them in one way; a spreadsheet may have kept dates as numbers of days"
        fewer = dates if dates.sum() < number.count() else number.is_not_null()
        raise origin.refusal(problem, remedy, column=read.name, faulty=fewer)


def _from_instants(column: pl.Series, table: TableSettings, origin: Origin) -> Stamps:
    if column.null_count() == column.len():
        return Stamps(column.cast(INSTANT), None, None, all_days=True)
    _refuse_years_outside(_FIRST_YEAR, _LAST_YEAR, column, origin)
    if column.dtype == pl.Date:
        time = pl.col("local").cast(INSTANT)
        frame = (
            column.alias("local").to_frame().select(_utc(time, table.time_zone), end=_day_end(time, table.time_zone))
        )
        found = frame.rename({"local": "time", "end": "day_end"})
    else:
        local, is_utc = _microseconds(column)
        local = local.alias("time")
        zone = "UTC" if is_utc else table.time_zone
        utc = local.to_frame().select(_utc(pl.col("time"), zone)).to_series()
        found = pl.DataFrame({"time": utc, "turned": _turned(local, zone)}).with_columns(day_end=pl.lit(None, INSTANT))
    return _checked(found, column.name, origin)


def _microseconds(column: pl.Series) -> tuple[pl.Series, bool]:
    """Instants as microseconds without a zone, and whether they are UTC: those of a column that has a zone are."""
    zone = getattr(column.dtype, "time_zone", None)
    if getattr(column.dtype, "time_unit", "us") == "ns":
        return ((column.to_physical() + 500) // 1000).cast(INSTANT), zone is not None
    local = column.cast(pl.Datetime("us", zone))
    local = local if zone is None else local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return local, zone is not None


def as_iso(column: pl.Series, origin: Origin) -> pl.Series:
    """Dates and instants as the ISO 8601 text that means the same; any other column as it is.

    Raises:
        RecordsError: years that such a text cannot hold.
    """
    if not isinstance(column.dtype, (pl.Date, pl.Datetime)):
        return column
    _refuse_years_outside(1, 9999, column, origin)
    if column.dtype == pl.Date:
        return column.dt.to_string("%Y-%m-%d")
    local, is_utc = _microseconds(column)
    return local.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.6f{'Z' if is_utc else ''}")


def _refuse_years_outside(first: int, last: int, column: pl.Series, origin: Origin) -> None:
    """Looks at the numbers that a column of dates or instants is made of: Polars panics at years far out."""
    unit = getattr(column.dtype, "time_unit", None)
    day = 1 if unit is None else _DAY_MICROSECONDS * 1000 // {"ns": 1, "us": 1000, "ms": 1_000_000}[unit]
    start, end = (edge.toordinal() - EPOCH.toordinal() for edge in (date(first, 1, 1), date(last, 12, 31)))
    faulty = ~(column.to_physical() // day).is_between(start, end).fill_null(value=True)
    if faulty.any():
        raise origin.refusal(f"years outside {first} to {last}", "Correct the cells", column=column.name, faulty=faulty)


def _checked(found: pl.DataFrame, name: str, origin: Origin) -> Stamps:
    time, end = found["time"].alias(name), found["day_end"]
    faulty = ~time.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR).fill_null(value=True)
    if faulty.any():
        problem = f"years outside {_FIRST_YEAR} to {_LAST_YEAR}"
        raise origin.refusal(problem, "Correct the cells", column=name, faulty=faulty)
    days = end.count()
    turned, local = (int(found[name].sum()) if name in found.columns else 0 for name in ("turned", "local"))
    local = 0 if local + days == time.count() else local
    return Stamps(time, end if days else None, calendar=True, all_days=days == time.count(), turned=turned, local=local)


def _from_numbers(number: pl.Series, table: TableSettings, origin: Origin) -> Stamps:
    if are_dates_in_one(number):
        problem = "the times are dates that are written as one number, such as 20240531"
        raise origin.refusal(problem, "Write them as 2024-05-31, without `time_unit`", column=number.name)
    if table.time_unit is None:
        problem = "the times are numbers, and the study does not say of what"
        raise origin.refusal(problem, 'Set `time_unit`, such as time_unit = "days"', column=number.name)
    span = (number * MICROSECONDS[table.time_unit]).round()
    faulty = ~span.is_between(EARLIEST, LATEST).fill_null(value=True)
    if faulty.any():
        problem = f"numbers too large for times in {table.time_unit}"
        remedy = "Correct the cells, or set another `time_unit`"
        raise origin.refusal(problem, remedy, column=number.name, faulty=faulty)
    return Stamps(span.cast(pl.Int64).cast(INSTANT), None, calendar=False, all_days=False)


def _unit_out_of_place(origin: Origin, name: str) -> RecordsError:
    problem = "these are calendar times, and `time_unit` is for numbers"
    return origin.refusal(problem, "Remove `time_unit` from this table", column=name)


def iso_instants(text: pl.Series, time_zone: str) -> pl.DataFrame:
    """ISO 8601 texts as UTC: columns `time` (null where a text is none), `day_end` (null where it has an hour),
    `turned` (true where a change of the clocks skips or repeats the local time) and `local` (an hour, and no offset).
    """
    starts = range(0, max(text.len(), 1), _CHUNK)
    chunks = (text.slice(start, _CHUNK).alias("text").to_frame() for start in starts)
    return pl.concat([_iso_chunk(chunk, time_zone) for chunk in chunks])


def _iso_chunk(chunk: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    text = pl.col("text")
    chunk = chunk.with_columns(is_day=text.str.contains(_DAY), is_instant=text.str.contains(_INSTANT))
    date = pl.when(pl.col("is_day") | pl.col("is_instant")).then(text.str.slice(0, 10))
    chunk = chunk.with_columns(date=date.str.to_date("%Y-%m-%d", strict=False).cast(INSTANT))
    if not chunk["is_instant"].any():
        return chunk.select(
            time=_utc(pl.col("date"), time_zone),
            day_end=_day_end(pl.col("date"), time_zone),
            turned=pl.lit(value=False),
            local=pl.lit(value=False),
        )
    chunk = chunk.with_columns(text=pl.when("is_instant").then(text))
    chunk = chunk.with_columns(
        hour=text.str.slice(11, 2).cast(pl.Int64, strict=False),
        minute=text.str.slice(14, 2).cast(pl.Int64, strict=False),
        second=pl.when(text.str.slice(16, 1) == ":")
        .then(text.str.slice(17, 2))
        .cast(pl.Int64, strict=False)
        .fill_null(0),
    )
    rest = text.str.slice(16)
    if (chunk["text"].str.len_bytes() > 16).any():
        chunk = chunk.with_columns(
            fraction=rest.str.extract(r"[.,]([0-9]+)", 1)
            .str.slice(0, 9)
            .str.pad_end(9, "0")
            .cast(pl.Int64)
            .fill_null(0),
            offset=_offset_microseconds(rest.str.extract(_OFFSET, 1)),
        )
    else:
        chunk = chunk.with_columns(fraction=pl.lit(0, pl.Int64), offset=pl.lit(None, pl.Int64))
    fits = (
        (pl.col("hour") < 24)
        & (pl.col("minute") < 60)
        & (pl.col("second") < 60)
        & (pl.col("offset").is_null() | (pl.col("offset").abs() < _DAY_MICROSECONDS))
    )
    clock = (pl.col("hour") * 3600 + pl.col("minute") * 60 + pl.col("second")) * 1_000_000 + (
        pl.col("fraction") + 500
    ) // 1000
    local = pl.when(fits).then(pl.col("date") + pl.duration(microseconds=clock))
    chunk = chunk.select("is_day", "date", "offset", local=local)
    exact = pl.col("local") - pl.duration(microseconds=pl.col("offset"))
    without = pl.when(~pl.col("is_day") & pl.col("offset").is_null()).then(pl.col("local"))
    turned = _turned(chunk.select(without).to_series(), time_zone)
    return chunk.select(
        time=pl.when("is_day")
        .then(_utc(pl.col("date"), time_zone))
        .when(pl.col("offset").is_null())
        .then(_utc(pl.col("local"), time_zone))
        .otherwise(exact),
        day_end=pl.when("is_day").then(_day_end(pl.col("date"), time_zone)),
        turned=turned,
        local=pl.col("local").is_not_null() & ~pl.col("is_day") & pl.col("offset").is_null(),
    )


def _offset_microseconds(offset: pl.Expr) -> pl.Expr:
    digits = offset.str.replace(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    size = (hours * 60 + minutes) * MICROSECONDS["minutes"]
    signed = pl.when(digits.str.starts_with("-")).then(-size).otherwise(size)
    return pl.when(digits.str.to_uppercase() == "Z").then(0).when(digits.is_not_null()).then(signed)


def _utc(local: pl.Expr, time_zone: str) -> pl.Expr:
    if time_zone == "UTC":
        return local
    day = pl.duration(days=1)

    def placed(naive: pl.Expr) -> pl.Expr:
        zoned = naive.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)

    # A skipped time takes the offset of the day before: 24 hours earlier, then 24 hours of elapsed time.
    return pl.coalesce(placed(local), placed(local - day) + day)


def _turned(local: pl.Series, time_zone: str) -> pl.Series:
    """Whether a change of the clocks of the zone skips or repeats each local time; only its days are looked at."""
    zone, day = ZoneInfo(time_zone), local.dt.date()
    turns = [one for one in day.drop_nulls().unique().to_list() if _clocks_change(one, zone)]
    is_near = day.is_in(turns).fill_null(value=False)
    near = local.filter(is_near)
    first, second = (
        near.dt.replace_time_zone(time_zone, ambiguous=which, non_existent="null") for which in ("earliest", "latest")
    )
    turned = is_near.to_numpy().copy()
    turned[turned] = (first.is_null() | (first != second)).fill_null(value=True).to_numpy()
    return pl.Series(turned)


def _clocks_change(day: date, zone: ZoneInfo) -> bool:
    """Whether a day of a year that is read begins with another offset than the next one."""
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return False
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return midnight.utcoffset() != (midnight + timedelta(days=1)).utcoffset()


def end_of_day(instants: pl.Series, time_zone: str) -> pl.Series:
    """The last microsecond (UTC) of the day, as clocks of the zone count it, in which each instant lies."""
    local = instants.dt.replace_time_zone("UTC").dt.convert_time_zone(time_zone).dt.replace_time_zone(None)
    return local.to_frame("local").select(_day_end(pl.col("local").dt.truncate("1d"), time_zone)).to_series()


def _day_end(midnight: pl.Expr, time_zone: str) -> pl.Expr:
    return _utc(midnight + pl.duration(microseconds=_DAY_MICROSECONDS - 1), time_zone)
