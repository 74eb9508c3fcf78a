from __future__ import annotations

import numpy as np
import pytest
from preparing import Course, events_of

from sequela.cohort import one_each, one_pass
from sequela.prepare import flag_words
from sequela.prepare.plausible import without_implausible
from sequela.prepare.rows import RowPreparation, prepare_static

HOUR = 3_600_000_000
COURSE = Course(
    *((0, 0, "y", 8.0), (0, 2, "x", 4.0), (0, 5, "y", 9.0), (0, 6, "x", 6.0)),
    *((1, 0, "x", 2.0), (1, 1, "y", 7.0)),
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("last", [4.0, 4.0, 4.0, 6.0, 2.0, 2.0]),
        ("mean", [4.0, 4.0, 4.0, 6.0, 2.0, 4.0]),
        ("zero", [0, 4.0, 0, 6.0, 2.0, 0]),
    ],
)
def test_what_is_missing_is_filled_by_its_rule(rule: str, expected: list[float]) -> None:
    rows = COURSE.rows(COURSE.fit(missing=rule, scale="none"))
    assert rows.values[:, 0].tolist() == expected
    assert rows.observed[:, 0].tolist() == [False, True, False, True, True, False]


def test_zero_means_zero_in_the_codes_own_unit() -> None:
    state = COURSE.fit(missing="zero", scale="minmax")
    assert COURSE.rows(state).values[0, 0] == pytest.approx((0 - 2) / 4)


def test_gaps_count_since_the_feature_was_last_seen_strictly_before_else_since_the_start() -> None:
    rows = COURSE.rows(COURSE.fit())
    assert rows.gap_hours[:, 0].tolist() == [0, 2, 3, 4, 0, 1]
    assert rows.gap_hours[:, 1].tolist() == [0, 2, 5, 1, 0, 1]
    assert rows.hours.tolist() == [0, 2, 5, 6, 0, 1]


def test_gaps_count_from_the_measurements_own_time() -> None:
    late = Course((0, 0, "y", 1.0), (0, 1, "x", 1.0, 4), (0, 6, "y", 1.0))
    rows = late.rows(late.fit())
    assert rows.hours.tolist() == [0, 4, 6]
    assert rows.gap_hours[:, 0].tolist() == [0, 4, 5]


def test_hours_count_from_the_episode_and_its_first_gaps_from_what_was_known_before() -> None:
    course = Course(
        (0, -3, "x", 5.0), (0, 2, "y", 1.0), (0, None, "height", 1.0), (0, -365.25 * 24, "MEDS_BIRTH", None)
    )
    keys = {"person": np.array([0]), "episode_start": np.array([0]), "time": np.array([6 * HOUR])}
    sequences = one_each(course.timeline, **keys)
    state = course.fit(scale="none")
    rows = RowPreparation(course.timeline, state).rows(sequences, np.array([0]))
    assert rows.hours.tolist() == [-3, 2]
    assert rows.gap_hours.tolist() == [[0, 0], [5, 5]]
    assert prepare_static(course.facts, state, sequences, np.array([0]))[0, 2:].tolist() == [
        1,
        1,
    ]  # a year at the start


def test_how_late_a_value_was_known_is_told_where_one_stands() -> None:
    late = Course((0, 0, "y", 1.0), (0, 1, "x", 1.0, 4), (0, 6, "y", 1.0), (1, 2, "y", 3.0, 2.5))
    preparation, everybody = RowPreparation(late.timeline, late.fit()), np.arange(2)
    rows = preparation.rows(late.sequences, everybody, lateness=True)
    assert rows.late_hours is not None
    assert rows.late_hours.tolist() == [[0, 0], [3, 0], [0, 0], [0, 0.5]]
    placed = preparation.rows(late.sequences, everybody, place=np.array([3, 1, 0, 2]), lateness=True)
    assert placed.late_hours is not None
    assert placed.late_hours.tolist() == [[0, 0], [3, 0], [0, 0.5], [0, 0]]


