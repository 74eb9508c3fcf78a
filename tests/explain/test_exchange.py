from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import HOUR, asked_of, contract

from sequela.cohort.facts import AGE, static_facts
from sequela.explain.exchange import Exchange

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 60), st.sampled_from("xy"), st.integers(-9, 9)), max_size=40
)
ASKED = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0, 10, 20]), st.integers(20, 50)), min_size=2, max_size=12
).filter(lambda asked: len({row[0] for row in asked}) > 1)


def exchange(rows: list[tuple], asked: list[tuple[int, int, int]], *, each_prediction: bool) -> Exchange:
    events = contract(rows).with_columns(pl.col("time").dt.offset_by("1h").alias("available_time"))
    person, start, time = np.array(sorted(set(asked))).T
    question = asked_of(person, time * HOUR, start * HOUR)
    return Exchange(events, static_facts(events, 5), question, each_prediction=each_prediction)


def series(events: pl.DataFrame, unit: int, anchor: int, *codes: str) -> list[tuple]:
    """Return the records of codes as (code, time and availability after the anchor, value), sorted."""
    mine = events.filter((pl.col("subject_id") == unit) & pl.col("code").is_in(codes))
    times = mine.select(pl.col("time", "available_time").to_physical() - anchor)
    return sorted(zip(mine["code"], times["time"], times["available_time"], mine["numeric_value"], strict=True))


@pytest.mark.parametrize("each_prediction", [False, True])
@given(asked=ASKED, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_everybody_receives_from_one_other_person_and_gives_to_one(
    each_prediction: bool, asked: list[tuple[int, int, int]], seed: int
) -> None:
    found = exchange([(0, 1, "x", 1)], asked, each_prediction=each_prediction)
    donor = found.donors(np.random.default_rng(seed))
    gives = {(int(p), int(d)) for p, d in zip(found.person, found.person[donor], strict=True)}
    people = set(found.person.tolist())
    assert all(p != d for p, d in gives)
    assert len(gives) == len(people)
    assert {d for _, d in gives} == people


@given(rows=ROWS, asked=ASKED, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_series_stands_as_far_from_the_receivers_start_as_from_the_donors(
    rows: list[tuple], asked: list[tuple[int, int, int]], seed: int
) -> None:
    found = exchange([(0, 1, "x", 1), *rows], asked, each_prediction=False)
    donor = found.donors(np.random.default_rng(seed))
    after = found.of_series("x", donor)
    assert after.events.schema == found.events.schema
    for unit, giver in enumerate(donor.tolist()):
        mine, its = int(found.anchor[unit]), int(found.anchor[giver])
        assert series(after.events, unit, mine, "x") == series(found.events, giver, its, "x")
        assert series(after.events, unit, mine, "y") == series(found.events, unit, mine, "y")


@pytest.mark.parametrize("span", [(0.0, 6.0), (6.0, 24.0), (24.0, None)])
@given(rows=ROWS, asked=ASKED, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_within_a_span_only_what_became_known_in_it_is_exchanged(
    span: tuple[float, float | None], rows: list[tuple], asked: list[tuple[int, int, int]], seed: int
) -> None:
    found = exchange([(0, 1, "x", 1), *rows], asked, each_prediction=True)
    donor = found.donors(np.random.default_rng(seed))
    after = found.of_series("x", donor, span)

    def inside(row: tuple) -> bool:
        since = -max(row[1], row[2]) / HOUR
        return since >= span[0] and (span[1] is None or since < span[1])

    for unit, giver in enumerate(donor.tolist()):
        mine = series(found.events, unit, int(found.anchor[unit]), "x")
        its = series(found.events, giver, int(found.anchor[giver]), "x")
        expected = sorted([row for row in mine if not inside(row)] + [row for row in its if inside(row)])
        assert series(after.events, unit, int(found.anchor[unit]), "x") == expected


def test_static_facts_are_exchanged_and_an_age_is_the_donors_at_the_donors_start() -> None:
    year = round(365.25 * 24)
    events = contract([(p, None, "sex", "FMF"[p]) for p in range(3)] + [(p, None, "weight", 70 + p) for p in range(3)])
    births = contract([(p, -year * (20 + p), "MEDS_BIRTH", 0) for p in range(3)])
    facts = static_facts(pl.concat([events, births]), 3)
    asked = asked_of(np.arange(3), start=np.array([0, 10, 20]) * year * HOUR)
    found = Exchange(events, facts, asked, each_prediction=False)
    donor = np.array([1, 2, 0])
    assert found.of_fact("sex", donor).facts.categories["sex"] == ["M", "F", "F"]
    assert found.of_fact("weight", donor).facts.numbers["weight"].tolist() == [71, 72, 70]
    before = found.facts.age_years(np.arange(3), found.anchor)
    after = found.of_fact(AGE, donor).facts.age_years(np.arange(3), found.anchor)
    assert after == pytest.approx(before[donor])
    assert found.people_with_fact("sex") == found.people_with_fact(AGE) == 3
    assert found.people_with_fact("height") == 0


def test_records_after_a_prediction_are_nobodys() -> None:
    found = exchange(
        [(0, 10, "x", 1), (0, 40, "x", 2), (1, 39, "x", 3)], [(0, 0, 30), (1, 0, 30)], each_prediction=True
    )
    assert found.people_with("x") == 1
    assert found.people_with("x", (0.0, 6.0)) == 0
    assert found.people_with("x", (6.0, 24.0)) == 1
