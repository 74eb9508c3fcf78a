"""What a run would refuse before it trains is refused by a rehearsal, in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_study import PEOPLE, write_risk_study, write_study

import sequela
from sequela.errors import InputError
from sequela.study import Watch, divide, gather, rehearse
from sequela.train import Progress

HIGH = {"code": "sbp", "above": 135, "within": "90d"}  # asked several times a person
WEIGHTED = {"loss": "weighted_cross_entropy", "recalibrate": "platt"}
OF_FORECASTS: dict[str, dict[str, Any]] = {
    "nothing to learn from": {"prepare.min_people": 500},
    "a logarithm that cannot be": {"records.0.columns": ["sbp", "dbp"], "prepare.transform": {"dbp": "log"}},
    "a horizon without labels": {"question.horizon": ["30d", "9y"]},
    "the preparation of one fold": {"split.folds": 2, "prepare.min_people": 31},
}
OF_RISKS: dict[str, dict[str, Any]] = {
    "fewer people than members": {"model": {"hidden": 3, "members": 61, "hybrid": True}, "question.outcome": HIGH},
    "too few to recalibrate on": {"model": WEIGHTED, "split.fractions": [0.5, 0.03, 0.47]},
}


class Untrained(Watch):
    """Has nothing trained."""

    def training(self, progress: Progress, fit: int, fits: int) -> None:
        pytest.fail("trained")


def refused_alike(path: Path) -> str:
    """Return the words of both refusals."""
    study = sequela.read_study(path)
    with pytest.raises(InputError) as by_run:
        sequela.run(study, path.parent / "run", watch=Untrained())
    material = gather(study)
    with pytest.raises(InputError) as by_rehearsal:
        rehearse(material, divide(study, material))
    assert str(by_rehearsal.value) == str(by_run.value)
    return str(by_run.value)


@pytest.mark.parametrize("changes", OF_FORECASTS.values(), ids=OF_FORECASTS)
def test_a_rehearsal_of_a_forecast_refuses_as_a_run(changes: dict[str, Any], tmp_path: Path) -> None:
    path = write_study(tmp_path, changes)
    visits = (tmp_path / "visits.csv").read_text()
    (tmp_path / "visits.csv").write_text(visits.replace(",8", ",-8"))
    refused_alike(path)


@pytest.mark.parametrize("changes", OF_RISKS.values(), ids=OF_RISKS)
def test_a_rehearsal_of_a_risk_refuses_as_a_run(changes: dict[str, Any], tmp_path: Path) -> None:
    refused_alike(write_risk_study(tmp_path, changes))


@pytest.mark.parametrize(("fate", "who"), [("0", "No training person has"), ("1", "Every training person has")])
def test_training_people_of_one_outcome_are_refused(fate: str, who: str, tmp_path: Path) -> None:
    path = write_risk_study(tmp_path, {"split": {"by": "file", "path": "split.csv"}})
    fates = dict(line.split(",")[:2] for line in (tmp_path / "outcomes.csv").read_text().splitlines()[1:])
    parts = {person: "train" if died == fate else "tuning" for person, died in fates.items()}
    parts |= dict.fromkeys(list(fates)[:20], "held_out")
    text = "".join(f"{person},{part}\n" for person, part in parts.items())
    (tmp_path / "split.csv").write_text(f"subject_id,split\n{text}")
    assert refused_alike(path).startswith(f"{who} the outcome 'died'")


def test_a_horizon_that_only_training_people_have_no_label_at_is_refused(tmp_path: Path) -> None:
    split = {"by": "file", "path": "split.csv"}
    path = write_study(tmp_path, {"question.horizon": ["30d", "150d"], "split": split})
    text = "".join(f"{person},{('train', 'tuning', 'held_out')[person % 3]}\n" for person in range(PEOPLE))
    (tmp_path / "split.csv").write_text(f"subject_id,split\n{text}")
    visits = pl.read_csv(tmp_path / "visits.csv")
    visits.filter((pl.col("id") % 3 > 0) | (pl.col("day") < 100)).write_csv(tmp_path / "visits.csv")
    assert refused_alike(path).startswith("No training person has a label of 'sbp' at the horizon \"150d\"")


def test_what_runs_is_rehearsed_without_a_word(tmp_path: Path) -> None:
    study = sequela.read_study(write_study(tmp_path, {"split.folds": 2}))
    material = gather(study)
    rehearse(material, divide(study, material))
