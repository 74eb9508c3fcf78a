"""What every layout promises, from every source: the same suite for all of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_tables import table

from sequela.records import Records, SeriesSettings, read_records

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


Source = Callable[[pl.DataFrame, Path, dict[str, Any]], Records]
SOURCES: list[Source] = [_csv, _parquet, _frame, _text_frame]


@pytest.fixture(params=list(LAYOUTS))
def case(request: pytest.FixtureRequest) -> tuple[dict[str, Any], pl.DataFrame]:
    return LAYOUTS[request.param]


@pytest.fixture(params=SOURCES, ids=lambda source: source.__name__)
def source(request: pytest.FixtureRequest) -> Source:
    return request.param  # type: ignore[no-any-return]


def same(one: Records, other: Records, *, counts: bool = True) -> None:
    assert_frame_equal(one.events, other.events, check_exact=True)
    assert_frame_equal(one.subjects.drop("appearance"), other.subjects.drop("appearance"))
    assert one.clock == other.clock
    if counts:
        assert sorted(one.counts.rows(), key=str) == sorted(other.counts.rows(), key=str)


def test_events_have_the_columns_and_order_of_the_contract(case: Any, source: Source, tmp_path: Path) -> None:
    keys, frame = case
    records = source(frame, tmp_path, keys)
    assert records.events.schema == pl.Schema(SCHEMA)
    keys_of_order = ["subject_id", "time", "code"]
    assert_frame_equal(records.events, records.events.sort(keys_of_order, maintain_order=True))
    assert records.subjects["source_id"].to_list() == sorted(frame["id"].unique().to_list())
    assert records.subjects["source_id"].dtype == pl.Int64
    assert records.subjects["subject_id"].to_list() == list(range(records.subjects.height))


def test_every_source_gives_the_same_records(case: Any, source: Source, tmp_path: Path) -> None:
    keys, frame = case
    same(_csv(frame, tmp_path, keys), source(frame, tmp_path, keys))


def test_order_of_rows_changes_nothing(case: Any, source: Source, tmp_path: Path) -> None:
    keys, frame = case
    same(source(frame, tmp_path, keys), source(frame.reverse(), tmp_path, keys))


def test_a_row_written_twice_counts_once(case: Any, source: Source, tmp_path: Path) -> None:
    keys, frame = case
    once, twice = source(frame, tmp_path, keys), source(pl.concat([frame, frame.head(1)]), tmp_path, keys)
    same(once, twice, counts=False)
    assert ("t", "duplicate row", None, 1) in twice.counts.rows()


def test_cells_are_values_or_counted(case: Any, source: Source, tmp_path: Path) -> None:
    keys, frame = case
    records = source(frame, tmp_path, keys)
    values = [name for name in frame.columns if name not in ("id", "day")]
    counted = records.counts["rows"].sum()
    cells_a_row = 1 if keys["layout"] == "long" else len(values)
    assert records.events.height + counted == frame.height * cells_a_row


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


def test_text_ids_stay_text(case: Any, source: Source, tmp_path: Path) -> None:
    keys, frame = case
    frame = frame.with_columns(pl.col("id").replace_strict({1: "007", 2: "10", 3: "9"}, return_dtype=pl.String))
    assert source(frame, tmp_path, keys).subjects["source_id"].to_list() == sorted(frame["id"].unique().to_list())
    assert "007" in source(frame, tmp_path, keys).subjects["source_id"].to_list()


def test_a_person_in_one_table_only_is_a_person(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,day,sbp\n5,0,120\n2,1,130\n")
    (tmp_path / "facts.csv").write_text("id,sex\n7,f\n5,m\n")
    records = read_records([table(), table(name="facts", path="facts.csv", layout="static")], tmp_path)
    assert records.subjects.rows() == [(0, 2, 1), (1, 5, 0), (2, 7, 2)]
    assert records.events.select("subject_id", "code").rows() == [(0, "sbp"), (1, "sex"), (1, "sbp"), (2, "sex")]
    assert [summary.people for summary in records.tables] == [2, 2]
