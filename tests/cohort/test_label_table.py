from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from asking import HOUR, events_of
from risking import labels_of, risk, said

from sequela.cohort import LabelTable, ask, read_label_table
from sequela.cohort.ask import NOT_BEGUN
from sequela.cohort.episodes import TOO_FEW_RECORDS
from sequela.cohort.label_table import NO_LABEL, NOT_IN_RECORDS, NOT_IN_TABLE
from sequela.errors import RecordsError
from sequela.records import Clock

SUBJECTS = pl.DataFrame({"subject_id": [0, 1, 2], "source_id": ["a", "b", "c"]})
NUMBERED = pl.DataFrame({"subject_id": [0, 1, 2], "source_id": [7, 8, 9]})
HOURS = Clock(unit="hours")
DATES = Clock(calendar=True)
EVENTS = events_of(*((p, hour, "y", 1.0) for p in (0, 1, 2) for hour in (2, 5, 9)))


def table(rows: list[tuple[Any, Any, Any]], value: str = "boolean_value") -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["subject_id", "prediction_time", value], orient="row")


def read(rows: list[tuple[Any, Any, Any]], clock: Clock = HOURS, value: str = "boolean_value") -> LabelTable:
    return read_label_table(table(rows, value), SUBJECTS, clock)


def test_the_table_says_who_is_asked_when_and_what_followed() -> None:
    labels = read([("c", 6, True), ("a", 9.5, False), ("a", 5, True)])
    cohort = ask(EVENTS, 3, risk(labels="labels.csv"), label_table=labels)
    assert said(cohort) == [(0, 5.0, 1.0), (0, 9.5, 0.0), (2, 6.0, 1.0)]
    assert cohort.sequences.sequence.tolist() == [0, 0, 1]  # one pass serves both times of a person
    assert cohort.sequences.read.tolist() == [1, 2, 7]
    assert (cohort.asked.episode_start / HOUR).tolist() == [2.0, 2.0, 2.0]
    assert (labels_of(cohort).known / HOUR).tolist() == [9.0, 9.5, 9.0]


def test_a_time_before_any_record_or_with_too_few_is_counted() -> None:
    labels = read([("a", 1, True), ("a", 5, True), ("b", 5, False), ("b", 2, False), ("z", 1, True)])
    cohort = ask(EVENTS, 3, risk(labels="labels.csv", min_records=2), label_table=labels)
    of_table = {NOT_IN_RECORDS: (1, 1), NOT_IN_TABLE: (0, 1)}
    assert cohort.asked.excluded == {**of_table, NOT_BEGUN: (1, 1), TOO_FEW_RECORDS: (1, 1)}
    assert said(cohort) == [(0, 5.0, 1.0), (1, 5.0, 0.0)]


