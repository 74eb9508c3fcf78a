"""What the audit is made of: words without few people, series of a code, a target's own past, parts of a split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from sequela.audit.levels import spellings
from sequela.audit.people import copies, overlap
from sequela.audit.quantities import measured_of, outcome_columns, span
from sequela.audit.series import Series, numbered, series_of
from sequela.audit.static import _before_origin, _undated, later_values
from sequela.audit.study import _own_past
from sequela.audit.timing import _at, only_after
from sequela.audit.words import people, share
from sequela.cohort import ForecastQuestion, Split, SplitSettings
from sequela.cohort.facts import AGE, Facts
from sequela.records.events import SCHEMA


@pytest.mark.parametrize(
    ("part", "words"),
    [
        *[(0, "none"), (1, "fewer than 11"), (10, "fewer than 11"), (11, "11 %")],
        *[(89, "89 %"), (90, "all but fewer than 11"), (99, "all but fewer than 11"), (100, "all")],
    ],
)
def test_a_share_tells_of_no_ten_people_and_leaves_none_to_be_worked_out(part: int, words: str) -> None:
    assert share(part, 100) == words


def test_a_share_of_many_that_rounds_to_none_or_all_is_not_called_so() -> None:
    assert [share(part, 5000) for part in (11, 4989)] == ["under 1 %", "over 99 %"]


def test_ten_people_are_few_and_eleven_are_not() -> None:
    assert [people(count) for count in (0, 1, 10, 11)] == ["0 people", *["fewer than 11 people"] * 2, "11 people"]


# Of person 0 the value of hour 1 came last; person 1 has two.
LATE = Series(
    code="x",
    person=np.array([0, 0, 1, 1]),
    known=np.array([2, 9, 1, 5]),
    time=np.array([2, 1, 1, 5]),
    number=np.array([20.0, 10.0, 30.0, 50.0]),
    level=np.full(4, -1),
    levels=(),
)


def test_the_last_record_of_a_code_is_the_last_that_was_known() -> None:
    assert LATE.last_known(np.array([0, 0, 1, 1, 1]), np.array([8, 9, 0, 4, 5]), 3).tolist() == [0, 1, -1, 2, 3]


def test_what_becomes_known_at_a_prediction_is_told_from_what_happened_then() -> None:
    person, time = np.array([0, 0, 1, 2]), np.array([9, 1, 5, 5])
    assert _at(LATE, person, time, 3).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("people", "early", "words"),
    [(19, 0, None), (20, 0, "all stand"), (200, 2, "all but fewer than 11 stand"), (200, 3, None)],
)
def test_a_code_of_the_outcome_comes_with_it_or_after_it_in_99_of_100_records(
    people: int, early: int, words: str | None
) -> None:
    when = np.arange(people) * 1e6 + 1e9
    time = (when - 2 * (np.arange(people) < early)).astype(np.int64)
    time[-1] += 5 * (early > 0)  # one record comes after the outcome
    person = np.arange(people)
    nothing = np.full(people, -1)
    one = Series(code="x", person=person, known=time, time=time, number=when, level=nothing, levels=())
    found = only_after([one], when, ForecastQuestion.model_validate({"target": "y"}), {})
    assert [one.evidence.partition("people, ")[2].partition(" at")[0] for one in found] == [words][: len(found)]
    assert len(found) == (words is not None)


def test_first_and_last_number_of_each_are_those_that_were_measured_then() -> None:
    for which, values, times in (("first", [10.0, 30.0, np.nan], [1, 1, 0]), ("last", [20.0, 50.0, np.nan], [2, 5, 0])):
        value, when = LATE.of_each(which, 3)
        np.testing.assert_array_equal(value, values)
        assert when.tolist() == times


def test_inputs_are_one_number_a_person_what_most_have_first() -> None:
    year, nothing = 365.25 * 86_400_000_000, np.nan
    numbers = {"few": np.array([1.0, 2.0, nothing]), "two": np.array([0.0, 1.0, 1.0]), "same": np.ones(3)}
    facts = Facts(numbers=numbers, categories={}, birth=np.array([-40 * year, -50 * year, nothing]))
    found = measured_of([LATE], facts, 3)
    assert [(one.name, one.lasting) for one in found] == [("two", True), ("few", True), (AGE, False), ("x", False)]
    np.testing.assert_allclose(found[2].value, [40.0, 50.0, nothing])
    np.testing.assert_array_equal(found[3].value, [10.0, 30.0, nothing])
    np.testing.assert_array_equal(found[3].days * 86_400_000_000, [1, 1, nothing])
    assert all(np.isnan(one.days).all() for one in found[:3])


def test_a_person_is_seen_from_the_first_to_the_last_instant_at_which_something_became_known() -> None:
    rows = [(0, 1, 1, "x"), (0, 1, None, "y"), (0, 5, 9, "x"), (0, -9, None, "MEDS_BIRTH"), (2, None, None, "sex")]
    events = pl.DataFrame(rows, ["subject_id", "time", "available_time", "code"], orient="row")
    first, last, instants = span(events.with_columns(pl.col("time", "available_time").cast(pl.Datetime("us"))), 3)
    np.testing.assert_array_equal(np.stack([first, last, instants])[:, 0], [1.0, 9.0, 2.0])
    assert np.isnan(np.stack([first, last, instants])[:, 1:]).all()


@pytest.mark.parametrize(
    ("repeated", "changed", "lasting"), [(50, 0, True), (49, 0, False), (50, 3, False), (60, 3, True)]
)
def test_a_number_lasts_where_it_is_the_same_in_19_of_20_of_many_people_who_have_it_twice(
    repeated: int, changed: int, lasting: bool
) -> None:
    person = np.append(np.repeat(np.arange(repeated), 2), np.arange(repeated, 300))  # the others have it once
    number = person.astype(float)
    number[0 : 2 * changed : 2] += 1000
    nothing, order = np.full(len(person), -1), np.arange(len(person))
    one = Series(code="x", person=person, known=order, time=order, number=number, level=nothing, levels=())
    [found] = measured_of([one], Facts(numbers={}, categories={}, birth=None), 300)
    assert found.lasting is lasting


def test_the_own_past_of_a_target_is_the_persons_own() -> None:
    past = _own_past(LATE, np.array([0, 0, 1, 1, 1]), np.array([2, 9, 0, 1, 5]), 2)
    nothing = np.nan
    np.testing.assert_array_equal(
        past, [[20.0, nothing], [10.0, 20.0], [nothing, nothing], [30.0, nothing], [50.0, 30.0]]
    )


def test_a_fact_is_a_later_value_where_it_differs_from_the_first_and_came_after_the_prediction() -> None:
    count = 60
    number = np.random.default_rng(0).normal(size=(count, 3))
    time, known = np.tile([0, 2, 1], count), np.tile([0, 2, 9], count)  # the second value came last
    one = Series(
        code="x",
        person=np.repeat(np.arange(count), 3),
        known=known,
        time=time,
        number=number.reshape(-1),
        level=np.full(3 * count, -1),
        levels=(),
    )
    same = replace(one, number=np.repeat(number[:, 0], 3))
    values = {"first": number[:, 0], "last": number[:, 1], "mean": number.mean(axis=1)}
    values |= {"low": number.min(axis=1), "high": number.max(axis=1)}
    values |= {name: number[:, 1] + (np.arange(count) < wrong) for name, wrong in (("57 of 60", 3), ("56 of 60", 4))}
    facts = Facts(numbers=values, categories={}, birth=None)
    found = later_values([one, same], facts, np.full(count, 0.5), {})
    few = next(one.evidence for one in found if one.column == "57 of 60")
    assert "for all but fewer than 11 of 60 people in whom" in few
    words = {
        "last": "last value",
        "57 of 60": "last value",
        "mean": "mean",
        "low": "lowest value",
        "high": "highest value",
    }
    assert {each.column: each.evidence.split(" of ")[0].removeprefix("It is the ") for each in found} == words
    assert later_values([one], facts, np.full(count, 2.0), {}) == []


@pytest.mark.parametrize(("levels", "words"), [(100, ["Of its 100 levels 1 differ from"]), (101, [])])
def test_of_a_hundred_levels_spellings_are_told(levels: int, words: list[str]) -> None:
    facts = Facts(numbers={}, categories={"kind": [*map(str, range(levels - 2)), "a  b", "A b", None]}, birth=None)
    assert [one.evidence[: len("Of its 100 levels 1 differ from")] for one in spellings([], facts, {})] == words


@pytest.mark.parametrize(
    ("name", "calendar", "early", "severity", "words"),
    [
        ("region", False, 0, None, ""),
        (
            "region",
            False,
            10,
            "note",
            "It may change, and the study takes it as known from the start. Records of fewer than",
        ),
        ("region", True, 10, None, ""),
        ("bmi", False, 0, "note", "It can change, and the study takes it as known from the start. No record precedes"),
        ("bmi", False, 50, "likely", "Records of 50 % of 100 people precede the origin"),
        ("bmi", True, 0, "likely", "Nothing says when it was measured."),
        ("height", False, 50, None, ""),
        ("age", True, 0, None, ""),
        ("discharge_weekday", False, 0, "likely", "By its name it is known at the end only"),
        ("age at death", False, 0, "likely", "By its name"),
    ],
)
def test_a_static_column_is_judged_by_its_name_and_by_what_precedes_it(
    name: str, calendar: bool, early: int, severity: str | None, words: str
) -> None:
    found = _undated(name, calendar, early, 100, None)
    assert (found and found.severity) == severity
    assert found is None or words in found.evidence


def test_people_are_counted_whose_records_precede_the_origin() -> None:
    rows = [(0, -5, "x"), (0, -1, "x"), (1, 0, "x"), (2, -9, "MEDS_BIRTH"), (3, None, "sex")]
    events = pl.DataFrame(rows, ["subject_id", "time", "code"], orient="row")
    assert _before_origin(events.with_columns(pl.col("time").cast(pl.Datetime("us")))) == (1, 2)


def rows_of(count: int, code: str = "x") -> pl.DataFrame:
    rows = [{"subject_id": person, "code": code, "numeric_value": 1.0} for person in range(count)]
    return pl.DataFrame(rows, schema_overrides=SCHEMA).with_columns(time=pl.lit(0).cast(pl.Datetime("us")))


@pytest.mark.parametrize(
    ("count", "code", "codes"),
    [(10, "x", []), (11, "x", ["x"]), (11, "MEDS_BIRTH", []), (11, "MEDS_DEATH", ["MEDS_DEATH"])],
)
def test_a_code_of_ten_people_is_not_looked_at_and_a_birth_is_none(count: int, code: str, codes: list[str]) -> None:
    rows = rows_of(count, code).with_columns(
        text_value=pl.lit(None, pl.String), available_time=pl.lit(None, pl.Datetime("us"))
    )
    assert [one.code for one in series_of(pl.concat([rows, rows]))] == codes


def test_words_are_numbered_in_their_order_and_none_is_none() -> None:
    number, words = numbered(pl.Series(["b", None, "a", "b"]))
    assert (number.tolist(), words) == ([1, -1, 0, 1], ("a", "b"))


def test_records_of_a_code_stand_in_the_order_in_which_they_were_known() -> None:
    stamps = pl.DataFrame({"time": [1, 5], "available_time": [9, None]}).select(pl.all().cast(pl.Datetime("us")))
    rows = rows_of(11).drop("time").join(stamps, how="cross").with_columns(text_value=pl.lit(None, pl.String))
    [one] = series_of(rows)
    assert one.known[:2].tolist() == [5, 9]
    assert one.time[:2].tolist() == [5, 1]


def test_a_column_of_outcomes_is_of_those_with_one_value() -> None:
    rows = pl.concat([rows_of(3), rows_of(1).with_columns(numeric_value=pl.lit(2.0, pl.Float32))])
    np.testing.assert_array_equal(outcome_columns(rows, 4)["x"], [np.nan, 1.0, 1.0, np.nan])


def split(*part: int) -> Split:
    return Split(part=np.array(part, dtype=np.int8), fold=0, excluded={})


def test_a_prediction_that_is_left_out_stands_in_no_part() -> None:
    person, by = np.array([0, 0, 1, 1]), SplitSettings()
    assert overlap(person, [split(0, -1, 2, 2)], by) == []
    assert [one.severity for one in overlap(person, [split(0, 0, 2, 2), split(0, 0, 2, 1)], by)] == ["certain"]


@pytest.mark.parametrize(
    ("part", "severity"), [((0, 0, 0), "note"), ((0, 2, 1), "certain"), ((0, -1, 1), "note"), ((-1, -1, 2), "note")]
)
def test_copies_are_a_leak_where_both_stand_in_a_part_and_in_two(part: tuple[int, ...], severity: str) -> None:
    found = copies(with_a_copy(30), np.arange(3), [split(0, 0, 0), split(*part)], 3)
    assert [one.severity for one in found] == [severity]
    assert "of fewer than 11 people stand" in found[0].evidence


@pytest.mark.parametrize(("rows", "count"), [(4, 3), (18, 10**6)])
def test_few_values_agree_by_chance(rows: int, count: int) -> None:
    """
    A copy of 4 values weighs (4 log2(12 / 2) + 3 log2(12 / 6)) / 2 = 6.7 bits, and 23.2 are needed among 3 people; one
    of 18 values 48.5 bits, and 59.9 are needed among a million.
    """
    assert copies(with_a_copy(rows), np.arange(3), [split(0, 2, 1)], count) == []


def test_what_everybody_has_tells_no_copies() -> None:
    codes = [f"c{k}" for k in range(120)]
    one = pl.DataFrame({"code": codes, "numeric_value": 1.0, "text_value": None, "time": 0})
    other = one.with_columns(time=pl.int_range(120, dtype=pl.Int32))
    frames = [frame.with_columns(subject_id=pl.lit(person)) for person, frame in enumerate([one, one, other])]
    assert copies(pl.concat(frames), np.arange(3), [split(0, 2, 1)], 3) == []


@pytest.mark.parametrize("part", [(0, 2, 1), (0, 0, 0)])
def test_of_copied_histories_the_people_are_counted(part: tuple[int, ...]) -> None:
    events = pl.concat([with_a_copy(30, seed=k).with_columns(pl.col("subject_id") + 3 * k) for k in range(6)])
    [found] = copies(events, np.arange(18), [split(*part * 6)], 18)
    assert found.evidence.startswith("The histories of 12 people stand under")


def with_a_copy(rows: int, seed: int = 0) -> pl.DataFrame:
    """Return values of three people: the second person's are the first one's, some time later."""
    numbers = np.random.default_rng(seed).normal(size=rows)
    one = pl.DataFrame({"code": "x", "numeric_value": numbers, "time": np.arange(rows) * 7})
    other = one.with_columns(numeric_value=-pl.col("numeric_value"), time=pl.col("time") * 2)
    histories = [(0, one), (1, one.with_columns(pl.col("time") + 999)), (2, other)]
    events = pl.concat([frame.with_columns(subject_id=pl.lit(person)) for person, frame in histories])
    return events.with_columns(text_value=pl.lit(None, pl.String))
