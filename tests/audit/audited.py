"""Studies of generated people, audited by the real way: tables are read, asked, divided and then attacked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from sequela.audit import Audit, AuditSettings, audit_study
from sequela.cohort import Question, SplitRequest, SplitSettings, ask, make_splits
from sequela.predict import evidence
from sequela.prepare import Cleaning
from sequela.records import TableSettings, read_records

STATIC = {"layout": "static", "subject": "id"}
OUTCOME = {**STATIC, "role": "outcome"}
VISITS = {"subject": "id", "time": "day", "time_unit": "days"}
LONG = {"layout": "long", "subject": "id", "time": "day", "time_unit": "days", "value": "value", "text": "text"}
Tables = dict[str, tuple[dict[str, Any], pl.DataFrame]]


def audited(
    tables: Tables,
    question: dict[str, Any],
    *,
    split: dict[str, Any] | None = None,
    accept: list[dict[str, str]] | None = None,
) -> Audit:
    """Audit a study of these tables."""
    settings = [
        TableSettings.model_validate({"name": name, "path": f"{name}.csv", **keys})
        for name, (keys, _) in tables.items()
    ]
    records = read_records(settings, Path(), frames={name: frame for name, (_, frame) in tables.items()})
    asks: Any = TypeAdapter(Question).validate_python(question)
    seen = evidence(records, asks, Cleaning())
    cohort = ask(seen.events, seen.people, asks, outcomes=seen.outcomes, clock=records.clock)
    assert cohort.labels is not None
    subjects = records.subjects.sort("subject_id")
    request = SplitRequest(
        person=cohort.asked.person,
        time=cohort.asked.time,
        label_known=cohort.labels.known,
        source_id=[str(source_id) for source_id in subjects["source_id"]],
        appearance=subjects["appearance"].to_numpy(),
    )
    split_by = SplitSettings.model_validate(split or {})
    return audit_study(
        records=records,
        evidence=seen,
        cohort=cohort,
        splits=make_splits(request, split_by, Path()),
        question=asks,
        split_by=split_by,
        settings=AuditSettings.model_validate({"accept": accept or []}),
    )


def ward(people: int = 300, *, seed: int = 0, prevalence: float = 0.2, strength: float = 1.0) -> Tables:
    """Stays of a few days with vital signs, and who died: a marker of severity foretells it, more or less.

    Args:
        people: how many.
        seed: of the generator.
        prevalence: share who died.
        strength: distance of the severity of the two groups in standard deviations; 2.33 is an AUROC of 0.95.
    """
    random = np.random.default_rng(seed)
    died = np.zeros(people, dtype=np.int64)
    died[random.permutation(people)[: max(round(prevalence * people), 1)]] = 1
    severity = random.normal(0, 1, people) + strength * died
    rows: dict[str, list[Any]] = {"id": [], "day": [], "hr": [], "sbp": [], "severity": [], "ward": []}
    last = np.zeros(people)
    for person in range(people):
        day = 0.0
        for _ in range(int(random.integers(3, 9))):
            rows["id"].append(person)
            rows["day"].append(round(day, 2))
            rows["hr"].append(round(random.normal(80 + 5 * died[person], 12)))
            rows["sbp"].append(round(random.normal(120 - 5 * died[person], 15)))
            rows["severity"].append(round(float(severity[person]), 3) if random.random() < 0.9 else None)
            rows["ward"].append("ABCD"[int(random.integers(4))])
            last[person] = day
            day += random.exponential(1.0) + 0.05
    age = np.round(random.normal(65, 12, people) + 3 * died, 1)
    stay = np.round(last + random.exponential(2.0, people) + 0.1, 2)
    facts = {"id": np.arange(people), "sex": random.choice(["f", "m"], people), "age": age}
    return {
        "visits": (VISITS, pl.DataFrame(rows)),
        "people": (STATIC, pl.DataFrame(facts)),
        "outcome": (OUTCOME, pl.DataFrame({"id": np.arange(people), "died": died, "stay": stay})),
    }


WARD_RISK: dict[str, Any] = {"kind": "risk", "from": "origin", "at": "1d", "outcome": {"column": "died"}}
TIMED_RISK: dict[str, Any] = {
    "kind": "risk",
    "from": "origin",
    "at": "every record",
    "outcome": {"column": "died", "time": "stay", "time_unit": "days", "within": "3d"},
    "follow_up": {"column": "stay", "time_unit": "days"},
}


def clinic(people: int = 200, *, seed: int = 0, noise: float = 3.0) -> Tables:
    """Visits over years at which a pressure that drifts is measured, for a forecast."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {"id": [], "day": [], "sbp": [], "dbp": [], "weight": []}
    for person in range(people):
        pressure, weight, day = random.normal(130, 14), random.normal(80, 12), 0
        for _ in range(int(random.integers(4, 10))):
            rows["id"].append(person)
            rows["day"].append(day)
            rows["sbp"].append(round(pressure, 1))
            rows["dbp"].append(round(0.6 * pressure + random.normal(0, 4), 1))
            rows["weight"].append(round(weight, 1))
            pressure += random.normal(0, noise)
            weight += random.normal(0, 1)
            day += int(random.integers(10, 200))
    facts = {
        "id": np.arange(people),
        "sex": random.choice(["f", "m"], people),
        "birth": -np.round(random.normal(22000, 4000, people)),
    }
    named = {**STATIC, "rename": {"birth": "MEDS_BIRTH"}, "time_unit": "days"}
    return {"visits": (VISITS, pl.DataFrame(rows)), "people": (named, pl.DataFrame(facts))}


FORECAST: dict[str, Any] = {"kind": "forecast", "target": "sbp"}


def table(tables: Tables, name: str) -> pl.DataFrame:
    """Return one of the tables."""
    return tables[name][1]


def with_table(tables: Tables, name: str, frame: pl.DataFrame, **keys: Any) -> Tables:
    """Return the study with one table replaced, or added."""
    before = tables.get(name, ({}, frame))[0]
    return {**tables, name: ({**before, **keys}, frame)}
