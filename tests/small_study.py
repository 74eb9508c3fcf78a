"""A small study that every stage can run in a second: people whose pressure moves slowly, as ordinary files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

PEOPLE, VISITS = 60, 6
SECRET = "SECRET-4711"  # stands where a refusal could quote a cell or an id

DOCUMENT: dict[str, Any] = {
    "name": "Next pressure",
    "records": [
        {
            "name": "visits",
            "path": "visits.csv",
            "subject": "id",
            "time": "day",
            "time_unit": "days",
            "columns": ["sbp", "dbp", "ward"],
        },
        {"name": "patients", "path": "patients.csv", "layout": "static", "subject": "id"},
    ],
    "question": {"target": "sbp"},
    "split": {"fractions": [0.5, 0.25, 0.25]},
    "model": {"hidden": 3},
    "train": {"epochs": 2, "batch_size": 16, "learning_rate": 0.01},
    "evaluate": {"baselines": ["persistence", "mean"], "bootstrap": 100},
}


def study_document(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The study as a document, values by dotted key laid over it; a value of None removes the key."""
    document = copy.deepcopy(DOCUMENT)
    for dotted, value in (changes or {}).items():
        *parents, last = dotted.split(".")
        place: Any = document
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[int(last) if isinstance(place, list) else last] = copy.deepcopy(value)
    return document


def visits_csv(people: int = PEOPLE, visits: int = VISITS, *, id_prefix: str = "") -> str:
    """Pressures that drift from visit to visit, so that the last one tells much of the next."""
    random = np.random.default_rng(7)
    lines = ["id,day,sbp,dbp,ward"]
    for person in range(people):
        pressure, day = random.normal(130, 12), 0
        for _ in range(visits):
            diastolic = "" if random.random() < 0.3 else f"{0.6 * pressure + random.normal(0, 4):.1f}"
            ward = "ABC"[int(random.integers(3))]
            lines.append(f"{id_prefix}{person},{day},{pressure:.1f},{diastolic},{ward}")
            pressure += random.normal(0, 3)
            day += int(random.integers(5, 60))
    return "\n".join(lines) + "\n"


def patients_csv(people: int = PEOPLE, *, id_prefix: str = "") -> str:
    """One row a person: a sex and a height."""
    random = np.random.default_rng(8)
    rows = [f"{id_prefix}{p},{'fm'[p % 2]},{random.normal(170, 8):.0f}" for p in range(people)]
    return "id,sex,height\n" + "\n".join(rows) + "\n"


def write_study(
    folder: Path, changes: dict[str, Any] | None = None, *, people: int = PEOPLE, id_prefix: str = ""
) -> Path:
    """Write the tables and the study file; return the study file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "visits.csv").write_text(visits_csv(people, id_prefix=id_prefix))
    (folder / "patients.csv").write_text(patients_csv(people, id_prefix=id_prefix))
    path = folder / "study.toml"
    path.write_text(tomli_w.dumps(study_document(changes)))
    return path


RISK: dict[str, Any] = {
    "name": "Death after the last visit",
    "question": {"kind": "risk", "outcome": {"column": "died"}},
    "prepare.min_people": 5,
    "train.epochs": 4,  # enough for risks in the right order, whatever the seed
    "model": {"hidden": 3, "members": 2, "hybrid": True, "recalibrate": "platt"},
    "evaluate": {"bootstrap": 100, "trials": 1, "subgroups": ["sex"], "importance": False},
}
OUTCOMES = {"name": "outcomes", "path": "outcomes.csv", "layout": "static", "subject": "id", "role": "outcome"}


def outcomes_csv(people: int = PEOPLE, *, id_prefix: str = "") -> str:
    """Who died, and on which day after the first visit: the rather those whose last pressure is high."""
    random = np.random.default_rng(9)
    last = {line.split(",")[0]: float(line.split(",")[2]) for line in visits_csv(people).splitlines()[1:]}
    lines = ["id,died,died_on"]
    for person in range(people):
        died = int(random.random() < 1 / (1 + np.exp((132 - last[str(person)]) / 5)))
        lines.append(f"{id_prefix}{person},{died},{random.integers(300, 400) if died else ''}")
    return "\n".join(lines) + "\n"


def write_risk_study(
    folder: Path, changes: dict[str, Any] | None = None, *, people: int = 2 * PEOPLE, id_prefix: str = ""
) -> Path:
    """Write the small study as one of a risk, with a table of outcomes; return the study file."""
    changes = {"records": [*DOCUMENT["records"], OUTCOMES]} | RISK | (changes or {})
    path = write_study(folder, changes, people=people, id_prefix=id_prefix)
    (folder / "outcomes.csv").write_text(outcomes_csv(people, id_prefix=id_prefix))
    return path
