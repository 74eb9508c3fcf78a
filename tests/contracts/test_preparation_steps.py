"""What every step of preparation promises, whichever it is."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from preparation_cases import MIN_PEOPLE, STEPS, State, Step, Table, lookback_of, tables

Check = Callable[[Step, Table, int], None]


def _dumped(states: list[State]) -> str:
    return json.dumps([state.model_dump() for state in states], allow_nan=False)


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(
        np.array_equal(one.astype(np.float64).view(np.int64), other.astype(np.float64).view(np.int64))
    )


def _disturbed(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return values that are wholly others, known or not, in some cells."""
    other = np.where(
        np.isnan(values), 77.0, np.where(np.arange(values.size).reshape(values.shape) % 3, np.nan, 1.5 - values)
    )
    return np.where(rows, other, values)


def fitting_other_people_changes_nothing(step: Step, table: Table, row: int) -> None:
    training = table.person <= np.median(table.person) if len(table.person) else table.person > 0
    others = np.broadcast_to(~training[:, None], table.values.shape)
    changed = table.with_values(_disturbed(table.values, others))
    before = table.values.copy()
    assert _dumped(step.fit(table.of(training))) == _dumped(step.fit(changed.of(training)))
    assert np.array_equal(table.values, before, equal_nan=True), "fitting changed what it was given"


def _looks_ahead(states: list[State]) -> bool:
    return any(lookback_of(state, 0) is None for state in states)


def later_rows_change_nothing(step: Step, table: Table, row: int) -> None:
    states = step.fit(table)
    if _looks_ahead(states) or not len(table.values):
        return
    later = np.broadcast_to((np.arange(len(table.values)) > row)[:, None], table.values.shape)
    overwritten = step.apply(states, table.with_values(_disturbed(table.values, later)))
    cut = step.apply(states, table.of(np.arange(len(table.values)) <= row))
    whole = step.apply(states, table)
    assert _same_bits(whole[: row + 1], overwritten[: row + 1])
    assert _same_bits(whole[: row + 1], cut)


def what_is_older_than_the_lookback_changes_nothing(step: Step, table: Table, row: int) -> None:
    states = step.fit(table)
    if _looks_ahead(states) or not len(table.values):
        return
    old = np.stack([_older(table, states[0 if step.together else place], place, row) for place in range(2)], axis=1)
    values = np.where(old, np.where(np.isnan(table.values), np.nan, 40.25 - table.values), table.values)
    assert _same_bits(step.apply(states, table)[row], step.apply(states, table.with_values(values))[row])


def _older(table: Table, state: State, place: int, row: int) -> np.ndarray:
    """Return the values of the row's person that lie before the declared lookback, and all those of other people."""
    lookback = lookback_of(state, place)
    assert lookback is not None
    same = (table.begin == table.begin[row]) & (np.arange(len(table.begin)) <= row)
    measured = np.flatnonzero(same & ~np.isnan(table.values[:, place]))
    old = np.ones(len(table.begin), dtype=bool)
    newest = np.unique(table.hours[measured])[-lookback.values :]  # a measurement and its corrections are of one time
    old[measured[np.isin(table.hours[measured], newest)]] = False
    if lookback.within_hours is not None:
        old |= same & (table.hours[row] - table.hours > lookback.within_hours)
    return old


def plain_numbers_give_the_same_bits(step: Step, table: Table, row: int) -> None:
    states = step.fit(table)
    back = [type(state).model_validate_json(state.model_dump_json()) for state in states]
    assert back == states
    assert _same_bits(step.apply(states, table), step.apply(back, table))


def a_person_alone_gives_the_same_bits(step: Step, table: Table, row: int) -> None:
    states = step.fit(table)
    whole = step.apply(states, table)
    for person in np.unique(table.person):
        own = table.person == person
        assert _same_bits(whole[own], step.apply(states, table.of(own)))


def nothing_is_left_missing_and_what_was_measured_stays(step: Step, table: Table, row: int) -> None:
    given_values = table.values.copy()
    found = step.apply(step.fit(table), table)
    assert np.array_equal(table.values, given_values, equal_nan=True), "applying changed what it was given"
    assert not np.isinf(found).any()
    if step.fills:
        known = ~np.isnan(table.values)
        assert not np.isnan(found).any()
        assert np.array_equal(found[:, :2][known], table.values[known].astype(np.float32))


