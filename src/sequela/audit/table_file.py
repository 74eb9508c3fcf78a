"""A table of examples that another tool wrote, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from sequela.audit.columns import Column
from sequela.audit.series import Floats, numbered
from sequela.cohort.asof import Rows
from sequela.errors import RecordsError
from sequela.records.durations import MICROSECONDS
from sequela.records.origin import remedy_for

_YES = ("1", "1.0", "true", "yes", "y", "event", "dead", "died", "positive", "pos", "case")
_NO = ("0", "0.0", "false", "no", "n", "none", "alive", "survived", "negative", "neg", "control")
_MISSING = ["", "NA", "NaN", "nan", "null", "NULL"]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """R rows with a label, of P people.

    Attributes:
        person: [R] 0 to P - 1.
        label: [R] 0 and 1, or numbers.
        binary: True where labels are 0 and 1.
        time: [R] in days, or in the table's own unit where it holds numbers; None without.
        split: [R] number of the part, -1 where the row has none; None without.
        parts: names of the parts.
        columns: everything else.
        name: of the table.
    """

    person: Rows
    label: Floats
    binary: bool
    time: Floats | None
    split: Rows | None
    parts: tuple[str, ...]
    columns: list[Column]
    name: str

    @property
    def people(self) -> int:
        """Return the number of people."""
        return int(self.person.max(initial=-1)) + 1


def read_table(path: Path, subject: str) -> pl.DataFrame:
    """Return a CSV or Parquet file; ids of a CSV file as they are written, so that 007 and 7 are two people.

    Raises:
        RecordsError: where there is none, or it cannot be read as a table.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(
            path,
            infer_schema_length=None,
            schema_overrides={subject: pl.String},
            null_values=_MISSING,
            try_parse_dates=True,
            glob=False,
        )
    except FileNotFoundError:
        raise RecordsError(path.name, "there is no such file", "Name a .csv or .parquet file in --table") from None
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        remedy = "Write it as a .parquet file, or as a CSV file with a header, commas and UTF-8"
        raise RecordsError(path.name, "it cannot be read as a table", remedy) from None


Role = Literal["subject", "label", "time", "split"]


def examples(frame: pl.DataFrame, roles: dict[Role, str | None], name: str) -> Examples:
    """Return the rows of a table that have a label.

    Args:
        frame: the table.
        roles: which column is what; None where there is none.
        name: what messages call it.

    Raises:
        RecordsError: where a column is missing, or cannot be what it is said to be.
    """
    _check_columns(frame, roles, name)
    who, what = frame[str(roles["subject"])], frame[str(roles["label"])]
    _refuse_rows(who.is_null(), name, who.name, ("the id is missing", "Give every row its id"))
    labelled = what.is_not_null()
    if _number(what) is None:
        labelled &= (what.cast(pl.String).str.strip_chars() != "").fill_null(value=False)
    if not labelled.any():
        raise RecordsError(name, "no row has a label", "Name the column that is to be predicted", column=what.name)
    rows = frame.filter(labelled)
    label, binary = _labels(rows[what.name], name)
    time = None if roles["time"] is None else _times(rows[str(roles["time"])], name)
    split, parts = (None, ()) if roles["split"] is None else _parts(rows[str(roles["split"])], name)
    others = [column for column in rows.columns if column not in roles.values()]
    return Examples(
        person=rows[who.name].rank("dense").cast(pl.Int64).to_numpy() - 1,
        label=label,
        binary=binary,
        time=time,
        split=split,
        parts=parts,
        columns=[_column(rows[column], name) for column in others],
        name=name,
    )


def _check_columns(frame: pl.DataFrame, roles: dict[Role, str | None], name: str) -> None:
    given = [column for column in roles.values() if column is not None]
    for role, column in roles.items():
        if column is None:
            continue
        if column not in frame.columns:
            problem = f"there is no such column (--{role})"
            raise RecordsError(name, problem, remedy_for(column, frame.columns), column=column)
        if given.count(column) > 1:
            raise RecordsError(name, "the column is named for two things", "Name another for one", column=column)
        if frame[column].dtype.is_nested():
            problem = f"its cells hold lists or several values (--{role})"
            raise RecordsError(name, problem, "Name a column with one value in a cell", column=column)
    if not len(frame):
        raise RecordsError(name, "the table has no rows", "Name a table with examples")


