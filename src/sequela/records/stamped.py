"""Who and when: ids, times and availability of every row of a table."""

from __future__ import annotations

import polars as pl

from sequela.records.durations import MICROSECONDS
from sequela.records.missing_codes import FAR_AWAY, numbers_that_may_be_missing, times_far_away
from sequela.records.parts import Part, Reading
from sequela.records.times import INSTANT, Stamps, stamps
from sequela.records.values import cells, parts_thousands, refuse_parted

TURNED = "local time that a change of the clocks skips or repeats, read with the offset before it"
MIXED = "time without an offset where others have one, read in `time_zone`"
NO_STAMP = "no time of availability, known at its time"


def person_and_time(reading: Reading, *, rows: int, static_rows: bool = False) -> Part:
    """A part whose events are the rows as they stand: person, time, availability; no values yet.

    Where a row is a person (`series`, `static` without a time) the column `row` numbers them from 0.

    Args:
        reading: the table.
        rows: data rows of it.
        static_rows: a row without a time is a static fact, as in MEDS; else it is refused.

    Raises:
        RecordsError: a missing id or time, a time that is none, availability of another kind than the times.
    """
    table, origin = reading.table, reading.origin
    people, person = reading.people()
    frame = pl.DataFrame({"person": person})
    part = Part(table, origin, people, [], frame, counts=reading.counts, rows=rows)
    if table.time is None or table.layout == "series":
        part.events = frame.with_columns(time=pl.lit(None, INSTANT)).with_row_index("row")
        return part
    raw = reading.take(table.time)
    if table.time_unit is not None and not reading.kinds and raw.dtype == pl.String:
        refuse_parted(parts_thousands(cells(raw, table), table), origin, column=table.time)
    time = stamps(raw, table, origin)
    if time.time.null_count() and not static_rows:
        remedy = (
            "Give every row its time; delete rows of what did not happen; put facts that have none into a table of "
            "layout 'static' without `time`"
        )
        raise origin.refusal("the time is missing", remedy, column=table.time, faulty=time.time.is_null())
    reading.count(TURNED, time.turned)
    reading.count(MIXED, time.local)
    if table.time_unit is not None and not reading.kinds:
        number = time.time.to_physical() / MICROSECONDS[table.time_unit]
        numbers = pl.DataFrame({"code": table.time, "numeric_value": number})
        reading.counts += numbers_that_may_be_missing(numbers, {table.time: table.name})
    elif not (reading.kinds or static_rows):  # where births may stand among the rows
        reading.count(FAR_AWAY, times_far_away(time.time), table.time)
    part.calendar, part.unit = time.calendar, table.time_unit
    part.all_days = time.all_days
    frame = frame.with_columns(time.time.alias("time"))
    if table.available is None:
        if time.day_end is not None:
            frame = frame.with_columns(time.day_end.alias("available_end"))
        part.events = frame
        return part
    known = stamps(reading.take(table.available), table, origin)
    if known.calendar is not None and known.calendar != time.calendar:
        problem = "the times of availability are numbers and those of the events are dates, or the other way round"
        raise origin.refusal(problem, "Write both in one way", column=table.available)
    part.all_days = time.all_days and known.all_days
    reading.count(MIXED, known.local)
    reading.count(NO_STAMP, known.time.null_count())
    part.events = _with_availability(frame, time, known)
    return part


def _with_availability(frame: pl.DataFrame, time: Stamps, known: Stamps) -> pl.DataFrame:
    frame = frame.with_columns(known.time.alias("available"))
    if time.day_end is None and known.day_end is None:
        return frame
    exact = known.time if known.day_end is None else known.day_end.fill_null(known.time)
    end = exact if time.day_end is None else exact.fill_null(time.day_end)
    return frame.with_columns(end.alias("available_end"))
