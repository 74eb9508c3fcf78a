from __future__ import annotations

import numpy as np
import pytest
from golden_numbers import numbers, one_person

from sequela.batch import PROVENANCE
from sequela.prepare.impute import DecayFill, LastFill, LinearFill, decayed, fit_fill
from sequela.prepare.rules import Column

VALUES, HOURS = numbers("column_imputers", "values"), numbers("column_imputers", "hours")


def words(codes: np.ndarray) -> list[str]:
    return [PROVENANCE[code] for code in codes]


@pytest.mark.parametrize("rule", ["zero", "mean", "last", "linear"])
def test_what_is_filled_is_that_of_scikit_learn_and_scipy(rule: str) -> None:
    column = one_person(VALUES, HOURS)
    filled = fit_fill(rule, column).fill(column)  # type: ignore[arg-type]
    assert np.allclose(filled.values, numbers("column_imputers", rule), rtol=1e-12, atol=1e-12)


COLUMN = Column(
    values=np.array([np.nan, 8.0, np.nan, np.nan, np.nan, np.nan]),
    begin=np.array([0, 0, 0, 0, 4, 4]),
    hours=np.array([0.0, 2, 5, 30, 0, 1]),
)


def test_each_cell_says_where_its_number_comes_from() -> None:
    expected = {
        "zero": ["zero", "measured", "zero", "zero", "zero", "zero"],
        "mean": ["mean", "measured", "mean", "mean", "mean", "mean"],
        "last": ["mean", "measured", "carried", "carried", "mean", "mean"],
        "linear": ["carried", "measured", "carried", "carried", "mean", "mean"],
        "decay": ["mean", "measured", "decay", "decay", "mean", "mean"],
    }
    for rule, told in expected.items():
        assert words(fit_fill(rule, COLUMN).fill(COLUMN).provenance) == told  # type: ignore[arg-type]


def test_a_value_is_carried_up_to_the_limit_and_no_further() -> None:
    filled = LastFill(mean=4.0, carry_limit_hours=3.0).fill(COLUMN)
    assert filled.values.tolist() == [4, 8, 8, 4, 4, 4]
    assert words(filled.provenance)[2:4] == ["carried", "mean"]


def test_the_age_of_a_late_value_counts_from_its_own_measurement() -> None:
    late = Column(values=COLUMN.values, begin=COLUMN.begin, hours=COLUMN.hours, measured_hours=COLUMN.hours - 1)
    assert LastFill(mean=4.0, carry_limit_hours=3.0).fill(late).values.tolist() == [4, 8, 4, 4, 4, 4]


def test_linear_goes_from_neighbour_to_neighbour_in_time_and_not_into_the_next_sequence() -> None:
    values = np.array([np.nan, 2.0, np.nan, 10.0, np.nan, np.nan, 100.0, np.nan])
    column = Column(values=values, begin=np.array([0, 0, 0, 0, 0, 5, 5, 7]), hours=np.array([0.0, 1, 2, 5, 9, 0, 3, 0]))
    filled = LinearFill(mean=-1.0).fill(column)
    assert filled.values.tolist() == [2, 2, 4, 10, 10, 100, 100, -1]
    told = ["carried", "measured", "linear", "measured", "carried", "carried", "measured", "mean"]
    assert words(filled.provenance) == told


def test_decay_fades_from_the_last_value_to_the_training_mean() -> None:
    last, gap = np.array([8.0, 8.0, 8.0, 8.0]), np.array([0.0, 1.0, 2.0, 1e6])
    assert decayed(last, 4.0, gap, weight=np.log(2), offset=0.0).tolist() == pytest.approx([8, 6, 5, 4])
    assert decayed(last, 4.0, gap, weight=-1.0, offset=0.0).tolist() == [8, 8, 8, 8]  # never grows
    assert DecayFill(mean=4.0).fill(COLUMN).values.tolist() == [4, 8, 8, 8, 4, 4]


def test_a_variable_without_any_value_is_filled_with_zero() -> None:
    empty = one_person(np.full(3, np.nan))
    for rule in ("zero", "mean", "last", "linear", "decay"):
        assert fit_fill(rule, empty).fill(empty).values.tolist() == [0, 0, 0]  # type: ignore[arg-type]
