"""The many and sparse: which codes get columns, which come as events, and which are too few."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from preparing import Course

from sequela.batch import Batch
from sequela.prepare import Collation, PreparedState, variables
from sequela.prepare.state import CategoryState

COURSE = Course(
    *((p, 0, "x", 1.0 + p) for p in range(6)),
    *((p, 1, "DIAGNOSIS//I10", None) for p in range(4)),
    *((p, 1, "DIAGNOSIS//E11", None) for p in range(2)),
    *((p, 2, "drug", 4.0 if p % 2 else None) for p in range(6)),
    *((0, 3, "rare", None), (5, 3, "x", 9.0)),
)


def batch_of(course: Course, state: PreparedState, *people: int) -> Batch:
    return Collation(course.timeline, course.facts, state, course.sequences).batch(np.array(people))[0]


def events_by_step(batch: Batch) -> list[list[tuple[int, float]]]:
    assert batch.events is not None
    offsets = batch.events.offsets.tolist()
    pairs = list(zip(batch.events.ids.tolist(), batch.events.amounts.tolist(), strict=True))
    return [pairs[a:b] for a, b in itertools.pairwise(offsets)]


def test_codes_without_a_value_are_words_and_those_of_too_few_people_are_none() -> None:
    state, unused = COURSE.fit_with_reasons(min_people=3)
    assert state.columns == ["drug", "x"]
    assert state.event_vocabulary == ["DIAGNOSIS//I10"]
    assert set(unused) == {"DIAGNOSIS//E11", "rare"}
    batch = batch_of(COURSE, state, 5, 0)
    assert batch.batch_sizes.tolist() == [2, 2, 2, 1] or batch.batch_sizes.tolist() == [2, 2, 2]
    assert len(batch.values) + 1 == len(batch.events.offsets)  # type: ignore[union-attr]
    assert sum(map(len, events_by_step(batch))) == 1


def test_an_event_stands_at_the_packed_row_of_its_step() -> None:
    state = COURSE.fit(min_people=2)
    batch = batch_of(COURSE, state, 4, 1, 0)
    steps = events_by_step(batch)
    order, sizes = batch.order.tolist(), batch.batch_sizes.tolist()
    people = [[4, 1, 0][order[rank]] for size in sizes for rank in range(size)]
    hours = batch.hours.tolist()
    for person, hour, held in zip(people, hours, steps, strict=True):
        names = {state.event_vocabulary[word] for word, _ in held}
        expected = {"DIAGNOSIS//I10", "DIAGNOSIS//E11"} if person < 2 and hour == 1 else set()
        assert names == expected


def test_beyond_the_most_common_codes_numbers_come_as_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_MOST_DENSE", 1)
    course = Course(
        *((p, 0, "x", 1.0) for p in range(3)), *((p, h, "y", 5.0 - h) for p in range(6) for h in (0, 8)), people=6
    )
    state = course.fit(min_people=2)
    assert state.columns == ["x"]  # the target keeps its column
    assert state.event_vocabulary == ["y"]
    (first, second) = events_by_step(batch_of(course, state, 5))
    root = np.sqrt((25 + 9) / 2)
    assert first == [(0, pytest.approx(5 / root))]
    assert second == [(0, pytest.approx(-3 / root))]


def test_an_amount_is_measured_by_that_of_enough_people_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_MOST_DENSE", 1)
    given = {"few": [4.0, None, None], "none": [None, None, None], "zero": [0.0, 0.0, 0.0], "enough": [4.0, None, 3.0]}
    course = Course(
        *((p, 0, "x", 1.0) for p in range(3)),
        *((p, 1, code, value) for code, values in given.items() for p, value in enumerate(values)),
    )
    units = {word.code: word.unit_amount for word in course.fit(min_people=2).words}
    assert units == {"few": 1.0, "none": 1.0, "zero": 1.0, "enough": pytest.approx(np.sqrt(12.5))}


def test_the_codes_that_most_people_have_get_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_MOST_DENSE", 2)
    had_by = {"a": 2, "b": 4, "c": 3}
    course = Course(
        *((0, 0, "x", 1.0),), *((p, 1, code, 5.0) for code, people in had_by.items() for p in range(people))
    )
    state = course.fit()
    assert state.columns == ["b", "x"]
    assert state.event_vocabulary == ["c", "a"]


def test_a_typing_error_is_no_larger_than_ten_usual_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_MOST_DENSE", 1)
    course = Course(*((p, 0, "x", 1.0) for p in range(3)), *((p, 0, "y", 5.0) for p in range(3)))
    state = course.fit()
    wrong = Course((0, 0, "y", 5e6))
    assert events_by_step(batch_of(wrong, state, 0)) == [[(0, 10.0)]]


def test_a_category_of_many_levels_comes_as_events_with_the_rare_and_the_unseen_as_other() -> None:
    rows: list[tuple[Any, ...]] = [(p, p % 7, "organism", f"species {p % 40:02d}") for p in range(120)]
    rows += [(p, 9, "organism", f"one of its kind {p}") for p in range(5)]
    course = Course(*((p, 0, "x", 1.0) for p in range(120)), *rows)
    state = course.fit(min_people=3)
    assert state.columns == ["x"]
    assert len(state.event_vocabulary) == 41
    assert state.event_vocabulary[0] == "organism = (other)"
    often = [(0, h, "organism", "rare") for h in range(9)] + [(39, h, "organism", "species 39") for h in range(9)]
    once = Course(*((p, 0, "x", 1.0) for p in range(120)), *rows[:-4], *often).fit(min_people=3)
    assert once.event_vocabulary == [f"organism = species {n:02d}" for n in range(40)]  # people count, not records
    new = Course((0, 0, "x", 1.0), (0, 1, "organism", "unheard of"), (0, 2, "organism", "species 07"))
    steps = events_by_step(batch_of(new, state, 0))
    assert [[state.event_vocabulary[word] for word, _ in held] for held in steps] == [
        [],
        ["organism = (other)"],
        ["organism = species 07"],
    ]


def test_a_category_of_few_levels_keeps_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    course = Course(*((p, 0, "ward", "CBA"[p % 3]) for p in range(10)))
    state = course.fit(min_people=2)
    assert isinstance(state.features[0], CategoryState)
    assert state.features[0].levels == ["C", "A", "B"]  # the most widespread first
    assert not state.words
    assert batch_of(course, state, 0).events is None
    for most, words in ((3, 0), (2, 3)):
        monkeypatch.setattr(variables, "MOST_LEVELS", most)
        assert len(course.fit(min_people=2).words) == words


def test_a_study_of_codes_alone_has_no_dense_column() -> None:
    course = Course(*((p, p, "DIAGNOSIS//I10", None) for p in range(5)))
    state = course.fit(min_people=2)
    batch = batch_of(course, state, 0, 3)
    assert state.columns == []
    assert batch.values.shape == (2, 0)
    assert events_by_step(batch) == [[(0, 1.0)], [(0, 1.0)]]
