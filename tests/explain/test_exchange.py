from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import HOUR, asked_of, contract

from sequela.cohort.facts import AGE, static_facts
from sequela.explain.exchange import Exchange, Histories

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


Row = tuple[str, int, int, float]  # code, when it was measured and when it became known after the anchor, value


def of_unit(rows: list[tuple], found: Exchange, unit: int, *codes: str) -> list[Row]:
    """Return what the drawn rows say of a unit's person, sorted."""
    anchor, person = int(found.anchor[unit]), int(found.person[unit])
    mine = [row[1:] for row in rows if row[0] == person and row[2] in codes]
    return sorted((code, h * HOUR - anchor, (h + 1) * HOUR - anchor, value) for h, code, value in mine)


def seen_by(unit: int, found: Exchange, rows: list[Row]) -> list[Row]:
    """Return the rows that the last prediction of a unit may see."""
    asked = found.unchanged.asked
    until = int(asked.time[asked.person == unit].max() - found.anchor[unit])
    return [row for row in rows if row[2] <= until]


def series(given: Histories, found: Exchange, unit: int) -> list[Row] | None:
    """Return the records of a unit in the same form, those of the unchanged histories where it is not asked again."""
    number = unit
    if given.exchanged is not None:
        if unit not in given.exchanged.people:
            return series(found.unchanged, found, unit)
        number = int(np.flatnonzero(given.exchanged.people == unit)[0])
    mine = given.events.filter(pl.col("subject_id") == number)
    times = mine.select(pl.col("time", "available_time").to_physical() - int(found.anchor[unit]))
    return sorted(zip(mine["code"], times["time"], times["available_time"], mine["numeric_value"], strict=True))


def check_rest(given: Histories, found: Exchange) -> None:
    """Say that who is asked again is asked at the same times, and that records stand in their order."""
    exchanged, all_asked = given.exchanged, found.unchanged.asked
    assert exchanged is not None
    assert given.people == len(exchanged.people)
    assert given.events.schema == found.unchanged.events.schema
    chosen = exchanged.predictions
    assert exchanged.people[given.asked.person].tolist() == all_asked.person[chosen].tolist()
    assert given.asked.time.tolist() == all_asked.time[chosen].tolist()
    assert given.asked.episode_start.tolist() == all_asked.episode_start[chosen].tolist()
    assert set(chosen) == {r for r, unit in enumerate(all_asked.person) if unit in exchanged.people}
    known = pl.max_horizontal("time", "available_time")
    assert given.events.equals(given.events.sort("subject_id", known, "code", maintain_order=True))


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
    for person, giver in gives:  # each unit from the next one, over and over
        mine, theirs = (np.flatnonzero(found.person == p) for p in (person, giver))
        assert donor[mine].tolist() == np.resize(theirs, len(mine)).tolist()


