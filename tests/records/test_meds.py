"""Data sets in the MEDS layout: every row is an event, births and splits are the source's own, order is checked."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError
from small_tables import meds_folder, reasons

from sequela.errors import RecordsError
from sequela.records import BIRTH_PREFIX, Records, TableSettings, read_records

SCHEMA = {"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32}
ROWS = [
    (30, datetime(1950, 1, 1), "MEDS_BIRTH", None),
    (30, None, "GENDER//F", None),
    (30, datetime(2020, 1, 1, 8), "ADMISSION", None),
    (30, datetime(2020, 1, 1, 9), "LAB//NA", 139.0),
    (30, datetime(2020, 1, 2, 9), "LAB//NA", None),
    (10, datetime(2019, 1, 1), "ADMISSION", None),
    (10, datetime(2019, 1, 5), "MEDS_DEATH", None),
    (20, datetime(2019, 1, 5), "ADMISSION", None),
]


def frame_of(rows: list[Any] | None = None) -> pl.DataFrame:
    return pl.DataFrame(ROWS if rows is None else rows, schema=SCHEMA, orient="row")


def settings(path: str | list[str] = "meds", **keys: Any) -> TableSettings:
    return TableSettings(name="ehr", source="meds", path=path, **keys)


def read(folder: Path, path: str | list[str] = "meds", **keys: Any) -> Records:
    return read_records([settings(path, **keys)], folder)


def read_frame(frame: pl.DataFrame, **keys: Any) -> Records:
    return read_records([settings(**keys)], Path(), frames={"ehr": frame})


def test_every_row_is_an_event_with_a_value_or_without(tmp_path: Path) -> None:
    meds_folder(frame_of(), tmp_path / "meds")
    records = read(tmp_path)
    assert records.events.height == len(ROWS)
    assert records.counts.height == 0
    laboratory = records.events.filter(pl.col("code") == "LAB//NA")
    assert laboratory["numeric_value"].to_list() == [139.0, None]
    assert laboratory["text_value"].to_list() == [None, None]


def test_a_row_without_time_is_a_static_fact_wherever_it_stands(tmp_path: Path) -> None:
    first = frame_of([ROWS[1], ROWS[0], *ROWS[2:]])
    last = frame_of([ROWS[0], *ROWS[2:5], ROWS[1], *ROWS[5:]])
    for frame in (first, last):
        assert_frame_equal(read_frame(frame).events, read_frame(frame_of()).events, check_exact=True)
        assert read_frame(frame).events.filter(pl.col("time").is_null()).select("subject_id", "code").rows() == [
            (2, "GENDER//F")
        ]


def test_births_keep_their_time(tmp_path: Path) -> None:
    births = read_frame(frame_of()).events.filter(pl.col("code").str.starts_with(BIRTH_PREFIX))
    assert births["time"].to_list() == [datetime(1950, 1, 1)]


def test_the_splits_of_the_source_come_with_it(tmp_path: Path) -> None:
    meds_folder(frame_of(), tmp_path / "meds", {10: "held_out", 20: "tuning", 30: "train", 99: "train"})
    records = read(tmp_path)
    assert records.source_split is not None
    assert records.source_split.schema == pl.Schema({"subject_id": pl.Int64, "split": pl.String})
    assert records.source_split.rows() == [(0, "held_out"), (1, "tuning"), (2, "train")]
    assert reasons(records)[("person in the source's splits only, left out", None)] == 1


def test_without_a_file_of_splits_there_are_none(tmp_path: Path) -> None:
    meds_folder(frame_of(), tmp_path / "meds")
    assert read(tmp_path).source_split is None
    assert read(tmp_path, "meds/data").source_split is None
    assert read_frame(frame_of()).source_split is None


def test_files_and_folders_are_one_table(tmp_path: Path) -> None:
    meds_folder(frame_of(), tmp_path / "meds")
    frame_of().write_parquet(tmp_path / "whole.parquet")
    shards = ["meds/data/train/0.parquet", "meds/data/tuning/nested/0.parquet"]
    for path in ("meds", "meds/data", "whole.parquet", shards):
        assert_frame_equal(read(tmp_path, path).events, read_frame(frame_of()).events, check_exact=True)
    assert read(tmp_path).tables[0].files == ("meds",)


def test_a_shard_without_rows_is_read(tmp_path: Path) -> None:
    meds_folder(frame_of(), tmp_path / "meds")
    for split in ("train", "held_out"):
        (tmp_path / "meds/data" / split).mkdir(exist_ok=True)
        frame_of([]).write_parquet(tmp_path / f"meds/data/{split}/empty.parquet")
    assert_frame_equal(read(tmp_path).events, read_frame(frame_of()).events, check_exact=True)
    with pytest.raises(RecordsError, match=r"^meds/data/held_out: it has no data rows\."):
        read(tmp_path, "meds/data/held_out")


def test_columns_may_have_other_names() -> None:
    names = {"subject_id": "patient", "time": "at", "code": "what", "numeric_value": "value"}
    renamed = frame_of().rename(names)
    found = read_frame(renamed, subject="patient", time="at", code="what", value="value")
    assert_frame_equal(found.events, read_frame(frame_of()).events, check_exact=True)
    with pytest.raises(RecordsError, match=r"no column 'numeric_value' .* such as value ="):
        read_frame(frame_of().rename({"numeric_value": "value"}))


def test_a_number_a_text_and_a_unit_may_stand_in_one_event() -> None:
    frame = frame_of().with_columns(text_value=pl.lit("high"), unit=pl.lit("mmol/L"))
    row = read_frame(frame).events.filter(pl.col("numeric_value").is_not_null()).row(0, named=True)
    assert (row["numeric_value"], row["text_value"], row["unit"]) == (139.0, "high", "mmol/L")


def test_columns_beyond_the_layout_are_counted() -> None:
    found = reasons(read_frame(frame_of().with_columns(hadm_id=1)))
    assert found == {("column 'hadm_id' is not read in layout long", None): len(ROWS)}


def test_timestamps_of_any_precision_and_zone_are_read() -> None:
    plain = read_frame(frame_of()).events
    for dtype in (pl.Datetime("ms"), pl.Datetime("ns")):
        assert_frame_equal(read_frame(frame_of().cast({"time": dtype})).events, plain)
    zoned = frame_of().with_columns(pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"))
    assert_frame_equal(read_frame(zoned).events, plain)


def test_a_resolved_study_is_read_again() -> None:
    given = settings(value="value")
    assert given.time == "time"
    assert TableSettings.model_validate(given.model_dump()) == given


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"layout": "visits"}, "layout of its own: remove `layout`"),
        ({"time_unit": "days"}, "no use for `time_unit`"),
        ({"delimiter": ";"}, "no use for `delimiter`"),
        ({"series": {"code": "a"}}, "no use for `series`"),
    ],
)
def test_keys_that_make_no_sense_are_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**keys)


TEXT_TIME = pl.col("time").dt.to_string("%Y-%m-%d")
REFUSED: dict[str, tuple[pl.DataFrame, list[str]]] = {
    "unsorted": (frame_of([ROWS[3], ROWS[2]]), ["column 'time', row 2:", "before that of the row above"]),
    "unsorted across a fact": (frame_of([ROWS[3], ROWS[1], ROWS[2]]), ["column 'time', row 3:"]),
    "apart": (frame_of([ROWS[2], ROWS[5], ROWS[3]]), ["column 'subject_id', row 3:", "do not stand together"]),
    "no code": (frame_of().drop("code"), ["no column 'code'", "`code`"]),
    "no subject": (frame_of().rename({"subject_id": "subject"}), ["no column 'subject_id'", "'subject'"]),
    "no value": (frame_of().rename({"numeric_value": "x"}), ["no column 'numeric_value'", "`value`"]),
    "missing code": (frame_of([(30, ROWS[0][1], None, 1.0)]), ["column 'code', row 1:", "missing"]),
    "missing subject": (frame_of([(None, ROWS[0][1], "a", 1.0)]), ["column 'subject_id', row 1:", "missing"]),
    "infinite": (frame_of([(30, ROWS[0][1], "a", float("inf"))]), ["column 'numeric_value', row 1:", "finite"]),
    "text ids": (frame_of().cast({"subject_id": pl.String}), ["column 'subject_id'", "whole numbers", "String"]),
    "text times": (frame_of().with_columns(TEXT_TIME), ["column 'time'", "timestamps", 'source = "parquet"']),
    "dates": (frame_of().cast({"time": pl.Date}), ["column 'time'", "timestamps", "Date"]),
    "text values": (frame_of().cast({"numeric_value": pl.String}), ["column 'numeric_value'", "numbers"]),
    "numbers as codes": (frame_of().with_columns(code=pl.lit(1)), ["column 'code'", "text"]),
    "numbers as texts": (frame_of().with_columns(text_value=pl.lit(1)), ["column 'text_value'", "text"]),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_is_not_meds_is_refused_by_column_and_row(case: str, tmp_path: Path) -> None:
    frame, says = REFUSED[case]
    frame.write_parquet(tmp_path / "events.parquet")
    for read_it, name in (
        (lambda: read(tmp_path, "events.parquet"), "events.parquet"),
        (lambda: read_frame(frame), "frame 'ehr'"),
    ):
        with pytest.raises(RecordsError) as caught:
            read_it()
        assert str(caught.value).startswith(name)
        for words in says:
            assert words in str(caught.value)


def test_a_person_in_two_shards_is_refused(tmp_path: Path) -> None:
    meds_folder(frame_of(), tmp_path / "meds")
    frame_of(ROWS[2:4]).write_parquet(tmp_path / "meds/data/tuning/nested/1.parquet")
    with pytest.raises(RecordsError, match=r"^meds/data/tuning/nested/1\.parquet, column 'subject_id', row 1: "):
        read(tmp_path)


SPLITS: dict[str, tuple[pl.DataFrame, str]] = {
    "unknown name": (pl.DataFrame({"subject_id": [10, 20], "split": ["train", "test"]}), "'split', row 2: expected"),
    "missing name": (pl.DataFrame({"subject_id": [10, 20], "split": ["train", None]}), "'split', row 2: expected"),
    "missing id": (pl.DataFrame({"subject_id": [10, None], "split": ["train"] * 2}), "'subject_id', row 2: the id"),
    "two splits": (pl.DataFrame({"subject_id": [10, 10], "split": ["train", "tuning"]}), "a person stands in two"),
    "no column": (pl.DataFrame({"subject_id": [10], "fold": ["train"]}), "no column 'split'"),
    "text ids": (pl.DataFrame({"subject_id": ["a"], "split": ["train"]}), "not whole numbers"),
}


@pytest.mark.parametrize("case", list(SPLITS))
def test_splits_that_meds_does_not_have_are_refused(case: str, tmp_path: Path) -> None:
    splits, says = SPLITS[case]
    meds_folder(frame_of(), tmp_path / "meds")
    splits.write_parquet(tmp_path / "meds/metadata/subject_splits.parquet")
    with pytest.raises(RecordsError, match=says) as caught:
        read(tmp_path)
    assert str(caught.value).startswith("meds/metadata/subject_splits.parquet")


def test_folders_without_events_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "only/metadata").mkdir(parents=True)
    pl.DataFrame({"subject_id": [1], "split": ["train"]}).write_parquet(
        tmp_path / "only/metadata/subject_splits.parquet"
    )
    (tmp_path / "text.parquet").write_text("SECRET")
    for path, says in (
        ("empty", "no Parquet file of events"),
        ("only", "no Parquet file of events"),
        ("gone", "no such file"),
        ("text.parquet", "cannot be read as Parquet"),
    ):
        with pytest.raises(RecordsError, match=says):
            read(tmp_path, path)


def test_days_are_no_timestamps() -> None:
    frame = pl.DataFrame({"subject_id": [1], "time": [date(2020, 1, 1)], "code": ["a"], "numeric_value": [1.0]})
    with pytest.raises(RecordsError, match="MEDS has timestamps here"):
        read_frame(frame)
