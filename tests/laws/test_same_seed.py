"""Law 3: same seed, same machine, same result, to the last digit."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixed_cases import fixed_case, fixed_risk
from same_seed import check_same_seed_same_result


def test_two_runs_with_one_seed_write_the_same_bytes(tmp_path: Path) -> None:
    case = fixed_case(1, people=24, model={"hidden": [3, 3], "dropout": 0.2}, train={"epochs": 2, "batch_size": 4})
    check_same_seed_same_result(case, tmp_path)


def test_two_runs_of_a_recalibrated_hybrid_write_the_same_bytes(tmp_path: Path) -> None:
    prepare = {"missing": {"sbp": "regression", "glu": "knn", "*": "decay"}, "outliers": "mad", "scale": "quantile"}
    check_same_seed_same_result(fixed_risk(1, people=48, prepare=prepare, train={"epochs": 1}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("recalibrate", ["none", "platt", "isotonic"])
@pytest.mark.parametrize("outcome", [{"column": "died"}, {"code": "DISCH", "within": "2d"}])
def test_two_runs_of_other_risks_write_the_same_bytes(
    tmp_path: Path, outcome: dict[str, object], recalibrate: str
) -> None:
    model = {"recalibrate": recalibrate, "readout": ["last", "attention"], "wide": True, "dropout": 0.2}
    case = fixed_risk(2, people=48, question={"outcome": outcome}, model=model, train={"hide": 0.2, "epochs": 3})
    check_same_seed_same_result(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("question", [{"history": "36h"}, {"at": "every 6h", "horizon": ["12h", "1d"]}])
@pytest.mark.parametrize("model", [{"bidirectional": True}, {"cell": "gru", "decay": True}])
def test_two_runs_of_other_studies_write_the_same_bytes(
    tmp_path: Path, question: dict[str, object], model: dict[str, object]
) -> None:
    case = fixed_case(2, people=24, question=question, model=model, split={"fractions": [0.6, 0.2, 0.2]})
    check_same_seed_same_result(case, tmp_path)
