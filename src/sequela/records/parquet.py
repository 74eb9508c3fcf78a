"""Parquet files as frames."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sequela.errors import RecordsError


def read_parquet(path: Path, name: str) -> pl.DataFrame:
    """All columns of a Parquet file.

    Raises:
        RecordsError: it is damaged, or no Parquet file.
    """
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        remedy = 'Write it again, or set source = "csv"'
        raise RecordsError(name, "it cannot be read as Parquet", remedy) from None