CHECKS: tuple[Check, ...] = (
    fitting_other_people_changes_nothing,
    later_rows_change_nothing,
    what_is_older_than_the_lookback_changes_nothing,
    plain_numbers_give_the_same_bits,
    a_person_alone_gives_the_same_bits,
    nothing_is_left_missing_and_what_was_measured_stays,
)
SLOW_TO_FIT = "missing regression"
each_step = pytest.mark.parametrize("name", list(STEPS))
each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)


def _keep(name: str, check: Check, data: st.DataObject) -> None:
    step = STEPS[name]
    table = data.draw(tables(positive=step.positive))
    check(step, table, data.draw(st.integers(0, max(len(table.values) - 1, 0))))


@each_check
@pytest.mark.parametrize("name", [name for name in STEPS if name != SLOW_TO_FIT])
@settings(max_examples=50)
@given(data=st.data())
def test_every_step_keeps_its_promises(name: str, check: Check, data: st.DataObject) -> None:
    _keep(name, check, data)


@each_check
@settings(max_examples=10)
@given(data=st.data())
def test_so_does_the_one_that_is_slow_to_fit(check: Check, data: st.DataObject) -> None:
    _keep(SLOW_TO_FIT, check, data)


@pytest.mark.slow
@each_check
@each_step
@settings(max_examples=500)
@given(data=st.data())
def test_every_step_keeps_its_promises_in_many_cases(name: str, check: Check, data: st.DataObject) -> None:
    _keep(name, check, data)


def _edge(values: list[list[float]], person: list[int]) -> Table:
    begin = np.array([person.index(p) for p in person], dtype=np.int64)
    return Table(
        np.array(values, dtype=np.float64).reshape(-1, 2),
        begin,
        np.arange(len(person)) * 1.0,
        np.array(person, dtype=np.int64),
    )


NAN = float("nan")
EDGES = {
    "nobody": _edge([], []),
    "one person": _edge([[1, 2], [3, NAN], [NAN, 5], [2, 2]], [0, 0, 0, 0]),
    "all missing": _edge([[NAN, NAN]] * 4, [0, 0, 1, 1]),
    "a constant column": _edge([[7, 1], [7, 2], [NAN, 3], [7, NAN]], [0, 0, 1, 1]),
    "long gaps": _edge([[5, 6], *[[NAN, NAN]] * 5, [1, NAN]], [0] * 7),
    "one value": _edge([[NAN, NAN], [5, NAN], [NAN, NAN]], [0, 0, 1]),
}


@each_check
@each_step
@pytest.mark.parametrize("edge", list(EDGES))
def test_every_step_works_at_the_edges(name: str, check: Check, edge: str) -> None:
    for row in range(max(len(EDGES[edge].values), 1)):
        check(STEPS[name], EDGES[edge], row)


def test_the_only_step_that_looks_ahead_says_so() -> None:
    table = _edge([[1, 2], [3, NAN], [NAN, 5], [2, 2]], [0, 0, 1, 1])
    ahead = {name for name, step in STEPS.items() if _looks_ahead(step.fit(table))}
    assert ahead == {"missing linear"}


def test_linear_stays_within_its_sequence() -> None:
    step, table = STEPS["missing linear"], _edge([[1, 2], [NAN, NAN], [9, 9], [NAN, 4]], [0, 0, 1, 1])
    states = step.fit(table)
    other = table.with_values(_disturbed(table.values, np.broadcast_to((table.person == 1)[:, None], (4, 2))))
    assert _same_bits(step.apply(states, table)[:2], step.apply(states, other)[:2])


@pytest.mark.parametrize("name", ["scale quantile", "missing knn"])
def test_kept_numbers_rest_on_enough_people(name: str) -> None:
    """One person's own value never stands in the state of a rule that keeps examples of values."""
    values = np.array([[float(10**person), float(person)] for person in range(2 * MIN_PEOPLE)])
    table = _edge(values.tolist(), list(range(2 * MIN_PEOPLE)))
    (kept,) = json.loads(_dumped(STEPS[name].fit(table)))
    quantiles, knn = kept["features"][0]["quantiles"], kept["knn"]
    numbers = quantiles["knots"] if name == "scale quantile" else [row[0] for row in knn["centroids"]]
    assert not set(numbers) & set(values[:, 0].tolist())
