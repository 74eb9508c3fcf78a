"""Stays of PhysioNet's 2012 challenge to events: hours since admission, descriptors as static facts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress

import numpy as np
import polars as pl

from sequela.errors import RecordsError
from sequela.records.long_layout import coded_rows, rename_codes
from sequela.records.parts import Part, Reading, factorized
from sequela.records.stays import CODE, SUBJECT, TIME, VALUE
from sequela.records.times import INSTANT
from sequela.records.values import as_number, cells, typed

EMPTY, MINUS_ONE = "empty cell", "-1, which stands for missing here"
STATIC = ("Age", "Gender", "Height", "ICUType")
CATEGORIES = ("Gender", "ICUType")
MISSING_AS_MINUS_ONE = ("Gender", "Height", "ICUType", "Weight")
_CLOCK = r"^([0-9]{2,3}):([0-5][0-9])$"


def physionet2012_part(reading: Reading) -> Part:
    """The events of all stays; the origin of times is admission.

    Age, Gender, Height and ICUType stand at 00:00 and become facts without a time; Weight keeps its times, 00:00 too.

    Raises:
        RecordsError: a time that is none, text for a value, a RecordID that is missing or not the file's, descriptors
            at another time or twice with different values.
    """
    for key, name in (("subject", SUBJECT), ("time", TIME), ("code", CODE), ("value", VALUE)):
        reading.origin.require(name, reading.columns, key=key)
    rename = reading.table.rename
    reading.kinds = {**reading.kinds, **{rename.get(code, code): "text" for code in CATEGORIES}}
    ids, value = reading.raw.frame[SUBJECT], _values(reading)
    reading.raw.frame = reading.raw.frame.with_columns(_hours(reading), value)
    part = coded_rows(reading)
    identity = _rows_of(part, [SUBJECT])
    _check_identity(identity, ids, value, reading)
    part.events = part.events.with_columns(_times_of_facts(part, value, reading))
    missing = _missing(part, value, identity, reading)
    part.events = part.events.filter(~(identity | missing))
    _forget(part, SUBJECT)
    rename_codes(part, reading)
    return part


def _hours(reading: Reading) -> pl.Series:
    """Times such as 07:30 as 7.5; numbers of a frame are hours already."""
    raw = reading.raw.frame[TIME]
    if raw.dtype.is_numeric() or raw.dtype == pl.Null:
        return raw
    if raw.dtype != pl.String:
        problem = f"expected times such as 07:30, this column is of type {raw.dtype.base_type()}"
        raise reading.origin.refusal(problem, "Write hours and minutes, or a number of hours", column=TIME)
    distinct, places = factorized(raw)
    text = distinct.str.strip_chars()
    hours, minutes = (text.str.extract(_CLOCK, group).cast(pl.Float64) for group in (1, 2))
    found = (hours + minutes / 60).gather(places).alias(TIME)
    faulty = raw.is_not_null() & found.is_null()
    if faulty.any():
        problem = "expected hours and minutes since admission such as 07:30, here stands something else"
        raise reading.origin.refusal(problem, "Correct the cells", column=TIME, faulty=faulty)
    return found


def _values(reading: Reading) -> pl.Series:
    raw = typed(reading.raw.frame[VALUE], reading.table, reading.origin, name=VALUE)
    read = cells(raw, reading.table)
    number = as_number(read, reading.table) if read.dtype == pl.String else read.cast(pl.Float64)
    faulty = read.is_not_null() & number.is_null()
    if faulty.any():
        problem = "expected numbers, here stands text"
        raise reading.origin.refusal(problem, "Correct the cells", column=VALUE, faulty=faulty)
    return number.alias(VALUE)


def _rows_of(part: Part, codes: Iterable[str]) -> pl.Series:
    """True in the rows of these codes of the source."""
    places = [part.codes.index(code) for code in codes if code in part.codes]
    return part.events["code"].is_in(places)


def _check_identity(identity: pl.Series, ids: pl.Series, value: pl.Series, reading: Reading) -> None:
    """Every file says whose it is, and its name says the same."""
    origin = reading.origin
    faulty = identity & value.ne_missing(ids.cast(pl.Float64, strict=False))
    if faulty.any():
        problem = "the RecordID in the file is not the one in its name"
        raise origin.refusal(problem, "Correct the one that is wrong", column=VALUE, faulty=faulty)
    if not origin.given:
        return
    files = np.repeat(np.arange(len(origin.heights)), origin.heights)
    said = np.bincount(files[identity.to_numpy()], minlength=len(origin.heights))
    if nameless := next(compress(origin.names, said == 0), None):
        problem = "there is no row 00:00,RecordID that says whose stay this is"
        raise RecordsError(nameless, problem, "Add it, or take the file out of the table's path")


def _times_of_facts(part: Part, value: pl.Series, reading: Reading) -> pl.Series:
    """The times of all rows, null for static facts."""
    time, fact = part.events["time"], _rows_of(part, STATIC)
    late = fact & (time.to_physical() != 0)
    if late.any():
        problem = f"{', '.join(STATIC)} describe a stay from 00:00 on, here one of them stands at another time"
        raise reading.origin.refusal(problem, "Move it to 00:00, or take it out", column=CODE, faulty=late)
    stated = fact & value.is_not_null() & (value != -1)
    rows = part.events.select("person", "code", stated=stated, value=value).with_row_index("row").filter("stated")
    twice = rows.filter(pl.col("value").n_unique().over("person", "code") > 1)["row"]
    if twice.len():
        faulty = pl.repeat(False, fact.len(), eager=True).scatter(twice, values=True)
        problem = "a fact of one stay stands here twice, with different values"
        raise reading.origin.refusal(problem, "Keep the one that is true", column=VALUE, faulty=faulty)
    return pl.select(pl.when(~fact).then(time).alias("time")).to_series().cast(INSTANT)


def _missing(part: Part, value: pl.Series, identity: pl.Series, reading: Reading) -> pl.Series:
    """True in rows without a value, which are counted."""
    minus_one = (_rows_of(part, MISSING_AS_MINUS_ONE) & (value == -1)).fill_null(value=False)
    empty = value.is_null() & ~identity
    for reason, rows in ((MINUS_ONE, minus_one), (EMPTY, empty)):
        for place, number in part.events["code"].filter(rows).value_counts().sort("code").iter_rows():
            code = part.codes[place]
            reading.count(reason, number, reading.table.rename.get(code, code))
    return minus_one | empty


def _forget(part: Part, code: str) -> None:
    """Takes a code without events out of the list of codes."""
    if code not in part.codes:
        return
    gone = part.codes.index(code)
    place = pl.col("code")
    part.events = part.events.with_columns(pl.when(place > gone).then(place - 1).otherwise(place).alias("code"))
    part.codes = [name for name in part.codes if name != code]
