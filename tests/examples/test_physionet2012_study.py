"""The study of PhysioNet 2012 is one, and names no variable that the challenge does not have."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sequela.study.settings import parse_study

STUDY = Path(__file__).parents[2] / "examples/physionet2012/study.toml"
VARIABLES = [  # https://physionet.org/content/challenge-2012/1.0.0/
    "Age", "Gender", "Height", "ICUType", "Weight", "Albumin", "ALP", "ALT", "AST", "Bilirubin",
    "BUN", "Cholesterol", "Creatinine", "DiasABP", "FiO2", "GCS", "Glucose", "HCO3", "HCT", "HR",
    "K", "Lactate", "MAP", "MechVent", "Mg", "Na", "NIDiasABP", "NIMAP", "NISysABP", "PaCO2",
    "PaO2", "pH", "Platelets", "RespRate", "SaO2", "SysABP", "Temp", "TroponinI", "TroponinT", "Urine",
    "WBC",
]  # fmt: skip


def test_the_study_is_one_of_variables_that_there_are() -> None:
    study = parse_study(tomllib.loads(STUDY.read_text(encoding="utf-8")), "study.toml")
    study.prepare.check_codes(VARIABLES)
    assert study.train.refit
    assert set(study.prepare.clinical.scores) == {"saps", "sofa"}
    assert set(study.evaluate.subgroups) <= set(VARIABLES)
