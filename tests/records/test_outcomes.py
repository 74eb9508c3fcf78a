"""Outcome tables say what became of people; nothing of them is an input, and they make nobody a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_tables import reasons, table

from sequela.errors import RecordsError
from sequela.records import Records, read_records
from sequela.records.events import OUTCOME_SCHEMA

VISITS = pl.DataFrame({"id": [2, 1, 2], "day": [0.0, 1.0, 2.0], "sbp": [120.0, 130.0, 140.0]})
FATE = pl.DataFrame({"id": [1, 2, 3], "died": [0, 1, 1], "stay": [5, 8, 9]})


def read(fate: pl.DataFrame, visits: pl.DataFrame = VISITS, *, kinds: Any = None, **keys: Any) -> Records:
    tables = [table(), table(**{"name": "fate", "role": "outcome", "layout": "static"} | keys)]
    return read_records(tables, Path(), frames={"t": visits, "fate": fate}, kinds=kinds)


def test_outcomes_stand_apart_from_events() -> None:
    records = read(FATE)
    assert records.events["code"].unique().to_list() == ["sbp"]
    assert records.outcomes.select("subject_id", "code", "numeric_value").rows() == [
        (0, "died", 0.0),
        (0, "stay", 5.0),
        (1, "died", 1.0),
        (1, "stay", 8.0),
    ]
    assert records.outcomes.schema == pl.Schema(OUTCOME_SCHEMA)
    assert [summary.role for summary in records.tables] == ["input", "outcome"]


def test_a_time_in_seconds_keeps_every_digit() -> None:
    when = [53_123_209, 90_000_001]
    fate = pl.DataFrame({"id": [1, 2], "left": when})
    assert read(fate).outcomes["numeric_value"].to_list() == when

    inputs = [table(), table(name="stays", layout="static")]
    frames = {"t": VISITS, "stays": fate.with_columns(age=pl.lit(60))}
    records = read_records(inputs, Path(), frames=frames, apart=["left"])
    assert records.outcomes.select("code", "numeric_value").rows() == [("left", float(value)) for value in when]
    assert set(records.events["code"]) == {"sbp", "age"}


def test_who_is_in_an_outcome_table_only_is_no_person_and_counted() -> None:
    records = read(FATE)
    assert records.subjects["source_id"].to_list() == [1, 2]
    assert reasons(records) == {("person in an outcome table only, left out", None): 1}
    assert records.tables[1].people == 3


def test_an_outcome_table_changes_nothing_of_the_inputs() -> None:
    alone = read_records([table()], Path(), frames={"t": VISITS})
    late = pl.DataFrame({"id": ["1", "x9"], "day": [900.0, 901.0], "died": [1, 1]})
    for records in (read(FATE), read(late, layout="visits")):
        assert_frame_equal(records.events, alone.events, check_exact=True)
        assert_frame_equal(records.subjects, alone.subjects, check_exact=True)
        assert records.clock == alone.clock


def test_without_outcome_tables_there_are_no_outcomes() -> None:
    assert read_records([table()], Path(), frames={"t": VISITS}).outcomes.height == 0


def test_ids_are_matched_as_they_are_written() -> None:
    texts = VISITS.with_columns(id=pl.Series(["007", "1", "007"]))
    assert read(FATE, texts).outcomes["subject_id"].unique().to_list() == [1]
    mixed = FATE.with_columns(id=pl.Series(["1", "y", "x"]))
    assert read(mixed).outcomes["subject_id"].unique().to_list() == [0]
    assert reasons(read(mixed))[("person in an outcome table only, left out", None)] == 2


@pytest.mark.parametrize("other", ["02", "2.0"])
def test_ids_that_a_table_of_outcomes_writes_otherwise_are_refused(other: str) -> None:
    with pytest.raises(RecordsError, match=r"'fate', column 'id': ids differ .* leading zeros or a decimal point"):
        read(FATE.with_columns(id=pl.Series(["1", other, "x"])))


def test_outcomes_with_times_keep_them() -> None:
    fate = pl.DataFrame({"id": [1, 1, 2], "day": [3.0, 4.0, 5.0], "fall": [1, 1, 1]})
    assert read(fate, layout="visits").outcomes["time"].dt.day().to_list() == [4, 5, 6]


def test_a_bundle_reads_no_outcomes(tmp_path: Path) -> None:
    tables = [table(), table(name="fate", path="gone.csv", layout="static", role="outcome")]
    VISITS.write_csv(tmp_path / "table.csv")
    live = read_records(tables, tmp_path, kinds={"sbp": "number"})
    assert live.outcomes.height == 0
    assert [summary.name for summary in live.tables] == ["t"]
    with pytest.raises(RecordsError, match=r"gone\.csv"):
        read_records(tables, tmp_path)


def test_a_code_that_is_an_input_too_is_refused_until_renamed() -> None:
    fate = FATE.rename({"stay": "sbp"})
    with pytest.raises(RecordsError, match=r"frame 'fate': the code 'sbp' stands in table 't' too\. Rename one"):
        read(fate)
    assert set(read(fate, rename={"sbp": "sbp_at_death"}).outcomes["code"]) == {"died", "sbp_at_death"}


def test_a_table_of_strangers_is_refused() -> None:
    strangers = FATE.with_columns(id=pl.Series([7, 8, 9]))
    with pytest.raises(RecordsError, match=r"frame 'fate', column 'id': none of its people .* Check `subject`"):
        read(strangers)


def test_times_are_of_one_kind_in_all_tables() -> None:
    fate = pl.DataFrame({"id": [1], "at": ["2020-01-05"], "fall": [1]})
    with pytest.raises(RecordsError, match="times are dates here and numbers in table 't'"):
        read(fate, layout="visits", time="at")
