"""Where the parts of a data set in the MEDS layout are: its shards, and its own splits.

Source: Medical Event Data Standard 0.4, https://github.com/Medical-Event-Data-Standard/meds: `data/**/*.parquet` and
`metadata/subject_splits.parquet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sequela.errors import RecordsError
from sequela.records.parquet import read_parquet

SPLITS = ("train", "tuning", "held_out")
_SPLIT_FILE = "metadata/subject_splits.parquet"


def meds_files(given: Sequence[str], folder: Path) -> list[str]:
    """The files of events: each file as given; of a folder all shards below `data`, or below itself without `data`.

    Raises:
        RecordsError: a folder holds no shard.
    """
    return [file for name in given for file in _shards(name, folder)]


def _shards(name: str, folder: Path) -> list[str]:
    root = folder / name
    if not root.is_dir():
        return [name]
    data = root / "data" if (root / "data").is_dir() else root
    found = [file.relative_to(root) for file in sorted(data.rglob("*.parquet")) if file.is_file()]
    shards = [file for file in found if file.parts[0] != "metadata"]
    if not shards:
        remedy = "Name the folder of a MEDS data set, with data/ in it, or a Parquet file of events"
        raise RecordsError(name, "there is no Parquet file of events in it", remedy)
    return [f"{name.rstrip('/')}/{file.as_posix()}" for file in shards]


def meds_splits(given: Sequence[str], folder: Path) -> pl.DataFrame | None:
    """The source's own splits: source_id and split; None where it has none.

    Raises:
        RecordsError: columns or names of splits that MEDS does not have, a person in two splits.
    """
    files = [f"{name.rstrip('/')}/{_SPLIT_FILE}" for name in given if (folder / name / _SPLIT_FILE).is_file()]
    if not files:
        return None
    splits = pl.concat([_split_file(folder / file, file) for file in files]).unique(maintain_order=True)
    if splits["source_id"].is_duplicated().any():
        raise RecordsError(", ".join(files), "a person stands in two splits", "Give each person one split")
    return splits


def _split_file(path: Path, name: str) -> pl.DataFrame:
    frame = read_parquet(path, name)
    for column in ("subject_id", "split"):
        if column not in frame.columns:
            raise RecordsError(name, f"there is no column '{column}'", "Give splits as MEDS has them")
    if not frame["subject_id"].dtype.is_integer():
        raise RecordsError(name, "ids are not whole numbers", "Give splits as MEDS has them", column="subject_id")
    splits = frame.select(source_id=pl.col("subject_id").cast(pl.Int64), split=pl.col("split").cast(pl.String))
    _refuse_rows(splits["source_id"].is_null(), name, "subject_id", "the id is missing")
    problem = f"expected one of {', '.join(SPLITS)}, here stands something else"
    _refuse_rows(~splits["split"].is_in(SPLITS).fill_null(value=False), name, "split", problem)
    return splits


def _refuse_rows(faulty: pl.Series, name: str, column: str, problem: str) -> None:
    rows = [int(row) + 1 for row in faulty.arg_true()]
    if rows:
        raise RecordsError(name, problem, "Correct the cells", column=column, rows=rows[:5], total=len(rows))
