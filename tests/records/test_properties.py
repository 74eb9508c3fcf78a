"""Laws on generated tables: rows in any order, and any source, give the same records."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from small_tables import table

from sequela.errors import RecordsError
from sequela.records import Records, read_records
from sequela.records.delimited import _scan, delimited_cells

IDS = st.sampled_from(["1", "2", "03", "a b", "ü"])
WHOLE = st.sampled_from(["1", "2", "10", "-4"])
DAYS = st.sampled_from([-1.5, 0.0, 0.25, 3.0])
SEEN = st.none() | st.sampled_from([-2.0, 0.0, 1.0, 9.0])
NUMBERS = st.none() | st.floats(-1e30, 1e30, allow_nan=False).map(lambda number: number + 0.0)
TEXTS = st.none() | st.sampled_from(["low", "high", "a,b", 'say "no"', "line\nbreak"])


@st.composite
def visits(draw: st.DrawFn) -> pl.DataFrame:
    ids = draw(st.sampled_from([IDS, WHOLE]))
    rows = draw(st.lists(st.tuples(ids, DAYS, SEEN, NUMBERS, TEXTS), min_size=1, max_size=12))
    schema = {"id": pl.String, "day": pl.Float64, "seen": pl.Float64, "x": pl.Float64, "word": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


@st.composite
def events(draw: st.DrawFn) -> pl.DataFrame:
    codes = st.sampled_from(["x", "y"])
    units = st.none() | st.sampled_from(["mg", "g"])
    rows = draw(st.lists(st.tuples(IDS, DAYS, SEEN, codes, NUMBERS, TEXTS, units), min_size=1, max_size=12))
    names = ["id", "day", "seen", "code", "numeric_value", "text_value", "unit"]
    types = [pl.String, pl.Float64, pl.Float64, pl.String, pl.Float64, pl.String, pl.String]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


TABLES = st.one_of(visits().map(lambda frame: ("visits", frame)), events().map(lambda frame: ("long", frame)))


def read(frame: pl.DataFrame, layout: str, **keys: Any) -> Records:
    given_keys = {"layout": layout, "available": "seen"} | keys
    return read_records([table(**given_keys)], Path(), frames={"t": frame})


def same(one: Records, other: Records) -> None:
    assert_frame_equal(one.events, other.events, check_exact=True)
    assert_frame_equal(one.subjects.drop("appearance"), other.subjects.drop("appearance"))
    assert sorted(one.counts.rows(), key=str) == sorted(other.counts.rows(), key=str)


@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_event_and_no_count(case: tuple[str, pl.DataFrame], random: Any) -> None:
    layout, frame = case
    order = list(range(frame.height))
    random.shuffle(order)
    same(read(frame, layout), read(frame[order], layout))


@given(TABLES)
def test_one_person_is_read_alone_as_among_others(case: tuple[str, pl.DataFrame]) -> None:
    layout, frame = case
    whole = read(frame, layout)
    valued = whole.events.filter(pl.any_horizontal(pl.col("numeric_value", "text_value").is_not_null()))
    numeric = valued.group_by("code").agg(pl.col("numeric_value").is_not_null().any())
    kinds: Any = {code: "number" if number else "text" for code, number in numeric.iter_rows()}
    settings_of = table(layout=layout, available="seen")
    for subject, source, _ in whole.subjects.iter_rows():
        own = frame.filter(pl.col("id") == str(source))
        alone = read_records([settings_of], Path(), frames={"t": own}, kinds=kinds).events
        among = whole.events.filter(pl.col("subject_id") == subject).with_columns(subject_id=pl.lit(0, pl.Int64))
        assert_frame_equal(alone, among, check_exact=True)


@given(TABLES)
def test_events_are_sorted_and_one_for_each_instant_code_and_unit(case: tuple[str, pl.DataFrame]) -> None:
    layout, frame = case
    found = read(frame, layout).events
    known = found.with_columns(known=pl.max_horizontal("time", "available_time"))
    keys = ["subject_id", "known", "time", "code", "unit"]
    assert_frame_equal(known, known.sort(keys, maintain_order=True))
    assert known.select(keys).is_unique().all()


@given(TABLES)
@settings(max_examples=60)
def test_csv_parquet_and_frames_give_the_same_records(case: tuple[str, pl.DataFrame]) -> None:
    layout, frame = case
    plain = read(frame, layout)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        frame.write_csv(path / "table.csv")
        frame.write_parquet(path / "table.parquet")
        keys: dict[str, Any] = {"layout": layout, "available": "seen"}
        same(plain, read_records([table(**keys)], path))
        same(plain, read_records([table(**keys, source="parquet", path="table.parquet")], path))
    text = pl.read_csv(io.StringIO(frame.write_csv()), infer_schema=False)
    same(plain, read(text, layout))


@given(visits())
def test_nothing_is_dropped_uncounted(frame: pl.DataFrame) -> None:
    records = read(frame, "visits")
    left_out = records.counts.filter(
        ~pl.col("reason").str.contains("no time of availability|superseded|available before|spaces|of categories")
    )
    by_row = left_out.filter(pl.col("code").is_null())["rows"].sum() * 2
    assert (
        records.events.height + by_row + left_out.filter(pl.col("code").is_not_null())["rows"].sum() == 2 * frame.height
    )


@given(st.lists(st.lists(st.text('a",\n\r ', max_size=4), min_size=2, max_size=4), min_size=1, max_size=8))
def test_the_scan_counts_fields_as_a_csv_reader_does(rows: list[list[str]]) -> None:
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    shape = _scan(("\n".join(quoted)).encode(), ord(","))
    assert shape.fields.tolist() == [len(row) for row in rows]
    assert not shape.open_quote


@given(st.text('a", \n', max_size=40))
def test_what_is_read_is_what_a_csv_reader_reads(text: str) -> None:
    try:
        frame, _ = delimited_cells(f"h,k\n{text}".encode(), table(), "t")
    except RecordsError:
        return
    rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline="")) if row]
    assert frame.select(pl.all().fill_null("")).rows() == rows


@given(st.text('a",\n\r', max_size=40), st.integers(1, 9))
def test_the_scan_does_not_depend_on_its_blocks(text: str, block: int) -> None:
    whole = _scan(text.encode(), ord(","))
    with mock.patch("sequela.records.delimited._BLOCK", block):
        in_blocks = _scan(text.encode(), ord(","))
    assert whole.fields.tolist() == in_blocks.fields.tolist()
    assert whole.blank.tolist() == in_blocks.blank.tolist()
    assert whole.open_quote == in_blocks.open_quote
    assert whole.stray_quote == in_blocks.stray_quote
