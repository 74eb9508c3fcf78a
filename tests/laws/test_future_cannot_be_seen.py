"""Law 1: the future cannot be seen."""

from __future__ import annotations

import pytest
from cohorts import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from laws import check_future_cannot_be_seen, ready

from sequela.errors import CohortError

QUIET = {"suppress_health_check": [HealthCheck.filter_too_much, HealthCheck.too_slow]}


def check(case: Case, seed: int, *, boosting: bool) -> None:
    try:
        fitted = ready(case, boosting=boosting)
    except CohortError:
        assume(False)
        raise
    check_future_cannot_be_seen(fitted, seed)


@settings(max_examples=20, **QUIET)
@given(cases(), st.integers(0, 2**32 - 1))
def test_what_becomes_known_later_moves_no_bit_of_input_or_prediction(case: Case, seed: int) -> None:
    check(case, seed, boosting=False)


@settings(max_examples=5, **QUIET)
@given(cases(people=(10, 12)), st.integers(0, 2**32 - 1))
def test_what_becomes_known_later_moves_no_bit_of_boosted_trees(case: Case, seed: int) -> None:
    check(case, seed, boosting=True)


@settings(max_examples=20, **QUIET)
@given(cases(kind="risk"), st.integers(0, 2**32 - 1))
def test_what_becomes_known_later_moves_no_bit_of_a_risk(case: Case, seed: int) -> None:
    check(case, seed, boosting=False)


@pytest.mark.slow
@settings(max_examples=400, **QUIET)
@given(cases(people=(2, 14), kind="risk"), st.integers(0, 2**32 - 1))
def test_what_becomes_known_later_moves_no_bit_in_many_studies_of_a_risk(case: Case, seed: int) -> None:
    check(case, seed, boosting=True)


@pytest.mark.slow
@settings(max_examples=400, **QUIET)
@given(cases(people=(2, 14)), st.integers(0, 2**32 - 1))
def test_what_becomes_known_later_moves_no_bit_in_many_studies(case: Case, seed: int) -> None:
    check(case, seed, boosting=True)