def _refuse_rows(faulty: pl.Series, name: str, column: str, words: tuple[str, str]) -> None:
    if faulty.any():
        rows = (faulty.arg_true() + 1).head(5).to_list()
        raise RecordsError(name, *words, column=column, rows=rows, total=int(faulty.sum()))


def _labels(values: pl.Series, name: str) -> tuple[Floats, bool]:
    number = _number(values)
    if number is not None:
        _refuse_rows(~number.is_finite(), name, values.name, ("the label is no finite number", "Mend it"))
        found = number.to_numpy()
        kinds = np.unique(found)
        if len(kinds) == 1:
            raise _one_label(name, values.name)
        return ((found == kinds[1]).astype(np.float64), True) if len(kinds) == 2 else (found, False)
    words = values.cast(pl.String).str.strip_chars()
    levels = sorted(words.unique().to_list(), key=lambda word: (word.lower() in _YES, word.lower() not in _NO, word))
    if len(levels) == 1:
        raise _one_label(name, values.name)
    if len(levels) > 2:
        problem = "the label holds more than two words"
        raise RecordsError(name, problem, "A label is a number, or one of two words", column=values.name)
    return (words == levels[1]).cast(pl.Float64).to_numpy(), True


def _one_label(name: str, column: str) -> RecordsError:
    return RecordsError(name, "all rows have the same label", "Name the column that is to be predicted", column=column)


def _times(values: pl.Series, name: str) -> Floats:
    number = _number(values)
    if number is None:
        problem = "the times are neither numbers nor ISO 8601 times"
        raise RecordsError(name, problem, "Write them such as 2024-05-31, or as numbers", column=values.name)
    _refuse_rows(
        number.is_null() | number.is_nan(), name, values.name, ("the time is missing", "Give every row a time")
    )
    _refuse_rows(number.is_infinite(), name, values.name, ("the time is infinite", "Give every row a time"))
    return number.to_numpy()


def _parts(values: pl.Series, name: str) -> tuple[Rows, tuple[str, ...]]:
    level, levels = numbered(values.cast(pl.String).str.strip_chars())
    if not 2 <= len(levels) <= 20:
        problem = f"a split has 2 to 20 parts, and this column has {'1' if len(levels) == 1 else 'none or more'}"
        raise RecordsError(
            name, problem, "Name the column that says train or test, or leave --split out", column=values.name
        )
    return level, levels


def _number(values: pl.Series) -> pl.Series | None:
    """Return numbers, times as days since 1970; None of a text."""
    if values.dtype == pl.Date:
        return values.cast(pl.Int32).cast(pl.Float64)
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.timestamp("us").cast(pl.Float64) / MICROSECONDS["days"]
    if isinstance(values.dtype, pl.Duration):
        return values.dt.total_microseconds().cast(pl.Float64) / MICROSECONDS["days"]
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return values.cast(pl.Float64)
    return None


def _column(values: pl.Series, table: str) -> Column:
    number = _number(values)
    if number is not None:
        found = number.fill_null(np.nan).to_numpy().copy()
        found[~np.isfinite(found)] = np.nan
        there = ~np.isnan(found)
        return Column(
            name=values.name,
            table=table,
            number=found,
            level=np.full(len(found), -1),
            levels=(),
            present=there,
            fresh=there,
        )
    if values.dtype.is_nested():  # of lists it is seen only whether there is one
        values = values.is_not_null().replace_strict({True: "", False: None}, return_dtype=pl.String)
    level, levels = numbered(values.cast(pl.String, strict=False))
    nothing = np.full(len(level), np.nan)
    return Column(
        name=values.name, table=table, number=nothing, level=level, levels=levels, present=level >= 0, fresh=level >= 0
    )