def test_strangers_missing_labels_and_people_without_a_row_are_counted() -> None:
    labels = read([("a", 5, True), ("z", 5, True), ("z", 6, True), ("b", 5, None)])
    assert labels.excluded == {NOT_IN_RECORDS: (2, 1), NO_LABEL: (1, 1), NOT_IN_TABLE: (0, 1)}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", 5, True), ("a", 5.0, False)], r"'prediction_time', rows 1, 2: the same person is asked twice"),
        ([("a", None, True)], "column 'prediction_time', row 1: the time is missing"),
        ([("a", "noon", True)], "column 'prediction_time', row 1: the time is missing or cannot be read"),
        ([("a", 5.0, True), ("b", float("inf"), True), ("b", float("nan"), True)], "rows 2, 3: the time is missing"),
        ([(None, 5, True)], "column 'subject_id', row 1: the id is missing"),
        ([("a", 5, "often")], "column 'boolean_value', row 1: the label is another value"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused(rows: list[tuple[Any, Any, Any]], words: str) -> None:
    with pytest.raises(RecordsError, match=words):
        read(rows)


@pytest.mark.parametrize("source_id", ["007", "+7", "7.0", "07"])
def test_an_id_that_is_written_otherwise_is_another_persons_as_in_other_tables(source_id: str) -> None:
    labels = read_label_table(table([(source_id, 5, True), ("8", 5, False), (" 9 ", 5, True)]), NUMBERED, HOURS)
    assert labels.person.tolist() == [1, 2]
    assert labels.excluded == {NOT_IN_RECORDS: (1, 1), NOT_IN_TABLE: (0, 1)}


def test_strangers_at_one_time_are_several_people() -> None:
    labels = read_label_table(table([("x", 5, True), ("y", 5, False), ("8", 5, True)]), NUMBERED, HOURS)
    assert labels.excluded == {NOT_IN_RECORDS: (2, 2), NOT_IN_TABLE: (0, 2)}


@pytest.mark.parametrize("dtype", [pl.Int16, pl.UInt64, pl.Int64, pl.String, pl.Categorical])
def test_ids_are_text_or_whole_numbers_of_any_kind(dtype: pl.DataType) -> None:
    frame = table([(7, 5, True), (9, 5, False)]).cast({"subject_id": pl.String}).cast({"subject_id": dtype})
    assert read_label_table(frame, NUMBERED, HOURS).person.tolist() == [0, 2]


def test_ids_of_another_type_are_refused_as_in_other_tables() -> None:
    with pytest.raises(RecordsError, match=r"column 'subject_id': ids are text or whole numbers, .* Float64"):
        read_label_table(table([(7.0, 5, True)]), NUMBERED, HOURS)


def test_labels_may_be_whole_numbers() -> None:
    assert read([("a", 5, 1), ("b", 5, 0)], value="integer_value").value.tolist() == [1.0, 0.0]
    both = table([("a", 5, 1), ("b", 5, 0)], "integer_value").with_columns(boolean_value=pl.lit(None, pl.Boolean))
    assert read_label_table(both, SUBJECTS, HOURS).value.tolist() == [1.0, 0.0]
    with pytest.raises(RecordsError, match="boolean_value"):
        read([("a", 5, 1.5)], value="float_value")


def test_an_empty_text_is_no_label() -> None:
    assert read([("a", 5, "true"), ("b", 5, " "), ("c", 5, "0")]).excluded == {NO_LABEL: (1, 1)}


@pytest.mark.parametrize(
    "time",
    [
        datetime(2024, 3, 1, 6),
        datetime(2024, 3, 1, 6, tzinfo=UTC),
        "2024-03-01T06:00:00Z",
        "2024-03-01 06:00",
    ],
)
def test_times_of_a_calendar_are_read_in_each_way(time: Any) -> None:
    labels = read([("a", time, True)], DATES)
    assert labels.time.tolist() == [int(datetime(2024, 3, 1, 6, tzinfo=UTC).timestamp() * 1e6)]


def test_a_date_is_its_midnight_where_the_study_is() -> None:
    labels = read([("a", date(2024, 3, 1), True)], Clock(calendar=True, time_zone="Europe/Berlin"))
    assert labels.time.tolist() == [int(datetime(2024, 2, 29, 23, tzinfo=UTC).timestamp() * 1e6)]


@pytest.mark.parametrize("local", [datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30)])
def test_a_local_time_that_the_clocks_skip_or_repeat_is_read_as_its_text_is(local: datetime) -> None:
    berlin = Clock(calendar=True, time_zone="Europe/Berlin")
    assert (
        read([("a", local, True)], berlin).time.tolist() == read([("a", local.isoformat(), True)], berlin).time.tolist()
    )


def test_nanoseconds_are_rounded_as_those_of_records_are() -> None:
    fine = pl.Series([1_709_251_200_000_000_500]).cast(pl.Datetime("ns"))
    rows = table([("a", None, True)]).with_columns(prediction_time=fine)
    assert read_label_table(rows, SUBJECTS, DATES).time.tolist() == [1_709_251_200_000_001]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_table_is_read_from_a_file(tmp_path: Path, suffix: str) -> None:
    path, rows = tmp_path / f"labels[1]{suffix}", table([(7, 5.0, True), (9, 5.0, False)])
    (tmp_path / f"labels1{suffix}").write_text("what the name would stand for, were it a pattern")
    if suffix == ".csv":
        rows.write_csv(path)
    else:
        rows.write_parquet(path)
    labels = read_label_table(path, NUMBERED, HOURS)
    assert labels.person.tolist() == [0, 2]
    assert labels.value.tolist() == [1.0, 0.0]


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="there is no such file"):
        read_label_table(tmp_path / "labels.csv", SUBJECTS, HOURS)
    (tmp_path / "labels.parquet").write_text("subject_id,prediction_time,boolean_value\n")
    with pytest.raises(RecordsError, match="cannot be read as a table"):
        read_label_table(tmp_path / "labels.parquet", SUBJECTS, HOURS)
    with pytest.raises(RecordsError, match="column 'prediction_time': the column is missing"):
        read_label_table(pl.DataFrame({"subject_id": ["a"]}), SUBJECTS, HOURS)
