"""The audit of a table that another tool wrote."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sequela.audit.finding import Audit, concluded


def audit_table(
    frame: pl.DataFrame,
    *,
    subject: str,
    label: str,
    time: str | None = None,
    split: str | None = None,
    name: str = "table",
) -> Audit:
    """Return what speaks against a table of examples, one a row.

    Args:
        frame: the table.
        subject: the column that says who.
        label: the column to be predicted: 0 and 1, two words, or a number.
        time: the column that says when, where there is one.
        split: the column that says in which part a row is, where there is one.
        name: what messages call the table.

    Raises:
        RecordsError: where a column is missing or cannot be what it is said to be.
    """
    return concluded([], [])


def audit_table_file(
    path: Path, *, subject: str, label: str, time: str | None = None, split: str | None = None
) -> Audit:
    """Return the audit of a CSV or Parquet file (see `audit_table`).

    Raises:
        RecordsError: where the file cannot be read, or a column is missing.
    """
    return audit_table(pl.read_csv(path), subject=subject, label=label, time=time, split=split, name=path.name)
