from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from preparing import HOUR, events_of

from sequela.cohort import Sequences, Timeline, build_timeline, one_each, one_pass
from sequela.cohort.facts import static_facts
from sequela.cohort.settings import ForecastQuestion
from sequela.errors import CohortError, StudyError
from sequela.prepare import PrepareSettings, check_grid, fit_preparation, grid, on_grid
from sequela.prepare.clinical import ClinicalSettings
from sequela.prepare.state import NumberState

EVENTS = events_of(
    *((0, 0.0, "x", 1.0), (0, 0.5, "x", 3.0), (0, 1.0, "x", 5.0), (0, 1.25, "y", 7.0), (0, 4.5, "x", 9.0)),
    *((0, 4.75, "x", 2.0), (0, 5.5, "w", "A"), (0, 6.0, "w", "B"), (0, 2.5, "z", 8.0, 5.25)),
)


def clocked(
    events: Any,
    hours: list[float],
    *,
    start: float = 0.0,
    each: bool = False,
    history: float | None = None,
    **keys: Any,
) -> tuple[Timeline, Sequences]:
    timeline = build_timeline(events, 1)
    time = np.array([round(hour * HOUR) for hour in hours])
    given_keys = {"person": np.zeros_like(time), "episode_start": np.zeros_like(time), "time": time}
    if each or history is not None:
        past = None if history is None else round(history * HOUR)
        sequences = one_each(timeline, **given_keys, history=past)
    else:
        sequences = one_pass(timeline, **given_keys)
    return on_grid(timeline, sequences, PrepareSettings(**{"grid": "1h", **keys}).grid_state)


def rows_of(timeline: Timeline) -> list[tuple[float, dict[str, Any]]]:
    """Return the hour of each step and what it holds."""
    found: list[tuple[float, dict[str, Any]]] = [(float(hour), {}) for hour in timeline.step_time / HOUR]
    for step, v, number, level in zip(
        timeline.step_of_cell, timeline.cell_variable, timeline.cell_number, timeline.cell_level, strict=True
    ):
        found[step][1][timeline.variables[v][0]] = float(number) if level < 0 else timeline.levels[level][1]
    return found


def test_bins_are_right_closed_and_empty_ones_are_steps_from_the_first_record_on() -> None:
    timeline, sequences = clocked(EVENTS, [2.0, 8.0])
    assert rows_of(timeline) == [
        (0.0, {"x": 1.0}),
        (1.0, {"x": 4.0}),
        (2.0, {"y": 7.0}),
        (3.0, {}),
        (4.0, {}),
        (5.0, {"x": 5.5}),
        (6.0, {"w": "B", "z": 8.0}),
        (7.0, {}),
        (8.0, {}),
    ]
    assert sequences.read.tolist() == [2, 8]
    assert (timeline.cell_time == timeline.step_time[timeline.step_of_cell]).all()


@pytest.mark.parametrize(
    ("rule", "expected"), [("last", 2.0), ("min", 2.0), ("max", 9.0), ("sum", 11.0), ("mean", 5.5)]
)
def test_a_bin_sums_up_by_the_rule_of_its_code(rule: str, expected: float) -> None:
    timeline, _ = clocked(EVENTS, [6.0], aggregate={"x": rule, "*": "max"})
    assert dict(rows_of(timeline))[5.0] == {"x": expected}
    timeline, _ = clocked(EVENTS, [6.0], aggregate={"y": rule})
    assert dict(rows_of(timeline))[5.0] == {"x": 5.5}  # the mean, of which nothing is said


def test_a_value_enters_the_bin_in_which_it_became_known() -> None:
    timeline, _ = clocked(EVENTS, [6.0])
    assert [hour for hour, held in rows_of(timeline) if "z" in held] == [6.0]


