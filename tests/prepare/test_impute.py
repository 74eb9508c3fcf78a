from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden_numbers import numbers, one_person
from preparing import Course, prepared, sources

from sequela.batch import PROVENANCE
from sequela.prepare.impute import on_the_line
from sequela.prepare.rules import Column

VALUES, HOURS = numbers("column_imputers", "values"), numbers("column_imputers", "hours")


@pytest.mark.parametrize("rule", ["zero", "mean", "last", "linear"])
def test_what_is_filled_is_that_of_scikit_learn_and_scipy(rule: str) -> None:
    x = [(0, hour, "x", value) for hour, value in zip(HOURS, VALUES, strict=True) if not np.isnan(value)]
    course = Course(*x, *((0, hour, "step", None) for hour in HOURS))
    rows = prepared(course, course.fit(missing=rule, scale="none"))
    assert np.allclose(rows.values[:, 0], numbers("column_imputers", rule), rtol=1e-7, atol=0)


def test_a_line_has_the_numbers_of_scipy_in_double_precision() -> None:
    filled = on_the_line(one_person(VALUES, HOURS), mean=0.0)
    assert np.allclose(filled.values, numbers("column_imputers", "linear"), rtol=1e-12, atol=0)


COURSE = Course(
    *((0, 2, "x", 8.0), *((0, hour, "step", None) for hour in (0, 5, 30))),
    *((1, 0, "x", 2.0), *((2, hour, "step", None) for hour in (0, 1))),
)


@pytest.mark.parametrize(
    ("keys", "values", "told"),
    [
        ({"missing": "zero"}, [0, 8, 0, 0], ["zero", "measured", "zero", "zero"]),
        ({"missing": "mean"}, [5, 8, 5, 5], ["mean", "measured", "mean", "mean"]),
        ({"missing": "last"}, [5, 8, 8, 8], ["mean", "measured", "carried", "carried"]),
        ({"missing": "last", "carry_limit": "3h"}, [5, 8, 8, 5], ["mean", "measured", "carried", "mean"]),
        ({"missing": "last", "carry_limit": "2h"}, [5, 8, 5, 5], ["mean", "measured", "mean", "mean"]),
        ({"missing": "linear"}, [8, 8, 8, 8], ["carried", "measured", "carried", "carried"]),
        ({"missing": "decay"}, [5, 8, 8, 8], ["mean", "measured", "decay", "decay"]),
        ({"missing": "decay", "carry_limit": "3h"}, [5, 8, 8, 5], ["mean", "measured", "decay", "mean"]),
    ],
)
def test_each_cell_says_where_its_number_comes_from(keys: dict[str, Any], values: list[float], told: list[str]) -> None:
    state = COURSE.fit(scale="none", **keys)
    rows = prepared(COURSE, state)
    assert rows.values[:, 0].tolist() == values
    assert sources(rows, 0) == told
    never = prepared(COURSE, state, person=2)  # as the first row of those who are measured later, but for the line
    nothing = (0, "zero") if keys["missing"] == "zero" else (5, "mean")
    assert list(zip(never.values[:, 0].tolist(), sources(never, 0), strict=True)) == [nothing] * 2


def test_the_age_of_a_late_value_counts_from_its_own_measurement() -> None:
    late = Course((0, 1, "x", 8.0, 2), *((0, hour, "step", None) for hour in (0, 4, 5)))
    rows = prepared(late, late.fit(carry_limit="3h", scale="none"))
    assert sources(rows, 0) == ["mean", "measured", "carried", "mean"]


def test_linear_goes_from_neighbour_to_neighbour_in_time_and_not_into_the_next_sequence() -> None:
    values = np.array([np.nan, 2.0, np.nan, 10.0, np.nan, np.nan, 100.0, np.nan])
    column = Column(values=values, begin=np.array([0, 0, 0, 0, 0, 5, 5, 7]), hours=np.array([0.0, 1, 2, 5, 9, 0, 3, 0]))
    filled = on_the_line(column, mean=-1.0)
    assert filled.values.tolist() == [2, 2, 4, 10, 10, 100, 100, -1]
    told = ["carried", "measured", "linear", "measured", "carried", "carried", "measured", "mean"]
    assert [PROVENANCE[place] for place in filled.provenance] == told
