from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_tables import table

from sequela.records import Records, read_records

Reader = Callable[..., Records]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Reads one CSV text (or bytes) with the table's keys."""

    def reader(content: str | bytes, **keys: Any) -> Records:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / "table.csv").write_bytes(data)
        return read_records([table(**keys)], tmp_path)

    return reader


@pytest.fixture
def read_parquet(tmp_path: Path) -> Reader:
    def reader(frame: pl.DataFrame, **keys: Any) -> Records:
        frame.write_parquet(tmp_path / "table.parquet")
        return read_records([table(source="parquet", path="table.parquet", **keys)], tmp_path)

    return reader
