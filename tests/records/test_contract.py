"""What every layout promises, from every source: the same suite for all of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_tables import meds_folder, stay_files, table, tar_of, zip_of

from sequela.records import Records, SeriesSettings, TableSettings, read_records

SCHEMA = {
    "subject_id": pl.Int64,
    "time": pl.Datetime("us"),
    "code": pl.String,
    "numeric_value": pl.Float32,
    "text_value": pl.String,
    "unit": pl.String,
    "available_time": pl.Datetime("us"),
}
LAYOUTS: dict[str, tuple[dict[str, Any], pl.DataFrame]] = {
    "visits": (
        {"layout": "visits", "time": "day"},
        pl.DataFrame(
            {
                "id": [3, 1, 1, 3, 3],
                "day": [2.0, 0.0, 0.5, 1.0, 1.0],
                "sbp": [120.5, 130.0, None, 110.0, 112.0],
                "ward": ["A", "B", "A", None, None],
            }
        ),
    ),
    "long": (
        {"layout": "long", "time": "day", "value": "value", "text": "note"},
        pl.DataFrame(
            {
                "id": [3, 1, 1, 3, 3, 3],
                "day": [2.0, 0.0, 0.5, 1.0, 1.0, 5.0],
                "code": ["sbp", "sbp", "ward", "sbp", "sbp", "visit"],
                "value": [120.5, 130.0, None, 110.0, 112.0, None],
                "note": [None, None, "A", None, None, None],
                "unit": ["mmHg", "mmHg", None, "mmHg", "mmHg", None],
            }
        ),
    ),
    "series": (
        {"layout": "series", "series": SeriesSettings(code="sbp", every="2d")},
        pl.DataFrame({"id": [3, 1, 2], "r1": [120.5, 130.0, 99.0], "r2": [121.0, None, 98.5]}),
    ),
    "static": (
        {"layout": "static"},
        pl.DataFrame({"id": [3, 1, 2], "sex": ["f", "m", None], "score": [1.5, None, 2.0]}),
    ),
    "static with time": (
        {"layout": "static", "time": "day"},
        pl.DataFrame({"id": [3, 1, 3], "day": [0.0, 0.0, -1.0], "weight": [70.5, 80.0, 71.0]}),
    ),
}


def csv_text(frame: pl.DataFrame, *, sign: str = ",", decimal_comma: bool = False, null: str = "") -> str:
    text = frame.write_csv(separator=sign, null_value=null)
    return text.replace(".", ",") if decimal_comma else text


def _csv(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    (folder / "table.csv").write_text(csv_text(frame))
    return read_records([table(**keys)], folder)


def _parquet(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    frame.write_parquet(folder / "table.parquet")
    return read_records([table(**keys, source="parquet", path="table.parquet")], folder)


def _frame(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    return read_records([table(**keys)], folder, frames={"t": frame})


def _text_frame(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    text = pl.read_csv(io.StringIO(csv_text(frame)), infer_schema=False)
    return read_records([table(**keys)], folder, frames={"t": text})


def _as_read(folder: Path, frames: dict[str, pl.DataFrame] | None = None, **keys: Any) -> Records:
    return read_records([TableSettings(**{"name": "t", "path": "there", **keys})], folder, frames=frames)


def _stay_folder(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    files = stay_files(frame)
    for name, content in files.items():
        (folder / "there" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "there" / name).write_bytes(content)
    records = _as_read(folder, **keys)
    for name in files:
        (folder / "there" / name).unlink()
    return records


def _stay_tar(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    (folder / "stays.tar.xz").write_bytes(tar_of(stay_files(frame), "xz"))
    return _as_read(folder, **keys, path="stays.tar.xz")


def _stay_zip(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    (folder / "stays.zip").write_bytes(zip_of(stay_files(frame)))
    return _as_read(folder, **keys, path="stays.zip")


def _stay_frame(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    return _as_read(folder, {"t": frame}, **keys)


def _meds_file(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    frame.write_parquet(folder / "events.parquet")
    return _as_read(folder, **keys, path="events.parquet")


def _meds_shards(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    meds_folder(frame, folder / "meds")
    return _as_read(folder, **keys, path="meds")


def _meds_frame(frame: pl.DataFrame, folder: Path, keys: dict[str, Any]) -> Records:
    return _as_read(folder, {"t": frame}, **keys)


Source = Callable[[pl.DataFrame, Path, dict[str, Any]], Records]
SOURCES: list[Source] = [_csv, _parquet, _frame, _text_frame]
STAYS = (
    {"source": "physionet2012"},
    pl.DataFrame(
        [
            (3, "00:00", "Age", 61.0), (3, "00:00", "Gender", 1.0), (3, "00:00", "Height", -1.0),
            (3, "00:00", "Weight", 70.5), (3, "00:07", "HR", 80.0), (3, "00:07", "HR", 82.0), (3, "47:59", "HR", 90.0),
            (1, "00:00", "Gender", 0.0), (1, "00:00", "Weight", -1.0), (1, "07:30", "Lactate", None),
            (2, "00:00", "ICUType", 3.0),
        ],
        schema={"RecordID": pl.Int64, "Time": pl.String, "Parameter": pl.String, "Value": pl.Float64},
        orient="row",
    ),
)  # fmt: skip
MEDS = (
    {"source": "meds"},
    pl.DataFrame(
        [
            (3, None, "GENDER//F", None, None), (3, datetime(1960, 1, 1), "MEDS_BIRTH", None, None),
            (3, datetime(2020, 5, 1), "LAB//1", 7.5, None), (3, datetime(2020, 5, 1), "LAB//1", 8.5, None),
            (3, datetime(2020, 5, 1, 8), "LAB//1", None, None), (1, datetime(2020, 4, 1), "NOTE", None, "calm"),
            (2, datetime(2020, 4, 1), "ADMISSION", None, None), (2, datetime(2020, 4, 2), "MEDS_DEATH", None, None),
        ],
        schema={
            "subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String, "numeric_value": pl.Float32,
            "text_value": pl.String,
        },
        orient="row",
    ),
)  # fmt: skip
Case = tuple[dict[str, Any], pl.DataFrame]
FORMATS: list[tuple[Case, list[Source]]] = [
    *((case, SOURCES) for case in LAYOUTS.values()),
    (STAYS, [_stay_folder, _stay_tar, _stay_zip, _stay_frame]),
    (MEDS, [_meds_file, _meds_shards, _meds_frame]),
]
READERS = [
    pytest.param((case, sources[0], source), id=f"{name}{source.__name__}")
    for name, (case, sources) in zip([*LAYOUTS, "physionet2012", "meds"], FORMATS, strict=True)
    for source in sources
]


@pytest.fixture(params=list(LAYOUTS))
def case(request: pytest.FixtureRequest) -> Case:
    return LAYOUTS[request.param]


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> tuple[Case, Source, Source]:
    """A table, the plainest way to write it down, and another one."""
    return request.param  # type: ignore[no-any-return]


def same(one: Records, other: Records, *, counts: bool = True) -> None:
    assert_frame_equal(one.events, other.events, check_exact=True)
    assert_frame_equal(one.subjects.drop("appearance"), other.subjects.drop("appearance"))
    assert one.clock == other.clock
    if counts:
        assert sorted(one.counts.rows(), key=str) == sorted(other.counts.rows(), key=str)


def test_events_have_the_columns_and_order_of_the_contract(reader: Any, tmp_path: Path) -> None:
    (keys, frame), _, source = reader
    records = source(frame, tmp_path, keys)
    assert records.events.schema == pl.Schema(SCHEMA)
    assert records.outcomes.schema == pl.Schema(SCHEMA | {"numeric_value": pl.Float64})
    keys_of_order = ["subject_id", "time", "code"]
    assert_frame_equal(records.events, records.events.sort(keys_of_order, maintain_order=True))
    assert records.subjects["source_id"].to_list() == sorted(frame[frame.columns[0]].unique().to_list())
    assert records.subjects["source_id"].dtype == pl.Int64
    assert records.subjects["subject_id"].to_list() == list(range(records.subjects.height))


def test_every_source_gives_the_same_records(reader: Any, tmp_path: Path) -> None:
    (keys, frame), plain, source = reader
    same(plain(frame, tmp_path, keys), source(frame, tmp_path, keys))


def test_a_frame_that_is_read_stays_as_it_is(reader: Any, tmp_path: Path) -> None:
    (keys, frame), _, source = reader
    before = frame.clone()
    source(frame, tmp_path, keys)
    assert_frame_equal(frame, before)


def test_order_of_rows_changes_nothing(reader: Any, tmp_path: Path) -> None:
    (keys, frame), _, source = reader
    other = frame.reverse()
    if keys.get("source") == "meds":  # it has its rows sorted by time: people change places
        other = pl.concat(reversed(frame.partition_by("subject_id", maintain_order=True)))
    same(source(frame, tmp_path, keys), source(other, tmp_path, keys))


def test_a_row_written_twice_counts_once(reader: Any, tmp_path: Path) -> None:
    (keys, frame), _, source = reader
    once, twice = source(frame, tmp_path, keys), source(pl.concat([frame.head(1), frame]), tmp_path, keys)
    same(once, twice, counts=False)
    assert ("t", "duplicate row", None, 1) in twice.counts.rows()


def test_cells_are_values_or_counted(reader: Any, tmp_path: Path) -> None:
    (keys, frame), _, source = reader
    records = source(frame, tmp_path, keys)
    values = [name for name in frame.columns if name not in ("id", "day")]
    counted = records.counts["rows"].sum()
    cells_a_row = 1 if keys.get("layout", "long") == "long" else len(values)
    assert records.events.height + counted == frame.height * cells_a_row


@pytest.mark.parametrize("case", [*LAYOUTS.values(), MEDS], ids=[*LAYOUTS, "meds"])
def test_an_outcome_table_gives_outcomes_and_no_events(case: Case, tmp_path: Path) -> None:
    keys, frame = case
    as_given = {"name": "t", "path": "t", "subject": frame.columns[0], **keys}
    as_given["time_unit"] = "days" if keys.get("time") == "day" else None
    input_table = read_records([TableSettings(**as_given)], tmp_path, frames={"t": frame})
    people = pl.DataFrame({"id": [3, 1, 2], "age": [50, 60, 70]})
    tables = [table(name="people", layout="static"), TableSettings(**as_given, role="outcome")]
    records = read_records(tables, tmp_path, frames={"people": people, "t": frame})
    assert records.events["code"].unique().to_list() == ["age"]
    own = input_table.subjects["source_id"].gather(input_table.events["subject_id"]) - 1
    expected = input_table.events.with_columns(own.alias("subject_id"))
    assert_frame_equal(records.outcomes.cast({"numeric_value": pl.Float32}), expected, check_exact=True)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: ("\n" + text.replace("\n", "\n\n")).encode(),
        lambda text: text.replace(",", " , ").encode(),
    ],
    ids=["byte-order mark", "CRLF", "CR", "no last newline", "blank lines", "spaces"],
)
def test_ways_to_write_a_file_change_nothing(case: Any, write: Callable[[str], bytes], tmp_path: Path) -> None:
    keys, frame = case
    plain = _csv(frame, tmp_path, keys)
    (tmp_path / "table.csv").write_bytes(write(csv_text(frame)))
    same(plain, read_records([table(**keys)], tmp_path), counts=False)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252"])
def test_other_encodings_are_read(case: Any, encoding: str, tmp_path: Path) -> None:
    keys, frame = case
    renamed = frame.with_columns(pl.col(pl.String).str.replace("A", "ä"))
    plain = _csv(renamed, tmp_path, keys)
    (tmp_path / "table.csv").write_bytes(csv_text(renamed).encode(encoding))
    same(plain, read_records([table(**keys, encoding=encoding)], tmp_path))


def test_semicolons_and_decimal_commas(case: Any, tmp_path: Path) -> None:
    keys, frame = case
    plain = _csv(frame, tmp_path, keys)
    (tmp_path / "table.csv").write_text(csv_text(frame, sign=";", decimal_comma=True))
    same(plain, read_records([table(**keys, delimiter=";", decimal=",")], tmp_path))


@pytest.mark.parametrize("word", ["NA", '""', " ", "-9"])
def test_words_for_missing(case: Any, word: str, tmp_path: Path) -> None:
    keys, frame = case
    plain = _csv(frame, tmp_path, keys)
    (tmp_path / "table.csv").write_text(csv_text(frame, null="@").replace("@", word))
    same(plain, read_records([table(**keys, na=["", "NA", "-9"])], tmp_path))


def test_several_files_are_one_table(case: Any, tmp_path: Path) -> None:
    keys, frame = case
    plain = _csv(frame, tmp_path, keys)
    (tmp_path / "a.csv").write_text(csv_text(frame.head(2)))
    (tmp_path / "b.csv").write_text(csv_text(frame.tail(-2).select(reversed(frame.columns))))
    if keys["layout"] != "series":
        same(plain, read_records([table(**keys, path=["a.csv", "b.csv"])], tmp_path))


@pytest.mark.parametrize("reader", [reader for reader in READERS if "meds" not in str(reader.id)])
def test_text_ids_stay_text(reader: Any, tmp_path: Path) -> None:
    (keys, frame), _, source = reader
    subject = frame.columns[0]
    frame = frame.with_columns(pl.col(subject).replace_strict({1: "007", 2: "10", 3: "9"}, return_dtype=pl.String))
    assert source(frame, tmp_path, keys).subjects["source_id"].to_list() == sorted(frame[subject].unique().to_list())
    assert "007" in source(frame, tmp_path, keys).subjects["source_id"].to_list()


def test_a_person_in_one_table_only_is_a_person(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,day,sbp\n5,0,120\n2,1,130\n")
    (tmp_path / "facts.csv").write_text("id,sex\n7,f\n5,m\n")
    records = read_records([table(), table(name="facts", path="facts.csv", layout="static")], tmp_path)
    assert records.subjects.rows() == [(0, 2, 1), (1, 5, 0), (2, 7, 2)]
    assert records.events.select("subject_id", "code").rows() == [(0, "sbp"), (1, "sex"), (1, "sbp"), (2, "sex")]
    assert [summary.people for summary in records.tables] == [2, 2]