@given(rows=ROWS, asked=ASKED, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_series_stands_as_far_from_the_receivers_start_as_from_the_donors(
    rows: list[tuple], asked: list[tuple[int, int, int]], seed: int
) -> None:
    rows = [(0, 1, "x", 1), *rows]
    found = exchange(rows, asked, each_prediction=False)
    donor = found.donors(np.random.default_rng(seed))
    after = found.of_series("x", donor)
    check_rest(after, found)
    for unit, giver in enumerate(donor.tolist()):
        received = of_unit(rows, found, giver, "x") + of_unit(rows, found, unit, "y")
        assert series(after, found, unit) == sorted(seen_by(unit, found, received))


@pytest.mark.parametrize("span", [(0.0, 6.0), (6.0, 24.0), (24.0, None)])
@given(rows=ROWS, asked=ASKED, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_within_a_span_only_what_became_known_in_it_is_exchanged(
    span: tuple[float, float | None], rows: list[tuple], asked: list[tuple[int, int, int]], seed: int
) -> None:
    rows = [(0, 1, "x", 1), *rows]
    found = exchange(rows, asked, each_prediction=True)
    donor = found.donors(np.random.default_rng(seed))
    after = found.of_series("x", donor, span)
    check_rest(after, found)

    def inside(row: Row) -> bool:
        since = -max(row[1], row[2]) / HOUR
        return since >= span[0] and (span[1] is None or since < span[1])

    for unit, giver in enumerate(donor.tolist()):
        mine, its = (seen_by(each, found, of_unit(rows, found, each, "x")) for each in (unit, giver))
        expected = [row for row in mine if not inside(row)] + [row for row in its if inside(row)]
        rest = seen_by(unit, found, of_unit(rows, found, unit, "y"))
        assert series(after, found, unit) == sorted(expected + rest)


@pytest.mark.parametrize("each_prediction", [False, True])
@given(rows=ROWS, asked=ASKED, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_only_those_with_a_record_of_the_code_on_either_side_are_asked_again(
    each_prediction: bool, rows: list[tuple], asked: list[tuple[int, int, int]], seed: int
) -> None:
    found = exchange([(0, 1, "x", 1), *rows], asked, each_prediction=each_prediction)
    donor = found.donors(np.random.default_rng(seed))
    after = found.of_series("x", donor)
    assert after.exchanged is not None
    has = {int(person) for person, hour, code, _ in [(0, 1, "x", 1), *rows] if code == "x"}
    pairs = zip(found.person.tolist(), found.person[donor].tolist(), strict=True)
    able = [unit for unit, (mine, its) in enumerate(pairs) if {mine, its} & has]
    assert set(after.exchanged.people.tolist()) <= set(able)
    assert found.of_series("never", donor).people == 0


def test_static_facts_are_exchanged_and_an_age_is_the_donors_at_the_donors_start() -> None:
    year = round(365.25 * 24)
    events = contract([(p, None, "sex", "FMF"[p]) for p in range(3)] + [(p, None, "weight", 70 + p) for p in range(2)])
    records = contract([(0, 5, "x", 1), (1, 5, "x", 2), (1, 100, "x", 3)])
    births = contract([(p, -year * (20 + p), "MEDS_BIRTH", 0) for p in range(3)])
    facts = static_facts(pl.concat([events, births]), 3)
    asked = asked_of(np.arange(3), start=np.array([0, 10, 20]) * year * HOUR)
    found = Exchange(pl.concat([events, births, records]), facts, asked, each_prediction=False)
    assert found.unchanged.events["numeric_value"].to_list() == [1, 2]
    donor = np.array([2, 0, 1])
    sex, weight, age = (found.of_fact(code, donor) for code in ("sex", "weight", AGE))
    assert sex.exchanged is not None
    assert sex.exchanged.people.tolist() == [1, 2]  # the first receives what they are
    assert sex.facts.categories["sex"] == ["F", "M"]
    assert sex.events["numeric_value"].to_list() == [2]
    assert weight.facts.numbers["weight"].tolist() == pytest.approx([np.nan, 70, 71], nan_ok=True)
    before = found.unchanged.facts.age_years(np.arange(3), found.anchor)
    after = age.facts.age_years(np.arange(3), found.anchor)
    assert after == pytest.approx(before[donor])
    assert found.people_with_fact("sex") == found.people_with_fact(AGE) == 3
    assert found.people_with_fact("weight") == 2
    assert found.people_with_fact("height") == 0
    episodes = asked_of(np.repeat(np.arange(3), 2), start=np.tile([0, 5], 3) * HOUR)
    assert (
        Exchange(pl.concat([events, births, records]), facts, episodes, each_prediction=False).people_with_fact("sex")
        == 3
    )


def test_records_after_a_prediction_are_nobodys() -> None:
    found = exchange(
        [(0, 10, "x", 1), (0, 40, "x", 2), (1, 39, "x", 3)], [(0, 0, 30), (0, 0, 32), (1, 0, 30)], each_prediction=True
    )
    assert found.people_with("x") == 1
    assert found.people_with("x", (0.0, 6.0)) == 0
    assert found.people_with("x", (6.0, 24.0)) == 1
