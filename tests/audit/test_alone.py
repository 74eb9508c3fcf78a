"""One column against the outcome: what is found, and how sure it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sequela.audit.alone import told_alone
from sequela.audit.columns import Column, fact_columns
from sequela.audit.finding import Finding, concluded
from sequela.audit.forecast_alone import told_ahead
from sequela.audit.settings import AcceptSettings
from sequela.cohort.facts import Facts

LABEL = np.repeat([1.0, 0.0], [60, 240])  # 60 people with the outcome, then 240 without


def told(number: Any, label: Any = LABEL, person: Any = None) -> tuple[str, str] | None:
    """Return finding and severity of a column of numbers, NaN where there is none."""
    values = np.asarray(number, dtype=np.float64)
    found = told_alone(of_numbers(values), label, np.arange(len(values)) if person is None else person)
    return None if found is None else (found.finding, found.severity)


def of_numbers(number: np.ndarray[Any, Any], fresh: Any = None) -> Column:
    there = ~np.isnan(number)
    level = np.full(len(number), -1)
    fresh = there if fresh is None else fresh
    return Column(name="c", table=None, number=number, level=level, levels=(), present=there, fresh=fresh)


@pytest.mark.parametrize(
    ("wrong", "expected"), [(1, ("equals_outcome", "certain")), (2, ("only_with_outcome", "certain"))]
)
def test_a_column_is_the_outcome_where_it_is_wrong_of_at_most_one_person_in_200(wrong: int, expected: Any) -> None:
    assert told(np.append(1 - LABEL[:wrong], LABEL[wrong:])) == expected


def test_people_are_counted_and_not_their_predictions() -> None:
    person, label = np.append(np.arange(300), np.zeros(9, dtype=np.int64)), np.append(LABEL, np.ones(9))
    assert told(np.append(LABEL, np.zeros(9)), label, person) == ("equals_outcome", "certain")


@pytest.mark.parametrize(("affected", "severity"), [(4, None), (5, "likely"), (10, "likely"), (11, "certain")])
def test_of_few_people_a_column_that_is_the_outcome_is_likely_one(affected: int, severity: str | None) -> None:
    label = (np.arange(300) < affected).astype(float)
    assert told(label, label) == (None if severity is None else ("equals_outcome", severity))


def test_the_surest_of_several_ways_is_told() -> None:
    number = np.repeat([2.0, 3.0, 2.0, 0.0], [30, 30, 3, 237])  # the 3 is borne with the outcome only: likely
    assert told(number) == ("predicts_outcome_alone", "certain")


def test_that_there_is_a_record_may_tell_more_than_its_numbers() -> None:
    number = np.random.default_rng(0).normal(size=300)
    number[[0, *range(61, 300)]] = np.nan  # 59 with the outcome have one, and one without
    assert told(number) == ("predicts_outcome_alone", "likely")


def test_of_two_findings_of_one_kind_the_surer_stands_and_is_accepted_under_its_name_only() -> None:
    likely, certain = (
        Finding(finding="equals_outcome", severity=severity, column="c", evidence="", remedy="")
        for severity in ("likely", "certain")
    )
    assert concluded([likely, certain], []).findings == (certain,)
    other = AcceptSettings(finding="counts_down", column="c", reason="no leak")
    assert concluded([certain], [other]).leaks == (certain,)


def ahead(number: Any, label: Any, past: Any, before: Any, fresh: Any = None) -> tuple[str, str] | None:
    found = told_ahead(of_numbers(number, fresh), label, np.column_stack([past, before]), np.arange(len(label)))
    return None if found is None else (found.finding, found.severity)


def test_what_the_targets_own_past_tells_is_no_leak_of_the_value_to_come() -> None:
    noise = np.random.default_rng(0).normal(size=(4, 500))
    past = 130 + 14 * noise[0]
    before = past - 5 * noise[1]
    label = 2 * past - before + 0.1 * noise[2]  # it goes on as it went
    assert ahead(past, label, past, before) is None
    assert ahead(past - before, label, past, before) is None
    assert ahead(50 + noise[3], 100 + noise[2], noise[0], noise[1]) is None
    label = past + 30 * noise[2]
    assert ahead(noise[2], label, past, before) == ("predicts_outcome_alone", "certain")
    assert ahead(noise[2] + 0.15 * noise[3], label, past, before) == ("predicts_outcome_alone", "likely")
    assert ahead(noise[2] + 0.35 * noise[3], label, past, before) is None


def test_a_value_to_come_that_is_told_at_other_records_than_the_last_is_found() -> None:
    label, past, before = np.random.default_rng(0).normal(size=(3, 500))
    assert ahead(label, label, past, before, np.zeros(500, dtype=bool)) == ("equals_outcome", "certain")


def test_a_copy_of_a_target_that_seldom_changes_is_no_value_to_come() -> None:
    past = np.random.default_rng(0).normal(size=1000)
    label = np.append(past[:960], past[960:] + 1)
    assert ahead(past, label, past, past) is None


def test_an_age_is_that_at_the_prediction() -> None:
    year = 365.25 * 24 * 3_600_000_000
    facts = Facts(numbers={}, categories={}, birth=np.array([-40 * year, np.nan]))
    [age] = fact_columns(facts, np.array([0, 0, 1]), np.array([0, int(year), 0]), {})
    np.testing.assert_allclose(age.number, [40.0, 41.0, np.nan])