@pytest.mark.parametrize("rule", ["sum", "mean", "min", "max", "last"])
def test_a_correction_counts_in_the_place_of_what_it_corrects(rule: str) -> None:
    """1200 was typed for 120, and both became known in the same bin; of 7 the correction came in the next one."""
    events = events_of(
        *((0, 0.2, "x", 120.0), (0, 0.6, "x", 1200.0), (0, 0.6, "x", 120.0, 1.0), (0, 1.5, "x", 7.0)),
        *((0, 1.5, "x", 8.0, 2.5), (0, 0.2, "y", 5.0, 0.5), (0, 0.2, "y", None, 0.7)),
    )
    timeline, _ = clocked(events, [3.0], aggregate={"x": rule, "*": "last"})
    whole = 240.0 if rule == "sum" else 120.0
    assert rows_of(timeline) == [(1.0, {"x": whole, "y": 5.0}), (2.0, {"x": 7.0}), (3.0, {"x": 8.0})]


def test_each_episode_has_the_corrections_of_its_own_bins() -> None:
    timeline = build_timeline(events_of((0, 0.2, "x", 1.0), (0, 0.2, "x", 5.0, 0.7)), 1)
    start = np.array([0, HOUR // 2])
    sequences = one_pass(timeline, person=np.zeros(2, dtype=int), episode_start=start, time=start + HOUR)
    made, _ = on_grid(timeline, sequences, PrepareSettings(grid="1h").grid_state)
    assert rows_of(made) == [(1.0, {"x": 5.0}), (0.5, {"x": 1.0}), (1.5, {"x": 5.0})]


def test_before_the_start_only_bins_that_hold_something_are_steps() -> None:
    early = events_of((0, -400.2, "x", 1.0), (0, -2.5, "x", 2.0), (0, 2.5, "x", 3.0))
    timeline, sequences = clocked(early, [4.0])
    assert [hour for hour, _ in rows_of(timeline)] == [-400.0, -2.0, 1.0, 2.0, 3.0, 4.0]
    assert sequences.read.tolist() == [5]


def test_with_nothing_known_yet_nothing_is_read() -> None:
    late = events_of((0, 3.5, "x", 1.0))
    timeline, sequences = clocked(late, [1.0, 3.0, 5.0])
    assert [hour for hour, _ in rows_of(timeline)] == [4.0, 5.0]
    assert sequences.read.tolist() == [-1, -1, 1]


def test_a_window_begins_with_the_bin_of_its_first_record() -> None:
    timeline, sequences = clocked(EVENTS, [3.0, 6.0], history=2.0)
    hours = timeline.step_time / HOUR
    spans = [hours[a:b].tolist() for a, b in zip(sequences.first, sequences.stop, strict=True)]
    assert spans == [[2.0, 3.0], [5.0, 6.0]]


def test_two_episodes_of_a_person_have_clocks_of_their_own() -> None:
    timeline = build_timeline(EVENTS, 1)
    start = np.array([0, HOUR // 2])
    sequences = one_pass(timeline, person=np.zeros(2, dtype=int), episode_start=start, time=start + 2 * HOUR)
    made, moved = on_grid(timeline, sequences, PrepareSettings(grid="1h").grid_state)
    hours = made.step_time / HOUR
    assert [hours[a:b].tolist() for a, b in zip(moved.first, moved.stop, strict=True)] == [
        [0.0, 1.0, 2.0],
        [0.5, 1.5, 2.5],
    ]
    assert made.step_offsets.tolist() == [0, 6]
    assert (moved.read_lag_hours(made) == 0).all()


@pytest.mark.parametrize("hours", [1.0, 2.0])
def test_what_is_learned_of_two_episodes_compares_no_value_of_one_with_those_of_the_other(hours: float) -> None:
    events = events_of(*((0, hour, "x", float(value)) for hour, value in enumerate([1, 2, 4, 60])))
    timeline = build_timeline(events, 1)
    start = np.array([-2, 11]) * HOUR // 4
    time = start + (np.array([hours, 1.0]) * HOUR).astype(np.int64)
    sequences = one_pass(timeline, person=np.zeros(2, dtype=int), episode_start=start, time=time)
    chosen = PrepareSettings(grid="1h", transform="difference", scale="none", min_people=1)
    made, moved = on_grid(timeline, sequences, chosen.grid_state)
    (x,) = fit_preparation(made, static_facts(events, 1), moved, {}, chosen)[0].features
    assert isinstance(x, NumberState)
    changes = {1.0: [1, 2, 56], 2.0: [1, 1, 2, 56]}[hours]  # what both episodes see counts twice
    assert x.fill == np.mean(changes)
    assert x.typical_gap_hours == 1


def test_ranges_and_targets_are_of_values_as_they_were_measured() -> None:
    people = 20
    events = events_of(
        *(
            (p, hour, "x", 100.0 * p + value)
            for p in range(people)
            for hour, value in ((0.2, 0), (0.8, 4), (1.2, 3), (1.8, 7))
        )
    )
    timeline, person = build_timeline(events, people), np.arange(people)
    sequences = one_pass(timeline, person=person, episode_start=0 * person, time=np.full(people, 2 * HOUR))
    clinical = ClinicalSettings(amounts=["x"])
    chosen = PrepareSettings(grid="1h", transform="difference", min_people=1, clinical=clinical)
    made, moved = on_grid(timeline, sequences, chosen.grid_state)
    given_keys = (made, static_facts(events, people), moved, {"x": 100.0 * person + 8}, chosen)
    state, _ = fit_preparation(*given_keys, as_asked=(timeline, sequences))
    assert (state.grid, state.clinical) == (chosen.grid_state, clinical)
    (x,), (target,) = state.features, state.targets
    assert isinstance(x, NumberState)
    assert x.usual == (0, 1907)
    assert (x.fill, target.center) == (3, 1)  # between the means of two bins; from the 7


def test_a_time_between_the_edges_is_refused() -> None:
    with pytest.raises(StudyError, match="edges"):
        clocked(EVENTS, [2.5])


def test_too_many_bins_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_MOST_BINS", 5)
    with pytest.raises(CohortError, match="longer grid"):
        clocked(EVENTS, [90.0])


@pytest.mark.parametrize(
    "keys", [{"at": "every 90min"}, {"at": "every record"}, {"at": ["2h", "150min"]}, {"at": "2h", "history": "90min"}]
)
def test_a_question_between_the_edges_is_refused_before_anything_is_read(keys: dict[str, Any]) -> None:
    question = ForecastQuestion.model_validate({"kind": "forecast", "target": "x", **keys})
    with pytest.raises(StudyError, match='grid = "1h"'):
        check_grid(PrepareSettings(grid="1h"), question)


def test_a_question_on_the_edges_is_taken() -> None:
    question = ForecastQuestion.model_validate({"kind": "forecast", "target": "x", "at": "every 6h", "history": "48h"})
    check_grid(PrepareSettings(grid="1h"), question)
    check_grid(PrepareSettings(), ForecastQuestion.model_validate({"kind": "forecast", "target": "x"}))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), hour=st.integers(1, 30), each=st.booleans())
def test_what_becomes_known_later_changes_no_earlier_bin(seed: int, hour: int, each: bool) -> None:
    generator = np.random.default_rng(seed)

    def record(after: float) -> tuple[Any, ...]:
        time = generator.integers(-80, 120) / 4
        known = max(time, generator.integers(-80, 120) / 4, after)
        return 0, time, str(generator.choice(["x", "y"])), float(generator.normal()), known

    past = [row for row in (record(-99) for _ in range(20)) if row[4] <= hour]
    future = [record(hour + 0.25) for _ in range(12)]
    sights = []
    for rows in (past, past + future):
        made, moved = clocked(events_of((0, -20, "x", 0.0), *rows), [float(hour)], each=each)
        sights.append((rows_of(made)[moved.first[0] : moved.read[0] + 1], moved.lengths.tolist()))
    assert sights[0] == sights[1]
