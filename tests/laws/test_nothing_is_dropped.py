"""Law 4: nothing is dropped in silence."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from cohorts import Case, cases
from counted import (
    check_prediction_times_are_counted,
    check_rows_are_counted,
    check_split_is_counted,
    check_values_are_counted,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from laws import material_of

from sequela.errors import CohortError, StudyError
from sequela.records import TableSettings, read_records
from sequela.study.material import Material

QUIET = {"suppress_health_check": [HealthCheck.filter_too_much, HealthCheck.too_slow]}
SPLITS = st.sampled_from(["subject", "time", "order", "within", "file"])


def gathered(case: Case) -> Material:
    try:
        return material_of(case)
    except (CohortError, StudyError):
        assume(False)
        raise


def check(case: Case, by: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if by == "file":
            case = case.changed(split={"path": "split.csv", "fractions": [0.7, 0.15, 0.15]})
            rows = [(f"p{n}", ["train", "tuning", "held_out"][n % 3]) for n in range(5)]
            pl.DataFrame(rows, schema=["subject_id", "split"], orient="row").write_csv(Path(folder) / "split.csv")
        material = gathered(case.changed(split={"by": by}))
        check_rows_are_counted(case, material)
        check_values_are_counted(material)
        check_prediction_times_are_counted(material)
        try:
            check_split_is_counted(material, Path(folder))
        except (CohortError, StudyError):
            assume(False)


@settings(max_examples=40, **QUIET)
@given(cases(), SPLITS)
def test_every_cell_value_time_and_person_is_kept_or_counted(case: Case, by: str) -> None:
    check(case, by)


@settings(max_examples=40, **QUIET)
@given(cases(kind="risk"), SPLITS)
def test_every_cell_value_time_and_person_of_a_risk_is_kept_or_counted(case: Case, by: str) -> None:
    check(case, by)


@pytest.mark.slow
@settings(max_examples=500, **QUIET)
@given(cases(people=(2, 20), kind="risk"), SPLITS)
def test_every_cell_value_time_and_person_of_a_risk_is_kept_or_counted_in_many(case: Case, by: str) -> None:
    check(case, by)


@pytest.mark.slow
@settings(max_examples=500, **QUIET)
@given(cases(people=(2, 20)), SPLITS)
def test_every_cell_value_time_and_person_is_kept_or_counted_in_many(case: Case, by: str) -> None:
    check(case, by)


@given(st.lists(st.lists(st.none() | st.floats(1, 9), min_size=3, max_size=3), min_size=1, max_size=6))
@settings(max_examples=20, **QUIET)
def test_every_reading_of_a_series_is_kept_or_counted(readings: list[list[float | None]]) -> None:
    frame = pl.DataFrame(
        [(f"p{n}", *row) for n, row in enumerate(readings)],
        schema={"id": pl.String, "a": pl.Float64, "b": pl.Float64, "c": pl.Float64},
        orient="row",
    )
    table = TableSettings(name="t", path="t.csv", layout="series", subject="id", series={"code": "x", "every": "1d"})
    records = read_records([table], Path(), frames={"t": frame})
    assert 3 * len(frame) == len(records.events) + records.counts["rows"].sum()
