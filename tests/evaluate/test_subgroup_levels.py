"""Numbers by which people are told apart: every level holds those whom its words name."""

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from small_study import write_risk_study

import sequela
from sequela.cohort.facts import AGE
from sequela.errors import StudyError
from sequela.study import gather
from sequela.study.subgroups import _levels, levels_of

STATIC = ["site", "creatinine", "marker"]


@pytest.fixture(scope="module")
def told_apart(tmp_path_factory):
    """Static numbers by person, as text, of the held-out people of a run, and its measures."""
    folder = tmp_path_factory.mktemp("subgroups")
    changes = {"model": {"hidden": 3}, "evaluate.subgroups": STATIC, "split.fractions": [0.3, 0.1, 0.6]}
    study = write_risk_study(folder, changes, people=150)
    rng = np.random.default_rng(1)
    cells = {
        "site": [str(1000123 + place) for place in rng.integers(0, 3, 150)],
        "creatinine": [f"{value:.1f}" for value in np.clip(rng.normal(0.9, 0.25, 150), 0.3, 1.9)],
        "marker": [f"{value:.4f}" for value in rng.uniform(0.001, 0.05, 150)],
    }
    table = pl.DataFrame({"id": [str(person) for person in range(150)], **cells})
    table.write_csv(folder / "patients.csv")
    run = sequela.run(sequela.read_study(study), folder / "run")
    said = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "held_out")
    held_out = table.filter(pl.col("id").is_in(said["subject_id"].cast(pl.String).unique().implode()))
    return held_out, run.metrics["measures"]


def holds(level, cell):
    """True where the words of a level name a cell."""
    value = Decimal(cell)
    if " and above" in level:
        return value >= Decimal(level.removesuffix(" and above"))
    if level.startswith("below "):
        return value < Decimal(level.removeprefix("below "))
    low, _, high = level.partition(" to ")
    return Decimal(low) <= value < Decimal(high) if high else value == Decimal(low)


@pytest.mark.parametrize(("name", "levels"), [("site", 3), ("creatinine", 4), ("marker", 4)])
def test_a_level_holds_the_people_whom_its_words_name(told_apart, name, levels):
    held_out, measures = told_apart
    people = {
        row["subgroup"]["level"]: row["people"]
        for row in measures
        if row["subgroup"] is not None and row["subgroup"]["name"] == name
    }
    assert len(people) == levels
    assert people == {level: sum(holds(level, cell) for cell in held_out[name]) for level in people}
    assert sum(people.values()) == len(held_out)
    assert max(people.values()) < len(held_out) / 2


@pytest.mark.parametrize(
    ("everybody", "values", "levels"),
    [
        (np.arange(12.0), [-0.0, 11.0, np.nan], ["0", "11", None]),
        (np.append(np.arange(101.0), np.nan), [24.9, 25.0, 50.0, 75.0, np.nan],
         ["below 25", "25 to 50", "50 to 75", "75 and above", None]),
        (np.arange(13.0), [2.9, 3.0, 9.0], ["below 3", "3 to 6", "9 and above"]),
        (np.append(np.zeros(80), np.arange(1.0, 21.0)), [-1.0, 0.0, 20.0], ["below 0", "0 and above", "0 and above"]),
        (np.arange(1.0, 102.0) / 1e4, [0.0026, 0.0051, 0.0076], ["0.0026 to 0.0051", "0.0051 to 0.0076",
                                                                 "0.0076 and above"]),
        (np.append(np.zeros(40), np.arange(1.0, 61.0)), [-0.0, 10.0, 36.0],
         ["0 to 10.5", "0 to 10.5", "35.2 and above"]),
    ],
    ids=["twelve values", "quartiles", "thirteen values", "most have one", "small", "a quarter has one"],
)  # fmt: skip
def test_a_number_of_more_than_twelve_values_is_cut_at_quartiles(everybody, values, levels):
    values, everybody = (np.float32(numbers).astype(float) for numbers in (values, everybody))  # as facts are read
    assert _levels(values, everybody) == levels


def test_each_prediction_has_the_level_of_its_person_and_of_the_age_at_the_start(tmp_path):
    """Ages are 30, 30.25, ... years on the first day; the first five people have no outcome and are not asked."""
    named = {"layout": "static", "subject": "id", "time_unit": "days", "rename": {"birth": "MEDS_BIRTH"}}
    study = write_risk_study(
        tmp_path,
        {"evaluate.subgroups": ["sex", "height", AGE]} | {f"records.1.{key}": value for key, value in named.items()},
        people=120,
    )
    rows = [f"{p},{'fm'[p % 2]},{150 + p % 3},{-(30 + p / 4) * 365.25}" for p in range(120)]
    (tmp_path / "patients.csv").write_text("\n".join(["id,sex,height,birth", *rows]))
    kept = [
        line for line in (tmp_path / "outcomes.csv").read_text().splitlines() if line.split(",")[0] not in [*"01234"]
    ]
    (tmp_path / "outcomes.csv").write_text("\n".join(kept))
    material = gather(sequela.read_study(study))
    ids = material.records.subjects.sort("subject_id")["source_id"].cast(pl.Int64).to_numpy()
    asked = ids[material.cohort.asked.person]
    assert sorted(asked) == list(range(5, 120))
    chosen = [119, 5, 60, 33, 34]
    # quartiles of the ages of those who are asked, 31.25 to 59.75, are 38.375, 45.5 and 52.625
    found = levels_of(material, np.array([int(np.flatnonzero(asked == p)[0]) for p in chosen]))
    assert found["sex"] == ["fm"[p % 2] for p in chosen]
    assert found["height"] == [str(150 + p % 3) for p in chosen]
    assert found[AGE] == ["52.6 and above", "below 38.4", "38.4 to 45.5", "below 38.4", "38.4 to 45.5"]


def test_an_age_tells_people_apart_only_where_births_are_known(tmp_path):
    study = write_risk_study(tmp_path, {"evaluate.subgroups": [AGE]})
    with pytest.raises(StudyError, match=f"no static fact '{AGE}'. .*: height, sex"):
        gather(sequela.read_study(study))