@pytest.mark.parametrize(("missing", "expected"), [("last", 7.0), ("linear", 9.0)])
def test_nothing_is_carried_from_one_sequence_into_the_next(missing: str, expected: float) -> None:
    course = Course((0, 0, "x", 5.0), (1, 0, "y", 1.0), (1, 1, "x", 9.0), (2, 0, "y", 1.0))
    rows = course.rows(course.fit(scale="none", missing=missing))
    assert rows.values[1, 0] == expected  # the training mean or the line, not the 5 of the person before
    assert rows.values[3, 0] == 7.0
    assert rows.gap_hours[1].tolist() == [0, 0]


def test_nothing_is_carried_into_a_window() -> None:
    state = COURSE.fit(scale="none")
    keys = {"person": np.array([0]), "episode_start": np.array([0]), "time": np.array([6 * HOUR])}
    window = one_each(COURSE.timeline, **keys, history=3 * HOUR)
    rows = RowPreparation(COURSE.timeline, state).rows(window, np.array([0]))
    assert rows.values.tolist() == [[4.0, 9.0], [6.0, 9.0]]
    assert rows.gap_hours.tolist() == [[2, 2], [3, 1]]


def test_categories_are_one_column_a_level_and_one_for_the_rest() -> None:
    course = Course((0, 0, "ward", "A"), (0, 1, "x", 1.0), (0, 2, "ward", "B"), (1, 0, "ward", "A"))
    state = course.fit(min_people=1, missing="last")
    assert state.columns == ["ward = A", "ward = B", "ward = (other)", "x"]
    assert course.rows(state).values[:3, :3].tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert course.rows(state).observed[:3, 0].tolist() == [True, False, True]
    new = Course((0, 0, "ward", "Z"), (0, 1, "x", 1.0), (0, 2, "x", 1.0))
    assert new.rows(state).values[0, :3].tolist() == [0, 0, 1]
    shares = course.rows(course.fit(missing="mean")).values[1, :3]
    assert shares.tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert course.rows(course.fit(missing="zero")).values[1, :3].tolist() == [0, 0, 0]
    for limit, stands in (("60min", 1), ("59min", pytest.approx(2 / 3))):
        assert course.rows(course.fit(carry_limit=limit)).values[1, 0] == stands


