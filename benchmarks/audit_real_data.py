"""Does the audit find leaks that are planted into real tables, and is it quiet without them?

    python benchmarks/audit_real_data.py PHYSIONET2012_FOLDER PBC2_CSV

The first folder holds `set-a.tar.xz` and `Outcomes-a.txt`; the blood pressure study comes from `sequela example`.
Prints JSON: for each plant the finding that was expected and what was found, and for each study as it stands what the
audit says, with the seconds it took.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tomli_w

from sequela.audit import Audit, audit_study
from sequela.examples import write
from sequela.study import divide, gather, read_study

Tables = dict[str, pl.DataFrame]
Change = Callable[[Tables], Tables]

P12: dict[str, Any] = {
    "kind": "risk", "from": "origin", "at": "48h", "min_records": 0, "outcome": {"column": "In-hospital_death"}
}  # fmt: skip
PBC: dict[str, Any] = {
    "kind": "risk",
    "from": "origin",
    "outcome": {"column": "status2", "time": "years", "time_unit": "years", "within": "2y"},
    "follow_up": {"column": "years", "time_unit": "years"},
}
PRESSURE: dict[str, Any] = {"kind": "forecast", "target": "systolic"}
_STATIC = {"layout": "static"}


def audited(
    records: list[dict[str, Any]], question: dict[str, Any], tables: Tables, folder: Path
) -> tuple[Audit, float]:
    """Write the tables and a study of them; return its audit and the seconds it took."""
    for name, frame in tables.items():
        frame.write_csv(folder / f"{name}.csv")
    (folder / "study.toml").write_text(tomli_w.dumps({"name": "planted", "records": records, "question": question}))
    study = read_study(folder / "study.toml")
    material = gather(study)
    splits = divide(study, material)[:-1]
    began = time.perf_counter()
    audit = audit_study(
        records=material.records,
        evidence=material.evidence,
        cohort=material.cohort,
        splits=splits,
        question=study.settings.question,
        split_by=study.settings.split,
    )
    return audit, time.perf_counter() - began


def _fact(name: str, value: Callable[[Tables], pl.Series]) -> Change:
    return lambda tables: {**tables, "people": tables["people"].with_columns(value(tables).alias(name))}


def _visit(name: str, expression: pl.Expr) -> Change:
    return lambda tables: {**tables, "visits": tables["visits"].with_columns(expression.alias(name))}


def _copies(tables: Tables) -> Tables:
    """The first 60 people once more, under new ids."""
    chosen = tables["people"]["id"][:60].implode()
    return {
        name: pl.concat([frame, frame.filter(pl.col("id").is_in(chosen)).with_columns(pl.col("id") + 10_000_000)])
        for name, frame in tables.items()
    }


def _of_each(frame: pl.DataFrame, people: pl.DataFrame, value: pl.Expr) -> pl.Series:
    each = frame.group_by("id", maintain_order=True).agg(value.alias("value"))
    return people.select("id").join(each, on="id", how="left", maintain_order="left")["value"]


def _some_dead(tables: Tables) -> pl.Series:
    random = np.random.default_rng(0)
    dead = tables["outcome"]["In-hospital_death"].to_numpy() == 1
    return pl.Series(np.where(dead & (random.random(len(dead)) < 0.5), 1.0, np.nan), nan_to_null=True)


P12_PLANTS: dict[str, tuple[str, str | None, Change]] = {
    "length of stay as a fact": ("equals_outcome_table", "x", _fact("x", lambda t: t["outcome"]["Length_of_stay"])),
    "SOFA as a fact": ("equals_outcome_table", "x", _fact("x", lambda t: t["outcome"]["SOFA"])),
    "length of stay in hours, plus 7": ("outcome_time", "x", _fact("x", lambda t: t["outcome"]["Length_of_stay"] * 24 + 7)),  # noqa: E501
    "death in words": (
        "equals_outcome",
        "x",
        _fact("x", lambda t: t["outcome"]["In-hospital_death"].replace_strict({0: "home", 1: "morgue"})),
    ),
    "death turned round, half of the values missing": (
        "predicts_outcome_alone",
        "x",
        _fact("x", lambda t: (100 - 90 * t["outcome"]["In-hospital_death"] + t["outcome"]["SOFA"] % 40).set(
            pl.Series(np.arange(len(t["outcome"])) % 2 == 0), None)),
    ),
    "a mark of half of those who die": ("only_with_outcome", "x", _fact("x", _some_dead)),
    "death plus noise": (
        "predicts_outcome_alone",
        "x",
        _fact("x", lambda t: t["outcome"]["In-hospital_death"] * 6 + pl.Series(np.random.default_rng(1).normal(0, 1, len(t["outcome"])))),  # noqa: E501
    ),
}  # fmt: skip
PBC_PLANTS: dict[str, tuple[str, str | None, Change]] = {
    "age plus years, beside the age": ("outcome_time", "x", _fact("x", lambda t: t["people"]["age"] + t["outcome"]["years"])),  # noqa: E501
    "age plus years in its place": ("age_at_outcome", "age", _fact("age", lambda t: t["people"]["age"] + t["outcome"]["years"])),  # noqa: E501
    "years in months": ("outcome_time", "x", _fact("x", lambda t: t["outcome"]["years"] * 12)),
    "years": ("equals_outcome_table", "x", _fact("x", lambda t: t["outcome"]["years"])),
    "number of visits": ("length_of_record", "x", _fact("x", lambda t: _of_each(t["visits"], t["people"], pl.len()))),
    "time of the last visit": ("length_of_record", "x", _fact("x", lambda t: _of_each(t["visits"], t["people"], pl.col("year").max()))),  # noqa: E501
    "years that are left, at each visit": (
        "counts_down",
        "x",
        lambda t: {**t, "visits": t["visits"].join(t["outcome"].select("id", "years"), on="id", maintain_order="left")
                   .with_columns(x=pl.col("years") - pl.col("year")).drop("years")},
    ),
    "histories under two ids": ("copied_history", None, _copies),
}  # fmt: skip
_DAY = pl.col("systolic").mean().over("id", "days")
_NEXT = pl.when(pl.col("days") != pl.col("days").shift(-1).over("id")).then(_DAY.shift(-1).over("id"))
_NEXT = _NEXT.backward_fill().over("id")
PRESSURE_PLANTS: dict[str, tuple[str, str | None, Change]] = {
    "weight as a fact": ("static_after_records", "weight", _fact("weight", lambda t: _of_each(t["index"], t["people"], pl.col("weight").drop_nulls().first()))),  # noqa: E501
    "body mass index as a fact": ("static_after_records", "bmi", _fact("bmi", lambda t: _of_each(t["index"], t["people"], pl.col("bmi").drop_nulls().first()))),  # noqa: E501
    "the next systolic pressure": ("equals_outcome", "x", _visit("x", _NEXT)),
    "the next systolic pressure in kPa": ("predicts_outcome_alone", "x", _visit("x", (_NEXT * 0.133322).round(2))),
    "the mean of all systolic pressures": ("later_value_as_fact", "x", _fact("x", lambda t: _of_each(t["visits"], t["people"], pl.col("systolic").mean()))),  # noqa: E501
    "histories under two ids": ("copied_history", None, _copies),
}  # fmt: skip


def studies(
    p12: Path, pbc2: Path, folder: Path
) -> Iterator[tuple[str, list[dict[str, Any]], dict[str, Any], Tables, Any]]:
    """Yield name, tables of the study, question, frames and plants of each study."""
    outcomes = pl.read_csv(p12 / "Outcomes-a.txt").rename({"RecordID": "id"})
    stays = {"name": "stays", "source": "physionet2012", "path": str((p12 / "set-a.tar.xz").resolve())}
    facts = {"name": "people", "path": "people.csv", "subject": "id", **_STATIC}
    outcome = {"name": "outcome", "path": "outcome.csv", "subject": "id", "role": "outcome", **_STATIC}
    yield (
        "physionet2012",
        [stays, facts, outcome],
        P12,
        {"outcome": outcomes, "people": outcomes.select("id", sevenths=pl.col("id") % 7)},
        P12_PLANTS,
    )
    raw = pl.read_csv(pbc2, null_values=["NA", ""])
    first = raw.unique("id", keep="first", maintain_order=True)
    pbc = {
        "visits": raw.drop("years", "status", "status2", "drug", "sex", "age"),
        "people": first.select("id", "drug", "sex", "age"),
        "outcome": first.select("id", "years", "status2"),
    }
    visits = {"name": "visits", "path": "visits.csv", "subject": "id", "time": "year", "time_unit": "years"}
    yield "pbc2", [visits, facts, outcome], PBC, pbc, PBC_PLANTS
    example = write("blood-pressure", folder / "example").parent
    tables = {"visits": pl.read_csv(example / "visits.csv"), "people": pl.read_csv(example / "patients.csv")}
    body = tables["visits"].filter(pl.col("days") == 0)
    pressure = {
        "visits": tables["visits"].drop("weight", "bmi", "diastolic", "cholesterol"),
        "people": tables["people"],
        "index": body,
    }
    days = {"name": "visits", "path": "visits.csv", "subject": "id", "time": "days", "time_unit": "days"}
    birth = {**facts, "rename": {"birth": "MEDS_BIRTH"}, "time_unit": "days"}
    yield "blood-pressure", [days, birth], PRESSURE, pressure, PRESSURE_PLANTS


def main() -> None:
    """Plant, audit, print."""
    p12, pbc2 = (Path(argument) for argument in sys.argv[1:3])
    found: dict[str, Any] = {"clean": {}, "planted": {}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, records, question, tables, plants in studies(p12, pbc2, folder):
            audit, seconds = audited(records, question, tables, folder)
            found["clean"][name] = {
                "seconds": round(seconds, 1),
                "findings": [[one.severity, one.finding, one.column] for one in audit.findings],
            }
            for words, (finding, column, change) in plants.items():
                audit, _ = audited(records, question, change(tables), folder)
                told = [one.severity for one in audit.findings if (one.finding, one.column) == (finding, column)]
                found["planted"][f"{name}: {words}"] = {"expected": finding, "severity": told[0] if told else None}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
