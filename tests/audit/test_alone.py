"""One column against the outcome: what is found, and how sure it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from sequela.audit.alone import told_alone
from sequela.audit.columns import Column, column_at, fact_columns, sampled
from sequela.audit.finding import Finding, concluded
from sequela.audit.forecast_alone import told_ahead
from sequela.audit.series import Series
from sequela.audit.settings import AcceptSettings
from sequela.cohort.asof import build_timeline
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
    for rare in (label, 1 - label):
        assert told(rare, rare) == (None if severity is None else ("equals_outcome", severity))


def test_the_surest_of_several_ways_is_told() -> None:
    number = np.repeat([2.0, 3.0, 2.0, 0.0], [30, 30, 3, 237])  # the 3 is borne with the outcome only: likely
    assert told(number) == ("predicts_outcome_alone", "certain")


# Of 1,500 people 297 with the outcome and 15 without have 5, 3 with it have -5, all others 0. Ordered by their rates:
# (297 (1185 + 7.5) + 3 * 1185) / (300 * 1200) = 0.9937; by the numbers only 0.9838.
OF_MANY = np.repeat([5.0, -5.0, 5.0, 0.0], [297, 3, 15, 1185])


@pytest.mark.parametrize(
    ("number", "affected", "evidence"),
    [
        (
            np.append(0.0, LABEL[1:]),
            60,
            (
                "Its 2 values (none counts as one) stand for the outcome: they tell it of all but fewer than 11 of 300 "
                "people."
            ),
        ),
        (
            np.repeat([np.nan, 1.0, np.nan], [50, 101, 149]),
            150,
            (
                "Of 101 people with a record of it by the prediction time, all but fewer than 11 have the outcome "
                "afterwards; of everybody 50 %."
            ),
        ),
        (
            OF_MANY,
            300,
            (
                "Its last value alone has an AUROC of 0.994 (300 people with the outcome, 1,200 people without). A "
                "column of true AUROC 0.95 does as well in at most 0.1 of 100 such samples."
            ),
        ),
    ],
    ids=["equals", "only with", "alone"],
)
def test_evidence_gives_the_figures_of_the_best_way(number: Any, affected: int, evidence: str) -> None:
    label = (np.arange(len(number)) < affected).astype(float)
    found = told_alone(of_numbers(number), label, np.arange(len(number)))
    assert found is not None
    assert found.evidence == evidence


@pytest.mark.parametrize(("missed", "expected"), [(4, ("equals_outcome", "certain")), (5, None)])
def test_a_column_is_a_rare_outcome_where_it_is_right_of_four_in_five_with_it(missed: int, expected: Any) -> None:
    label = (np.arange(5000) < 20).astype(float)
    assert told(np.append(np.zeros(missed), label[missed:]), label) == expected


def test_a_record_without_a_value_may_be_the_outcome() -> None:
    found = told_alone(replace(of_numbers(np.full(300, np.nan)), present=LABEL == 1), LABEL, np.arange(300))
    assert found is not None
    assert (found.finding, found.severity) == ("equals_outcome", "certain")


@pytest.mark.parametrize(("kinds", "expected"), [(30, ("equals_outcome", "certain")), (31, None)])
def test_up_to_thirty_numbers_or_words_may_be_codes_of_the_outcome(kinds: int, expected: Any) -> None:
    number = np.arange(20 * kinds) // 20
    label = (number % 2).astype(float)
    assert told(number, label) == expected
    words = replace(of_numbers(0 * number + np.nan), level=number, levels=tuple(map(str, range(kinds))))
    found = told_alone(replace(words, present=number >= 0), label, np.arange(20 * kinds))
    assert found is not None
    assert (found.finding == "equals_outcome") is (expected is not None)


def test_one_of_forty_words_that_stands_with_the_outcome_only_is_found() -> None:
    level = np.arange(1600) % 40
    column = replace(of_numbers(np.full(1600, np.nan)), level=level, levels=tuple(map(str, range(40))))
    found = told_alone(replace(column, present=level >= 0), (level < 2).astype(float), np.arange(1600) // 2)
    assert found is not None
    assert found.finding == "only_with_outcome"


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
    assert ahead(np.append(noise[2, :499], 1e6), label, past, before) == ("predicts_outcome_alone", "likely")
    assert ahead(noise[2] + 0.15 * noise[3], label, past, before) == ("predicts_outcome_alone", "likely")
    assert ahead(noise[2] + 0.25 * noise[3], label, past, before) is None  # of the rest it tells 1 / (1 + 0.25^2): 94 %


def test_what_is_explained_needs_forty_predictions_and_something_to_explain() -> None:
    past, label, noise = np.random.default_rng(0).normal(size=(3, 40))
    never = np.full(40, np.nan)
    assert ahead(2 * label, label, past, never) == ("predicts_outcome_alone", "certain")
    assert ahead(2 * label[:39], label[:39], past[:39], never[:39]) is None
    assert ahead(label, 0 * label, past, noise) is None
    assert ahead(0 * label, label, past, noise) is None


def test_a_value_to_come_that_is_told_at_other_records_than_the_last_is_found() -> None:
    label, past, before = np.random.default_rng(0).normal(size=(3, 500))
    assert ahead(label, label, past, before, np.zeros(500, dtype=bool)) == ("equals_outcome", "certain")


@pytest.mark.parametrize(("wrong", "is_found"), [(25, True), (26, False)])
def test_a_column_is_the_value_to_come_where_it_is_so_in_19_of_20_predictions(wrong: int, is_found: bool) -> None:
    label, past, noise = np.random.default_rng(0).normal(size=(3, 500))
    number = np.append(noise[:wrong], label[wrong:])
    found = ahead(number, label, past, past)
    assert found == (("equals_outcome", "certain") if is_found else ("predicts_outcome_alone", "likely"))
    person = np.arange(500) % 19
    assert told_ahead(of_numbers(label), label, np.column_stack([past, past]), person) is None  # 19 people are too few


def test_of_the_value_to_come_no_few_predictions_are_left_to_subtraction() -> None:
    label, past = np.random.default_rng(0).normal(size=(2, 500))
    past[:100] = label[:100]  # nothing new
    number = np.append(label[:497], np.zeros(3))
    found = told_ahead(of_numbers(number), label, np.column_stack([past, label]), np.arange(500) // 2)
    assert found is not None
    assert found.evidence.startswith(
        "It is the value to come, in all but fewer than 11 of 400 predictions (200 people) in which"
    )


def test_a_copy_of_a_target_that_seldom_changes_is_no_value_to_come() -> None:
    past = np.random.default_rng(0).normal(size=1000)
    label = np.append(past[:960], past[960:] + 1)
    assert ahead(past, label, past, past) is None


def test_the_last_record_of_nobody_but_the_person_is_seen() -> None:
    words = Series(
        code="x",
        person=np.array([0, 2]),
        known=np.array([1, 3]),
        time=np.array([1, 3]),
        number=np.array([7.0, np.nan]),
        level=np.array([-1, 0]),
        levels=("a",),
    )
    rows = [(0, 1, "x", 7.0, None), (0, 5, "y", 1.0, None), (1, 2, "y", 1.0, None), (2, 3, "x", None, "a")]
    events = pl.DataFrame(rows, ["subject_id", "time", "code", "numeric_value", "text_value"], orient="row")
    events = events.with_columns(pl.col("time").cast(pl.Datetime("us")), available_time=pl.lit(None, pl.Datetime("us")))
    column = column_at(words, np.array([0, 0, 1, 2]), np.array([1, 5, 9, 9]), build_timeline(events, 3), "t")
    np.testing.assert_array_equal(column.number, [7.0, 7.0, np.nan, np.nan])
    assert column.level.tolist() == [-1, -1, -1, 0]
    assert column.present.tolist() == [True, True, False, True]
    assert column.fresh.tolist() == [True, False, False, True]


def test_of_many_predictions_as_many_different_ones_are_drawn_of_each_kind() -> None:
    label = (np.arange(12_000) < 5000).astype(float)
    rows = sampled(label)
    assert len(np.unique(rows)) == 2 * 4096
    assert label[rows].sum() == 4096
    np.testing.assert_array_equal(rows, sampled(label))
    np.testing.assert_array_equal(rows, np.sort(rows))


def test_an_age_is_that_at_the_prediction() -> None:
    year = 365.25 * 24 * 3_600_000_000
    facts = Facts(numbers={}, categories={}, birth=np.array([-40 * year, np.nan]))
    [age] = fact_columns(facts, np.array([0, 0, 1]), np.array([0, int(year), 0]), {})
    np.testing.assert_allclose(age.number, [40.0, 41.0, np.nan])
