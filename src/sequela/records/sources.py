"""From what the study names to raw columns: files, folders and archives, or frames in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from sequela.errors import RecordsError
from sequela.records.delimited import delimited_cells
from sequela.records.meds_files import meds_files, meds_splits
from sequela.records.origin import FIRST_LINE, Origin, looks_like_a_cell
from sequela.records.parquet import read_parquet
from sequela.records.settings import TableSettings
from sequela.records.stays import stays


@dataclass
class RawTable:
    """The columns of a table as the source holds them, text cells not yet read.

    Args:
        frame: the columns.
        origin: where its rows come from.
        odd: rows (or files) that are left out, by reason.
        split: source_id and split, where the source divides its people itself.
    """

    frame: pl.DataFrame
    origin: Origin
    odd: dict[str, int] = field(default_factory=dict)
    split: pl.DataFrame | None = None


def raw_table(
    table: TableSettings, folder: Path, frames: Mapping[str, pl.DataFrame], *, may_be_empty: bool = False
) -> RawTable:
    """All rows of a table, those of several files one after the other.

    Args:
        table: what the study says about it.
        folder: what relative paths are relative to.
        frames: by table name, a frame instead of the files.
        may_be_empty: a table with a header and no rows is read (a new patient without any laboratory value).

    Raises:
        RecordsError: a file is missing, unreadable, or has other columns than the first; there is no row in any.
    """
    if table.name in frames:
        name = f"frame '{table.name}'"
        frame = frames[table.name]
        if not isinstance(frame, pl.DataFrame):
            problem = f"expected a polars.DataFrame, this is a {type(frame).__module__}.{type(frame).__name__}"
            raise RecordsError(name, problem, "Convert it: polars.from_pandas(frame), or collect() of a lazy one")
        frame = frame.clone()  # columns are taken out of it
        origin = Origin((name,), (frame.height,))
        _check_rows(origin, may_be_empty=may_be_empty)
        return RawTable(frame, origin)
    names = [table.path] if isinstance(table.path, str) else list(table.path)
    if table.source == "physionet2012":
        return RawTable(*stays(names, folder))
    given, split = tuple(names), None
    if table.source == "meds":
        split = meds_splits(names, folder)
        names = meds_files(names, folder)
    odd: dict[str, int] = {}
    read = []
    for name in names:
        frame, blank = _read(table, name, folder)
        if blank:
            odd["blank line"] = odd.get("blank line", 0) + blank
        read.append(frame)
    origin = Origin(tuple(names), tuple(frame.height for frame in read), given)
    _check_rows(origin, may_be_empty=may_be_empty)
    return RawTable(_stacked(read, names), origin, odd, split)


def _read(table: TableSettings, name: str, folder: Path) -> tuple[pl.DataFrame, int]:
    path = folder / name
    try:
        if path.is_dir():
            raise RecordsError(name, "expected a file, this is a folder", "Name the file itself")
        if not path.exists():
            raise RecordsError(name, "there is no such file", f"Check `path` of table '{table.name}'")
        if path.is_char_device() or path.is_block_device():
            raise RecordsError(name, "expected a file, this is a device, which may never end", "Name a file in `path`")
        if table.source != "csv":
            return read_parquet(path, name), 0
        return delimited_cells(path.read_bytes(), table, name)
    except OSError:
        raise RecordsError(name, "the file cannot be opened", "Check the path and its permissions") from None


def _check_rows(origin: Origin, *, may_be_empty: bool) -> None:
    if not any(origin.heights) and not may_be_empty:
        raise origin.refusal("it has no data rows", "Give at least one data row")


def _stacked(frames: list[pl.DataFrame], names: list[str]) -> pl.DataFrame:
    if len(frames) == 1:
        return frames[0]
    first = frames[0]
    for frame, name in zip(frames[1:], names[1:], strict=True):
        if other := sorted(set(first.columns) ^ set(frame.columns)):
            remedy = "Give all files of a table the same columns"
            if len(other) == first.width + frame.width or any(looks_like_a_cell(column) for column in other):
                problem = f"its columns are not those of '{names[0]}'"  # their names may be a patient's row
                raise RecordsError(name, problem, f"{remedy}, and check that {FIRST_LINE}")
            problem = f"this column stands in '{names[0]}' or here, not in both"
            raise RecordsError(name, problem, remedy, column=other[0])
    for column in first.columns:
        kinds = {_kind(frame.schema[column]) for frame in frames} - {"nothing"}
        if len(kinds) > 1:
            problem = f"the files hold this column as different types ({', '.join(sorted(kinds))})"
            raise RecordsError(", ".join(names), problem, "Write it as one type", column=column)
    same = [frame.select(first.columns) for frame in frames]
    try:
        return pl.concat(same, how="vertical_relaxed")
    except pl.exceptions.PolarsError:
        problem = "the files hold a column as types that do not go together"
        raise RecordsError(", ".join(names), problem, "Write each column as one type") from None


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Null:
        return "nothing"
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return "text"
    return str(dtype.base_type()).lower()