def test_facts_are_scaled_and_say_whether_they_are_known() -> None:
    course = Course(
        *((p, 0, "x", 1.0) for p in range(3)),
        *((0, None, "height", 160.0), (1, None, "height", 180.0), (0, None, "sex", "f"), (2, None, "sex", "z")),
    )
    state = course.fit(min_people=1)
    few = Course((0, 0, "x", 1.0), (0, None, "sex", "unheard of"))
    static = prepare_static(course.facts, state, course.sequences, np.arange(3))
    assert static.tolist() == [[-1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert prepare_static(few.facts, state, few.sequences, np.arange(1)).tolist() == [[0, 0, 0, 0, 1]]


def test_implausible_values_are_taken_out_at_the_limits_and_told() -> None:
    events = events_of(
        *((0, hour, "x", float(value), 2 * hour) for hour, value in enumerate([39, 40, 300, 301])), (0, 9, "y", 1e9)
    )
    kept, gone = without_implausible(events, {"x": [40.0, 300.0]})
    assert kept["numeric_value"].to_list() == [40, 300, 1e9]
    assert gone["known"].dt.hour().to_list() == [0, 6]
    assert kept.schema == events.schema


def test_flags_name_what_is_missing_out_of_range_unseen_and_implausible() -> None:
    training = Course(
        *((p, 0, "x", 10.0 * (p % 4)) for p in range(40)),
        *((p, 1, "ward", "AB"[p % 2]) for p in range(40)),
        *((p, None, "sex", "fm"[p % 2]) for p in range(40)),
    )
    state = training.fit(min_people=2)
    events = events_of(
        *((0, 0, "x", 99.0), (0, 1, "ward", "A"), (0, None, "sex", "f"), (1, 0, "x", 15.0), (1, 1, "ward", "Z")),
        *((1, None, "sex", "d"), (2, 0, "x", 15.0), (2, 1, "y", 1.0), (3, 0, "x", 15.0), (3, 2, "x", 5000.0)),
        *((4, 0, "x", 5000.0), (4, 2, "x", 15.0)),
    )
    kept, gone = without_implausible(events, {"x": [0.0, 1000.0]})
    new = Course(*_rows(kept), people=6)
    words = flag_words(new.timeline, new.facts, state, new.sequences, gone)
    assert words == [
        "out of range: x",
        "unseen category: ward, sex",
        "missing: ward, sex",
        "missing: ward, sex; out of range: x",
        "missing: ward, sex",
        "nothing known; missing: ward, x, sex",
    ]


def test_flags_are_of_what_was_known_at_the_prediction_and_of_facts_that_no_record_has() -> None:
    training = Course(
        *((p, 0, "x", 10.0 + p % 4) for p in range(40)),
        *((p, 1, "ward", "AB"[p % 2]) for p in range(40)),
        *((p, 1, "crp", 5.0) for p in range(40)),
        *((p, 1, "crp", "haemolysed") for p in range(40)),
        *((p, None, "sex", "fm"[p % 2]) for p in range(40)),
        *((p, -365.25 * 24 * 50, "MEDS_BIRTH", None) for p in range(40)),
    )
    state = training.fit(min_people=2)
    events = events_of(
        *((0, 0, "x", 12.0), (0, 1, "ward", "B"), (0, 4, "x", 99.0), (0, 6, "x", 5000.0), (0, 9, "ward", "Z")),
        *((0, None, "x", 7000.0), (0, -365.25 * 24, "MEDS_BIRTH", None), (7, 0, "x", 6000.0)),
    )
    kept, gone = without_implausible(events, {"x": [0.0, 1000.0]})
    new = Course(*_rows(kept), people=1)
    asked = {"person": np.zeros(4, dtype=int), "episode_start": np.zeros(4, dtype=int)}
    sequences = one_pass(new.timeline, **asked, time=np.array([-1, 2, 5, 8]) * HOUR)
    assert flag_words(new.timeline, new.facts, state, sequences, gone) == [
        "nothing known; missing: crp, ward, x, sex",
        "missing: crp, sex",
        "missing: crp, sex; out of range: x",
        "missing: crp, sex; out of range: x",
    ]
    later = one_pass(new.timeline, **asked, time=np.array([-1, 2, 2, 12]) * HOUR)
    assert flag_words(new.timeline, new.facts, state, later, gone)[3] == (
        "missing: crp, sex; out of range: x; unseen category: ward"
    )


def test_nothing_is_known_where_records_hold_no_input() -> None:
    training = Course(*((p, 0, "x", 10.0 * (p % 4)) for p in range(40)), *((p, 1, "fall", None) for p in range(40)))
    state = training.fit(min_people=2)
    assert [word.code for word in state.words] == ["fall"]
    new = Course((0, 0, "rare", None), (1, 0, "fall", None), (2, 0, "x", 15.0), (3, 0, "rare", 5.0), people=5)
    _, gone = without_implausible(events_of((0, 0, "x", 1.0)), {})
    assert flag_words(new.timeline, new.facts, state, new.sequences, gone) == [
        "nothing known; missing: x",
        "missing: x",
        "",
        "nothing known; missing: x",
        "nothing known; missing: x",
    ]


def _rows(events: object) -> list[tuple[object, ...]]:
    frame = events.with_columns(hour=events["time"].dt.epoch("us") / HOUR)  # type: ignore[attr-defined]
    values = frame.select("subject_id", "hour", "code", "numeric_value", "text_value").rows()
    return [(person, hour, code, number if text is None else text) for person, hour, code, number, text in values]


def test_a_flag_of_an_outlier_is_not_taken_for_the_value() -> None:
    """With `outliers`, a column that says "outlier" stands beside each number; the range is that of the number."""
    training = Course(*((p, 0, "x", 10.0 + p % 4) for p in range(40)))
    state = training.fit(min_people=2, outliers="iqr")
    assert state.columns == ["x", "x outlier"]
    new = Course((0, 0, "x", 12.0), (1, 0, "x", 99.0), (2, 0, "x", 1.0), people=4)
    nothing = without_implausible(events_of((0, 0, "x", 12.0)), {})[1]
    assert flag_words(new.timeline, new.facts, state, new.sequences, nothing) == [
        *("", "out of range: x", "out of range: x", "nothing known; missing: x")
    ]
    steady = Course(*((p, 0, "x", 10.0) for p in range(40)))
    words = flag_words(steady.timeline, steady.facts, steady.fit(min_people=2), steady.sequences, nothing)
    assert words == [""] * 40
