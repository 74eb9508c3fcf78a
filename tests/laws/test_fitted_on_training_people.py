"""Law 1, second half: what preparation fits does not move when other than training people change."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from cohorts import Case, cases
from fitted_state import check_fitted_on_training_people_only, write_split
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sequela.errors import CohortError, StudyError

QUIET = {"suppress_health_check": [HealthCheck.filter_too_much, HealthCheck.too_slow]}
SPLITS = ["subject", "time", "within", "order", "file"]


def check(case: Case, by: str, seed: int) -> None:
    keys = {"by": by} | ({"path": "split.csv", "fractions": [0.7, 0.15, 0.15]} if by == "file" else {})
    risk = case.document["question"].get("kind") == "risk"
    asked = {"outcome": {"code": "DISCH", "within": "2d"}, "to": "last record"} if risk else {"target": "sbp"}
    case = case.changed(split=keys, prepare={"plausible": "none"}, question=asked)  # no value decides who is asked
    with tempfile.TemporaryDirectory() as folder:
        write_split(Path(folder), 14)
        try:
            check_fitted_on_training_people_only(case, Path(folder), seed)
        except (CohortError, StudyError):
            assume(False)


@pytest.mark.parametrize("by", SPLITS)
@settings(max_examples=10, **QUIET)
@given(case=cases(people=(8, 12)), seed=st.integers(0, 2**32 - 1))
def test_other_people_move_no_fitted_number(by: str, case: Case, seed: int) -> None:
    check(case, by, seed)


@pytest.mark.parametrize("by", SPLITS)
@settings(max_examples=6, **QUIET)
@given(case=cases(people=(8, 12), kind="risk"), seed=st.integers(0, 2**32 - 1))
def test_other_people_move_no_fitted_number_of_a_risk(by: str, case: Case, seed: int) -> None:
    check(case, by, seed)


@pytest.mark.slow
@pytest.mark.parametrize("by", SPLITS)
@settings(max_examples=100, **QUIET)
@given(case=cases(people=(6, 14), kind="risk"), seed=st.integers(0, 2**32 - 1))
def test_other_people_move_no_fitted_number_of_a_risk_in_many(by: str, case: Case, seed: int) -> None:
    check(case, by, seed)


@pytest.mark.slow
@pytest.mark.parametrize("by", SPLITS)
@settings(max_examples=150, **QUIET)
@given(case=cases(people=(6, 14)), seed=st.integers(0, 2**32 - 1))
def test_other_people_move_no_fitted_number_in_many(by: str, case: Case, seed: int) -> None:
    check(case, by, seed)
