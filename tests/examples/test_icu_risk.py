"""The simulated cohort of intensive care is what its README says: its truth, its gaps, its errors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sequela import examples
from sequela.examples import icu
from sequela.records import Records, TableSettings, read_records


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return examples.write("icu-risk", tmp_path_factory.mktemp("icu") / "icu-risk").parent


@pytest.fixture(scope="module")
def study(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(folder: Path) -> str:
    return " ".join((folder / "README.txt").read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def rows(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "vitals_and_labs.csv", infer_schema_length=None)


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "outcomes.csv")


@pytest.fixture(scope="module")
def truth(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / "truth.csv")


@pytest.fixture(scope="module")
def records(folder: Path, study: dict[str, Any]) -> Records:
    return read_records([TableSettings(**table) for table in study["records"]], folder)


def auroc(outcome: pl.Series, risk: pl.Series) -> float:
    """The share of pairs in the right order, by the ranks of those with the event."""
    events = int(outcome.sum())
    ranks = risk.rank("average").filter(outcome == 1).sum()
    return (ranks - events * (events + 1) / 2) / (events * (len(outcome) - events))


def test_it_says_on_every_page_that_it_is_simulated(folder: Path, study: dict[str, Any]) -> None:
    assert "simulated" in study["name"]
    assert "simulated" in examples.available()["icu-risk"]
    for file in ("README.txt", "study.toml"):
        assert "SIMULATED" in (folder / file).read_text(encoding="utf-8").split("\n\n")[0]


def test_no_study_reads_the_truth(study: dict[str, Any]) -> None:
    tables = {table["path"]: table.get("role", "input") for table in study["records"]}
    assert tables == {"vitals_and_labs.csv": "input", "admissions.csv": "input", "outcomes.csv": "outcome"}


def test_the_study_reads_every_stay_and_keeps_outcomes_apart(records: Records) -> None:
    assert records.subjects.height == icu.STAYS
    assert records.clock.unit == "hours"
    assert records.outcomes["code"].unique().to_list() == ["died"]
    assert set(records.events["code"]) == {*icu.COLUMNS, "age", "sex", "icu_type"}


def test_numbers_of_the_readme_are_those_of_the_files(
    readme: str, rows: pl.DataFrame, outcomes: pl.DataFrame, truth: pl.DataFrame
) -> None:
    asked = truth.join(outcomes, on="id")
    early = outcomes.join(truth, on="id", how="anti")
    died, discharged = int(early["died"].sum()), int((early["died"] == 0).sum())
    for words in (
        f"{rows.height:,} rows of the first",
        f"{truth.height:,} rows: id, risk",
        f"{asked['died'].sum()} of {asked.height:,} ({asked['died'].mean():.1%}".replace("%", " %"),
        f"the mean of the true risks is {100 * truth['risk_at_24_hours'].mean():.1f} %",  # type: ignore[operator]
        f"an AUROC of {100 * auroc(asked['died'], asked['risk_at_24_hours']):.1f}",
        f"{early.height} stays end before 24 hours ({died} deaths, {discharged} discharges)",
        f"seed {icu.SEED}",
    ):
        assert words in readme


def test_the_formulas_of_the_readme_are_those_of_the_code(readme: str) -> None:
    code = " ".join((icu.__doc__ or "").split())
    for formula in (r"s\(t\+1\) = .*? \+ 0\.17 e", r"z = .*? \(age - 65\)"):
        found = re.search(formula, readme)
        assert found is not None
        assert found[0] in code.replace("severity s(t+1)", "s(t+1)")


def test_the_true_risk_is_the_stated_function_of_severity(folder: Path, truth: pl.DataFrame) -> None:
    ages = pl.read_csv(folder / "admissions.csv")
    found = truth.join(ages, on="id").with_columns(
        z=(pl.col("risk_at_24_hours") / (1 - pl.col("risk_at_24_hours"))).log()
        + 3.2
        - 1.6 * pl.col("severity_at_24_hours")
        - 0.035 * (pl.col("age") - 65)
    )
    found = found.filter(pl.col("risk_at_24_hours").is_between(0.01, 0.99))
    trend = found["z"] / 1.2  # what is left is the change of severity over twelve hours
    assert abs(trend.mean()) < 0.2  # type: ignore[arg-type, operator]
    assert 0.3 < trend.std() < 0.8  # type: ignore[operator]


def test_the_true_risks_are_calibrated(outcomes: pl.DataFrame, truth: pl.DataFrame) -> None:
    asked = truth.join(outcomes, on="id")
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 1)):
        some = asked.filter(pl.col("risk_at_24_hours").is_between(low, high))
        variance = (some["risk_at_24_hours"] * (1 - some["risk_at_24_hours"])).sum()
        assert abs(some["died"].sum() - some["risk_at_24_hours"].sum()) < 3 * variance**0.5


def test_the_sicker_are_measured_more(readme: str, rows: pl.DataFrame, truth: pl.DataFrame) -> None:
    first_day = rows.filter(pl.col("hours") <= icu.ASKED_AT).group_by("id")
    seen = first_day.agg(looks=pl.col("heart_rate").count(), worried=pl.col("lactate").count() > 0)
    quarters = truth.sort("severity_at_24_hours").join(seen, on="id", how="left", maintain_order="left")
    size = quarters.height // 4
    least, most = quarters.head(size), quarters.tail(size)
    looks = f"has {least['looks'].mean():.0f} rows with a heart rate on average, one of the sickest quarter"
    assert f"{looks} {most['looks'].mean():.0f};" in readme
    share = f"in {100 * least['worried'].mean():.0f} % of the least sick quarter"  # type: ignore[operator]
    assert f"{share}, in {100 * most['worried'].mean():.0f} % of the sickest" in readme  # type: ignore[operator]


def test_glucose_and_sex_carry_nothing(folder: Path, rows: pl.DataFrame, truth: pl.DataFrame) -> None:
    mean = rows.group_by("id").agg(pl.col("glucose").mean(), pl.col("lactate").mean())
    both = truth.join(mean, on="id").join(pl.read_csv(folder / "admissions.csv"), on="id")
    both = both.with_columns(male=(pl.col("sex") == "male").cast(pl.Float64)).drop_nulls("glucose")

    def correlation(column: str) -> float:
        return float(both.drop_nulls(column).select(pl.corr(column, "severity_at_24_hours")).item())

    assert abs(correlation("glucose")) < 3 / both.height**0.5
    assert abs(correlation("male")) < 3 / both.height**0.5
    assert correlation("lactate") > 0.6


def test_typing_errors_lie_outside_the_plausible_ranges(study: dict[str, Any], rows: pl.DataFrame) -> None:
    planted = {column: share for column, share, _ in icu.ERRORS}
    for column, (low, high) in study["prepare"]["plausible"].items():
        odd = rows.filter(~pl.col(column).is_between(low, high)).height / rows[column].count()
        most = sum(share for name, share, _ in icu.ERRORS if name == column)
        assert odd == 0 if column not in planted else 0 < odd < 1.5 * most
    assert rows.filter(pl.col("temperature") == 0).height > 0
    assert rows.filter(pl.col("temperature").is_between(90, 110)).height > 0


def test_treatment_lifts_the_pressure_and_not_the_risk(rows: pl.DataFrame, truth: pl.DataFrame) -> None:
    plausible = rows.filter(pl.col("map").is_between(20, 180), pl.col("hours") <= icu.ASKED_AT)
    treated = plausible.filter(pl.col("norepinephrine").is_not_null())
    lowest = plausible.filter(pl.col("norepinephrine").is_null(), pl.col("map").is_between(64, 72))
    assert 64 < treated["map"].mean() < 72  # type: ignore[operator]

    def risk(some: pl.DataFrame) -> float:
        return float(truth.join(some, on="id", how="semi")["risk_at_24_hours"].mean())  # type: ignore[arg-type]

    assert risk(treated) > 1.5 * risk(lowest)


def test_who_left_is_marked_at_the_end_of_the_stay(rows: pl.DataFrame, outcomes: pl.DataFrame) -> None:
    gone = rows.drop_nulls("left_unit").join(outcomes, on="id")
    assert gone.height == outcomes.filter(pl.col("stay_hours") < icu.HOURS).height
    assert gone["hours"].to_list() == gone["stay_hours"].to_list()
    assert rows.join(gone.select("id", end="hours"), on="id").filter(pl.col("hours") > pl.col("end")).is_empty()
