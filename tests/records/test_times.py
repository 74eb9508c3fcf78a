"""When things happened and when they could be known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import reasons, table

from sequela.errors import InputError, RecordsError
from sequela.records import Clock, SeriesSettings, read_records
from sequela.records.events import NOT_BORN
from sequela.records.stamped import MIXED, TURNED
from sequela.records.times import iso_instants


def day(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("unit", "microseconds"),
    [
        ("seconds", 10**6),
        ("minutes", 60 * 10**6),
        ("hours", 3600 * 10**6),
        ("days", 86400 * 10**6),
        ("months", 2_629_800 * 10**6),
        ("years", 31_557_600 * 10**6),
    ],
)
def test_numbers_count_units_from_the_origin(read: Any, unit: str, microseconds: int) -> None:
    records = read("id,at,sbp\n1,-1.5,1\n1,0,2\n1,0.1,3\n", time="at", time_unit=unit)
    micro = records.events["time"].to_physical().to_list()
    assert micro == [-microseconds * 3 // 2, 0, microseconds // 10]
    assert records.clock == Clock(calendar=False, unit=unit)
    assert records.clock.to_source(records.events["time"]).to_list() == [-1.5, 0.0, 0.1]
    assert records.clock.to_source(pl.Series([None, datetime(1970, 1, 1)])).to_list() == [None, 0.0]
    assert records.clock.parse("0.1") == records.clock.parse(0.1) == records.events["time"][2]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-01-05", "2020-01-05 00:00"),
        ("2020-01-05T10:20", "2020-01-05 10:20"),
        ("2020-01-05 10:20:30", "2020-01-05 10:20:30"),
        ("2020-01-05T10:20:30Z", "2020-01-05 10:20:30"),
        ("2020-01-05T10:20:30.25+02:00", "2020-01-05 08:20:30.250000"),
        ("2020-01-05T10:20:30,123456789-0530", "2020-01-05 15:50:30.123457"),
        ("2020-01-05 10:20:30.9999999 +01", "2020-01-05 09:20:31"),
        ("2020-02-29T23:59:59.999999", "2020-02-29 23:59:59.999999"),
    ],
)
def test_iso_8601_is_read(text: str, instant: str) -> None:
    assert iso_instants(pl.Series([text]), "UTC")["time"].to_list() == [day(instant)]


NO_TIMES = """
2020-1-5 | 05.01.2020 | 20200105 | 2020-13-01 | 2020-01-32 | 2020-01-05Z | 2020-01-05T | 2020-01-05T10 |
2020-01-05T24:00 | 2020-01-05T10:60 | 2020-01-05T10:20:61 | 2020-01-05T10:20+99:00 |
2020-01-05T10:20+02:60 | ٢٠٢٠-01-05 | soon
"""


@pytest.mark.parametrize("text", [text.strip() for text in NO_TIMES.split("|")])
def test_what_is_not_iso_8601_is_no_time(text: str) -> None:
    found = iso_instants(pl.Series([text, "2020-01-05T10:20"]), "UTC")
    assert found["time"].to_list() == [None, day("2020-01-05 10:20")]


@given(
    st.datetimes(
        datetime(1700, 1, 1),
        datetime(2200, 1, 1),
        timezones=st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_iso_8601_reads_what_python_writes(instant: datetime) -> None:
    found = iso_instants(pl.Series([instant.isoformat()]), "Europe/Berlin")["time"][0]
    assert found == instant.astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2021-07-01T12:00", "2021-07-01 10:00"),
        ("Europe/Berlin", "2021-03-28T02:30", "2021-03-28 01:30"),
        ("Europe/Berlin", "2021-10-31T02:30", "2021-10-31 00:30"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30 22:00"),
    ],
    ids=["summer", "skipped hour", "repeated hour", "skipped midnight", "skipped day"],
)
def test_local_times_take_the_offset_before_a_change(
    read: Any, read_parquet: Any, zone: str, local: str, utc: str
) -> None:
    records = read(f"id,at,sbp\n1,{local},1\n1,2001-01-01T00:00Z,1\n", time="at", time_zone=zone)
    assert records.events["time"][1] == day(utc)
    naive = pl.DataFrame({"id": [1], "at": [day(local)], "sbp": [1]})
    assert read_parquet(naive, time="at", time_zone=zone).events["time"].to_list() == [day(utc)]


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"]


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_that_a_change_skips_or_repeats_are_counted(read: Any, read_parquet: Any, zone: str) -> None:
    begin, own = datetime(2011, 1, 1), ZoneInfo(zone)
    local = [begin + timedelta(minutes=30 * step) for step in range(8 * 366 * 48)]
    folds = [[at.replace(tzinfo=own, fold=fold).utcoffset() for fold in (0, 1)] for at in local]
    expected = [first != second for first, second in folds]
    assert any(expected) == (zone != "UTC")
    assert iso_instants(pl.Series([at.isoformat() for at in local]), zone)["turned"].to_list() == expected
    with_offset = pl.Series([f"{at.isoformat()}+01:00" for at in local[:2000]])
    assert not iso_instants(with_offset, zone)["turned"].any()
    rows = pl.DataFrame({"id": [1] * len(local), "at": local, "sbp": [1.0] * len(local)})
    text = rows.with_columns(pl.col("at").dt.to_string("%Y-%m-%dT%H:%M")).write_csv()
    for records in (read(text, time="at", time_zone=zone), read_parquet(rows, time="at", time_zone=zone)):
        assert reasons(records).get((TURNED, None), 0) == sum(expected)


def test_times_without_an_offset_beside_others_with_one_are_counted(read: Any) -> None:
    rows = "id,at,seen,sbp\n1,2020-07-05T10:20,2020-07-05T12:00,120\n1,2020-07-06T10:20{},2020-07-06,130\n"
    for offset, counted in (("", 0), ("Z", 1), ("+02:00", 1)):
        records = read(rows.format(offset), time="at", available="seen", time_zone="Europe/Berlin")
        assert reasons(records).get((MIXED, None), 0) == counted
    assert records.events["time"].to_list() == [day("2020-07-05 08:20"), day("2020-07-06 08:20")]


def test_columns_of_times_are_read(read_parquet: Any) -> None:
    moments = pl.Series([datetime(2020, 7, 5, 10, 20, 30, 5)])
    for column in (moments.cast(pl.Datetime("ns")), moments.dt.replace_time_zone("UTC"), moments):
        frame = pl.DataFrame({"id": [1], "at": column, "sbp": [1]})
        assert read_parquet(frame, time="at").events["time"].to_list() == moments.to_list()
    berlin = moments.dt.replace_time_zone("Europe/Berlin")
    assert read_parquet(pl.DataFrame({"id": [1], "at": berlin, "sbp": [1]}), time="at").events["time"][0] == datetime(
        2020, 7, 5, 8, 20, 30, 5
    )
    dates = pl.DataFrame({"id": [1], "at": [date(2020, 7, 5)], "sbp": [1]})
    assert read_parquet(dates, time="at", time_zone="Europe/Berlin").events["time"][0] == datetime(2020, 7, 4, 22)


FAR = [(2**31 - 1, pl.Date()), *((sign * 2**62, pl.Datetime(unit)) for unit in ("ms", "us") for sign in (1, -1))]


@pytest.mark.parametrize(("number", "dtype"), FAR)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_dates_beyond_any_calendar_are_refused(number: int, dtype: pl.DataType, zone: str) -> None:
    far = pl.Series([None, number], dtype=pl.Int32 if dtype == pl.Date else pl.Int64).cast(dtype)
    frames = {"t": pl.DataFrame({"id": [1, 1], "at": far, "sbp": [1, 2]})}
    with pytest.raises(RecordsError, match="column 'at', row 2: years outside 1678 to 2261"):
        read_records([table(time="at", time_zone=zone)], Path(), frames=frames)
    frames = {"t": pl.DataFrame({"id": [1], "day": [0], "sbp": [1]}), "fate": pl.DataFrame({"id": [1, 2], "end": far})}
    fate = table(name="fate", layout="static", role="outcome")
    with pytest.raises(RecordsError, match="column 'end', row 2: years outside 1 to 9999"):
        read_records([table(), fate], Path(), frames=frames)
    frames["fate"] = pl.DataFrame({"id": [1], "end": [date(9999, 12, 31)]})
    assert read_records([table(), fate], Path(), frames=frames).outcomes["text_value"].to_list() == ["9999-12-31"]


def test_a_date_is_known_at_the_end_of_its_day(read: Any) -> None:
    mixed = "id,at,sbp\n1,2020-01-05,1\n1,2020-01-05T10:00,2\n"
    records = read(mixed, time="at")
    assert records.events["numeric_value"].to_list() == [2.0, 1.0]
    assert records.events["time"].to_list() == [day("2020-01-05 10:00"), day("2020-01-05")]
    assert records.events["available_time"].to_list() == [None, day("2020-01-05 23:59:59.999999")]
    assert not records.clock.day_resolution
    berlin = read(mixed, time="at", time_zone="Europe/Berlin").events
    assert berlin["available_time"].to_list() == [None, day("2020-01-05 22:59:59.999999")]


def test_in_a_study_of_days_a_date_is_known_on_its_day(read: Any) -> None:
    text = "id,at,seen,sbp\n1,2020-01-05,2020-01-06,1\n1,2020-01-07,,2\n"
    records = read(text, time="at", available="seen")
    assert records.clock == Clock(calendar=True, day_resolution=True)
    assert records.events["available_time"].to_list() == [day("2020-01-06"), None]


def test_one_stamp_with_an_hour_ends_the_study_of_days(tmp_path: Any) -> None:
    dated = pl.DataFrame({"id": [1], "at": ["2020-01-05"], "sbp": [1]})
    timed = pl.DataFrame({"id": [1], "at": ["2020-01-05T10:00"], "dbp": [1]})
    tables = [table(name="dated", time="at"), table(name="timed", time="at")]
    records = read_records(tables, tmp_path, frames={"dated": dated, "timed": timed})
    assert records.events.select("code", "available_time").rows() == [
        ("dbp", None),
        ("sbp", day("2020-01-05 23:59:59.999999")),
    ]
    alone = read_records(tables[:1], tmp_path, frames={"dated": dated})
    assert alone.events["available_time"].to_list() == [None]
    told = read_records(tables[:1], tmp_path, frames={"dated": dated}, day_resolution=False)
    assert told.events["available_time"].to_list() == [day("2020-01-05 23:59:59.999999")]


def test_a_stamp_of_availability_with_a_date_only_is_the_end_of_that_day(read: Any) -> None:
    text = "id,at,seen,sbp\n1,2020-01-05T10:00,2020-01-06,1\n1,2020-01-05,2020-01-05T11:00,2\n"
    events = read(text, time="at", available="seen").events
    assert events["available_time"].to_list() == [day("2020-01-05 11:00"), day("2020-01-06 23:59:59.999999")]


def test_a_date_without_availability_is_known_at_the_end_of_its_day(read: Any) -> None:
    text = "id,at,seen,sbp\n1,2020-01-05,,1\n1,2020-01-07,2020-01-09T11:00,2\n1,2020-01-08,2020-01-08,3\n"
    events = read(text, time="at", available="seen").events
    ends = [day("2020-01-05 23:59:59.999999"), day("2020-01-08 23:59:59.999999"), day("2020-01-09 11:00")]
    assert events["available_time"].to_list() == ends


def test_availability_orders_records_and_odd_stamps_are_counted(read: Any) -> None:
    text = "id,day,seen,sbp\n1,0,5,1\n1,1,,2\n1,2,1,3\n1,3,3,4\n"
    records = read(text, available="seen")
    assert records.events["numeric_value"].to_list() == [2.0, 3.0, 4.0, 1.0]
    counted = reasons(records)
    assert counted["no time of availability, known at its time", None] == 1
    assert counted["available before it happened, taken as known at its time", "sbp"] == 1


def test_a_correction_is_a_record_of_its_own(read: Any) -> None:
    records = read("id,day,seen,sbp\n1,0,0,120\n1,0,3,130\n", available="seen")
    assert records.events["numeric_value"].to_list() == [120.0, 130.0]
    assert reasons(records) == {("superseded by a later correction, both kept", "sbp"): 1}


def test_series_are_spaced_evenly_from_the_origin(read: Any) -> None:
    settings = SeriesSettings(code="sbp", every="1.5d")
    records = read("id,b,a\n1,5,6\n", layout="series", series=settings, columns=["a", "b"])
    assert records.events.select("time", "code", "numeric_value").rows() == [
        (datetime(1970, 1, 1), "sbp", 6.0),
        (datetime(1970, 1, 2, 12), "sbp", 5.0),
    ]
    assert records.clock == Clock(calendar=False, unit="days")


def test_births_are_instants(read: Any) -> None:
    keys: dict[str, Any] = {"layout": "static", "rename": {"birth": "MEDS_BIRTH"}}
    records = read("id,birth,sex\n1,-10000,f\n2,,m\n", time_unit="days", **keys)
    birth = records.events.row(1, named=True)
    assert birth["code"] == "MEDS_BIRTH"
    assert birth["time"] == datetime(1970, 1, 1) - timedelta(days=10000)
    assert birth["numeric_value"] is birth["text_value"] is birth["available_time"] is None
    assert reasons(records) == {("empty cell", "MEDS_BIRTH"): 1}
    assert records.clock == Clock(calendar=False, unit="days")
    dated = read("id,birth\n1,1950-02-01\n", **keys)
    assert dated.events.select("time", "available_time").rows() == [(day("1950-02-01"), None)]
    assert dated.clock.calendar


@pytest.mark.parametrize(("births", "rows"), [([60, 1.5, -40], 2), ([1, 0, -40], 0), ([None, None, 5], 1)])
def test_births_after_the_first_record_are_counted(tmp_path: Path, births: list[float | None], rows: int) -> None:
    frames = {
        "v": pl.DataFrame({"id": [1, 2, 3, 3], "day": [0, 0, 0, 90], "sbp": [120, 130, 140, 150]}),
        "s": pl.DataFrame({"id": [1, 2, 3], "age": births}, schema_overrides={"age": pl.Float64}),
    }
    static = table(name="s", layout="static", time_unit="days", rename={"age": "MEDS_BIRTH"})
    counted = reasons(read_records([table(name="v"), static], tmp_path, frames=frames))
    assert counted.get((NOT_BORN, "MEDS_BIRTH"), 0) == rows


def test_the_clock_is_that_of_the_first_timed_table(tmp_path: Any) -> None:
    frames = {
        "born": pl.DataFrame({"id": [1], "birth": [-30]}),
        "labs": pl.DataFrame({"id": [1], "at": [48], "hb": [1]}),
        "visits": pl.DataFrame({"id": [1], "at": [2], "sbp": [1]}),
    }
    tables = [
        table(name="born", layout="static", time_unit="years", rename={"birth": "MEDS_BIRTH"}),
        table(name="labs", time="at", time_unit="hours"),
        table(name="visits", time="at", time_unit="days"),
    ]
    records = read_records(tables, tmp_path, frames=frames)
    assert records.clock.unit == "hours"
    assert records.clock.to_source(records.events["time"]).to_list() == [-30 * 365.25 * 24, 48.0, 48.0]
    shown = records.events.select(records.clock.to_source(pl.col("time")))["time"]
    assert shown.dtype == pl.Float64


def test_a_calendar_clock_shows_utc_and_reads_its_zone(read: Any) -> None:
    records = read("id,at,sbp\n1,2020-07-05T10:00,1\n", time="at", time_zone="Europe/Berlin")
    assert records.clock.to_source(records.events["time"]).to_list() == [datetime(2020, 7, 5, 8, tzinfo=UTC)]
    assert records.clock.parse("2020-07-05T10:00") == datetime(2020, 7, 5, 8)
    assert records.clock.parse("2020-07-05T10:00Z") == datetime(2020, 7, 5, 10)


@pytest.mark.parametrize("text", ["soon", "", "nan", "inf", "1e300", "2020-01-05"])
def test_a_numeric_clock_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(InputError, match="counts in hours"):
        Clock(calendar=False, unit="hours").parse(text)


@pytest.mark.parametrize("days", ["99999999", "-99999999", "1e200"])
def test_a_time_beyond_every_calendar_is_refused(days: str) -> None:
    with pytest.raises(InputError, match=r"^The time is too large for a number of days\. Check it\.$"):
        Clock(calendar=False, unit="days").parse(days)


@pytest.mark.parametrize("text", ["soon", "", "5", "2020-02-30"])
def test_a_calendar_clock_refuses_what_is_no_date(text: str) -> None:
    with pytest.raises(InputError, match="ISO 8601"):
        Clock(calendar=True).parse(text)
