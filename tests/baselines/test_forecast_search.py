"""What a run tells of the settings that were tried for a forecast."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_study import write_study

import sequela


@pytest.mark.parametrize(
    ("question", "outputs"),
    [
        ({"question.target": ["sbp", "dbp"]}, ["Gradient boosting: sbp", "Gradient boosting: dbp"]),
        ({"question.horizon": ["30d", "60d"]}, ["Gradient boosting: 30d", "Gradient boosting: 60d"]),
        ({}, ["Gradient boosting"]),
    ],
)
def test_history_and_report_tell_what_was_tried_for_each_output(
    question: dict[str, object], outputs: list[str], tmp_path: Path
) -> None:
    changes = {"evaluate": {"trials": 2, "bootstrap": 100, "importance": False, "baselines": ["gradient_boosting"]}}
    study = write_study(tmp_path, changes | {"model.hidden": 1, "train.epochs": 1} | question)
    run = sequela.run(sequela.read_study(study), tmp_path / "run")
    search = json.loads((run.folder / "history.json").read_text())["fits"][0]["search"]
    assert [name.replace("gradient_boosting", "Gradient boosting") for name in search] == outputs
    page = run.report.read_text()
    for name, tried in zip(outputs, search.values(), strict=True):
        assert len(tried["trials"]) == 2
        kept = tried["trials"][tried["chosen"]]
        assert kept["rmse"] == min(trial["rmse"] for trial in tried["trials"])
        assert name in page
        assert f"{kept['rmse']:.4f}" in page
