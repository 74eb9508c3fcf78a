"""Tables in the MEDS layout to events, once types and order are those that MEDS demands."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from sequela.records.long_layout import coded_rows, rename_codes
from sequela.records.parts import Part, Reading


def _is_text(dtype: pl.DataType) -> bool:
    return dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum))


def _is_instant(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime)


_TYPES: dict[str, tuple[str, Callable[[pl.DataType], bool]]] = {
    "subject": ("whole numbers", lambda dtype: dtype.is_integer()),
    "time": ("timestamps", _is_instant),
    "code": ("text", _is_text),
    "value": ("numbers", lambda dtype: dtype.is_numeric()),
    "text": ("text", _is_text),
    "unit": ("text", _is_text),
    "available": ("timestamps", _is_instant),
}


def meds_part(reading: Reading) -> Part:
    """The events of a MEDS table. Every row is an event, with a value or without; without a time it is a static fact.

    Raises:
        RecordsError: columns of other types than MEDS has, a person's rows in several places or not sorted by time.
    """
    _check_types(reading)
    _check_order(reading)
    part = coded_rows(reading, static_rows=True)
    rename_codes(part, reading)
    return part


def _check_types(reading: Reading) -> None:
    schema, origin = reading.raw.frame.schema, reading.origin
    for key in ("subject", "time", "code"):
        origin.require(getattr(reading.table, key), schema, key=key)
    for key, (wanted, fits) in _TYPES.items():
        name = getattr(reading.table, key)
        dtype = schema.get(name) if name is not None else None
        if dtype is not None and dtype != pl.Null and not fits(dtype):
            problem = f"MEDS has {wanted} here, this column is of type {dtype.base_type()}"
            remedy = 'Write it so, or read the file with source = "parquet" and layout = "long"'
            raise origin.refusal(problem, remedy, column=name)


def _check_order(reading: Reading) -> None:
    """A person's rows stand together, sorted by time; rows without a time may stand anywhere among them."""
    table, origin = reading.table, reading.origin
    rows = reading.raw.frame.select(person=pl.col(table.subject), time=pl.col(table.time or "time"))
    rows = rows.with_columns(begins=pl.col("person").ne_missing(pl.col("person").shift()))
    begun = rows.filter("begins")["person"]
    if begun.n_unique() < begun.len():
        again = rows["begins"] & rows["person"].is_in(begun.filter(begun.is_duplicated()).unique().to_list())
        again &= ~rows["person"].is_first_distinct()
        remedy = f"Sort the rows by '{table.subject}' and '{table.time}', and keep a person in one file"
        raise origin.refusal("the rows of a person do not stand together", remedy, column=table.subject, faulty=again)
    last = pl.col("time").forward_fill().shift().over(pl.col("begins").cum_sum())
    early = rows.select((pl.col("time") < last).fill_null(value=False)).to_series()
    if early.any():
        remedy = f"Sort the rows of each person by '{table.time}'"
        raise origin.refusal("the time is before that of the row above", remedy, column=table.time, faulty=early)
