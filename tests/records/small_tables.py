from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from sequela.records import Records, TableSettings


def table(**keys: Any) -> TableSettings:
    """Settings of a table named `t`; a visits table by days unless the keys say otherwise."""
    given = {"name": "t", "path": "table.csv", "subject": "id"} | keys
    if given.get("layout", "visits") in ("visits", "long") and "time" not in given:
        given["time"] = "day"
    if given.get("time") == "day" and "time_unit" not in given:
        given["time_unit"] = "days"
    return TableSettings(**given)


def reasons(records: Records) -> dict[tuple[str, str | None], int]:
    """Counts by reason and code."""
    return {(row["reason"], row["code"]): row["rows"] for row in records.counts.iter_rows(named=True)}


def stay_files(frame: pl.DataFrame) -> dict[str, bytes]:
    """Text files as PhysioNet's 2012 challenge has them, from rows of RecordID, Time, Parameter and Value."""
    files = {}
    for (name,), rows in frame.group_by("RecordID", maintain_order=True):
        lines = [f"00:00,RecordID,{name}"]
        lines += [f"{time},{code},{'' if value is None else value}" for _, time, code, value in rows.iter_rows()]
        files[f"set/{name}.txt"] = "\n".join(["Time,Parameter,Value", *lines, ""]).encode()
    return files


def tar_of(files: Mapping[str, bytes], compression: str = "") -> bytes:
    """An archive of these files, and their folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        inside = tarfile.TarInfo("set")
        inside.type = tarfile.DIRTYPE
        archive.addfile(inside)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("set")
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def meds_folder(frame: pl.DataFrame, folder: Path, splits: Mapping[int, str] | None = None) -> None:
    """A data set in the MEDS layout: a shard for the first person, one for the others, and metadata."""
    first = frame["subject_id"] == frame["subject_id"][0]
    for name, rows in (("train/0", frame.filter(first)), ("tuning/nested/0", frame.filter(~first))):
        path = folder / "data" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path)
    (folder / "metadata").mkdir(exist_ok=True)
    pl.DataFrame({"code": frame["code"].unique(), "description": "what"}).write_parquet(
        folder / "metadata/codes.parquet"
    )
    if splits is not None:
        table_of = {"subject_id": list(splits), "split": list(splits.values())}
        pl.DataFrame(table_of).write_parquet(folder / "metadata/subject_splits.parquet")
