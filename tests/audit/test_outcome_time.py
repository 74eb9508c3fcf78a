"""Columns against quantities that lie ahead, person by person."""

from __future__ import annotations

import numpy as np
import pytest

from sequela.audit.outcome_time import age_at_outcome, beyond_the_last, counts_down, holds_time_ahead, repeats
from sequela.audit.quantities import Ahead, Measured
from sequela.audit.series import Floats, Series

DAY = 86_400_000_000
PEOPLE = 100
NOTHING = np.full(PEOPLE, np.nan)
DAYS = np.round(np.random.default_rng(0).exponential(50, PEOPLE) + 1, 2)  # until the outcome
BINARY = (np.arange(PEOPLE) < 40).astype(float)
RARE = (np.arange(PEOPLE) < 19).astype(float)


def fact(value: Floats, *, name: str = "c", lasting: bool = True) -> Measured:
    return Measured(name=name, value=value, days=NOTHING, lasting=lasting)


def known_of(people: int, value: Floats) -> Floats:
    """Return the values of the first people alone."""
    return np.where(np.arange(PEOPLE) < people, value, np.nan)


def otherwise(value: Floats, wrong: int) -> Floats:
    """Return the values with those of the first few people changed."""
    return np.append(1 - value[:wrong], value[wrong:])


@pytest.mark.parametrize(
    ("value", "wrong", "is_found"),
    [
        *[(DAYS, 5, True), (DAYS, 6, False), (BINARY, 0, True), (BINARY, 1, False), (RARE, 0, False)],
        *[(known_of(20, DAYS), 1, True), (known_of(19, DAYS), 0, False)],
    ],
    ids=["most", "too few", "two values", "two values but one", "a rare value", "of 20 people", "of 19 people"],
)
def test_a_repeat_of_an_outcomes_column_is_one_for_most_people_and_of_few_values_for_all(
    value: Floats, wrong: int, is_found: bool
) -> None:
    found = repeats([fact(otherwise(value, wrong))], {"end": value}, {})
    assert [one.finding for one in found] == ["equals_outcome_table"] * is_found


CHANCE = np.random.default_rng(1).uniform(0.1, 0.9, PEOPLE)
AHEAD = Ahead(finding="outcome_time", words="the time", value=DAYS, instant=DAYS * DAY)


@pytest.mark.parametrize(
    ("value", "days", "is_found"),
    [
        (24 * DAYS + 7, CHANCE * DAYS, True),
        (24 * DAYS + 7, DAYS + CHANCE, False),  # measured when the outcome was there
        (DAYS - 0.5, DAYS - 0.5, False),  # its own time, shortly before
    ],
    ids=["before", "afterwards", "its own time"],
)
def test_a_column_holds_a_time_ahead_where_that_was_not_known_when_it_was_measured(
    value: Floats, days: Floats, is_found: bool
) -> None:
    found = holds_time_ahead([Measured(name="c", value=value, days=days)], [AHEAD], [], {})
    assert [one.finding for one in found] == ["outcome_time"] * is_found


def test_a_column_holds_a_time_ahead_beside_another_one() -> None:
    age = np.round(100 * CHANCE, 1)
    columns = [fact(age, name="age"), fact(age + DAYS, name="older"), fact(age - DAYS, name="younger")]
    found = {one.column: one.evidence for one in holds_time_ahead(columns, [AHEAD], [], {})}
    assert found["older"].startswith("It is the time, plus 'age', but for rounding: for all of 100 people")
    assert holds_time_ahead(columns[:1], [AHEAD], [], {}) == []


BEGIN = np.round(1000 * CHANCE)
LAST = BEGIN + DAYS


@pytest.mark.parametrize(
    ("value", "lasting", "is_found"),
    [
        (LAST + 5 * CHANCE, True, True),  # on the study's clock
        (DAYS + 5 * CHANCE, True, True),  # since the beginning
        (DAYS + 60 * np.random.default_rng(2).exponential(1, PEOPLE), True, True),  # rank correlation 0.70
        (known_of(50, LAST + 5 * CHANCE), True, True),
        (known_of(49, LAST + 5 * CHANCE), True, False),
        (LAST + 5 * CHANCE, False, False),
        (LAST - 5 * CHANCE, True, False),  # below the last time
        (4000 - LAST, True, False),  # above it, and the other way round
        (DAYS * 5, True, False),  # far above it
    ],
    ids=["clock", "since", "loosely", "of 50 people", "of 49 people", "it changes", "below", "falls", "far"],
)
def test_what_is_never_below_the_last_time_and_goes_with_it_is_the_end_of_follow_up(
    value: Floats, lasting: bool, is_found: bool
) -> None:
    found, ends = beyond_the_last([fact(np.round(value, 2), lasting=lasting)], BEGIN, LAST, {})
    assert len(found) == len(ends) == is_found


def series(number: Floats, day: Floats) -> Series:
    """Return two records of each person, at day 0 and at `day`; `number` [2, P]."""
    person = np.repeat(np.arange(PEOPLE), 2)
    time = np.column_stack([np.zeros(PEOPLE), day * DAY]).reshape(-1).astype(np.int64)
    numbers = number.T.reshape(-1)
    return Series(
        code="c", person=person, known=time, time=time, number=numbers, level=np.full(len(person), -1), levels=()
    )


@pytest.mark.parametrize(
    ("first", "last", "is_found"),
    [
        (DAYS + 9, np.full(PEOPLE, 9.0), True),
        (np.full(PEOPLE, 9.0), DAYS + 9, False),  # it counts up
        (np.full(PEOPLE, 900.0), 900 - DAYS, False),  # towards one end for all
        (DAYS + 9, 9 + 50 * CHANCE, False),  # at no one speed
    ],
    ids=["down", "up", "one end", "any"],
)
def test_a_countdown_falls_by_the_time_that_passes_to_another_end_for_each(
    first: Floats, last: Floats, is_found: bool
) -> None:
    found = counts_down([series(np.stack([first, last]), DAYS)], {}, PEOPLE)
    assert [one.finding for one in found] == ["counts_down"] * is_found


@pytest.mark.parametrize(
    ("age", "name", "is_found"),
    [
        (50 + 10 * CHANCE + 20 * DAYS / 365.25, "age", True),
        (50 + 10 * CHANCE + 20 * DAYS / 365.25, "wage", False),
        (50 + 10 * CHANCE - 20 * DAYS / 365.25, "age", False),
        (50 + 20 * DAYS, "age", False),  # 365 years a year are no age
        (50 + 0.1 * CHANCE + 2 * DAYS / 365.25, "age", False),  # nor is a tenth of a year
    ],
    ids=["added", "another name", "sooner", "too steep", "too flat"],
)
def test_an_age_that_is_higher_where_the_outcome_is_later_is_suspected(age: Floats, name: str, is_found: bool) -> None:
    years = Ahead(finding="outcome_time", words="the time", value=20 * DAYS, instant=NOTHING, years=1 / 365.25)
    found = age_at_outcome([fact(age, name=name)], [years], np.zeros(PEOPLE), {})
    assert [one.finding for one in found] == ["age_at_outcome"] * is_found
