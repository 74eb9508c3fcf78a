"""Benchmarks run to their end on the smallest task there is; how fast they say it went is nobody's test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MISSED_A_BAR = 1
SERIES = [  # those that the benchmark's study names
    "Albumin", "ALP", "ALT", "AST", "Bilirubin", "BUN", "Cholesterol", "Creatinine", "DiasABP", "FiO2",
    "Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "MAP", "MechVent", "Mg", "Na",
    "NIDiasABP", "NIMAP", "NISysABP", "PaCO2", "PaO2", "pH", "Platelets", "RespRate", "SaO2", "SysABP",
    "Temp", "TroponinI", "TroponinT", "Urine", "WBC",
]  # fmt: skip


def result_of(*words: str) -> Any:
    """What a benchmark prints as JSON."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, MISSED_A_BAR), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("benchmarks/reading.py", "--millions", "0.02"),
        ("benchmarks/preparation.py", "--millions", "0.02"),
        ("benchmarks/scale.py", "--people", "400"),
        ("benchmarks/readouts.py",),
        ("benchmarks/cells.py", "e", "g", "--quick", "--even-if-busy", "--allocators", "default"),
    ],
    ids=lambda words: Path(words[0]).stem,
)
def test_it_runs(words: tuple[str, ...]) -> None:
    assert result_of(*words)


def test_death_in_hospital_is_judged(tmp_path: Path) -> None:
    deaths = write_stays(tmp_path, 240)
    found = result_of(
        "benchmarks/physionet2012.py", str(tmp_path), "--sets", "a", "--splits", "1", "--trials", "1",
        "--resamples", "50", "--jobs", "1", "--work", str(tmp_path / "work"),
    )  # fmt: skip
    assert found["events"]["held_out"][0] <= deaths
    assert {"single", "ensemble", "hybrid", "lightgbm", "logistic"} <= set(found["models"])
    for model in found["models"].values():
        assert 50 < model["auroc"]["mean_of_splits"] <= 100


def write_stays(folder: Path, people: int) -> int:
    """Write stays as the challenge does, of whom the unconscious die more often; return how many died."""
    random = np.random.default_rng(3)
    score = random.normal(size=people)
    died = random.random(people) < 1 / (1 + np.exp(1.5 - 2 * score))
    (folder / "set-a").mkdir()
    for place in range(people):
        facts = {"Age": 60, "Gender": place % 2, "Height": 170, "ICUType": 1 + place % 4, "Weight": 80}
        rows = [f"00:00,{name},{value}" for name, value in {"RecordID": 1000 + place, **facts}.items()]
        for hour in (1, 20, 40):
            rows += [f"{hour:02}:00,{name},{random.normal(50, 10):.1f}" for name in SERIES]
            rows.append(f"{hour:02}:00,GCS,{15 - max(0, round(3 * score[place]))}")
        (folder / f"set-a/{1000 + place}.txt").write_text("\n".join(["Time,Parameter,Value", *rows, ""]))
    outcomes = [f"{1000 + place},1,1,5,-1,{int(dead)}" for place, dead in enumerate(died)]
    header = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"
    (folder / "Outcomes-a.txt").write_text("\n".join([header, *outcomes, ""]))
    return int(died.sum())
