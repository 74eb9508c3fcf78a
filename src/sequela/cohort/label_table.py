"""A table of labels in MEDS's label schema: who is asked when, and what followed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sequela.cohort.asof import Rows
from sequela.errors import RecordsError
from sequela.records import Clock
from sequela.records.durations import MICROSECONDS
from sequela.records.origin import Origin
from sequela.records.parts import source_ids
from sequela.records.times import as_iso, iso_instants

NOT_IN_RECORDS = "in the table of labels, but not in the records"
NO_LABEL = "the table of labels has no label"
NOT_IN_TABLE = "in the records, but not in the table of labels"
_VALUES = ("boolean_value", "integer_value")
_SCHEMA = "Add it: MEDS's label schema has the columns subject_id, prediction_time and boolean_value"
_WORDS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """K predictions with their labels, sorted by person and time; microseconds."""

    person: Rows  # [K]
    time: Rows  # [K]
    value: NDArray[np.float64]  # [K] 0 or 1
    excluded: dict[str, tuple[int, int]]  # reason -> predictions, people


def read_label_table(
    source: Path | pl.DataFrame, subjects: pl.DataFrame, clock: Clock, *, name: str | None = None
) -> LabelTable:
    """Return the labels of a CSV or Parquet file, or of a frame, for the people of the records.

    Args:
        source: the file, or the table itself.
        subjects: subject_id and source_id of the records; the table's `subject_id` is the source's id, written alike.
        clock: how the study tells the time. Of a study with numeric times, numbers are in its unit, and dates count
            from 1970-01-01.
        name: what messages call it; default: the file's name.

    Raises:
        RecordsError: where the table cannot be read, lacks a column, or asks the same person twice at one time.
    """
    named = name or (source.name if isinstance(source, Path) else "labels")
    table = _read(source, named) if isinstance(source, Path) else source
    value_column = _value_column(table, named)
    written = _ids(table["subject_id"], named)
    rows = pl.DataFrame(
        {
            "written": written,
            "source_id": source_ids(written, subjects.schema["source_id"]),  # null where "007" cannot be person 7
            "time": _times(table["prediction_time"], clock, named),
            "value": _claims(table[value_column], named),
        }
    )
    known = rows.join(subjects.select("source_id", "subject_id"), on="source_id", how="left", maintain_order="left")
    _refuse(known, pl.struct("written", "time").is_duplicated(), named, "prediction_time", _TWICE)
    there = known.filter(pl.col("subject_id").is_not_null())
    labelled = there.filter(pl.col("value").is_not_null()).sort("subject_id", "time")
    strangers = known.filter(pl.col("subject_id").is_null())
    unlabelled = there.filter(pl.col("value").is_null())
    counted = ((NOT_IN_RECORDS, strangers), (NO_LABEL, unlabelled))
    excluded = {reason: (len(gone), gone["written"].n_unique()) for reason, gone in counted if len(gone)}
    if absent := len(subjects) - there["subject_id"].n_unique():
        excluded[NOT_IN_TABLE] = (0, absent)
    return LabelTable(
        person=labelled["subject_id"].to_numpy(),
        time=labelled["time"].to_numpy(),
        value=labelled["value"].to_numpy(),
        excluded=excluded,
    )


_TWICE = ("the same person is asked twice at one time", "Keep one of these rows")


def _read(path: Path, name: str) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(path, infer_schema=False, glob=False)
    except FileNotFoundError:
        raise RecordsError(name, "there is no such file", "Set `labels` in [question]") from None
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise RecordsError(
            name, "it cannot be read as a table", "Write it as a .parquet file, or as a CSV file with a header"
        ) from None


def _value_column(table: pl.DataFrame, name: str) -> str:
    for column in ("subject_id", "prediction_time"):
        if column not in table.columns:
            raise RecordsError(name, "the column is missing", _SCHEMA, column=column)
    given = [column for column in _VALUES if column in table.columns]
    filled = [column for column in given if table[column].null_count() < len(table)]
    if not filled:
        problem = "no label is given" if given else "the column is missing"
        raise RecordsError(name, problem, f"{_SCHEMA} (or integer_value, 0 and 1)", column=_VALUES[0])
    return filled[0]


def _ids(ids: pl.Series, name: str) -> pl.Series:
    dtype = ids.dtype
    is_text = dtype in (pl.String, pl.Null) or isinstance(dtype, (pl.Categorical, pl.Enum))
    if not is_text and not dtype.is_integer():
        problem = f"ids are text or whole numbers, this column is of type {dtype.base_type()}"
        raise RecordsError(name, problem, "Convert the ids to text or to whole numbers", column="subject_id")
    text = ids.cast(pl.String).str.strip_chars()
    missing = text.is_null() | (text == "")
    if missing.any():
        _refuse_rows(missing, name, "subject_id", ("the id is missing", "Give every row its id"))
    return text


def _times(times: pl.Series, clock: Clock, name: str) -> pl.Series:
    """Return microseconds."""
    is_instant = isinstance(times.dtype, (pl.Date, pl.Datetime))
    if is_instant or clock.calendar:
        text = as_iso(times, Origin((name,), (len(times),))).cast(pl.String).str.strip_chars()
        instants = iso_instants(text, clock.time_zone if clock.calendar else "UTC")["time"].to_physical()
    else:
        numbers = times.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        instants = (numbers * MICROSECONDS[clock.unit]).round().cast(pl.Int64, strict=False)
    if instants.null_count():
        wanted = "a time in ISO 8601" if clock.calendar else f"a number of {clock.unit}"
        _refuse_rows(
            instants.is_null(), name, "prediction_time", ("the time is missing or cannot be read", f"Write {wanted}")
        )
    return instants


def _claims(values: pl.Series, name: str) -> pl.Series:
    words = values.cast(pl.String).str.strip_chars().str.to_lowercase()
    claims = words.replace_strict(_WORDS, default=None, return_dtype=pl.Float64)
    wrong = claims.is_null() & words.is_not_null() & (words != "")
    if wrong.any():
        remedy = "A label of a risk is true or false, or 1 or 0; leave it empty where it is not known"
        _refuse_rows(wrong, name, values.name, ("the label is another value", remedy))
    return claims


def _refuse(rows: pl.DataFrame, fault: pl.Expr, name: str, column: str, words: tuple[str, str]) -> None:
    faulty = rows.select(fault.alias("fault"))["fault"]
    if faulty.any():
        _refuse_rows(faulty, name, column, words)


def _refuse_rows(faulty: pl.Series, name: str, column: str, words: tuple[str, str]) -> None:
    rows = (faulty.arg_true() + 1).head(5).to_list()
    raise RecordsError(name, *words, column=column, rows=rows, total=int(faulty.sum()))
