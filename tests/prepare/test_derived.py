"""Codes made of two others: from what was known, and from nothing later."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from sequela.errors import StudyError
from sequela.prepare.derived import check_formulas, not_finite, with_derived
from sequela.records.events import SCHEMA

BEGIN = datetime(1970, 1, 1)
Row = tuple[str, float, float | None, float]  # code, measured at, known at, value


def events(*rows: Row, person: int = 0) -> pl.DataFrame:
    """Contract 1 rows of one person; hours."""
    return pl.DataFrame(
        [
            {
                "subject_id": person,
                "time": BEGIN + timedelta(hours=at),
                "code": code,
                "numeric_value": value,
                "available_time": None if known is None else BEGIN + timedelta(hours=known),
            }
            for code, at, known, value in rows
        ],
        schema=SCHEMA,
    )


def made(formula: str, *rows: Row) -> list[tuple[float, float]]:
    """Return hour and value of what the formula makes, in the order in which it is known."""
    found = with_derived(events(*rows), {"new": formula}).filter(pl.col("code") == "new")
    known = pl.coalesce("available_time", "time").sub(pl.lit(BEGIN)).dt.total_seconds() / 3600
    return found.select(known.alias("hour"), "numeric_value").sort("hour").rows()


@pytest.mark.parametrize(("formula", "value"), [("a + b", 8.0), ("a - b", 4.0), ("a * b", 12.0), ("a / b", 3.0)])
def test_a_formula_takes_the_last_known_value_of_each(formula: str, value: float) -> None:
    assert made(formula, ("a", 0, None, 9), ("b", 1, None, 2), ("a", 1, None, 6))[-1] == (1.0, value)


def test_of_two_values_of_one_instant_the_one_counts_that_counts_elsewhere_in_whatever_order() -> None:
    """A code in two units, which are converted to one."""
    rows: list[Row] = [("a", 0, None, 9), ("a", 0, None, 8), ("b", 0, None, 1)]
    assert made("a / b", *rows) == made("a / b", *rows[::-1]) == [(0.0, 9.0)]


def test_nothing_is_made_before_both_are_known() -> None:
    assert made("a / b", ("a", 0, None, 6), ("b", 1, 5, 2)) == [(5.0, 3.0)]


def test_what_is_no_finite_number_is_counted_and_not_made() -> None:
    rows: list[Row] = [("a", 0, None, 6), ("b", 0, None, 0), ("a", 1, None, 0), ("b", 2, None, 3), ("a", 3, None, 3e38)]
    formulas = {"new": "a / b", "newer": "new * a", "either": "a | b"}
    found = with_derived(events(*rows), formulas)
    assert found.filter(code="new")["numeric_value"].to_list() == [0.0, pytest.approx(1e38)]
    assert found.filter(code="newer")["numeric_value"].to_list() == [0.0]
    assert not_finite(found, formulas) == {"new": 2, "newer": 1}


def test_a_late_value_that_is_older_than_the_last_one_is_never_it() -> None:
    late: list[Row] = [("a", 1, 5, 100), ("b", 1, 6, 50)]
    assert made("a / b", ("a", 0, None, 8), ("a", 2, None, 6), ("b", 3, None, 2), *late) == [(3.0, 3.0)]
    together: list[Row] = [("a", 1, 5, 100), ("a", 2, 5, 6), ("b", 1, 5, 100), ("b", 3, 5, 2)]
    assert made("a / b", *together) == [(5.0, 3.0)]
    assert made("a / b", ("a", 3, None, 6), ("b", 1, 5, 2)) == [(5.0, 3.0)]  # the newest of its own code


@pytest.mark.parametrize("formula", ["a / b", "a | b"])
def test_what_another_person_has_counts_for_nothing(formula: str) -> None:
    one = events(("a", 0, None, 6), ("a", 8, None, 9))
    other = events(("b", 0, None, 2), ("b", 1, None, 3), person=1)
    apart = [with_derived(each, {"new": formula}) for each in (one, other)]
    together = with_derived(pl.concat([one, other]), {"new": formula})
    assert together.equals(pl.concat(apart))
    both = events(("a", 0, None, 6), ("b", 1, None, 2))
    later = both.with_columns(pl.col("time") + timedelta(hours=100), subject_id=pl.lit(0, dtype=pl.Int64))
    earlier = both.with_columns(subject_id=pl.lit(1, dtype=pl.Int64))
    found = with_derived(pl.concat([later, earlier]), {"new": formula}).filter(pl.col("code") == "new")
    assert found["subject_id"].to_list() == ([0, 1] if "/" in formula else [0, 0, 1, 1])


def test_a_formula_may_use_the_ones_above_it_and_rows_stay_in_the_order_in_which_they_are_known() -> None:
    found = with_derived(events(("a", 0, None, 6), ("b", 1, 5, 2), ("a", 2, None, 8)), {"r": "a / b", "s": "r + a"})
    assert found.select("code", "numeric_value").rows() == [("a", 6), ("a", 8), ("b", 2), ("r", 4), ("s", 12)]


def test_facts_and_codes_without_a_number_are_no_part_of_a_formula() -> None:
    fact = events(("a", 0, None, 6)).with_columns(time=pl.lit(None, dtype=pl.Datetime("us")))
    word = events(("a", 0, None, None), ("a", 1, None, None))  # type: ignore[arg-type]
    for formula, expected in (("a - b", []), ("a | b", [2.0])):
        found = with_derived(pl.concat([fact, word, events(("b", 0, None, 2))]), {"new": formula})
        assert found.filter(pl.col("code") == "new")["numeric_value"].to_list() == expected


@pytest.mark.parametrize(
    ("formulas", "says"),
    [
        ({"a": "b / c"}, "the records have a code 'a' already"),
        ({"new": "a / bb"}, "'new' needs 'bb', no such code. Did you mean 'b'"),
        ({"new": "aa / b"}, "'new' needs 'aa', no such code"),
        ({"new": "a / sex"}, "'new' needs 'sex', which has no number with a time"),
        ({"s": "r + a", "r": "a / b"}, "'s' needs 'r', no such code"),
    ],
    ids=str,
)
def test_a_formula_of_what_is_not_measured_is_refused(formulas: dict[str, str], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        check_formulas(formulas, ["a", "b", "c", "sex"], ["a", "b", "c"])
    check_formulas({"r": "a / b", "s": "r + a"}, ["a", "b"], ["a", "b"])


def test_either_takes_the_first_code_where_both_were_measured() -> None:
    assert made("a | b", ("a", 0, None, 1), ("b", 0, None, 2), ("b", 3, None, 4)) == [(0.0, 1.0), (3.0, 4.0)]


def test_either_of_two_units_is_refused_and_two_spellings_of_one_are_not() -> None:
    both = events(("a", 0, None, 120), ("b", 1, None, 16))
    for units in (["mmHg", "mm[Hg]"], ["mmHg", None]):
        with_derived(both.with_columns(unit=pl.Series(units, dtype=pl.String)), {"new": "a | b"})
    with pytest.raises(StudyError, match="'new' takes the values of 'a' and 'b' as one code, and they come in 2 units"):
        with_derived(both.with_columns(unit=pl.Series(["mmHg", "kPa"])), {"new": "a | b"})


def test_a_value_that_comes_later_takes_nothing_away_that_was_known_before() -> None:
    early = made("a | b", ("b", 0, None, 2))
    assert made("a | b", ("b", 0, None, 2), ("a", 0, 9, 1)) == [*early, (9.0, 1.0)]
    assert made("a | b", ("a", 0, None, 1), ("b", 0, 9, 2)) == [(0.0, 1.0)]
    assert made("a | b", ("a", 0, None, 1), ("b", 0, 5, 2), ("a", 0, 9, 3)) == [(0.0, 1.0), (9.0, 3.0)]
