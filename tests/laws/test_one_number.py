"""Law 2: the same person gives the same number, however it is asked."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from cohorts import Case, cases
from fixed_cases import fixed_case
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from laws import Ready, ready
from one_number import check_one_number, check_one_pass_is_one_each

from sequela.errors import CohortError, StudyError

# One person alone, early in a history, rightly lacks inputs and predictions; the words that say so are no part of this.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(no value in these records|unknown to the bundle|Not predicted):UserWarning"
)
QUIET = {"suppress_health_check": [HealthCheck.filter_too_much, HealthCheck.too_slow]}


def fit(case: Case) -> Ready:
    try:
        return ready(case, boosting=False)
    except (CohortError, StudyError):
        assume(False)
        raise


@settings(max_examples=10, **QUIET)
@given(cases(), st.integers(0, 2**32 - 1))
def test_study_bundle_alone_shuffled_and_one_record_at_a_time_agree(case: Case, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_one_number(fit(case), Path(folder), seed)


@settings(max_examples=10, **QUIET)
@given(cases(kind="risk"), st.integers(0, 2**32 - 1))
def test_a_risk_is_one_number(case: Case, seed: int) -> None:
    fitted = fit(case)
    check_one_pass_is_one_each(fitted)
    with tempfile.TemporaryDirectory() as folder:
        check_one_number(fitted, Path(folder), seed)


@settings(max_examples=20, **QUIET)
@given(cases())
def test_one_pass_prepares_the_bits_of_one_cut_sequence_each(case: Case) -> None:
    check_one_pass_is_one_each(fit(case))


def test_a_bundle_reads_a_long_table_without_the_columns_that_the_study_did_not_name(tmp_path: Path) -> None:
    case = fixed_case(0)
    frames = {**case.frames, "labs": case.frames["labs"].drop("unit")}
    check_one_number(ready(replace(case, frames=frames), boosting=False), tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["forecast", "risk"])
@settings(max_examples=200, **QUIET)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_study_bundle_alone_shuffled_and_one_record_at_a_time_agree_in_many(
    kind: str, data: st.DataObject, seed: int
) -> None:
    fitted = fit(data.draw(cases(people=(2, 14), kind=kind)))
    check_one_pass_is_one_each(fitted)
    with tempfile.TemporaryDirectory() as folder:
        check_one_number(fitted, Path(folder), seed)
