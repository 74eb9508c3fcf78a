"""A quantity that is another one, plus a constant or plus a third, is recognised, and others are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.audit.relation import pair_relations, relation
from sequela.audit.separation import Purity, Separation, purity, rates_of_others, separation


def times(seed: int, people: int = 200) -> np.ndarray:
    return np.round(np.random.default_rng(seed).exponential(5, people) + 0.1, 3)


@given(
    slope=st.sampled_from([1.0, -1.0, 365.25, 12.0, 1 / 365.25, 2.5]),
    constant=st.floats(-100, 100),
    digits=st.integers(1, 4),
    wrong=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_a_line_is_found_through_rounding_and_typing_errors(
    slope: float, constant: float, digits: int, wrong: int, seed: int
) -> None:
    random, time = np.random.default_rng(seed), times(seed)
    step = 10.0**-digits * abs(slope)
    value = np.round((slope * time + constant) / step) * step
    value[random.choice(len(value), wrong, replace=False)] = 9999.0
    found = relation(value, time, step)
    assert found is not None
    assert found.slope == pytest.approx(slope, rel=0.02)


@given(seed=st.integers(0, 99), correlation=st.floats(0, 0.995))
def test_what_only_goes_with_a_time_is_not_it(seed: int, correlation: float) -> None:
    time = times(seed)
    noise = np.random.default_rng(seed + 1).normal(0, time.std(), len(time))
    value = np.round(correlation * time + np.sqrt(1 - correlation**2) * noise, 3)
    assert relation(value, time, 0.001) is None


@given(seed=st.integers(0, 49), missing=st.floats(0, 0.3))
def test_the_pair_is_found_among_many(seed: int, missing: float) -> None:
    random, time = np.random.default_rng(seed), times(seed)
    columns = np.round(random.normal(50, 10, (20, len(time))), 2)
    columns[7] = columns[3] + np.round(time, 2)
    columns[random.random(columns.shape) < missing] = np.nan
    assert [(pair.of, pair.other, pair.minus) for pair in pair_relations(columns, time)] == [(7, 3, True)]


@given(seed=st.integers(0, 49))
def test_no_pair_is_found_where_there_is_none(seed: int) -> None:
    columns = np.round(np.random.default_rng(seed).normal(50, 10, (30, 200)), 1)
    assert pair_relations(columns, times(seed)) == []


def test_constants_and_few_people_say_nothing() -> None:
    time = times(1)
    assert relation(np.ones(200), time, 1.0) is None
    assert relation(time, np.ones(200), 0.001) is None
    assert relation(time[:15], time[:15], 0.001) is None


@pytest.mark.parametrize(
    ("events", "others", "severity"),
    [(3, 300, None), (300, 3, None), (8, 60, None), (15, 60, "likely"), (60, 15, "likely"), (60, 300, "certain")],
)
def test_perfect_ranking_counts_by_how_many_people_bear_it(events: int, others: int, severity: str | None) -> None:
    label = np.repeat([1.0, 0.0], [events, others])
    found = separation(label, label + np.linspace(0, 0.5, len(label)), np.arange(len(label)))
    assert found is not None
    assert found.severity == severity


@pytest.mark.parametrize(
    ("auroc", "severity"), [(0.96, None), (0.97, None), (0.98, "likely"), (0.9949, "likely"), (0.995, "certain")]
)
def test_no_honest_column_of_many_people_is_as_strong(auroc: float, severity: str | None) -> None:
    assert Separation(auroc=auroc, with_outcome=200, without=200).severity == severity


def test_a_separation_is_of_people_whichever_way_round_and_never_impossible_by_chance() -> None:
    label, person = np.repeat([1.0, 0.0], [40, 60]), np.repeat(np.arange(20), 5)
    for score in (label, -label):
        assert separation(label, score, person) == Separation(auroc=1.0, with_outcome=8, without=12)
    assert Separation(auroc=1.0, with_outcome=200, without=200).by_chance(0.95) == 1 / 2000


def test_an_honest_095_is_let_be_in_all_but_few_draws() -> None:
    random, called = np.random.default_rng(0), 0
    for _ in range(200):
        label = (np.arange(200) < 40).astype(float)
        found = separation(label, random.normal(2.33 * label, 1), np.arange(200))
        called += found is not None and found.severity is not None
    assert called <= 4


def test_names_tell_nothing_of_others() -> None:
    label = (np.arange(100) % 4 == 0).astype(float)
    rates = rates_of_others(np.arange(100), label, np.arange(100))
    assert np.allclose(rates[:5], [label[np.arange(100) % 5 != fold].mean() for fold in range(5)])


@pytest.mark.parametrize(
    ("marked", "always", "reached", "base", "severity"),
    [
        (40, 40, 0.8, 0.5, "certain"),
        (39, 39, 0.8, 0.5, "likely"),
        (40, 40, 0.79, 0.5, "likely"),
        (40, 40, 0.8, 0.51, "likely"),
        (20, 20, 0.5, 0.1, None),  # 0.8^20 = 0.012: so often an honest mark does as well
        (21, 21, 0.5, 0.1, "likely"),  # 0.8^21 = 0.009
        (60, 60, 0.8, 0.9, None),  # 0.95^60 = 0.046
        (100, 99, 0.5, 0.5, "likely"),
        (100, 98, 0.5, 0.5, None),
        (0, 0, 0.0, 0.1, None),
    ],
)
def test_a_mark_comes_of_the_outcome_where_no_honest_one_is_borne_by_so_few_without(
    marked: int, always: int, reached: float, base: float, severity: str | None
) -> None:
    assert Purity(marked=marked, always=always, reached=reached, base=base).severity == severity


def test_people_bear_a_mark_always_where_the_outcome_follows_it_each_time() -> None:
    person = np.array([0, 0, 0, 1, 1, 1, 2, 3])
    label = np.array([1.0, 0, 0, 1, 1, 1, 0, 1])
    mark = np.array([True, True, False, True, True, False, False, False])
    found = purity(mark, label, person)
    assert (found.marked, found.always) == (2, 1)
    assert (found.reached, found.base) == pytest.approx((2 / 3, (1 / 3 + 1 + 0 + 1) / 4))


def test_a_mark_must_be_borne_by_enough_people() -> None:
    label = (np.arange(500) < 100).astype(float)
    few, many = np.arange(500) < 8, np.arange(500) < 90
    assert purity(few, label, np.arange(500)).severity is None
    assert purity(many, label, np.arange(500)).severity == "certain"
