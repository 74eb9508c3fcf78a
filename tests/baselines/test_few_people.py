"""Studies of few people run to the end, or say before training why they cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_study import write_risk_study, write_study

import sequela
from sequela.errors import CohortError
from sequela.study import Run


def run(study: Path) -> Run:
    return sequela.run(sequela.read_study(study), study.parent / "run")


def selection(run: Run, name: str) -> dict[str, float]:
    found: dict[str, float] = json.loads((run.folder / "history.json").read_text())["fits"][0][name]
    return found


@pytest.mark.parametrize("members", [30, 31])
def test_a_hybrid_has_no_more_members_than_training_people(members: int, tmp_path: Path) -> None:
    changes = {"model": {"hidden": 1, "hybrid": True, "members": members}, "train.epochs": 1}
    study = write_study(tmp_path, changes)
    if members == 30:
        assert run(study).folder.exists()
        return
    with pytest.raises(CohortError, match=r"each of the 31 members.*Lower `members`"):
        run(study)


def test_boosting_that_nobody_could_judge_is_not_in_the_history(tmp_path: Path) -> None:
    changes = {
        "split.fractions": [0.35, 0.0, 0.65],  # 42 training people, and no 40 of them without a fold
        "model": {"hidden": 1},
        "train": {"epochs": 1, "patience": 0},
        "evaluate.baselines": ["gradient_boosting", "logistic"],
    }
    found = run(write_risk_study(tmp_path, changes))
    assert list(selection(found, "selection_log_loss")) == ["logistic"]
    assert found.metrics["best_baseline"] == "logistic"


def test_baselines_of_a_single_training_person_stand_there_and_none_is_the_best(tmp_path: Path) -> None:
    changes = {
        "split": {"by": "file", "path": "split.csv"},
        "prepare.min_people": 1,
        "model": {"hidden": 1, "interval": "none"},
        "train": {"epochs": 1, "patience": 0},
    }
    study = write_study(tmp_path, changes)
    rows = ["0,train", *(f"{person},held_out" for person in range(1, 60))]
    (tmp_path / "split.csv").write_text("subject_id,split\n" + "\n".join(rows) + "\n")
    found = run(study)
    assert set(found.metrics["models"]) == {"network", "persistence", "mean"}
    assert found.metrics["best_baseline"] is None
    assert "too few to choose one" in found.metrics["verdict"]
    assert "No baseline is the best: training and tuning people are too few to choose one." in found.report.read_text()


@pytest.mark.parametrize(
    ("write", "people", "loss"), [(write_study, 3, "selection_rmse"), (write_risk_study, 5, "selection_log_loss")]
)
def test_a_fold_in_which_nobody_can_judge_leaves_the_choice_to_the_others(
    write: Callable[..., Path], people: int, loss: str, tmp_path: Path
) -> None:
    changes = {
        "split": {"fractions": [0.5, 0.0, 0.5], "folds": 2},  # of so few, some are too few to be divided once more
        "prepare.min_people": 1,
        "model": {"hidden": 1, "interval": "none"},
        "train": {"epochs": 1, "patience": 0},
    }
    found = run(write(tmp_path, changes, people=people))
    fits = json.loads((found.folder / "history.json").read_text())["fits"]
    judged = [fit[loss] for fit in fits if fit[loss]]
    assert len(judged) == 1
    assert found.metrics["best_baseline"] == min(judged[0], key=judged[0].__getitem__)


def test_tuning_people_without_the_first_target_leave_the_choice_to_folds(tmp_path: Path) -> None:
    changes = {
        "question.target": ["sbp", "dbp"],
        "split": {"by": "file", "path": "split.csv"},
        "evaluate.baselines": ["persistence", "mean"],
    }
    study = write_study(tmp_path, changes)
    parts = ["train"] * 30 + ["tuning"] * 15 + ["held_out"] * 15
    rows = [f"{person},{part}" for person, part in enumerate(parts)]
    (tmp_path / "split.csv").write_text("subject_id,split\n" + "\n".join(rows) + "\n")
    head, *visits = (tmp_path / "visits.csv").read_text().splitlines()
    cells = [row.split(",") for row in visits]
    for row in cells:
        row[2] = "" if parts[int(row[0])] == "tuning" else row[2]
    (tmp_path / "visits.csv").write_text("\n".join([head, *(",".join(row) for row in cells)]) + "\n")
    losses = selection(run(study), "selection_rmse")
    assert set(losses) == {"persistence", "mean"}
    assert np.isfinite(list(losses.values())).all()


@pytest.mark.parametrize("loss", ["weighted_cross_entropy", "cross_entropy"])
def test_risks_of_class_weights_that_cannot_be_recalibrated_are_refused(loss: str, tmp_path: Path) -> None:
    changes = {
        "model": {"hidden": 1, "loss": loss, "recalibrate": "platt"},
        "train.epochs": 1,
        "prepare.min_people": 50,  # and 30 tuning people
        "evaluate.baselines": ["logistic"],
        "evaluate.trials": None,
    }
    study = write_risk_study(tmp_path, changes)
    if loss == "cross_entropy":
        assert set(run(study).metrics["not_recalibrated"]) == {"network", "logistic"}
        return
    with pytest.raises(CohortError, match=r"too high by design.*fewer than 50 people.*more people"):
        run(study)
