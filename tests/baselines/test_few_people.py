"""Studies of few people run to the end, or say before training why they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import write_study

import sequela
from sequela.errors import CohortError
from sequela.study import Run


def run(study: Path) -> Run:
    return sequela.run(sequela.read_study(study), study.parent / "run")


@pytest.mark.parametrize("members", [30, 31])
def test_a_hybrid_has_no_more_members_than_training_people(members: int, tmp_path: Path) -> None:
    changes = {"model": {"hidden": 1, "hybrid": True, "members": members}, "train.epochs": 1}
    study = write_study(tmp_path, changes)
    if members == 30:
        assert run(study).folder.exists()
        return
    with pytest.raises(CohortError, match=r"each of the 31 members.*Lower `members`"):
        run(study)
