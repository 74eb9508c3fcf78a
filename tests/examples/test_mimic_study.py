"""The study of the MIMIC-IV demo reads a file as the demo has it: a column `value`, and facts after the birth."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

import polars as pl

from sequela.records import TableSettings, read_records

STUDY = Path(__file__).parents[2] / "examples/mimic_iv_demo_meds/study.toml"
ROWS = [
    (10000032, datetime(2128, 1, 1), "MEDS_BIRTH", "condition", None),
    (10000032, None, "GENDER//F", "condition", None),
    (10000032, datetime(2180, 5, 6, 22), "HOSPITAL_ADMISSION//URGENT//TRANSFER FROM HOSPITAL", "condition", None),
    (10000032, datetime(2180, 5, 7, 1), "LAB//50882//mEq/L", "measurement", 27.0),
    (10000032, datetime(2180, 5, 9, 17), "HOSPITAL_DISCHARGE//DIED", "condition", None),
    (10000032, datetime(2180, 5, 9, 17), "MEDS_DEATH", "condition", None),
]


def test_the_study_reads_such_a_file_as_it_is(tmp_path: Path) -> None:
    document = tomllib.loads(STUDY.read_text(encoding="utf-8"))
    schema = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "table": pl.String}
    frame = pl.DataFrame(ROWS, schema={**schema, "value": pl.Float32}, orient="row")
    frame.write_parquet(tmp_path / document["records"][0]["path"])
    records = read_records([TableSettings(**document["records"][0])], tmp_path)
    assert records.events.height == len(ROWS)
    assert records.clock.calendar
    asked = document["question"]
    for prefix in (asked["from"]["code"], asked["to"]["code"], asked["outcome"]["code"]):
        assert records.events["code"].str.starts_with(prefix).sum() == 1
